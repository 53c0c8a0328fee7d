"""The desk: what comes next, one text at a time or a list, and the component in which labels are given.

Knows which settings the desk has and hands out its ticket. Does not know how answers travel or texts are ranked: the
browser asks the API for texts and sends it the answers, and no run of this page stands between two labels.
"""

from __future__ import annotations

import secrets

import streamlit as st

from api import tickets
from core.desk import Desk
from core.labels import queue
from core.labels.nouns import Annotator, Scheme
from core.records import Dataset
from core.workspace import Workspace
from ui import state
from ui.annotate_progress import ensure_assist
from ui.components.desk import LIST, ONE, Wish, desk_view, reported

DESK = "desk"
MODES = {ONE: "One at a time", LIST: "List"}
SEARCH = "search"
# The search is a field of its own, which stands beside every queue.
QUEUES = {name: title for name, title in queue.STRATEGIES.items() if name != SEARCH}
_TICKETS = "desk_tickets"  # session key: (data set, annotator) -> ticket
_SETTINGS = "desk_settings"  # session key: what this tab has set, also while another view is looked at


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    _desk(workspace, dataset, me)


@st.fragment
def _desk(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    """A fragment: what the browser reports draws the desk anew, not the page."""
    desk = Desk.open(workspace, dataset.id)
    scheme, plan = desk.scheme(), desk.plan()
    if scheme is None:
        return
    ensure_assist(workspace, dataset.id)
    with st.container(horizontal=True, key="desk_next", vertical_alignment="bottom"):
        wish = _next(scheme)
        mode, suggestions = _manner(plan.suggestions)
    desk_view(
        key=DESK,
        ticket=_ticket(workspace, dataset.id, me.id),
        dataset_id=dataset.id,
        annotator_id=me.id,
        labels=scheme.labels,
        several=scheme.several,
        theme=state.current_theme(),
        wish=wish,
        mode=mode,
        suggestions=suggestions,
        spread=plan.spread,
        progress=desk.progress(me.id).to_json(),
    )


# ------------------------------------------------------------------------------------- settings


def _next(scheme: Scheme) -> Wish:
    """What comes next, as the user wants it."""
    query = str(_setting("desk_query", "")).strip()
    strategy = st.selectbox(
        "What comes next",
        list(QUEUES),
        format_func=QUEUES.__getitem__,
        key=_keep("desk_strategy", "auto", list(QUEUES)),
        disabled=bool(query),
        help="Queues that follow the model are random until there is one. Searched texts come in order of the file.",
        width=310,
        on_change=_remember,
        args=("desk_strategy",),
    )
    label = _which(scheme) if strategy == "class" and not query else None
    st.text_input(
        "Search",
        key=_keep("desk_query", ""),
        placeholder="Texts with …",
        width=140,
        on_change=_remember,
        args=("desk_query",),
    )
    pattern = bool(query) and st.toggle(
        "Pattern",
        key=_keep("desk_pattern", False),
        help="Read the search as a regular expression, such as refund|money back.",
        on_change=_remember,
        args=("desk_pattern",),
    )
    if query:
        return Wish(SEARCH, query, pattern)
    return Wish(strategy, label=label)


def _which(scheme: Scheme) -> str | None:
    """The label whose texts are sought."""
    names = {label.id: label.name for label in scheme.labels}
    return st.selectbox(
        "Of which label",
        list(names),
        format_func=lambda one: names.get(one, ""),
        key=_keep("desk_label", next(iter(names), None), list(names)),
        width=240,
        on_change=_remember,
        args=("desk_label",),
    )


def _manner(suggests: bool) -> tuple[str, bool]:
    """How texts are shown: one or a list, with suggestions or without."""
    mode = st.segmented_control(
        "Show",
        list(MODES),
        format_func=MODES.__getitem__,
        key=_keep("desk_mode", ONE, list(MODES)),
        required=True,
        on_change=_remember,
        args=("desk_mode",),
    )
    shown = st.toggle(
        "Suggestions",
        key=_keep("desk_suggestions", True),
        disabled=not suggests,
        help="Hide them to read each text without the model's opinion. Evaluation texts never have one."
        if suggests
        else "Suggestions are switched off for this data set, under People, More.",
        on_change=_remember,
        args=("desk_suggestions",),
    )
    return str(mode or ONE), bool(shown and suggests)


def _setting(key: str, default: object) -> object:
    return st.session_state.get(_SETTINGS, {}).get(key, default)


def _keep(key: str, default: object, options: list[str] | None = None) -> str:
    """Lays the remembered value into the widget of that key, which Streamlit forgets while another view is shown."""
    value = _setting(key, default)
    st.session_state[key] = default if options is not None and value not in options else value
    return key


def _remember(key: str) -> None:
    st.session_state.setdefault(_SETTINGS, {})[key] = st.session_state.get(key)


# ------------------------------------------------------------------------------------- ticket


def _ticket(workspace: Workspace, dataset_id: str, annotator_id: str) -> str:
    """The same for the whole visit, so that a run changes nothing in the browser; a new one where the browser says
    that the server refused it."""
    known: dict[tuple[str, str], str] = st.session_state.setdefault(_TICKETS, {})
    whose = (dataset_id, annotator_id)
    if whose not in known or reported(DESK).refused == known[whose]:
        known[whose] = tickets.issue(
            workspace.settings.home, dataset_id, annotator_id, secrets.token_urlsafe(12)
        )
    return known[whose]
