"""The smallest changes of words that flip an answer: words left out, or replaced by words of the training texts.

Knows a subject, a goal and the search; every text that is tried is read anew by the model, so that who types it gets
that answer. Does not know where the replacements come from. Leaving out follows Martens & Provost (2014), "Explaining
Data-Driven Document Classifications"; replacements are ranked by the gradient as in Ebrahimi et al. (2018), "HotFlip",
and then tried. A text that flips the answer need not be good language.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

from core.errors import BadData
from core.explain.edits import Edits, edited, slopes, table_of
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.records import Progress

Matrix = np.ndarray[Any, Any]

MOST_CHANGES = 8  # words, beyond which a change explains little
MOST_TEXTS = 2000  # that are tried
SECONDS = 20.0  # that a search may take
ALL = 400  # changes of one size up to which all are tried
BEAM = 6  # changes that are carried on where not all are tried
CANDIDATES = 96  # replacements of one beam that are tried, the best by the gradient
PER_WORD = 12  # of them at one place, so that one place does not take all
SHOWN = 5  # flips that are told


@dataclass(frozen=True)
class Goal:
    """When the answer counts as flipped."""

    several: bool
    target: int  # class index: the answer; with several labels, the label in question
    wanted: int | None = None  # the class that the answer is to become; None: any other one
    limit: float = 0.0  # several labels: the logit from which on the label holds
    holds: bool = True  # several labels: it holds now

    def margin(self, logits: Matrix) -> Matrix:
        """(n, C) logits to (n,): how far the answer is from flipping; below 0 it has."""
        if self.several:
            return np.asarray((logits[:, self.target] - self.limit) * (1 if self.holds else -1))
        others = np.delete(logits, self.target if self.wanted is None else self.wanted, axis=1).max(axis=1)
        if self.wanted is None:
            return np.asarray(logits[:, self.target] - others)
        return np.asarray(others - logits[:, self.wanted])

    def rival(self, logits: Matrix) -> tuple[int, int | None]:
        """(C,) logits to the two classes whose logits' difference is to fall (the second None: the first alone)."""
        if self.several:
            return self.target, None
        if self.wanted is not None:
            others = logits.copy()
            others[self.wanted] = -np.inf
            return int(others.argmax()), self.wanted
        others = logits.copy()
        others[self.target] = -np.inf
        return self.target, int(others.argmax())

    @property
    def sign(self) -> float:
        """-1: what `rival` names is to rise instead."""
        return -1.0 if self.several and not self.holds else 1.0


def goal_of(
    subject: Subject,
    logits: Matrix,
    label: str | None = None,
    wanted: str | None = None,
    limit: float = 0.5,
) -> Goal:
    """The goal for a text of these (C,) logits. One label a text: the answer is to become `wanted`, or any other class.
    Several labels: whether `label` holds, from the probability `limit` on, is to change.

    Raises BadData for an unknown class, and where the answer is `wanted` already.
    """
    for name in (label, wanted):
        if name is not None and name not in subject.labels:
            raise BadData(f"{subject.name} has no class “{name}”.")
    if subject.several:
        target = subject.labels.index(label) if label is not None else int(logits.argmax())
        edge = float(np.log(limit / (1.0 - limit)))
        return Goal(True, target, limit=edge, holds=bool(logits[target] >= edge))
    answer = int(logits.argmax())
    aim = None if wanted is None else subject.labels.index(wanted)
    if aim == answer:
        raise BadData(f"The answer is “{wanted}” already. Choose another class.")
    return Goal(False, answer, aim)


@dataclass(frozen=True)
class Flip:
    """A text with another answer."""

    edits: Edits  # word number -> what stands there instead; "" nothing
    text: str
    pair: str | None
    logits: Matrix  # (C,)


@dataclass(frozen=True)
class Outcome:
    """What a search came to: flips of the fewest changes, those first that flip the most clearly."""

    flips: tuple[Flip, ...]
    tried: int  # texts
    complete: int  # sizes of change, from 1 up, of which all were tried
    ended: str  # why it ended without a flip, a sentence; "" with one

    @property
    def smallest(self) -> bool:
        """No smaller change of this kind flips the answer: all were tried."""
        return bool(self.flips) and len(self.flips[0].edits) <= self.complete + 1


Search = Generator[Progress, None, Outcome]


# --------------------------------------------------------------------------- the two searches


def deletions(
    subject: Subject, piece: Piece, goal: Goal, *, most: int = MOST_TEXTS, seconds: float = SECONDS
) -> Search:
    """The fewest words whose leaving out flips the answer. All sets of a size are tried while they are few, beyond that
    the most promising are carried on (beam search). Yields Progress in texts; ends within about `seconds`."""
    work = _Work(subject, piece, goal, most, seconds)
    words = piece.word_count
    beam: list[Edits] = [{}]
    for size in range(1, min(MOST_CHANGES, words) + 1):
        every = comb(words, size) <= ALL
        asked: Iterable[Edits]
        if every:
            asked = (dict.fromkeys(chosen, "") for chosen in combinations(range(words), size))
        else:
            asked = ({**edits, word: ""} for edits in beam for word in range(words) if word not in edits)
        whole = yield from work.answer(asked)
        if work.flips:
            break
        if whole and every:
            work.complete = size
        beam = work.best(size, BEAM)
        if work.spent or not beam:
            break
    return work.outcome("leaving out", min(MOST_CHANGES, words))


