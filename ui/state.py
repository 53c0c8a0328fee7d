"""The handful of named session keys, the cached workspace, and the way from page to page.

Durable facts are in the store; here is only what one browser tab has chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import streamlit as st
from streamlit.navigation.page import Page

from core.settings import read_settings
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent

# name -> (title, section): the order and grouping of the navigation. The icons are in style.css, because a
# material icon given to st.Page is also fetched from the network, as the icon of the browser's tab.
PAGES = {
    "home": ("Home", ""),
    "data": ("Data", "Bring"),
    "annotate": ("Annotate", "Label"),
    "train": ("Train", "Train"),
    "runs": ("Runs", "Train"),
    "classify": ("Classify", "Use"),
    "attention": ("Attention", "Understand"),
    "learn": ("Learn", "Understand"),
}


@st.cache_resource(show_spinner=False)
def _open(environment: tuple[tuple[str, str], ...]) -> Workspace:
    return Workspace.open(read_settings(dict(environment)))


def workspace() -> Workspace:
    """The home folder of this server, opened once for all sessions."""
    settings = read_settings()
    return _open(tuple(sorted(settings.environment().items())))


def current_theme() -> str:
    """“light” or “dark”, as the browser shows it now."""
    return "dark" if st.context.theme.type == "dark" else "light"


# ------------------------------------------------------------------------------------- pages


def page(name: str) -> Page:
    """The page of that name, for `st.navigation`, `st.page_link` and `st.switch_page`."""
    title, _ = PAGES[name]
    path = ROOT / "pages" / f"{name}.py"
    return st.Page(path, title=title, url_path=name, default=name == "home")


def go(name: str, **query: str) -> NoReturn:
    """Switch to a page; `query` (such as data="…", run="…", model="…") becomes its choice and its address."""
    for noun, value in query.items():
        st.session_state[_key(noun)] = value
    st.switch_page(page(name), query_params=query)  # None would raise where a widget is bound to the address


def signed_in() -> str | None:
    """The name of who signed in, where the app asks for that (hosted); None: nobody has to."""
    user = st.user
    if not getattr(user, "is_logged_in", False):
        return None
    return str(user.get("name") or user.get("email") or "") or None


# ------------------------------------------------------------------------------------- choices

# The nouns that a tab has chosen; each is also the name of the query parameter in the address.
DATA, MODEL, RUN, JOB = "data", "model", "run", "job"
WHO = "who"  # the annotator of this tab
VISITED = "visited"  # session key: names of the pages this session has seen


def _key(noun: str) -> str:
    return f"chosen_{noun}"


def chosen(noun: str) -> str | None:
    """The id that this tab has chosen: from the address, or from another page of the same session."""
    value = st.query_params.get(noun) or st.session_state.get(_key(noun))
    return str(value) if value else None


def choose(noun: str, value: str | None) -> None:
    """Remember a choice for the other pages and in the address."""
    if value is None:
        st.session_state.pop(_key(noun), None)
        st.query_params.pop(noun, None)
        return
    st.session_state[_key(noun)] = value
    if st.query_params.get(noun) != value:
        st.query_params[noun] = value


def forget(*ids: str | None) -> None:
    """Drop the choices of things that were just deleted."""
    for noun in (DATA, MODEL, RUN, JOB):
        if chosen(noun) in ids:
            choose(noun, None)


def say(message: str) -> None:
    """A sentence to show as a toast in the next run, also on another page."""
    st.session_state.setdefault("messages", []).append(message)


def messages() -> list[Any]:
    """The sentences that wait to be shown; they are handed out once."""
    return list(st.session_state.pop("messages", []))
