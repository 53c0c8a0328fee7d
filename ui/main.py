"""The frame around every page: navigation, the quiet status in the sidebar, messages from the last run.

Knows the pages by name only. Imports no torch.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # when this file is run by itself, by a test
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from core.errors import FinesiftError  # noqa: E402
from ui import parts, state, status  # noqa: E402
from ui.components.theme import watch_theme  # noqa: E402
from ui.words import escape_markdown  # noqa: E402


def main() -> None:
    page = navigation()
    st.html(Path(__file__).with_name("style.css"))
    # dialogs stand outside the app's element, which alone has the color-scheme that style.css asks for
    st.html(
        "<style>:root{color-scheme:%s}</style>" % ("dark" if state.current_theme() == "dark" else "light")
    )
    for message in state.messages():
        st.toast(escape_markdown(message))
    st.session_state.setdefault(state.VISITED, set()).add(page.url_path)
    try:
        with st.sidebar:
            status.show(state.workspace(), here=page.url_path)
            watch_theme()
        page.run()
    except FinesiftError as error:
        parts.fault(error)


def navigation() -> st.Page:
    """The pages, grouped by the way of working. Sets the title of the browser's tab."""
    groups: dict[str, list[st.Page]] = {}
    for name, (_, section) in state.PAGES.items():
        groups.setdefault(section, []).append(state.page(name))
    page = st.navigation(groups, position="sidebar", expanded=True)
    # an emoji is drawn by the browser itself; a material icon would be fetched from the network
    st.set_page_config(page_title=f"{page.title} · Finesift", page_icon="🌾", layout="wide")
    return page


main()
