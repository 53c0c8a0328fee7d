"""The way of a text through a model, step by step: eleven pictures, the plan of the model beside them.

A Streamlit v2 component; its html, css and scripts lie beside. Knows how a place (step, layer, head) travels between
the browser and Python. Does not know models; what it draws comes as a `Walk`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from core.explain.steps import Walk
from ui.components.learn.packet import STEPS as STEPS
from ui.components.learn.packet import pack

_HERE = Path(__file__).parent
_STYLES = ("frame.css", "plan.css", "picture.css", "read.css", "end.css")
_SCRIPTS = (
    "ink.js",
    "numbers.js",
    "begin.js",
    "read.js",
    "after.js",
    "end.js",
    "words.js",
    "map.js",
    "view.js",
)


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component(
    "finesift_learn", html=_read("view.html"), css=_read(*_STYLES), js=_read(*_SCRIPTS)
)

Place = tuple[int, int, int]  # step, layer, head, each from 0


def learn_view(walk: Walk, place: Place, *, key: str, on_move: Callable[[Place], None]) -> None:
    """Draws the steps. When the user has gone to another place, `on_move(place)` is called before the page runs
    again, to remember it; the walk of the next run has to be that of its layer."""

    def moved() -> None:
        found = _place(st.session_state.get(key), walk)
        if found is not None:
            on_move(found)

    state = st.session_state.get(key)
    data = pack(walk, place, _number(state, "turn") or 0, _mark(state))
    _mount(key=key, data=data, on_place_change=moved)


def _place(state: Any, walk: Walk) -> Place | None:
    """What the browser sent, if there is such a place."""
    found = tuple(_number(state, name) for name in ("step", "layer", "head"))
    most = (STEPS, len(walk.means), walk.layer.query.shape[0])
    if any(number is None or number >= limit for number, limit in zip(found, most, strict=True)):
        return None
    step, layer, head = found
    return int(step or 0), int(layer or 0), int(head or 0)


def _mark(state: Any) -> str:
    """What the browser says it has: a page that has just been opened has nothing."""
    value = state.get("place") if state else None
    mark = value.get("has") if isinstance(value, dict) else None
    return mark if isinstance(mark, str) else ""


def _number(state: Any, name: str) -> int | None:
    """A count from the component's state; what comes from a browser may be anything."""
    value = state.get("place") if state else None
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
