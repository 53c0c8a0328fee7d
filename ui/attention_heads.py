"""What the heads of a model do, what the answer needs them for, and where one reads from one word to another.

Knows which data set the figures are measured on. Each part is a module of its own; computes nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import streamlit as st

from core.records import Dataset, Part
from core.workspace import Workspace
from ui import parts
from ui.attention_asked import Asked, origin

PARTS = {
    "What they do": "heads_roles",
    "Switch off": "heads_off",
    "Importance": "heads_importance",
    "Search": "heads_search",
}


def show(workspace: Workspace, asked: Asked) -> None:
    """The view."""
    chosen = st.pills(
        "About the heads",
        list(PARTS),
        default="What they do",
        required=True,
        key="heads_part",
        label_visibility="collapsed",
        bind="query-params",
    )
    draw: Callable[[Workspace, Asked], Any] = importlib.import_module(f"ui.{PARTS[str(chosen)]}").show
    draw(workspace, asked)


def texts_of(workspace: Workspace, asked: Asked, what_for: str, *, validation: bool = True) -> Dataset | None:
    """The data set whose texts are looked at: the one that the model was trained on, or one to choose. Where there is
    none, or none with validation texts where these are needed, a sentence, and None. `what_for`: "Heads are measured"."""
    _, dataset = origin(workspace, asked)
    if dataset is None:
        dataset = parts.pick_dataset(workspace, label="On the texts of", key="heads_data", labelled_only=True)
    if dataset is None:
        parts.hint(f"{what_for} on the texts of a data set. Bring one with labels on the Data page.")
        return None
    if validation and dataset.parts.get(Part.VALIDATION, 0) < 2:
        parts.hint(f"{what_for} on validation texts, and “{dataset.name}” has fewer than two.")
        return None
    return dataset
