"""The grid of heads: layers as rows, heads as columns, each cell with a word or figure and a colour, to choose from.

A Streamlit v2 component; its html, css and script lie beside. Knows how a choice travels between the browser and
Python. Does not know what the cells mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "finesift_heads",
    html=(_HERE / "view.html").read_text("utf-8"),
    css=(_HERE / "view.css").read_text("utf-8"),
    js=(_HERE / "view.js").read_text("utf-8"),
)

Head = tuple[int, int]  # layer and head, from 0


@dataclass(frozen=True)
class Cell:
    text: str  # a short word or figure in the cell
    color: str  # "#RRGGBB" behind it; "" for none
    ink: str  # "#RRGGBB" of the text; "" for the page's own
    told: str  # the whole of it in words, on hover and for a screen reader


def heads_grid(
    cells: Sequence[Sequence[Cell]],
    *,
    key: str,
    chosen: Collection[Head],
    on_choose: Callable[[list[Head]], None],
    many: bool,
    name: str,
) -> None:
    """(L, H) cells. `many`: any number may be chosen, whole layers by their names, and a chosen head is drawn as
    switched off; else exactly one. When the user chooses, `on_choose` is called with all that is chosen, before the page
    runs again, to remember it. `name`: what the grid is, for a screen reader."""
    layers, heads = len(cells), len(cells[0]) if cells else 0

    def told() -> None:
        on_choose(_chosen(st.session_state.get(key), layers, heads))

    data = {
        "cells": [[[c.text, c.color, c.ink, c.told] for c in row] for row in cells],
        "chosen": sorted(list(head) for head in chosen),
        "many": many,
        "name": name,
        "turn": _turn(st.session_state.get(key)),
    }
    _mount(key=key, data=data, on_choice_change=told)


def _chosen(state: Any, layers: int, heads: int) -> list[Head]:
    """What the browser sent, as far as this model has it; it may send anything."""
    value = state.get("choice") if state else None
    pairs = value.get("chosen") if isinstance(value, dict) else None
    found: set[Head] = set()
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair):
            layer, head = pair
            if 0 <= layer < layers and 0 <= head < heads:
                found.add((layer, head))
    return sorted(found)


def _turn(state: Any) -> int:
    """How many choices the browser had made when this run began, so that it can tell an answer from a belated one."""
    value = state.get("choice") if state else None
    turn = value.get("turn") if isinstance(value, dict) else None
    return turn if type(turn) is int and turn >= 0 else 0
