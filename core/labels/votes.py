"""What several people say of the same texts, as one table: texts by people.

Knows answers and what they mean today. Does not know statistics (`agreement`, `consensus`), stores or screens.

An answer is a set of labels, also where a text may have only one: the table holds numbers of distinct sets, so
that one shape serves both kinds of schemes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.labels.nouns import Answer, AnswerState, Scheme, Source

MISSING = -1  # in `Votes.codes`: this person says nothing of this text

Matrix = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Votes:
    """N texts by A people, over C labels and S distinct answers."""

    rows: tuple[Any, ...]  # N: the row number of each text, or its name in a file
    people: tuple[str, ...]  # A: ids or names
    labels: tuple[str, ...]  # C: ids or names
    several: bool  # a text may have several labels
    sets: tuple[tuple[int, ...], ...]  # S: label indices of each distinct answer, rising
    codes: Matrix  # (N, A) int32: index into `sets`, or MISSING
    stamps: Matrix  # (N, A) int64: when it was said, microseconds; 0 where not known or missing
    copies: int = 0  # answers to further copies of a text, which do not count again

    @property
    def member(self) -> Matrix:
        """(S, C) bool: which labels each distinct answer holds."""
        held = np.zeros((len(self.sets), len(self.labels)), dtype=bool)
        for at, labels in enumerate(self.sets):
            held[at, list(labels)] = True
        return held

    @property
    def per_text(self) -> Matrix:
        """(N,) int64: people who say something of each text."""
        return np.asarray((self.codes != MISSING).sum(axis=1), dtype=np.int64)

    @property
    def counts(self) -> Matrix:
        """(N, S) int64: people who gave each distinct answer to each text."""
        found = np.zeros((len(self.rows), len(self.sets)), dtype=np.int64)
        text, person = np.nonzero(self.codes != MISSING)
        np.add.at(found, (text, self.codes[text, person]), 1)
        return found

    @property
    def disputed(self) -> Matrix:
        """(N,) bool: texts to which two people gave different answers."""
        highest = self.codes.max(axis=1, initial=MISSING)
        lowest = np.where(self.codes == MISSING, highest[:, None], self.codes).min(axis=1, initial=2**31 - 1)
        return np.asarray((lowest < highest) & (highest != MISSING))

    def taken(self, texts: Matrix) -> Votes:
        """Only these texts, by position or as a mask."""
        at = np.arange(len(self.rows))[texts]
        rows = tuple(self.rows[i] for i in at)
        return Votes(
            rows,
            self.people,
            self.labels,
            self.several,
            self.sets,
            self.codes[at],
            self.stamps[at],
            self.copies,
        )

    def presence(self, label: int) -> Matrix:
        """(N, A) int8: 1 where a person gave this label, 0 where another answer, MISSING where none."""
        held = np.append(self.member[:, label].astype(np.int8), np.int8(MISSING))
        return np.asarray(held[self.codes])  # MISSING is -1, the last

    def named(self, code: int) -> tuple[str, ...]:
        """The labels of a distinct answer."""
        return tuple(self.labels[at] for at in self.sets[code])


def units(answers: Iterable[Answer], hashes: Sequence[str] | Matrix) -> list[str]:
    """For each row what it is counted as where agreement is measured: itself. Only where the desk has copied an answer
    to identical texts are those one text: who gave the first of the copies is chance, and nobody gave the others.
    """
    copied = {hashes[answer.row] for answer in answers if answer.source is Source.SPREAD}
    return [text if text in copied else f"row {row}" for row, text in enumerate(hashes)]


def votes_of(
    answers: Iterable[Answer], scheme: Scheme, hashes: Sequence[str] | Matrix | None = None
) -> Votes:
    """The table of these answers, read through the newest version of the scheme.

    Skipped and cleared texts count as no answer, and so does an answer whose labels are all deleted by now, or one
    with several labels where a text may have only one. `hashes` (one for each row of the data set): identical
    texts then are one text, under the number of the first that anyone answered; of a person's answers to them the
    newest counts. Otherwise one text that stands in the file ten times would weigh as ten.
    """
    index = {label.id: at for at, label in enumerate(scheme.labels)}
    read: dict[tuple[str, ...], tuple[int, ...] | None] = {}
    first: dict[str, int] = {}
    newest: dict[tuple[int, str], tuple[int, tuple[int, ...]]] = {}
    copies = 0
    for answer in sorted(answers, key=lambda one: one.row):
        if answer.state is not AnswerState.LABELLED:
            continue
        if answer.labels not in read:
            read[answer.labels] = _meaning(answer.labels, scheme, index)
        labels = read[answer.labels]
        if labels is None:
            continue
        text = answer.row if hashes is None else first.setdefault(hashes[answer.row], answer.row)
        place = (text, answer.annotator_id)
        copies += place in newest
        if place not in newest or newest[place][0] < answer.stamp:
            newest[place] = (answer.stamp, labels)
    said = ((text, person, labels, stamp) for (text, person), (stamp, labels) in newest.items())
    return _table(said, tuple(index), scheme.several, copies)


def votes_from_names(
    said: Iterable[tuple[str, str, tuple[str, ...]]], *, several: bool = False, order: Sequence[str] = ()
) -> Votes:
    """The table of (item, person, labels) as they stand in a file; of two answers of a person to an item the later
    one counts. Labels are in the order of `order`, those not in it behind by name; items in that of the file.
    """
    newest = {(item, person): labels for item, person, labels in said}
    held = {label for labels in newest.values() for label in labels}
    names = [*dict.fromkeys(order), *sorted(held - set(order), key=_by_number)]
    index = {name: at for at, name in enumerate(names)}
    rows = (
        (item, person, tuple(sorted(index[label] for label in labels)), 0)
        for (item, person), labels in newest.items()
    )
    return _table(rows, tuple(names), several, 0)


def _meaning(labels: tuple[str, ...], scheme: Scheme, index: dict[str, int]) -> tuple[int, ...] | None:
    """Label indices that an answer stands for today; None: it counts as no answer."""
    now = scheme.now(labels)
    if labels and not now:
        return None
    if not scheme.several and len(now) != 1:
        return None
    return tuple(sorted(index[label] for label in now))


def _by_number(name: str) -> tuple[bool, float, str]:
    """Numbers by their value before words by their letters."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _table(
    said: Iterable[tuple[Any, str, tuple[int, ...], int]], labels: tuple[str, ...], several: bool, copies: int
) -> Votes:
    """(text, person, label indices, stamp) to a table; texts in order of appearance, people by name, and where a
    text has one label, the set of label c is number c.
    """
    listed = list(said)
    texts = {text: at for at, text in enumerate(dict.fromkeys(text for text, *_ in listed))}
    people = {person: at for at, person in enumerate(sorted({person for _, person, *_ in listed}))}
    sets: dict[tuple[int, ...], int] = {(): 0} if several else {(c,): c for c in range(len(labels))}
    codes = np.full((len(texts), len(people)), MISSING, dtype=np.int32)
    stamps = np.zeros((len(texts), len(people)), dtype=np.int64)
    for text, person, held, stamp in listed:
        place = texts[text], people[person]
        codes[place] = sets.setdefault(held, len(sets))
        stamps[place] = stamp
    return Votes(tuple(texts), tuple(people), labels, several, tuple(sets), codes, stamps, copies)
