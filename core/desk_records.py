"""What the desk hands out: a card, how far one person is, and the arithmetic of pace. Plain records, no store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from core.labels.nouns import Annotator, Answer

PAUSE = 120.0  # seconds between two answers from which on it was a pause


@dataclass(frozen=True)
class Card:
    """One text as one person may see it."""

    row: int
    text: str
    hash: str
    evaluation: bool  # of the evaluation part: never with a suggestion
    suggestion: dict[str, Any] | None  # {"labels": [ids], "probability": 0..1, "by": "names" | "model"}
    answer: Answer | None  # his own
    twins: int  # other rows with the identical text

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class DeskProgress:
    """How far one person is with a data set. Counts are of texts (rows) unless said otherwise."""

    done: int  # he labelled or skipped them, spread ones included
    total: int  # done, and those that he may still be given
    today: int  # answered by hand since midnight
    labels: dict[str, int]  # label id -> his texts with it, every label of the scheme
    rate: float | None  # texts an hour without pauses, over his last 100; None: too few to tell
    seconds_left: float | None  # at that rate, identical texts counted once where labels spread
    skipped: int
    flagged: int
    agreed: int  # suggestions accepted
    changed: int  # suggestions changed
    alone: int  # answered without a suggestion
    evaluation_done: int
    evaluation_total: int
    finished: int  # texts with answers of as many people as the plan wants
    texts: int  # rows with a text
    number: int  # newest arrival that is counted

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PersonProgress:
    """What one person did in a data set."""

    annotator: Annotator
    labelled: int
    skipped: int
    flagged: int
    today: int
    evaluation: int  # answers to texts of the evaluation part
    labels: dict[str, int]  # label id -> texts
    last_at: float  # of his newest answer, seconds since 1970; 0: none


def pace(stamps: Sequence[int]) -> float | None:
    """Texts an hour from the stamps of answers (microseconds): over the gaps that are no pauses. None below three."""
    gaps = [(later - one) / 1e6 for one, later in pairwise(sorted(stamps))]
    gaps = [gap for gap in gaps if gap < PAUSE]
    spent = sum(gaps)
    return 3600.0 * len(gaps) / spent if len(gaps) >= 3 and spent > 0 else None
