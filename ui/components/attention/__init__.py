"""The attention view: all heads at a glance, one or several of them as lines between tokens and as a matrix.

A Streamlit v2 component; its html, css and scripts lie beside. Knows how a selection travels between the
browser and Python. Does not know models; what it draws comes as a `Picture`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.explain.look import MODES as MODES
from core.explain.look import Head, shape_to_json
from core.explain.look import Look as Look
from core.explain.picture import Picture as Picture
from core.explain.shape import Shape
from ui.colors import ACCENT, DIVERGING, HUES, SECOND

_HERE = Path(__file__).parent
# in order: the scripts are one module, of which the last exports
FILES = (_HERE / "files.txt").read_text(encoding="utf-8").split()
COLORS = {
    theme: {"inks": [ACCENT[theme], SECOND[theme]], "hues": HUES[theme], "diverging": DIVERGING[theme]}
    for theme in ("light", "dark")
}


def _read(ending: str) -> str:
    return "\n".join((_HERE / n).read_text(encoding="utf-8") for n in FILES if n.endswith(ending))


_mount = st.components.v2.component(
    "finesift_attention", html=_read(".html"), css=_read(".css"), js=_read(".js")
)


def attention_view(
    picture: Picture,
    *,
    key: str,
    mode: str = "head",
    layer: int = 0,
    head: int = 0,
    on_select: Callable[[int, int], None] | None = None,
    heads: Sequence[Head] | None = None,
    token: int | None = None,
    lens: str | None = None,
    shape: Shape | None = None,
    on_change: Callable[[Look], None] | None = None,
    controls: bool = True,
) -> None:
    """Draws the view.

    `mode`: "head", "average" (over the heads of the layer), "rollout" (through the layer), "flow" (what
    `Picture.with_flow` was given) or "token" (one token through all layers). `layer` and `head` count from 0 and
    are what Python wants shown; when the user chooses another in the view, `on_select(layer, head)` is called
    before the page runs again, to remember it.

    `heads` (laid over the chosen one), `token` (for "token"), `lens` (for a picture with a base) and `shape` are
    wishes: they are followed when they change. None leaves them to the user, who changes them in the view
    without a run of the page; `on_change(look)` tells the page of any change. `controls`: whether the bar that
    shapes the weights is drawn. Raises ValueError for a mode that this picture has not.
    """
    if mode not in picture.modes:
        raise ValueError(f"this picture's modes are {picture.modes}, not {mode!r}")
    wish = _wish(heads, token, lens, shape)
    state = st.session_state.get(key)
    look = replace(_look(state, wish, picture), mode=mode, layer=layer, head=head)

    def chosen() -> None:
        _notice(st.session_state.get(key), picture, mode, on_select, on_change)

    packet = picture.pack(
        look,
        _turn(state),
        colors=COLORS,
        wish=wish,
        known=_known(state, picture),
        controls=controls,
        listens=on_change is not None,
    )
    _mount(key=key, data=packet, on_head_change=chosen)


def _wish(
    heads: Sequence[Head] | None, token: int | None, lens: str | None, shape: Shape | None
) -> dict[str, Any]:
    """What the page wants, without what it leaves to the user."""
    asked = {
        "heads": None if heads is None else [list(pair) for pair in heads],
        "token": token,
        "lens": lens,
        "shape": None if shape is None else shape_to_json(shape),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _look(state: Any, wish: dict[str, Any], picture: Picture) -> Look:
    """What will be on show: the page's wishes, but for those that the browser has followed already; since then
    the user may have chosen otherwise."""
    told = _told(state)
    followed = told.get("wish")
    seen = followed if isinstance(followed, dict) else {}
    news = {name: value for name, value in wish.items() if name not in seen or seen[name] != value}
    return Look.from_json({**wish, **told, **news}, picture)


def _notice(
    state: Any,
    picture: Picture,
    mode: str,
    on_select: Callable[[int, int], None] | None,
    on_change: Callable[[Look], None] | None,
) -> None:
    """The user chose something: the page is told before it runs."""
    place = _selection(state, picture)
    if place is not None and on_select is not None:
        on_select(*place)
    if on_change is not None:
        on_change(replace(Look.from_json(_told(state), picture), mode=mode))


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


def _known(state: Any, picture: Picture) -> frozenset[str]:
    """The planes of this picture that the browser says it holds; they need not travel again."""
    told = _told(state)
    names = told.get("known")
    if told.get("id") != picture.id or not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))


def _number(state: Any, name: str) -> int | None:
    """A count from the component's state; what comes from a browser may be anything."""
    number = _told(state).get(name)
    return number if isinstance(number, int) and number >= 0 else None


def _told(state: Any) -> dict[str, Any]:
    """What the browser sent last."""
    value = state.get("head") if state else None
    return value if isinstance(value, dict) else {}
