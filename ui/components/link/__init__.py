"""A button that copies an address of this page to the clipboard.

A Streamlit v2 component. The browser knows where the app is served; Python says which page and what follows the
question mark.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "finesift_link",
    html="<div class='link'></div>",
    css=(_HERE / "link.css").read_text("utf-8"),
    js=(_HERE / "link.js").read_text("utf-8"),
)


def copy_link(query: str, *, key: str, label: str = "Copy link") -> None:
    """`query`: what follows the question mark, already percent-encoded."""
    _mount(key=key, data={"query": query, "label": label})
