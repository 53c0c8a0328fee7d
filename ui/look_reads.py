"""What the Look view asks a loaded model, each answer kept for a while: attention as written, with a token exchanged,
from a text to its translation, queries and keys, flow.

Like `ui.engines`, torch comes in only when one of these functions is called. Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.explain.picture import Picture
from core.explain.tokens import display_tokens
from core.models.loading import writes
from core.models.sources import check_folder
from core.workspace import ModelPlace
from ui import engines

if TYPE_CHECKING:
    from core.explain.exchange import Exchanged
    from core.explain.families import Reading
    from core.explain.neuron import Neuron
    from core.explain.subject import Piece


@dataclass(frozen=True)
class Written:
    """A model that writes, and a text: a picture for each kind of attention."""

    reading: Reading
    pictures: dict[str, Picture]
    shown: tuple[str, ...]  # what was written, token by token, for a reader


@dataclass(frozen=True)
class Turned:
    """A text with one token exchanged: what it was, what it is, and what became of attention and answer."""

    exchanged: Exchanged
    picture: Picture  # after
    answers: np.ndarray[Any, Any] | None  # (2, C) probabilities before and after; None: a base model
    moved: np.ndarray[Any, Any] | None  # (L, H) share of attention that went elsewhere; None: not aligned


def is_writer(place: ModelPlace) -> bool:
    """Whether the model has an encoder and a decoder that writes text. Raises BadModel, UnsafeModel."""
    return writes(check_folder(place.folder))


def is_base(place: ModelPlace) -> bool:
    """Whether the model has learnt no classes. Raises BadModel, UnsafeModel."""
    return is_writer(place) or not engines.subject(place).labels


def piece(place: ModelPlace, text: str, pair: str | None) -> Piece:
    """The text as the model's tokens. Raises BadData, BadModel."""
    return engines.subject(place).read(text, pair)


def unknown(place: ModelPlace, read: Piece) -> list[str]:
    """The characters of the text that the model's vocabulary does not have, each once."""
    token = engines.subject(place).tokenizer.unk_token
    places = [at for at, name in enumerate(read.tokens) if name == token and not read.special[at]]
    sources = (read.text, read.pair or "")
    found = (sources[int(read.segments[at])][read.spans[at, 0] : read.spans[at, 1]] for at in places)
    return [each for each in dict.fromkeys(found) if each]


@st.cache_resource(max_entries=3, show_spinner=False)
def _laid_over(_before: Picture, _found: Turned, before: str, after: str) -> Picture:
    exchanged = _found.exchanged
    at = exchanged.at
    name = f"[{exchanged.before.shown[at]}→{exchanged.after.shown[at]}]"
    tokens = (*exchanged.before.tokens[:at], name, *exchanged.before.tokens[at + 1 :])
    words = _before.attention.words  # a word may have been cut otherwise
    after_map = replace(_found.picture.attention, tokens=tokens, words=words, model_name="changed")
    return Picture(after_map, replace(_before.attention, tokens=tokens, model_name="as written"))


def laid_over(before: Picture, found: Turned) -> Picture:
    """Before and after in one picture, of the difference. Only of texts that are aligned."""
    return _laid_over(before, found, before.id, found.picture.id)


def _changed(place: ModelPlace) -> float:
    return (place.folder / "config.json").stat().st_mtime


@st.cache_resource(max_entries=3, show_spinner=False)
def _written(
    _place: ModelPlace, folder: str, changed: float, text: str, pair: str | None, target: str
) -> Written:
    from core.explain.families import words_of

    reading = engines.reader(_place).read_all(text, pair, target or None)
    across = reading.maps["cross"]
    # a row reads one token and goes on to write the next: the picture of a translation names what is written
    special = (*across.special[1:], True)
    words = words_of(reading.written, special)
    maps = {**reading.maps, "cross": replace(across, tokens=reading.written, special=special, words=words)}
    shown = tuple(display_tokens(reading.written, special))
    return Written(reading, {kind: Picture(found) for kind, found in maps.items()}, shown)


def written(place: ModelPlace, text: str, pair: str | None, target: str) -> Written:
    """`target`: "" for what the model writes itself. Raises BadData, BadModel, OutOfMemory."""
    return _written(place, str(place.folder), _changed(place), text, pair, target.strip())


@st.cache_resource(max_entries=3, show_spinner=False)
def _turned(
    _place: ModelPlace, folder: str, changed: float, text: str, pair: str | None, at: int, word: str | None
) -> Turned:
    from core.explain.attention import read_map
    from core.explain.exchange import exchange, moved

    subject = engines.subject(_place)
    before = subject.read(text, pair)
    found = exchange(subject, before, at, word)
    after = Picture(read_map(subject, found.after))
    answers = None
    if subject.labels:
        answers = subject.probabilities(subject.logits([before, found.after]))
    shift = None
    if found.aligned:
        shift = moved(
            engines.attention_picture(_place, text, pair).attention.weights, after.attention.weights
        )
    return Turned(found, after, answers, shift)


def turned(place: ModelPlace, text: str, pair: str | None, at: int, word: str | None) -> Turned:
    """`word` None: the token is masked. Raises BadData, BadModel, OutOfMemory."""
    return _turned(place, str(place.folder), _changed(place), text, pair, at, word)


@st.cache_resource(max_entries=6, show_spinner=False)
def _neuron(
    _place: ModelPlace, _piece: Piece, folder: str, changed: float, ids: tuple[int, ...], at: tuple[int, int]
) -> Neuron:
    from core.explain.neuron import neuron as read

    return read(engines.subject(_place), _piece, *at)


def neuron(place: ModelPlace, read: Piece, layer: int, head: int) -> Neuron:
    """Query and key of one head. Raises BadModel where the family has no such product."""
    ids = (*read.ids.tolist(), -1, *([] if read.types is None else read.types.tolist()))
    return _neuron(place, read, str(place.folder), _changed(place), ids, (layer, head))


@st.cache_resource(max_entries=6, show_spinner=False)
def _neuron_of_writer(
    _place: ModelPlace, _found: Written, sign: str, kind: str, at: tuple[int, int]
) -> Neuron:
    from core.explain.families import Writer
    from core.explain.neuron import neuron_of_writer as read

    writer = engines.reader(_place).source
    assert isinstance(writer, Writer)  # noqa: S101 - what was written was written by one
    return read(writer, _found.reading, kind, *at)


def neuron_of_writer(place: ModelPlace, found: Written, kind: str, layer: int, head: int) -> Neuron:
    """Query and key of one head of one of its three kinds of attention. Raises BadModel."""
    return _neuron_of_writer(place, found, found.pictures[kind].id, kind, (layer, head))


@st.cache_resource(max_entries=6, show_spinner=False)
def _flow(_picture: Picture, sign: str, token: int) -> Picture:
    from core.explain.flow import flow

    return _picture.with_flow(flow(_picture.attention.weights, token), token)


def with_flow(picture: Picture, token: int) -> Picture:
    """The picture with the flow from a token's state after the last layer to each token. Raises TooLarge."""
    return _flow(picture, picture.id, token)
