"""Query and key of one head: how a score comes about, dimension by dimension.

A Streamlit v2 component; its html, css and scripts lie beside, and it shares the attention view's colours and
canvases (scale.js there). What it draws comes as arrays. Does not know models.

The idea of drawing queries, keys and their product as strips is that of the neuron view in Vig (2019), “A Multiscale
Visualization of Attention in the Transformer Model”.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

_HERE = Path(__file__).parent
_SCRIPTS = ("attention/scale.js", "neuron/strips.js", "neuron/view.js")  # one module: the last one exports

Array = np.ndarray[Any, Any]

_mount = st.components.v2.component(
    "finesift_neuron",
    html=(_HERE / "view.html").read_text("utf-8"),
    css=(_HERE / "view.css").read_text("utf-8"),
    js="\n".join((_HERE.parent / name).read_text("utf-8") for name in _SCRIPTS),
)


def neuron_view(
    query: Array,
    key_vectors: Array,
    scores: Array,
    scale: float,
    tokens: Sequence[str],
    special: Sequence[bool],
    *,
    columns: tuple[Sequence[str], Sequence[bool]] | None = None,
    title: str,
    key: str,
    reader: int | None = None,
    on_reader: Callable[[int], None] | None = None,
) -> None:
    """`query` (T, d), `key_vectors` (S, d), `scores` (T, S): what softmax turns into the weights of each row, that is
    the products' sums times `scale` plus whatever the model adds to them; -inf where a token may not be read.

    `tokens` and `special`: T; `columns`: the same of the S tokens that are read, None where they are the same ones.
    `reader`: the place of the token whose query is shown at first (None: the first that is not special). When the user
    keeps another, `on_reader(place)` is called before the page runs again."""

    def chosen() -> None:
        state: Any = st.session_state.get(key)
        place = state.get("reader") if state else None
        if on_reader is not None and isinstance(place, int) and 0 <= place < len(tokens):
            on_reader(place)

    data = pack(query, key_vectors, scores, scale, (tokens, special), columns, title, reader)
    _mount(key=key, data=data, on_reader_change=chosen)


def pack(
    query: Array,
    key_vectors: Array,
    scores: Array,
    scale: float,
    rows: tuple[Sequence[str], Sequence[bool]],
    columns: tuple[Sequence[str], Sequence[bool]] | None,
    title: str,
    reader: int | None,
) -> bytes:
    """One run of bytes, little-endian: the header's length (uint32), the header (JSON, padded to a multiple of four),
    then query, key and scores (float32)."""
    first = next((at for at, fixed in enumerate(rows[1]) if not fixed), 0)
    header = {
        "rows": _side(*rows),
        "columns": _side(*(columns or rows)),
        "size": int(query.shape[1]),
        "scale": float(scale),
        "title": title,
        "reader": first if reader is None or not 0 <= reader < len(rows[0]) else reader,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    arrays = (query, key_vectors, scores)
    return b"".join(
        [
            struct.pack("<I", len(text)),
            text,
            *(np.ascontiguousarray(a, dtype="<f4").tobytes() for a in arrays),
        ]
    )


def _side(tokens: Sequence[str], special: Sequence[bool]) -> dict[str, Any]:
    return {"tokens": list(tokens), "special": [bool(s) for s in special]}
