"""Loaded models for the pages that ask them about single texts, kept for all sessions of this server.

The only place of the screens where torch comes in, and only when one of these functions is called.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.workspace import ModelPlace

if TYPE_CHECKING:
    import numpy as np

    from core.explain.attention import AttentionReader
    from core.explain.picture import Picture
    from core.explain.states import States
    from core.explain.subject import Subject
    from core.inference.classifier import Classifier


@st.cache_resource(max_entries=3, show_spinner="Loading the model. The first time takes a few seconds.")
def _classifier(folder: str, changed: float) -> Classifier:
    from core.inference.classifier import Classifier

    return Classifier.load(Path(folder))


def classifier(place: ModelPlace) -> Classifier:
    """The classifier of a trained model. Raises BadModel with a sentence when it cannot be loaded."""
    return _classifier(str(place.folder), (place.folder / "config.json").stat().st_mtime)


@st.cache_resource(max_entries=3, show_spinner=False)
def _subject(folder: str, changed: float, name: str) -> Subject:
    from core.explain.subject import Subject

    return Subject.load(Path(folder), name)


def subject(place: ModelPlace) -> Subject:
    """The model under examination, trained or base. Sessions share it and take turns. Raises BadModel or UnsafeModel
    with a sentence when it cannot be loaded."""
    return _subject(str(place.folder), (place.folder / "config.json").stat().st_mtime, place.name)


@st.cache_resource(max_entries=2, show_spinner=False)
def _reader(folder: str, changed: float, name: str) -> AttentionReader:
    from core.explain.attention import AttentionReader

    return AttentionReader.load(Path(folder), name)


def reader(place: ModelPlace) -> AttentionReader:
    """For models that write (T5, Marian); the others are `subject`. Raises BadModel or UnsafeModel with a sentence."""
    return _reader(str(place.folder), (place.folder / "config.json").stat().st_mtime, place.name)


@st.cache_resource(max_entries=3, show_spinner=False)  # a map of 512 tokens takes up to 1 GB
def _picture(_place: ModelPlace, folder: str, changed: float, text: str, pair: str | None) -> Picture:
    from core.explain.attention import read_map
    from core.explain.picture import Picture

    own = subject(_place)
    return Picture(read_map(own, own.read(text, pair)))


def attention_picture(place: ModelPlace, text: str, pair: str | None = None) -> Picture:
    """The model's own attention for a text or pair, ready for the screen. Raises BadData or BadModel with a
    sentence."""
    changed = (place.folder / "config.json").stat().st_mtime
    return _picture(place, str(place.folder), changed, text, pair)


@st.cache_resource(max_entries=2, show_spinner=False)
def _change(
    _before: ModelPlace, _after: ModelPlace, sign: tuple[object, ...], text: str, pair: str | None
) -> tuple[Picture, np.ndarray]:
    from core.explain import change
    from core.explain.picture import Picture

    found = change.both(subject(_before), subject(_after), text, pair)
    return Picture(found.after, base=found.before), found.distances


def attention_change(
    before: ModelPlace, after: ModelPlace, text: str, pair: str | None = None
) -> tuple[Picture, np.ndarray]:
    """A text in two models, ready for the screen, and the (L, H) distances between their heads. Raises BadData or
    BadModel with a sentence where they cannot be compared."""
    return _change(before, after, (_sign(before), _sign(after)), text, pair)


@st.cache_resource(max_entries=1, show_spinner=False)
def _states(_place: ModelPlace, sign: tuple[object, ...], files: tuple[str, ...]) -> States:
    from core.explain.states import States

    return States.load(_place.folder, _place.name, [Path(file) for file in files])


@st.cache_resource(max_entries=2, show_spinner=False)
def _learning(
    _start: ModelPlace, _place: ModelPlace, sign: tuple[object, ...], files: tuple[str, ...], names: tuple[str, ...], text: str, pair: str | None
) -> tuple[list[Picture], np.ndarray]:  # fmt: skip
    from dataclasses import replace

    import numpy as np

    from core.explain.change import head_distances
    from core.explain.picture import Picture

    start, stages = _states(_place, sign, files).maps(subject(_start), text, pair)
    named = [replace(each, model_name=name) for each, name in zip(stages, names, strict=True)]
    pictures = [Picture(each, base=start) for each in named]
    return pictures, np.stack([head_distances(start.weights, each.attention.weights) for each in pictures])


def attention_learning(
    start: ModelPlace, place: ModelPlace, files: tuple[str, ...], names: tuple[str, ...], text: str, pair: str | None = None
) -> tuple[list[Picture], np.ndarray]:  # fmt: skip
    """A text in a base model, in the states that these files hold, and in the model trained from it: S pictures of the
    difference to the start, the start first, and the (S, L, H) distances. `names`: what to call the S states. Raises
    BadData or BadModel with a sentence."""
    return _learning(start, place, (_sign(start), _sign(place)), files, names, text, pair)


def _sign(place: ModelPlace) -> tuple[object, ...]:
    """Changes when another model stands in the same place."""
    return str(place.folder), (place.folder / "config.json").stat().st_mtime, place.name
