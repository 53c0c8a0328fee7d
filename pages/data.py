"""Data: bring texts, choose what is text and what is label, and look before training."""

from __future__ import annotations

import streamlit as st

from ui import data_add, data_view, parts, state

LOOK, FILE, HUB = "Your data sets", "Add a file", "From the Hugging Face Hub"


def main() -> None:
    workspace = state.workspace()
    parts.page_header(
        "Data", "Bring texts, say what is text and what is label, and look at them before training."
    )
    views = [LOOK, FILE, HUB] if workspace.datasets() else [FILE, HUB]
    view = choose_view(views)
    if view == LOOK:
        data_view.show(workspace)
        return
    added = data_add.from_file(workspace) if view == FILE else data_add.from_hub(workspace)
    if added is not None:
        state.choose(state.DATA, added.id)
        st.session_state[NEXT] = LOOK
        state.say(f"Added “{added.name}”.")
        st.rerun()


NEXT = "data_next_view"


def choose_view(views: list[str]) -> str:
    """What the page shows now; after an addition that is the new data set."""
    following = st.session_state.pop(NEXT, None)
    if following in views:
        st.session_state["data_view"] = following
    elif st.session_state.get("data_view") not in views:
        st.session_state["data_view"] = views[0]
    picked = st.segmented_control(
        "What to do", views, key="data_view", required=True, label_visibility="collapsed"
    )
    return str(picked or views[0])


main()
