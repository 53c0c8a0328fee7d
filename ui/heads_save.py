"""The grid of heads on show as a file: a page, a picture. Knows cells; how files are made is core's."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from core.explain.export import grid
from core.explain.export.grid import Square
from ui.components.heads import Cell

TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml"}


def save(cells: Sequence[Sequence[Cell]], title: str, caption: str, *, key: str) -> None:
    """A quiet popover with the three files; each is made on its click. `title` and `caption`: plain words."""
    squares = [[Square(cell.text, cell.color, cell.ink, cell.told) for cell in row] for row in cells]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", title.lower()).strip("-.")[:60] or "heads"
    offers = (
        ("html", "Web page (.html)", lambda: grid.page(squares, title, caption)),
        ("png", "Picture (.png)", lambda: grid.figure(squares, title, caption, "png")),
        ("svg", "Picture (.svg)", lambda: grid.figure(squares, title, caption, "svg")),
    )
    with st.popover("Save", icon=":material/download:", key=f"{key}_save"):
        for ending, label, made in offers:
            st.download_button(
                label,
                data=made,
                file_name=f"{name}.{ending}",
                mime=TYPES[ending],
                on_click="ignore",
                key=f"{key}_{ending}",
                width="stretch",
            )
