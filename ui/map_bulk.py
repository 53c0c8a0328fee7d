"""Many texts labelled at once, and taken back: which of a selection are labelled, which are left out and why.

Knows the desk and one person. Does not know Streamlit or the map.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.desk import Desk
from core.errors import FinesiftError
from core.labels.nouns import Answer, AnswerState, Sent, Source
from core.store import labels as label_rows
from ui.words import counted

Array = np.ndarray[Any, Any]
CHUNK = 2_000  # answers in one transaction, so that nobody's key waits long for it


@dataclass(frozen=True)
class Split:
    """A selection, taken apart. Row numbers, ascending."""

    fresh: Array  # may get the label
    answered: Array  # he has an answer there already
    evaluation: Array  # of the evaluation part, which is labelled one by one and without the model

    def left_out(self, again: bool) -> list[str]:
        """What is left out and why, as words; `again`: answers that stand are changed too."""
        words = []
        if len(self.answered) and not again:
            words.append(f"{counted(len(self.answered), 'text')} that you have answered already")
        if len(self.evaluation):
            words.append(f"{counted(len(self.evaluation), 'text')} of the evaluation part")
        return words


@dataclass(frozen=True)
class Given:
    """What one click labelled; enough to take it back."""

    annotator_id: str
    stamps: dict[int, int]  # row -> stamp of the answer
    before: dict[int, Answer]  # answers that stood there
    busy: int  # texts that as many people as planned have already, so that they were left out


def split(rows: Array, evaluation: Array, answered: Array) -> Split:
    """`rows`: of the selection; `evaluation` and `answered`: (N,) bool."""
    rows = np.unique(rows)
    kept = evaluation[rows]
    return Split(rows[~kept & ~answered[rows]], rows[~kept & answered[rows]], rows[kept])


def give(desk: Desk, annotator_id: str, rows: Collection[int], labels: tuple[str, ...], again: bool) -> Given:
    """Label these texts, source “bulk”. Texts of the evaluation part never; those that he has answered only where
    `again`; and those that other people have by now, as many as planned, are left to them.

    Raises what `Desk.take` raises; what was saved before the fault stays, and is taken back first.
    """
    kept = desk.evaluation
    wanted = [int(row) for row in rows if not kept[row]]
    before = label_rows.own(desk.ws.db, desk.dataset.id, annotator_id, wanted)
    fresh = [row for row in wanted if row not in before]
    mine = label_rows.claim(desk.ws.db, desk.dataset.id, annotator_id, fresh, len(fresh), desk.plan().people)
    chosen = sorted([*mine, *(before if again else ())])
    now = _now()
    given = Given(
        annotator_id,
        {row: now + at for at, row in enumerate(chosen)},
        {row: before[row] for row in before if again},
        len(fresh) - len(mine),
    )
    answers = [
        Answer(row, annotator_id, labels, AnswerState.LABELLED, stamp, key="map", source=Source.BULK)
        for row, stamp in given.stamps.items()
    ]
    try:
        _send(desk, annotator_id, answers)
    except FinesiftError:
        take_back(desk, given)
        raise
    return given


def take_back(desk: Desk, given: Given) -> int:
    """Clear exactly those answers, or put back what stood there before. Returns how many; answers that were changed
    since then, by hand, stay as they are.
    """
    stands = label_rows.own(desk.ws.db, desk.dataset.id, given.annotator_id, list(given.stamps))
    rows = [row for row, stamp in given.stamps.items() if row in stands and stands[row].stamp == stamp]
    now = max(_now(), max(given.stamps.values(), default=0) + 1)
    answers = []
    for at, row in enumerate(rows):
        earlier = given.before.get(row)
        if earlier is None:
            answers.append(
                Answer(
                    row, given.annotator_id, (), AnswerState.CLEARED, now + at, key="map", source=Source.BULK
                )
            )
        else:
            answers.append(replace(earlier, stamp=now + at))
    _send(desk, given.annotator_id, answers)
    label_rows.release(desk.ws.db, desk.dataset.id, given.annotator_id, list(given.stamps))
    return len(rows)


def sample(rows: Array, n: int, draw: int) -> Array:
    """n of the rows at random, the same for the same rows and draw."""
    if len(rows) <= n:
        return rows
    seed = [int(rows.sum()), len(rows), draw]
    return np.random.default_rng(seed).choice(rows, n, replace=False)


def _send(desk: Desk, annotator_id: str, answers: Sequence[Answer]) -> None:
    session = f"map-{secrets.token_hex(16)}"
    for start in range(0, len(answers), CHUNK):
        some = answers[start : start + CHUNK]
        desk.take(annotator_id, [Sent(session, start + at + 1, one) for at, one in enumerate(some)])


def _now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1_000
