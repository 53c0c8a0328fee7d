"""Learn: how attention works, with a sentence of the user's own and the model's own numbers.

Which model and sentence are looked at is asked here; each tab is a module of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import streamlit as st

from core.errors import FinesiftError
from core.models.catalogue import BUNDLED
from core.records import Model
from ui import engines, parts, state

TABS = {
    "Step by step": "learn_steps",
    "Why is it built so?": "learn_lessons",
    "Attention and recurrence": "learn_race",
}
EXAMPLE = "The courier lost my parcel because it was mislabelled."


def main() -> None:
    workspace = state.workspace()
    parts.page_header(
        "Learn", "How attention works, with a sentence of your own and the numbers of a real model."
    )
    st.session_state.setdefault("learn_text", st.session_state.get("learn_asked", EXAMPLE))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        picked = parts.pick_model(workspace, include_base=True, key="learn_model")
    with right:
        text = st.text_input("Sentence", key="learn_text", max_chars=400)
    st.session_state["learn_asked"] = text
    tab = st.segmented_control(
        "Part",
        list(TABS),
        default="Step by step",
        required=True,
        key="learn_tab",
        label_visibility="collapsed",
        bind="query-params",
    )
    if not text.strip():
        parts.hint("There is no sentence yet. Type one above.")
        return
    try:
        place = workspace.find_model(picked.id if isinstance(picked, Model) else picked or BUNDLED)
        with st.spinner("Loading the model. The first time takes a few seconds."):
            subject = engines.subject(place)
        _tab(TABS[str(tab)])(workspace, subject, text)
    except FinesiftError as error:
        parts.fault(error)


def _tab(module: str) -> Callable[..., None]:
    """Only the tab that is looked at is imported."""
    found: Callable[..., None] = importlib.import_module(f"ui.{module}").show
    return found


main()
