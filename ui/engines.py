"""Loaded models for the pages that ask them about single texts, kept for all sessions of this server.

The only place of the screens where torch comes in, and only when one of these functions is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.workspace import ModelPlace

if TYPE_CHECKING:
    from core.explain.attention import AttentionReader
    from core.inference.classifier import Classifier
    from ui.components.attention import Picture


@st.cache_resource(max_entries=3, show_spinner="Loading the model. The first time takes a few seconds.")
def _classifier(folder: str, changed: float) -> Classifier:
    from core.inference.classifier import Classifier

    return Classifier.load(Path(folder))


def classifier(place: ModelPlace) -> Classifier:
    """The classifier of a trained model. Raises BadModel with a sentence when it cannot be loaded."""
    return _classifier(str(place.folder), (place.folder / "config.json").stat().st_mtime)


@st.cache_resource(max_entries=2, show_spinner=False)
def _reader(folder: str, changed: float, name: str) -> AttentionReader:
    from core.explain.attention import AttentionReader

    return AttentionReader.load(Path(folder), name)


@st.cache_resource(max_entries=3, show_spinner=False)  # a map of 512 tokens takes up to 1 GB
def _picture(folder: str, changed: float, name: str, text: str, pair: str | None) -> Picture:
    from ui.components.attention import Picture

    return Picture(_reader(folder, changed, name).read(text, pair))


def attention_picture(place: ModelPlace, text: str, pair: str | None = None) -> Picture:
    """The model's own attention for a text or pair, ready for the screen. Raises BadData or BadModel with a
    sentence."""
    changed = (place.folder / "config.json").stat().st_mtime
    return _picture(str(place.folder), changed, place.name, text, pair)
