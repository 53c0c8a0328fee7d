"""The desk: which texts a person labels next, what he sees of them, and how far he is.

Joins texts, scheme, plan, answers and the assist job's files of one data set. Nobody's answers but his own are on a
card. Does not know HTTP or screens; the ranking itself is core.labels.queue.

The evaluation part is a random sample, and stays one: where a queue follows a model, a search or a class, its texts
are ranked by chance and mixed in at their share, so that what was labelled of it does not lean to what was asked.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.data.pool_texts import PoolTexts, pool_texts
from core.desk_records import Card, DeskProgress, PersonProgress, pace
from core.errors import BadData
from core.labels import queue
from core.labels.nouns import IMPORTED, Answer, AnswerState, Plan, Scheme, Sent, Source
from core.labels.pool import Pool, ask
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.store.ledger import SOURCES, Ledger, Person, ledger
from core.workspace import Workspace

Array = np.ndarray[Any, Any]
MOST = 200  # cards in one batch
AS_THEY_LIE = frozenset({"order", "random"})  # queues that draw the evaluation part like any other text
ONLY_FOUND = frozenset({"search", "class"})  # queues that ask for something and are not filled up


class Desk:
    """One data set to label. Cheap to open: what costs is kept in the process."""

    def __init__(self, ws: Workspace, dataset: Dataset) -> None:
        self.ws = ws
        self.dataset = dataset
        self.pool_texts: PoolTexts = pool_texts(ws.settings.datasets / dataset.id, dataset.fingerprint)

    @classmethod
    def open(cls, ws: Workspace, dataset_id: str) -> Desk:
        """Raises NotFound for a data set that is gone."""
        return cls(ws, ws.dataset(dataset_id))

    # ----------------------------------------------------------------- texts

    @property
    def rows(self) -> int:
        return len(self.pool_texts)

    @property
    def hashes(self) -> Array:
        """(N,) of str, 16 hex digits."""
        return self.pool_texts.hashes

    @property
    def labelable(self) -> Array:
        """(N,) bool: rows with a text."""
        return self.pool_texts.labelable

    @property
    def evaluation(self) -> Array:
        """(N,) bool: rows of the evaluation part."""
        return self.labelable & (self.pool_texts.fractions < self.plan().evaluation_share)

    @property
    def folder(self) -> Path:
        """Where the assist job leaves its files."""
        return self.ws.settings.home / "labels" / self.dataset.id

    def texts(self, rows: Sequence[int] | Array) -> list[str]:
        return self.pool_texts.texts(rows)

    def twins(self, row: int) -> list[int]:
        """The other rows with the identical text."""
        return self.pool_texts.twins(row)

    # ----------------------------------------------------------------- scheme and plan

    def scheme(self) -> Scheme | None:
        return schemes.newest(self.ws.db, self.dataset.id)

    def plan(self) -> Plan:
        return label_rows.plan(self.ws.db, self.dataset.id)

    def pool(self) -> Pool | None:
        return Pool.open(self.folder)

    # ----------------------------------------------------------------- what next

    def batch(
        self,
        annotator_id: str,
        strategy: str,
        n: int,
        *,
        query: str | None = None,
        pattern: bool = False,
        label: str | None = None,
        rows: Sequence[int] | None = None,
        skip: Iterable[int] = (),
    ) -> list[Card]:
        """The next n texts of a queue (core.labels.queue.STRATEGIES) for this person, claimed for him.

        `query` keeps texts that hold it (`pattern`: a regular expression), `rows` only these, in their order unless
        the strategy ranks them; `skip`: rows that lie on his desk already. Of identical texts one is asked.
        Raises BadData for an unknown strategy or a pattern that cannot be read.
        """
        ask(self.folder)
        n = max(0, min(int(n), MOST))
        plan, book = self.plan(), self._ledger()
        again = strategy in queue.OF_ANSWERED
        candidates = self._candidates(book, annotator_id, strategy, plan, rows, skip)
        if query:
            found = queue.matching(self.pool_texts.column, query, pattern)
            candidates = candidates[found[candidates]]
        ranked = self._ranked(strategy, candidates, plan, book, label, given=rows is not None)
        ranked = self._one_of_each(ranked)
        people = plan.people + again  # a dispute or a doubted label goes to one person more
        if strategy != "errors":
            taken = label_rows.claim(self.ws.db, self.dataset.id, annotator_id, ranked.tolist(), n, people)
            return self._cards(annotator_id, taken, plan)
        first = ranked[:n]
        own = book.of(annotator_id).state[first] > 0  # looked at again
        rest = first[~own].tolist()
        his = {
            *first[own].tolist(),
            *label_rows.claim(self.ws.db, self.dataset.id, annotator_id, rest, n, people),
        }
        return self._cards(annotator_id, [row for row in first.tolist() if row in his], plan)

    def history(self, annotator_id: str, n: int) -> list[Card]:
        """The texts that the person answered last, newest first, with his answers."""
        answers = label_rows.recent(self.ws.db, self.dataset.id, annotator_id, max(0, min(int(n), MOST)))
        return self._cards(annotator_id, [answer.row for answer in answers], self.plan())

    def cards(self, annotator_id: str, rows: Sequence[int]) -> list[Card]:
        """Any texts, as this person may see them; nothing is claimed."""
        return self._cards(annotator_id, [int(row) for row in rows], self.plan())

    # ----------------------------------------------------------------- answers

    def take(self, annotator_id: str, sent: Sequence[Sent]) -> list[int]:
        """Save answers; identical texts get them too where the plan says so. Returns the numbers that are committed.

        Raises BadData for an answer that cannot be (see `fault`), and then saves none.
        """
        scheme = self.scheme()
        for one in sent:
            wrong = self.fault(one.answer, scheme)
            if wrong:
                raise BadData(wrong)
        twins = self.twins if self.plan().spread else None
        return label_rows.save(self.ws.db, self.dataset.id, annotator_id, sent, twins)

    def fault(self, answer: Answer, scheme: Scheme | None) -> str | None:
        """What is wrong with an answer, in a sentence; None: nothing."""
        if not 0 <= answer.row < self.rows or not self.labelable[answer.row]:
            return f"There is no text in row {answer.row + 1} of “{self.dataset.name}”. Reload the page."
        if answer.state != AnswerState.LABELLED:
            return "Only a labelled text has labels." if answer.labels else None
        if scheme is None:
            return "This data set has no labels yet. Make some first."
        known = {one.id for one in scheme.labels} | scheme.merged.keys() | set(scheme.removed)
        if not known.issuperset(answer.labels):
            return "This label is not known here. Reload the page to see the labels as they are now."
        if not scheme.several and len(answer.labels) != 1:
            return "Each text has exactly one label here. Choose one."
        return None

    # ----------------------------------------------------------------- how far

    def progress(self, annotator_id: str) -> DeskProgress:
        """Of one person, spread answers included; rate and time left are his own."""
        book, plan, scheme = self._ledger(), self.plan(), self.scheme()
        evaluation = self.labelable & (self.pool_texts.fractions < plan.evaluation_share)
        lately = label_rows.recent(self.ws.db, self.dataset.id, annotator_id, 100)
        with book.lock:
            mine = book.of(annotator_id)
            done = mine.state > 0
            left = self._open(book, mine, plan)
            rate = pace([answer.stamp for answer in lately if answer.source != Source.BULK])
            texts_left = len(self._one_of_each(left)) if plan.spread else len(left)
            by_source = np.bincount(mine.source[done], minlength=len(SOURCES))
            return DeskProgress(
                done=int(done.sum()),
                total=int(done.sum()) + len(left),
                today=_today(mine),
                labels=_counts(scheme, mine),
                rate=rate,
                seconds_left=None if rate is None else texts_left / rate * 3600,
                skipped=int((mine.state == 2).sum()),
                flagged=int(mine.flagged.sum()),
                agreed=int(by_source[SOURCES[Source.ACCEPTED]]),
                changed=int(by_source[SOURCES[Source.CHANGED]]),
                alone=int(by_source[SOURCES[Source.ALONE]]),
                evaluation_done=int((done & evaluation).sum()),
                evaluation_total=int(evaluation.sum()),
                finished=int((self.labelable & (book.answered >= plan.people)).sum()),
                texts=int(self.labelable.sum()),
                number=book.number,
            )

    def people(self) -> list[PersonProgress]:
        """Who answered how much, the most first."""
        book, scheme = self._ledger(), self.scheme()
        evaluation = self.evaluation
        found = []
        for person in label_rows.annotators(self.ws.db, self.dataset.id):
            with book.lock:
                his = book.of(person.id)
                found.append(
                    PersonProgress(
                        annotator=person,
                        labelled=int((his.state == 1).sum()),
                        skipped=int((his.state == 2).sum()),
                        flagged=int(his.flagged.sum()),
                        today=_today(his),
                        evaluation=int(((his.state > 0) & evaluation).sum()),
                        labels=_counts(scheme, his),
                        last_at=float(his.at.max(initial=0.0)),
                    )
                )
        return sorted(found, key=lambda one: -one.labelled)

    # ----------------------------------------------------------------- details

    def _ledger(self) -> Ledger:
        return ledger(self.ws.db, self.dataset.id, self.rows)

    def _open(self, book: Ledger, mine: Person, plan: Plan) -> Array:
        """Rows that this person may still be given, in the order of the file."""
        return np.flatnonzero(self.labelable & (mine.state == 0) & (book.answered < plan.people))

    def _of_the_file(self, book: Ledger) -> Array:
        """(N,) int8: the states of the answers that the label column brought, which nobody gave at a desk."""
        found = (one for one in label_rows.annotators(self.ws.db, self.dataset.id) if one.name == IMPORTED)
        person = next(found, None)
        return book.of(person.id).state if person else np.zeros(self.rows, np.int8)

    def _candidates(
        self,
        book: Ledger,
        annotator_id: str,
        strategy: str,
        plan: Plan,
        rows: Sequence[int] | None,
        skip: Iterable[int],
    ) -> Array:
        with book.lock:
            mine = book.of(annotator_id)
            if strategy == "errors":  # his own answers, and those of the file that he has not looked at
                doubted = (mine.state == 1) | ((mine.state == 0) & (self._of_the_file(book) == 1))
                found = np.flatnonzero(self.labelable & doubted)
            elif strategy == "disagree":
                found = np.flatnonzero(self.labelable & (mine.state == 0) & (book.answered > 1))
            else:
                found = self._open(book, mine, plan)
        held = np.fromiter((row for row in map(int, skip) if 0 <= row < self.rows), dtype=np.int64)
        if len(held):
            groups = self.pool_texts.groups
            found = found[~np.isin(groups[found], groups[held])]
        if rows is not None:
            wanted = np.asarray([row for row in map(int, rows) if 0 <= row < self.rows], dtype=np.int64)
            found = wanted[np.isin(wanted, found)]
        return found

    def _ranked(
        self, strategy: str, rows: Array, plan: Plan, book: Ledger, label: str | None, *, given: bool
    ) -> Array:
        """The candidates in the order in which they are asked, the evaluation part mixed in by chance."""
        pool, seed = self.pool(), zlib.crc32(self.dataset.id.encode())
        disputed = None
        if strategy == "disagree":
            scheme = self.scheme()
            disputed = queue.disputes(
                (row, scheme.now(ids) if scheme else ids) for row, ids in book.labelled()
            )
        if given or strategy in AS_THEY_LIE or strategy in queue.OF_ANSWERED:
            return queue.order(strategy, pool, rows, seed=seed, label=label, disputed=disputed)
        kept = self.pool_texts.fractions < plan.evaluation_share
        ranked = queue.order(strategy, pool, rows[~kept[rows]], seed=seed, label=label)
        if strategy in ONLY_FOUND:
            return ranked
        drawn = queue.order("random", pool, rows[kept[rows]], seed=seed)
        return _mixed(
            ranked, drawn, int((book.answered[~kept] > 0).sum()), int((book.answered[kept] > 0).sum()), plan
        )

    def _one_of_each(self, rows: Array) -> Array:
        """Of rows with the identical text the first."""
        _, first = np.unique(self.pool_texts.groups[rows], return_index=True)
        return rows[np.sort(first)]

    def _cards(self, annotator_id: str, rows: list[int], plan: Plan) -> list[Card]:
        answers = label_rows.own(self.ws.db, self.dataset.id, annotator_id, rows)
        pool, scheme = self.pool() if plan.suggestions else None, self.scheme()
        cards = []
        for row, text in zip(rows, self.texts(rows), strict=True):
            text_hash = str(self.hashes[row])
            evaluation = plan.evaluates(text_hash)
            suggestion = None if evaluation or pool is None else _suggestion(pool, scheme, row)
            twins = int(self.pool_texts.sizes[row]) - 1
            cards.append(Card(row, text, text_hash, evaluation, suggestion, answers.get(row), twins))
        return cards


def _mixed(ranked: Array, drawn: Array, ranked_done: int, drawn_done: int, plan: Plan) -> Array:
    """Both in their order, so that of everything labelled the evaluation part keeps its share."""
    share = plan.evaluation_share
    if not len(drawn) or not share:
        return ranked
    ranked_at = (ranked_done + 1 + np.arange(len(ranked))) / (1 - share)
    drawn_at = (drawn_done + 1 + np.arange(len(drawn))) / share
    order = np.argsort(np.concatenate([ranked_at, drawn_at]), kind="stable")
    return np.concatenate([ranked, drawn])[order]


def _suggestion(pool: Pool, scheme: Scheme | None, row: int) -> dict[str, Any] | None:
    """The pool's, in today's labels: merged and deleted ones are not suggested as such."""
    found = pool.suggestion(row)
    if found is None or scheme is None:
        return None
    labels = list(scheme.now(tuple(found["labels"])))
    return {**found, "labels": labels} if labels else None


def _counts(scheme: Scheme | None, person: Person) -> dict[str, int]:
    """Label id -> texts, for every label of the scheme, in its order."""
    if scheme is None:
        return {}
    counts = {label.id: 0 for label in scheme.labels}
    for ids, texts in person.counts.items():
        for label_id in scheme.now(ids):
            counts[label_id] += texts
    return counts


def _today(person: Person) -> int:
    """Texts answered by hand since midnight, by this machine's clock."""
    midnight = time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1))
    by_hand = ~np.isin(person.source, [SOURCES[Source.SPREAD], SOURCES[Source.IMPORTED]])
    return int(((person.state > 0) & by_hand & (person.at >= midnight)).sum())
