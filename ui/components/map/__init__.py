"""The map: texts as points on a sheet, to move over, to read one by one, and to select from by lasso or rectangle.

A Streamlit v2 component; its html, css and scripts lie beside. Knows how points travel to the browser and a selection
back. Does not know models or answers: colours and names come as a `Points`. Texts are not in it; the browser fetches
the one under the pointer from the API.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

_HERE = Path(__file__).parent
_SCRIPTS = ("raster.js", "places.js", "view.js")  # one module: the last one exports
TEXTS = "/api/labels/texts"

Array = np.ndarray[Any, Any]


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component(
    "finesift_map", html=_read("view.html"), css=_read("view.css"), js=_read(*_SCRIPTS)
)


@dataclass(frozen=True)
class Entry:
    """One line of the legend."""

    name: str
    color: str  # "#RRGGBB"; "" for points that stay quiet
    count: int


@dataclass(frozen=True)
class Points:
    """n points."""

    version: str  # of the places: the same string, the same `xy` and `rows`
    xy: Array  # (n, 2) float32
    rows: Array  # (n,) row numbers of the data set
    hues: Array  # (n,) into `palette`
    palette: tuple[Entry, ...]
    title: str  # of the legend: what the colours mean

    def pack(self, ticket: str, chosen: Array, turn: int) -> bytes:
        """One run of bytes, little-endian: the header's length (uint32), the header (JSON), then xy (float32), rows
        (uint32), hues (uint16) and chosen (uint8), each part padded to a multiple of four."""
        header = {
            "version": self.version,
            "points": len(self.rows),
            "palette": [{"name": one.name, "color": one.color, "count": one.count} for one in self.palette],
            "title": self.title,
            "colored": self.title,
            "name": f"Map of {len(self.rows):,} texts. {self.title}.",
            "summary": self.in_words(),
            "address": TEXTS,
            "ticket": ticket,
            "turn": turn,
        }
        text = json.dumps(header).encode()
        parts = [struct.pack("<I", len(text)), text]
        for array, kind in ((self.xy, "<f4"), (self.rows, "<u4"), (self.hues, "<u2"), (chosen, "u1")):
            parts.append(np.ascontiguousarray(array, dtype=kind).tobytes())
        return parts[0] + b"".join(_padded(part) for part in parts[1:])

    def in_words(self) -> str:
        """For those who do not see it: what the colours mean and how many points have each."""
        named = ", ".join(f"{one.name} {one.count:,}" for one in self.palette if one.count)
        return f"{len(self.rows):,} texts, alike ones near each other. {self.title}: {named}."


def map_view(
    points: Points,
    *,
    key: str,
    ticket: str,
    chosen: Array,
    on_select: Callable[[Array], None],
) -> None:
    """Draws the map. `chosen`: (n,) bool, what Python takes as selected; `ticket`: for the texts.

    When the user selects, `on_select(rows)` is called before the page runs again: the row numbers, ascending, of
    points on this map.
    """
    turns = f"{key}_turn"

    def selected() -> None:
        found = _selection(st.session_state.get(key), points)
        if found is not None:
            st.session_state[turns], rows = found
            on_select(rows)

    data = points.pack(ticket, chosen, int(st.session_state.get(turns, 0)))
    _mount(key=key, data=data, on_selection_change=selected)


def _selection(state: Any, points: Points) -> tuple[int, Array] | None:
    """(turn, rows), if the browser sent what it can have drawn; anything may come from there."""
    value = state.get("selection") if state else None
    if not isinstance(value, dict) or value.get("version") != points.version:
        return None
    turn, rows = value.get("turn"), value.get("rows")
    if not isinstance(turn, int) or turn < 0 or not isinstance(rows, list) or len(rows) > len(points.rows):
        return None
    if not all(isinstance(row, int) for row in rows):
        return None
    wanted = np.unique(np.array([row for row in rows if 0 <= row < 2**32], dtype=np.int64))
    return turn, wanted[np.isin(wanted, points.rows)]


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
