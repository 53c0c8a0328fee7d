"""The view of a head's queries and keys. Knows the component; how they are read out of a model is core's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.tokens import display_tokens
from core.records import AttentionMap
from ui import look_state, parts
from ui.components.neuron import neuron_view

if TYPE_CHECKING:
    from core.explain.neuron import Neuron


def show(
    read: Callable[[], Neuron], attention: AttentionMap, layer: int, head: int
) -> dict[str, np.ndarray[Any, Any]]:
    """One head of one text, with the tokens of its map. `read` asks the model; a family without such a product is told
    with the reason. Returns the numbers, to save."""
    try:
        with st.spinner("Reading queries and keys."):
            found = read()
    except FinesiftError as error:
        parts.fault(error)
        return {}
    rows, columns = attention.row_side, attention.columns
    neuron_view(
        found.query,
        found.key,
        found.scores,
        found.scale,
        display_tokens(rows.tokens, rows.special),
        rows.special,
        columns=None
        if columns is None
        else (display_tokens(columns.tokens, columns.special), columns.special),
        title=f"Layer {layer + 1}, head {head + 1}",
        key="attention_neuron",
        reader=look_state.wanted().look.token or None,
        on_reader=_follow,
    )
    return {"query": found.query, "key": found.key, "scores": found.scores}


def _follow(place: int) -> None:
    look_state.want(look=replace(look_state.wanted().look, token=place))
