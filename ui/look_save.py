"""What is on show as a file: the whole map as one HTML page, the plane on show as PNG or SVG, the weights as numbers.

Knows pictures and what is looked at in them. How files are made is core's; each is made on its click.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import streamlit as st

from core.explain.look import Look
from core.explain.picture import Picture
from core.explain.shape import Shaped, shape
from ui.colors import DIVERGING, SEQUENTIAL

TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml", "npz": "application/octet-stream"}

Array = np.ndarray[Any, Any]


def save(
    picture: Picture, look: Look, caption: str, *, key: str, more: Mapping[str, Array] | None = None
) -> None:
    """A quiet popover with the four files. `caption`: what is shown, plain words; it goes into page and figure. `more`:
    further arrays for the numbers."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", picture.attention.model_name).strip("-.")[:60] or "model"
    with st.popover("Save", icon=":material/download:", key=f"{key}_save"):
        offers = (
            ("html", "Web page (.html)", "All heads, to look at without Finesift.", lambda: page(picture, look, caption)),
            ("png", "Picture (.png)", "What is on show.", lambda: drawn(picture, look, caption, "png")),
            ("svg", "Picture (.svg)", "What is on show, for print.", lambda: drawn(picture, look, caption, "svg")),
            ("npz", "Weights (.npz)", _arrays(picture, more or {}), lambda: npz(picture, more or {})),
        )  # fmt: skip
        for ending, label, sentence, made in offers:
            st.download_button(
                label,
                data=made,
                file_name=f"attention-{name}.{ending}",
                mime=TYPES[ending],
                on_click="ignore",
                key=f"{key}_{'download' if ending == 'npz' else ending}",
                help=sentence,
                width="stretch",
            )


def _arrays(picture: Picture, more: Mapping[str, Array]) -> str:
    across = " and columns (S)" if picture.attention.columns is not None else ""
    size = "T, S" if across else "T, T"
    extra = f", {', '.join(more)}" if more else ""
    return f"Arrays: tokens (T){across}, weights (layers, heads, {size}){extra}; counted from 0."


def title(picture: Picture, look: Look) -> str:
    """What is looked at, in words."""
    layer = f"layer {look.layer + 1}"
    words = {
        "head": f"Layer {look.layer + 1}, head {look.head + 1}",
        "average": f"Average over the heads of {layer}",
        "rollout": f"Rollout through {layer}",
        "flow": "Attention flow through all layers",
        "token": f"“{picture.shown[min(look.token, picture.length - 1)]}” through all layers",
    }[look.mode]
    lens = {"difference": ", difference", "before": ", before", "after": ", after"}[look.lens]
    return words + (lens if picture.base is not None else "")


# ------------------------------------------------------------------------------------- files


def page(picture: Picture, look: Look, caption: str) -> bytes:
    from core.explain.export.page import page as made

    return made(picture, look, f"Attention of {picture.attention.model_name}", caption)


def drawn(picture: Picture, look: Look, caption: str, kind: str) -> bytes:
    """The plane on show, shaped as it is on the screen."""
    from core.explain.export.figure import figure

    weights, rows, columns = plane(picture, look)
    signed = picture.base is not None and look.lens == "difference"
    colors = DIVERGING["light"] if signed else SEQUENTIAL["light"]
    return figure(
        weights, rows, columns, title=title(picture, look), caption=caption, kind=kind, signed=signed, colors=colors
    )  # fmt: skip


def npz(picture: Picture, more: Mapping[str, Array]) -> bytes:
    from core.explain.attention import save_npz

    base = {} if picture.base is None else {"base_weights": np.asarray(picture.base.weights)}
    file = BytesIO()
    save_npz(picture.attention, file, **base, **more)
    return file.getvalue()


# ------------------------------------------------------------------------------------- the plane on show


def plane(picture: Picture, look: Look) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """(R, C) weights as the screen shows them, and the names of rows and columns."""
    if picture.base is None or look.lens == "after":
        return _one(picture, look, "")
    if look.lens == "before":
        return _one(picture, look, "base:")
    after, rows, columns = _one(picture, look, "")
    return after - _one(picture, look, "base:")[0], rows, columns


def _one(picture: Picture, look: Look, of: str) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    if look.mode == "token":
        return _through(picture, look, of)
    name = f"head:{look.layer}:{look.head}" if look.mode == "head" else f"{look.mode}:{look.layer}"
    found = _shaped(picture, look, picture.plane(of + ("flow" if look.mode == "flow" else name)))
    return found.weights, found.row_names, found.column_names


def _through(picture: Picture, look: Look, of: str) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """One token's attention, a row for each layer."""
    layers = [
        _shaped(picture, look, picture.plane(f"{of}average:{layer}")) for layer in range(picture.layers)
    ]
    row = next((at for at, group in enumerate(layers[0].rows) if look.token in group), None)
    weights = np.stack(
        [np.zeros(len(found.columns)) if row is None else found.weights[row] for found in layers]
    )
    return weights, tuple(f"layer {layer + 1}" for layer in range(picture.layers)), layers[0].column_names


def _shaped(picture: Picture, look: Look, weights: Array) -> Shaped:
    """An average or a rollout has no scores that a temperature could divide."""
    asked = look.shape if look.mode == "head" else replace(look.shape, temperature=1.0)
    attention = picture.attention
    return shape(weights, attention.row_side, asked, attention.columns)
