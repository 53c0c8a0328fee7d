"""What a user does and sees on the pages, as verbs for the tests. Drives AppTest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from tests import homes
from ui import state

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("home", "data", "annotate", "train", "runs", "classify", "attention", "learn")
TITLES = {name: title for name, (title, _) in state.PAGES.items()}
NASTY = "**x** <img src=x onerror=alert(1)> $a$ :red[x] ![a](b) :material/home: :smile: שלום"


def start(page: str = "home", **query: str) -> AppTest:
    """A browser tab that opens the app, then that page with that address."""
    at = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=60).run()
    return go(at, page, **query)


def go(at: AppTest, page: str, **query: str) -> AppTest:
    at.query_params.clear()
    at.query_params.update(query)
    return drawn(at.switch_page(str(ROOT / "pages" / f"{page}.py")).run(), page)


def drawn(at: AppTest, page: str) -> AppTest:
    """It is that page and nothing in it failed."""
    assert [str(e.value) for e in at.exception] == []
    assert at.title[0].value == TITLES[page]
    return at


def press(at: AppTest, key: str, then: str | None = None) -> AppTest:
    """Click a button; the page stays, or is `then`."""
    page = then or next(name for name, title in TITLES.items() if title == at.title[0].value)
    drawn(at.button(key=key).click().run(), page)
    return at.switch_page(
        str(ROOT / "pages" / f"{page}.py")
    )  # st.switch_page alone holds for one run of AppTest


def buttons(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def keys(at: AppTest) -> set[str]:
    return {str(getattr(node, "key", None)) for node in nodes(at)}


def words(at: AppTest) -> str:
    """What stands on the page as text, Markdown escapes taken out."""
    shown = [*at.title, *at.subheader, *at.markdown, *at.caption, *at.error, *at.info, *at.toast]
    text = "\n".join(str(element.value) for element in shown)
    text += "\n".join(str(bar.text) for bar in at.get("progress"))
    return text.replace("\\", "").replace("\u2060", "")


def errors(at: AppTest) -> str:
    return "\n".join(str(e.value) for e in at.error).replace("\\", "")


def nodes(at: AppTest) -> Iterator[Any]:
    """All elements and blocks of the page, dialogs included."""
    waiting: list[Any] = [at._tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Block):
            waiting.extend(node.children.values())


def component_items(at: AppTest, key: str) -> list[dict[str, Any]]:
    """What was handed to the component of that key (class chips, tokens, whole texts)."""
    proto = homes.only([n.proto for n in nodes(at) if getattr(n, "key", None) == key])
    items: list[dict[str, Any]] = json.loads(proto.json)["items"]
    return items


def tab(at: AppTest, key: str, name: str) -> AppTest:
    at.session_state[key] = name
    return at.run()
