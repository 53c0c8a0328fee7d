"""Annotate: the label scheme, the desk, the map, several people, and the way out.

Who labels what is decided here; each view is a module of its own.
"""

from __future__ import annotations

import getpass
import importlib
import secrets
from collections.abc import Callable

import streamlit as st

from core.desk import Desk
from core.errors import FinesiftError
from core.labels.nouns import IMPORTED, Annotator
from core.store import labels as label_rows
from core.workspace import Workspace
from ui import parts, state

VIEWS = {
    "Label": "annotate_desk",
    "Map": "annotate_map",
    "Progress": "annotate_progress",
    "People": "annotate_people",
    "Labels": "annotate_scheme",
    "Files": "annotate_files",
}
NEW = "Somebody else …"


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Annotate", "Read a text, press a key. The model learns beside you.")
    if not workspace.datasets():
        parts.empty_state(
            "No texts yet",
            "Bring a file with texts, labelled or not, and label them here.",
            "Bring texts",
            "data",
            key="annotate_data",
        )
        return
    which, who = st.columns([3, 2], gap="medium")
    with which:
        dataset = parts.pick_dataset(workspace, key="annotate_dataset")
    with who:
        me = _annotator(workspace)
    if dataset is None or me is None:
        return
    if Desk.open(workspace, dataset.id).scheme() is None:
        _view("annotate_scheme")(workspace, dataset, me)
        return
    picked = st.segmented_control(
        "View",
        list(VIEWS),
        default="Label",
        required=True,
        key="annotate_view",
        label_visibility="collapsed",
        bind="query-params",
    )
    _view(VIEWS[str(picked)])(workspace, dataset, me)


def _view(module: str) -> Callable[..., None]:
    """Only the view that is looked at is imported."""
    found: Callable[..., None] = importlib.import_module(f"ui.{module}").show
    return found


# ------------------------------------------------------------------------------------- who


def _annotator(workspace: Workspace) -> Annotator | None:
    """Who labels in this tab: whoever signed in, where the app is hosted; else a name of one's own choice."""
    signed_in = state.signed_in()
    if signed_in:
        with st.container(key="annotate_who"):
            st.text_input("You label as", signed_in, disabled=True, key="annotate_signed_in")
        return label_rows.annotator(workspace.db, signed_in)
    everybody = [person for person in label_rows.annotators(workspace.db) if person.name != IMPORTED]
    people = {person.id: person for person in everybody}
    chosen = state.chosen(state.WHO)
    if chosen not in people:
        return _first_name(workspace, everybody)
    options = [*people, NEW]
    st.session_state["annotate_person"] = chosen
    picked = st.selectbox(
        "You label as",
        options,
        format_func=lambda one: people[one].name if one in people else one,
        key="annotate_person",
        on_change=_change_person,
        help="Each person has answers of their own. Nobody sees the answers of others while labelling.",
    )
    return people.get(str(picked))


def _change_person() -> None:
    picked = st.session_state.get("annotate_person")
    state.choose(state.WHO, None if picked == NEW else picked)
    if picked == NEW:
        st.session_state["annotate_ask"] = True


def _first_name(workspace: Workspace, people: list[Annotator]) -> Annotator | None:
    """Without asking where there is nothing to ask: on a machine of one's own, with one person or none yet."""
    alone = not workspace.settings.demo and len(people) < 2
    if alone and not st.session_state.get("annotate_ask"):
        person = people[0] if people else label_rows.annotator(workspace.db, _own_name(workspace))
        state.choose(state.WHO, person.id)
        st.rerun()
    known = [person.name for person in people]
    name = st.selectbox(
        "You label as",
        known,
        index=None,
        accept_new_options=True,
        placeholder="Choose your name, or type a new one",
        key="annotate_name",
    )
    if not name:
        parts.hint("Say who you are, and your answers are kept under that name.")
        return None
    try:
        person = label_rows.annotator(workspace.db, str(name))
    except FinesiftError as error:
        parts.fault(error)
        return None
    st.session_state.pop("annotate_ask", None)
    state.choose(state.WHO, person.id)
    st.rerun()


def _own_name(workspace: Workspace) -> str:
    if workspace.settings.demo:
        return f"Guest {secrets.token_hex(2)}"
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "Me"


main()
