"""What a tab looks at on the Look view: which view of which layer, head and token, and how the weights are shown.

It comes from the address at the first visit, stays when the user leaves the page and comes back, and goes into the
address. Knows session keys and query parameters; knows no models and draws nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from core.explain.look import Look
from core.explain.picture import Picture

MODES = {
    "head": "One head",
    "token": "One token",
    "average": "Average",
    "rollout": "Rollout",
    "flow": "Flow",
    "neuron": "Query and key",
}
KINDS = {"cross": "Across", "self": "Encoder", "decoder": "Decoder"}
WAYS = ("mask", "word", "out")
PARAMS = ("mode", "layer", "head", "look", "kind", "target", "changed", "way", "swap")
MOST_TARGET = 2000  # characters of a target text in an address
MOST_WORD = 200  # of a word to swap in
_KEY = "attention_look"


@dataclass(frozen=True)
class Wanted:
    """`look` is what the picture shows; “neuron” among the modes is a view of its own, of the look's layer and head."""

    mode: str = "head"  # of MODES
    look: Look = field(default_factory=Look)
    kind: str = "cross"  # of KINDS, for models that write
    target: str = ""  # the text that such a model should have written; "": it writes itself
    at: int | None = None  # the token that is exchanged; None: none
    way: str = "mask"  # how: of WAYS
    swap: str = ""  # by which word, where the way is “word”


def wanted(picture: Picture | None = None) -> Wanted:
    """What this tab wants to see; with a picture, what of it that picture has."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = from_params(st.query_params.to_dict())
    now: Wanted = st.session_state[_KEY]
    if picture is None:
        return now
    fits = Look.from_json({**now.look.to_json(), "mode": "head"}, picture)
    layer = min(now.look.layer, picture.layers - 1)  # the nearest there is, rather than the first
    head = min(now.look.head, picture.heads - 1)
    return replace(now, look=replace(fits, layer=layer, head=head))


def want(**changes: Any) -> None:
    """Remember another wish."""
    st.session_state[_KEY] = replace(wanted(), **changes)


def go_to(layer: int, head: int) -> None:
    want(look=replace(wanted().look, layer=layer, head=head))


def bound(name: str, key: str) -> Callable[[], None]:
    """For `on_change` of the widget of that key: its value becomes the wish `name`."""

    def changed() -> None:
        value = st.session_state.get(key)
        if value is not None:
            want(**{name: value})

    return changed


def address(now: Wanted) -> None:
    """Write what is on show into the address; what is as usual stays out."""
    asked = to_params(now)
    for name in PARAMS:
        if name not in asked:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != asked[name]:
            st.query_params[name] = asked[name]


# ------------------------------------------------------------------------------------- query parameters


def to_params(now: Wanted) -> dict[str, str]:
    """Layer and head count from 1, as on the screen; the rest of the look is JSON."""
    rest = {k: v for k, v in now.look.to_json().items() if k not in ("mode", "layer", "head")}
    found = {
        "mode": now.mode if now.mode != "head" else "",
        "layer": str(now.look.layer + 1),
        "head": str(now.look.head + 1),
        "look": json.dumps(rest, separators=(",", ":")) if rest else "",
        "kind": now.kind if now.kind != "cross" else "",
        "target": now.target if len(now.target) <= MOST_TARGET else "",
        "changed": "" if now.at is None else str(now.at + 1),
        "way": now.way if now.at is not None and now.way != "mask" else "",
        "swap": now.swap if now.at is not None and now.way == "word" else "",
    }
    return {name: value for name, value in found.items() if value}


def from_params(params: dict[str, str]) -> Wanted:
    """The wish in an address. What cannot be read is as usual."""
    try:
        rest = json.loads(params.get("look", "{}"))
    except (ValueError, RecursionError):
        rest = {}
    places = {"layer": _place(params.get("layer", "")), "head": _place(params.get("head", ""))}
    mode, kind, way = (params.get(name, "") for name in ("mode", "kind", "way"))
    at = params.get("changed", "")
    return Wanted(
        mode=mode if mode in MODES else "head",
        look=Look.from_json({**(rest if isinstance(rest, dict) else {}), **places}),
        kind=kind if kind in KINDS else "cross",
        target=params.get("target", "")[:MOST_TARGET],
        at=_place(at) if at else None,
        way=way if way in WAYS else "mask",
        swap=params.get("swap", "")[:MOST_WORD],
    )


def _place(number: str) -> int:
    """“1” is 0."""
    return max(0, int(number) - 1) if number.isascii() and number.isdigit() and len(number) < 5 else 0
