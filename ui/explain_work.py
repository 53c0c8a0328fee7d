"""What the Explain view asks a model about one text, kept for all sessions of this server, with progress where it takes.

Knows the model under examination and the sessions' cache. Draws nothing but a bar of progress.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import streamlit as st

from core.explain.aim import Aim
from core.explain.attribution import METHODS, Attribution, attribute
from core.models.saving import read_sidecar
from core.records import Progress
from ui import engines
from ui.attention_asked import Asked
from ui.components.words import Written
from ui.words import duration_words, escape_markdown

if TYPE_CHECKING:
    from core.explain.subject import Piece, Subject

T = TypeVar("T")

KEPT = 300  # answers, of all sessions
SLOW = 0.6  # seconds from which on progress is shown


@dataclass(frozen=True)
class Answer:
    """A text as a model read and answered it."""

    subject: Subject
    piece: Piece
    logits: np.ndarray[Any, Any]  # (C,)
    probabilities: np.ndarray[Any, Any]  # (C,)
    thresholds: tuple[float, ...] | None  # (C,) where a text may have several labels
    key: tuple[Hashable, ...]  # names model and text

    @property
    def labels(self) -> tuple[str, ...]:
        return self.subject.labels

    @property
    def best(self) -> int:
        return int(self.logits.argmax())

    @property
    def chosen(self) -> list[int]:
        """The classes of the answer, the most likely first; with several labels there may be none."""
        if self.thresholds is None:
            return [self.best]
        order = np.argsort(-self.probabilities, kind="stable")
        return [int(c) for c in order if self.probabilities[c] >= self.thresholds[c]]

    @property
    def ranked(self) -> list[str]:
        """All classes, the most likely first."""
        return [self.labels[int(c)] for c in np.argsort(-self.probabilities, kind="stable")]


def answer(asked: Asked) -> Answer:
    """Loads the model and reads the text. Raises BadData, BadModel, UnsafeModel, OutOfMemory."""
    subject = engines.subject(asked.place)
    piece = subject.read(asked.text, asked.pair)
    changed = (asked.place.folder / "config.json").stat().st_mtime
    key = (str(asked.place.folder), changed, asked.text, asked.pair)
    logits = kept(("logits", *key), lambda: subject.logits([piece])[0])
    return Answer(
        subject, piece, logits, subject.probabilities(logits[None])[0], _thresholds(asked, subject), key
    )


def _thresholds(asked: Asked, subject: Subject) -> tuple[float, ...] | None:
    if not subject.several:
        return None
    found = read_sidecar(asked.place.folder).get("thresholds")
    size = len(subject.labels)
    return tuple(float(t) for t in found) if found and len(found) == size else (0.5,) * size


def learnt_too(asked: Asked) -> str:
    """A sentence where the model learnt from the validation texts as well, so that they are not new to it; else ""."""
    if not read_sidecar(asked.place.folder).get("learnt_from_validation"):
        return ""
    return " The kept model has learnt from these texts as well."


def scored(answer: Answer, method: str, aim: Aim) -> Attribution:
    """What a method makes of the text, with progress where it takes long."""
    key = ("scored", *answer.key, method, aim.target, aim.against)
    return kept(
        key,
        lambda: watch(attribute(answer.subject, answer.piece, method, aim), METHODS[method].label),
    )


def written(piece: Piece) -> list[Written]:
    """The piece's text, or both texts, as words and what stands between them."""
    found = []
    for side in range(1 if piece.pair is None else 2):
        source = piece.text if side == 0 else (piece.pair or "")
        words, gaps, at = [], [], 0
        for number in range(piece.word_count):
            own = np.flatnonzero(piece.words == number)
            if piece.segments[own[0]] != side:
                continue
            start, end = int(piece.spans[own, 0].min()), int(piece.spans[own, 1].max())
            start = max(start, at)
            held = source[start:end]
            start += (
                len(held) - len(held.lstrip()) if held.strip() else 0
            )  # some tokenizers count the blank before a word to it
            gaps.append(source[at:start])
            words.append(source[start:end])
            at = max(at, end)
        found.append(Written(tuple(words), tuple(gaps), source[at:], unread=piece.cut > 0))
    return found


# ------------------------------------------------------------------------------------- keeping, waiting


class _Shelf:
    """The newest answers, by what was asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._items: OrderedDict[tuple[Hashable, ...], Any] = OrderedDict()

    def get(self, key: tuple[Hashable, ...]) -> Any:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: tuple[Hashable, ...], value: Any) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > KEPT:
                self._items.popitem(last=False)


@st.cache_resource(show_spinner=False)
def _shelf() -> _Shelf:
    return _Shelf()


def known(key: tuple[Hashable, ...]) -> Any:
    """What was found before; None: nothing."""
    return _shelf().get(key)


def kept(key: tuple[Hashable, ...], find: Callable[[], T]) -> T:
    """What was found before, or is found now."""
    found: T | None = _shelf().get(key)
    if found is None:
        found = find()
        _shelf().put(key, found)
    return found


def watch(work: Generator[Any, None, T], name: str) -> T:
    """What a generator of events returns; a bar shows how far it is once it has taken a moment. Whatever the user does
    meanwhile ends it."""
    bar = st.empty()
    try:
        while True:
            event = next(work)
            if isinstance(event, Progress) and event.elapsed > SLOW and event.total:
                left = f", {duration_words(event.remaining)} left" if event.done < event.total else ""
                told = f"{name}: {event.done:,} of {event.total:,}{left}"
                bar.progress(min(1.0, event.done / event.total), text=escape_markdown(told))
    except StopIteration as ended:
        found: T = ended.value
        return found
    finally:
        bar.empty()
