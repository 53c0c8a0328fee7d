"""Users' texts on the screen, to the letter: whole texts in boxes, or class names as chips.

The words reach the page by `textContent` only, so nothing in them can become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "finesift_texts",
    html="<div class='root'></div>",
    css=(_HERE / "texts.css").read_text("utf-8"),
    js=(_HERE / "texts.js").read_text("utf-8"),
)


def show_texts(items: Sequence[dict[str, Any]], *, key: str, kind: str, max_height: int | None) -> None:
    """`kind` “block”: items with `text`, and a `title` above it if there is one; “chips”: items with `text`, `color` (#RRGGBB) and `note`;
    “tokens”: items with `text`."""
    _mount(key=key, data={"items": list(items), "kind": kind, "max_height": max_height})
