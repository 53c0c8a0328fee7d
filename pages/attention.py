"""Attention: what each head of a model reads, what fine-tuning changed in it, what heads do, why an answer is given.

Which model and text are looked at is asked here; each view is a module of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import streamlit as st

from core.errors import FinesiftError
from core.records import Model
from ui import parts, state
from ui.attention_asked import Asked, fields

VIEWS = {
    "Look": "attention_look",
    "Before and after": "attention_change",
    "Heads": "attention_heads",
    "Explain": "attention_explain",
}


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Attention", "See which tokens each head of a model reads, in a text of your own.")
    picked, text, pair = fields(workspace)
    if picked is None:
        return
    if not text.strip():
        parts.hint("There is no text yet. Type one above.")
        return
    try:
        place = workspace.find_model(picked.id if isinstance(picked, Model) else picked)
    except FinesiftError as error:
        parts.fault(error)
        return
    chosen = st.segmented_control(
        "View",
        list(VIEWS),
        default="Look",
        required=True,
        key="attention_page",
        label_visibility="collapsed",
        bind="query-params",
    )
    _view(VIEWS[str(chosen)])(workspace, Asked(picked, place, text, pair))


def _view(module: str) -> Callable[..., None]:
    """Only the view that is looked at is imported."""
    found: Callable[..., None] = importlib.import_module(f"ui.{module}").show
    return found


main()
