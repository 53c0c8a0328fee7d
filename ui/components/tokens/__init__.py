"""A text as its tokens, of which one is chosen by click or arrow keys.

A Streamlit v2 component. The words reach the page by `textContent` only, so nothing in them can become markup.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "finesift_tokens",
    html="<div class='row' role='radiogroup'></div>",
    css=(_HERE / "tokens.css").read_text("utf-8"),
    js=(_HERE / "tokens.js").read_text("utf-8"),
)


def pick_token(
    tokens: Sequence[str],
    *,
    key: str,
    chosen: int | None,
    fixed: Sequence[bool] = (),
    marked: Sequence[int] = (),
    label: str = "Tokens",
    on_pick: Callable[[int], None],
    max_height: int = 168,
) -> None:
    """Draws the tokens in order. `fixed`: which of them cannot be chosen; `marked`: places that stand out;
    `chosen`: the place that is. A click on another calls `on_pick(place)` before the page runs again."""

    def picked() -> None:
        state: Any = st.session_state.get(key)
        place = state.get("token") if state else None
        if isinstance(place, int) and 0 <= place < len(tokens) and not (fixed and fixed[place]):
            on_pick(place)

    data = {
        "tokens": list(tokens),
        "fixed": [bool(f) for f in fixed] or [False] * len(tokens),
        "marked": list(marked),
        "chosen": -1 if chosen is None else chosen,
        "label": label,
        "height": max_height,
    }
    _mount(key=key, data=data, on_token_change=picked)
