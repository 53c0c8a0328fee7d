"""All answers to one data set in memory, as arrays: read once, then only what came since.

Knows who answered which row, when and how. Does not know texts, nor what a label id means today: counts are by the
ids that the answers hold (`Scheme.now` reads them). Threads may share a ledger.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import Text, cast, select

from core.labels.nouns import AnswerState, Source
from core.store import schema
from core.store.engine import Database

Array = np.ndarray[Any, Any]
Ids = tuple[str, ...]
N = schema.answers
STATES = {AnswerState.CLEARED.value: 0, AnswerState.LABELLED.value: 1, AnswerState.SKIPPED.value: 2}
SOURCES = {source.value: code for code, source in enumerate(Source)}
_KEPT = 8  # data sets


@dataclass
class Person:
    """One person's answers, by row. N: rows of the data set."""

    state: Array  # (N,) int8: 0 none, 1 labelled, 2 skipped
    source: Array  # (N,) int8, see SOURCES; means something where there is an answer
    flagged: Array  # (N,) bool
    at: Array  # (N,) float64, when the server took it
    labels: dict[int, Ids] = field(default_factory=dict)  # of labelled rows
    counts: Counter[Ids] = field(default_factory=Counter)  # label ids -> rows that have just these

    @staticmethod
    def empty(rows: int) -> Person:
        return Person(
            np.zeros(rows, np.int8), np.zeros(rows, np.int8), np.zeros(rows, bool), np.zeros(rows, np.float64)
        )


class Ledger:
    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.number = 0  # newest arrival that is in here
        self.people: dict[str, Person] = {}
        self.answered: Array = np.zeros(rows, np.int32)  # (N,) people who labelled or skipped it
        self.lock = threading.RLock()  # hold it while reading what must fit together

    def refresh(self, db: Database, dataset_id: str) -> None:
        """Read what came since the last time."""
        labels = cast(N.c.labels, Text).label(
            "labels"
        )  # few distinct ones: each is read once, not each row's
        columns = (N.c.number, N.c.annotator_id, N.c.row, N.c.state, N.c.source, N.c.flagged, N.c.at, labels)
        query = select(*columns).where(N.c.dataset_id == dataset_id, N.c.row < self.rows)
        with self.lock:
            with db.read() as connection:
                came = connection.execute(query.where(N.c.number > self.number)).all()
            whose: dict[str, list[Any]] = {}
            for one in came:
                whose.setdefault(one.annotator_id, []).append(one)
            for annotator_id, his in whose.items():
                self._take(self.people.setdefault(annotator_id, Person.empty(self.rows)), his)
            self.number = max((one.number for one in came), default=self.number)

    def of(self, annotator_id: str) -> Person:
        """His answers; empty arrays for somebody without."""
        return self.people.get(annotator_id) or Person.empty(self.rows)

    def labelled(self) -> list[tuple[int, Ids]]:
        """(row, label ids) of every person's labelled texts."""
        with self.lock:
            return [pair for person in self.people.values() for pair in person.labels.items()]

    def _take(self, person: Person, his: list[Any]) -> None:
        """What stands anew of one person; a row comes once."""
        _, _, rows, states, sources, flagged, at, labels = zip(*his, strict=True)
        places = np.asarray(rows, np.int64)
        state = np.asarray([STATES[one] for one in states], np.int8)
        self.answered[places] += (state > 0).astype(np.int32) - (person.state[places] > 0)
        person.state[places] = state
        person.source[places] = [SOURCES[one] for one in sources]
        person.flagged[places] = np.asarray(flagged, bool) & (state > 0)
        person.at[places] = at
        for row, one, text in zip(rows, states, labels, strict=True):
            before = person.labels.pop(row, None)
            if before is not None:
                person.counts[before] -= 1
            if one == AnswerState.LABELLED.value:
                ids = person.labels[row] = _ids(text)
                person.counts[ids] += 1


@lru_cache(maxsize=10_000)
def _ids(text: str) -> Ids:
    return tuple(json.loads(text))


_ledgers: OrderedDict[tuple[str, str], Ledger] = OrderedDict()
_lock = threading.Lock()


def ledger(db: Database, dataset_id: str, rows: int) -> Ledger:
    """The process's ledger of this data set, up to date."""
    key = (db.engine.url.render_as_string(hide_password=False), dataset_id)
    with _lock:
        found = _ledgers.get(key)
        if found is None:
            found = _ledgers[key] = Ledger(rows)
        _ledgers.move_to_end(key)
        while len(_ledgers) > _KEPT:
            _ledgers.popitem(last=False)
    found.refresh(db, dataset_id)
    return found
