"""The attention view: all heads at a glance, one of them as lines between tokens and as a matrix.

A Streamlit v2 component; its html, css and scripts lie beside. Knows how a selection travels between the
browser and Python. Does not know models; what it draws comes as a `Picture`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ui.components.attention.picture import MODES as MODES
from ui.components.attention.picture import Picture as Picture

_HERE = Path(__file__).parent
_SCRIPTS = ("scale.js", "heads.js", "lines.js", "matrix.js", "view.js")  # one module: the last one exports


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component(
    "finesift_attention", html=_read("view.html"), css=_read("view.css"), js=_read(*_SCRIPTS)
)


def attention_view(
    picture: Picture,
    *,
    key: str,
    mode: str = "head",
    layer: int = 0,
    head: int = 0,
    on_select: Callable[[int, int], None] | None = None,
) -> None:
    """Draws the view. `mode`: "head", "average" (over the heads of the layer) or "rollout" (through the layer).

    `layer` and `head` count from 0 and are what Python wants shown; when the user chooses another in the
    view, `on_select(layer, head)` is called before the page runs again, to remember it.
    """
    if mode not in MODES:
        raise ValueError(f"mode is one of {MODES}, not {mode!r}")

    def chosen() -> None:
        place = _selection(st.session_state.get(key), picture)
        if place is not None and on_select is not None:
            on_select(*place)

    turn = _turn(st.session_state.get(key))
    _mount(key=key, data=picture.pack(mode, layer, head, turn), on_head_change=chosen)


def _selection(state: Any, picture: Picture) -> tuple[int, int] | None:
    """The user's choice, if the browser sent one that this model has."""
    layer, head = _number(state, "layer"), _number(state, "head")
    if layer is None or head is None or not (layer < picture.layers and head < picture.heads):
        return None
    return layer, head


def _turn(state: Any) -> int:
    """How many selections the browser had made when this run began. It comes back with the picture, so that
    the view can tell an answer to its last selection from a belated one."""
    return _number(state, "turn") or 0


def _number(state: Any, name: str) -> int | None:
    """A count from the component's state; what comes from a browser may be anything."""
    value = state.get("head") if state else None
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) and number >= 0 else None