def replacements(
    subject: Subject,
    piece: Piece,
    goal: Goal,
    words: Sequence[str],
    *,
    most: int = MOST_TEXTS,
    seconds: float = SECONDS,
) -> Search:
    """The fewest words whose exchange for others of `words` flips the answer. The gradient tells which exchanges are
    promising; those are tried, the best carried on. Yields Progress in texts; ends within about `seconds`."""
    work = _Work(subject, piece, goal, most, seconds)
    if not words:
        return Outcome((), 0, 0, "There are no words to put in: the training texts are gone.")
    table = table_of(subject, words)
    beam: list[Edits] = [{}]
    for size in range(1, min(MOST_CHANGES, piece.word_count) + 1):
        asked: list[Edits] = []
        for edits in beam:
            asked += _promising(subject, piece, goal, edits, words, table)
        yield from work.answer(asked)
        if work.flips or work.spent:
            break
        beam = work.best(size, BEAM)
        if not beam:
            break
    return work.outcome("replacing", min(MOST_CHANGES, piece.word_count))


def _promising(
    subject: Subject, piece: Piece, goal: Goal, edits: Edits, words: Sequence[str], table: Matrix
) -> list[Edits]:
    """The exchanges of one more word that should move the margin the most, by its gradient."""
    now, places = edited(subject, piece, edits)
    if now is None:
        return []
    logits = subject.logits([now])[0]
    slope, own = slopes(subject, now, *goal.rival(logits))  # (T, D), (T,)
    found: list[tuple[float, int, int]] = []
    for word in range(piece.word_count):
        tokens = places.get(word)
        if word in edits or not tokens:
            continue
        change = goal.sign * (table @ slope[tokens].mean(axis=0) * len(tokens) - own[tokens].sum())
        best = np.argpartition(change, min(PER_WORD, len(words)) - 1)[:PER_WORD]
        same = piece.word(word).casefold()
        found += [(float(change[at]), word, int(at)) for at in best if words[at].casefold() != same]
    found.sort()
    size = CANDIDATES if not edits else max(8, CANDIDATES // 2)
    return [{**edits, word: words[at]} for _, word, at in found[:size]]


# --------------------------------------------------------------------------- trying texts


@dataclass
class _Work:
    """What was tried, and how much may still be."""

    subject: Subject
    piece: Piece
    goal: Goal
    most: int
    seconds: float
    flips: list[tuple[float, Flip]] = field(default_factory=list)
    complete: int = 0
    tried: dict[frozenset[tuple[int, str]], float] = field(default_factory=dict)  # changes -> margin
    spent: bool = False
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.pace = Pace(self.most)

    def answer(self, asked: Iterable[Edits]) -> Generator[Progress, None, bool]:
        """Tries them, in batches; False: not all, texts or time were spent."""
        batch = max(4, min(64, 4096 // len(self.piece)))
        waiting: list[Edits] = []
        for edits in asked:
            key = frozenset(edits.items())
            if key in self.tried:
                continue
            if self.spent or len(self.tried) >= self.most:
                self.spent = True
                break
            self.tried[key] = np.inf
            waiting.append(edits)
            if len(waiting) == batch:
                self._try(waiting)
                waiting = []
                yield self.pace.at(min(len(self.tried), self.most))
        if waiting:
            self._try(waiting)
            yield self.pace.at(min(len(self.tried), self.most))
        return not self.spent

    def _try(self, asked: list[Edits]) -> None:
        pieces, own = [], []
        for edits in asked:
            piece, _ = edited(self.subject, self.piece, edits)
            if piece is not None:
                pieces.append(piece)
                own.append(edits)
        logits = self.subject.logits(pieces)
        for edits, piece, row, margin in zip(own, pieces, logits, self.goal.margin(logits), strict=True):
            self.tried[frozenset(edits.items())] = float(margin)
            if margin < 0:
                self.flips.append((float(margin), Flip(edits, piece.text, piece.pair, row)))
        self.spent = time.monotonic() - self.begun > self.seconds

    def best(self, size: int, count: int) -> list[Edits]:
        """The changes of that size that came nearest to flipping the answer."""
        own = [(m, key) for key, m in self.tried.items() if len(key) == size and np.isfinite(m)]
        return [dict(sorted(key)) for _, key in sorted(own, key=lambda pair: pair[0])[:count]]

    def outcome(self, verb: str, most: int) -> Outcome:
        flips = [flip for _, flip in sorted(self.flips, key=lambda pair: pair[0])[:SHOWN]]
        ended = ""
        if not flips:
            why = f"{len(self.tried):,} texts were tried" + (", then the time was up" if self.spent else "")
            ended = f"No {verb} of up to {most} words that was tried changes the answer ({why})."
        return Outcome(tuple(flips), len(self.tried), self.complete, ended)
