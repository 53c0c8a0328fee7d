"""What the assist job has in mind: answers and scheme as they stand, the head, and what it makes of all texts.

Knows how answers become targets and how a generation of files is made of a fitted head. Does not know jobs, leases
or idle time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.data.whole import save_array
from core.desk import Desk
from core.errors import NotFound
from core.jobs.assist_texts import Distinct, Vectors
from core.labels import consensus as agreements
from core.labels import pool as pools
from core.labels.asking import AHEAD, Cover, measures
from core.labels.curve import Curve
from core.labels.nouns import Answer, AnswerState, Decision, Plan, Scheme
from core.labels.similar import spoken
from core.labels.votes import votes_of
from core.store import labels as label_rows
from core.training.few import name_in_words
from core.training.relearn import Doubts, Labelled, Quick, accuracy

_GROWN = 1.1  # times as many labels as at the last one: then the learning curve is measured again
_DOUBT_SECONDS = 15.0  # between two looks for suspected errors

Array = np.ndarray[Any, Any]


class Gone(Exception):
    """The scheme, or the data set with it, is not there any more."""


class Assistant:
    def __init__(self, desk: Desk, texts: Distinct, vectors: Vectors) -> None:
        self.desk, self.texts, self.vectors = desk, texts, vectors
        self.said_ready = False
        earlier = pools.Pool.open(desk.folder)
        self._before = 0 if earlier is None else earlier.generation
        self.generation = 0
        self._embeddings = vectors.of(texts.hashes)
        self._cover = Cover(self._embeddings)
        self._diverse: Array | None = None
        self._answers: dict[tuple[int, str], Answer] = {}
        self._number = 0
        self._scheme: Scheme | None = None
        self._plan: Plan | None = None
        self._decisions: dict[int, Decision] = {}
        self._said: list[tuple[str, ...]] | None = None
        self._quick: Quick | None = None
        self._labelled = self._held = Labelled(np.zeros(0, np.int64), np.zeros(0, np.int64))
        self._doubts: Doubts | None = None
        self._doubted = -np.inf
        self._curve: Curve | None = None
        self._curve_at = 0
        self._waiting = False  # for `learn`
        self._laying: threading.Thread | None = None

    # ----------------------------------------------------------------- what is new

    def look(self) -> bool:
        """Whether anything changed that the head should know. Raises Gone, NotFound."""
        db, dataset_id = self.desk.ws.db, self.desk.dataset.id
        scheme, plan = self.desk.scheme(), self.desk.plan()
        if scheme is None:
            self.desk.ws.dataset(dataset_id)
            raise Gone
        decisions = label_rows.decisions(db, dataset_id)
        news = scheme != self._scheme or plan != self._plan or decisions != self._decisions
        # Asked first: what arrives from here on is read next time.
        newest = label_rows.last_number(db, dataset_id)
        if newest > self._number:
            for number, answer in label_rows.answers(db, dataset_id, after=self._number):
                self._answers[answer.row, answer.annotator_id] = answer
                newest = max(newest, number)
                news = True
            self._number = newest
        self._scheme, self._plan, self._decisions = scheme, plan, decisions
        self._waiting = self._waiting or news
        return self._waiting

    # ----------------------------------------------------------------- a generation

    def learn(self) -> None:
        """Refit on what stands now, and write what it makes of all texts."""
        self._waiting = False
        quick = self._head()
        before = self._labelled
        self._labelled, self._held = self._targets()
        if len(self._labelled):
            if not self._labelled.same(before) or not self.generation:
                quick.learn(self._labelled)
            probabilities = quick.probabilities()
        else:
            probabilities = quick.guess()
        self._write(quick, probabilities)

    def _head(self) -> Quick:
        """For the labels as they are; a new one where a name, a definition or the set of labels changed."""
        scheme = self._now()
        said = [
            (label.id, *spoken(name_in_words(label.name), label.definition, label.examples))
            for label in scheme.labels
        ]
        key = [(str(scheme.several),), *said]
        if self._quick is None or key != self._said:
            sentences = [text for one in said for text in one[1:]]
            owner = np.repeat(np.arange(len(said)), [len(one) - 1 for one in said])
            vectors = (
                self.vectors.get(sentences)
                if sentences
                else np.zeros((0, self._embeddings.shape[1]), np.float32)
            )
            self._quick = Quick(self._embeddings, vectors, owner, len(said), scheme.several)
            self._said, self._doubts, self._curve, self._curve_at = key, None, None, 0
            self._labelled = Labelled(np.zeros(0, np.int64), np.zeros(0, np.int64))
            self.vectors.rest()
        return self._quick

    def _targets(self) -> tuple[Labelled, Labelled]:
        """What is agreed on: outside and inside the evaluation part. Skipped texts and ties are left out."""
        scheme, groups = self._now(), self.desk.pool_texts.groups
        votes = votes_of(self._answers.values(), scheme, self.desk.hashes)
        rows: list[int] = []
        chosen: list[list[int]] = []
        if votes.rows:
            word = {int(groups[row]): decision for row, decision in self._decisions.items()}
            of_rows = {row: word[int(groups[row])] for row in votes.rows if int(groups[row]) in word}
            agreed = agreements.decided(agreements.majority(votes), of_rows, scheme)
            at = {label: c for c, label in enumerate(agreed.labels)}
            for row, labels in zip(agreed.rows, agreed.chosen, strict=True):
                if labels is not None and (scheme.several or len(labels) == 1):
                    rows.append(int(row))
                    chosen.append([at[label] for label in labels])
        texts = self.texts.index[np.asarray(rows, dtype=np.int64)]
        if scheme.several:
            targets = np.zeros((len(rows), len(scheme.labels)), dtype=bool)
            for row, own in enumerate(chosen):
                targets[row, own] = True
        else:
            targets = np.asarray([own[0] for own in chosen], dtype=np.int64)
        held = self._evaluation()[texts]
        known = Labelled(texts, targets)
        return known.some(np.flatnonzero(~held)), known.some(np.flatnonzero(held))

    def _write(self, quick: Quick, probabilities: Array) -> None:
        scheme, spread = self._now(), self.texts.spread
        margins, entropies, predicted = measures(probabilities, scheme.several)
        open_ = self._open()
        sure = quick.sure(probabilities[open_])
        arrays = {
            "probabilities": spread(probabilities.astype(np.float16)),
            "margins": spread(margins),
            "entropies": spread(entropies),
            "predicted": spread(predicted),
            "doubts": spread(self._doubts_of_texts(), np.nan),
            "diverse": self.texts.first[self._diverse_order()].astype(np.int32),
            "auto": self.texts.first[self._cover.ask_next(open_, self._labelled.texts, margins)].astype(
                np.int32
            ),
            "known": self.texts.index >= 0,
        }
        self.generation = max(self.generation, self._before) + 1
        facts = {
            "generation": self.generation,
            "trained_on": self._number,
            "scheme_version": scheme.version,
            "label_ids": [label.id for label in scheme.labels],
            "several": scheme.several,
            "by": "model" if len(self._labelled) else "names",
            "labelled": len(self._labelled),
            "certainty": {
                "texts": len(open_),
                "sure": int(sure.sum()),
                "share": float(sure.mean()) if len(open_) else 0.0,
                **self._how_sure_it_may_be(quick),
            },
            "evaluation": accuracy(quick.right(self._held))
            if len(self._held) and len(self._labelled)
            else None,
            "curve": None if self._curve is None else self._curve.to_json(),
        }
        pools.write(self.desk.folder, arrays, facts)

    def _how_sure_it_may_be(self, quick: Quick) -> dict[str, Any]:
        """On the evaluation part: of the texts that it is sure about, how many are right."""
        if not len(self._held) or not len(self._labelled):
            return {"checked": None}
        sure = quick.sure(quick.probabilities(self._held.texts))
        return {"checked": accuracy(quick.right(self._held)[sure]) if sure.any() else None}

    def _doubts_of_texts(self) -> Array:
        """(U,) float16; only of answers that still stand as they were."""
        found = np.full(len(self.texts), np.nan, dtype=np.float16)
        if self._doubts is not None and self._doubts.of.targets.ndim == self._labelled.targets.ndim:
            now = {
                int(text): target
                for text, target in zip(self._labelled.texts, self._labelled.targets, strict=True)
            }
            for text, target, doubt in zip(
                self._doubts.of.texts, self._doubts.of.targets, self._doubts.doubts, strict=True
            ):
                if int(text) in now and np.array_equal(now[int(text)], target):
                    found[text] = doubt
        return found

    def _diverse_order(self) -> Array:
        """Once, over all texts; which of them are still to be asked is for the queue to say."""
        if self._diverse is None:
            self._diverse = self._cover.order(np.arange(len(self.texts)), AHEAD)
        return self._diverse[~self._evaluation()[self._diverse]]

    def _open(self) -> Array:
        """Texts outside the evaluation part that nobody answered yet."""
        answered = np.zeros(len(self.texts), dtype=bool)
        rows = [row for (row, _), one in self._answers.items() if one.state is not AnswerState.CLEARED]
        answered[self.texts.index[np.asarray(rows, dtype=np.int64)]] = True
        return np.flatnonzero(~answered & ~self._evaluation())

    def _evaluation(self) -> Array:
        share = self._plan.evaluation_share if self._plan is not None else 0.0
        return np.asarray(self.desk.pool_texts.fractions[self.texts.first] < share)

    def _now(self) -> Scheme:
        if self._scheme is None:
            raise NotFound("This data set has no labels.")
        return self._scheme

    # ----------------------------------------------------------------- between answers

    def has_work(self) -> bool:
        """Whether there is anything to do while no answer comes."""
        return self._doubts_due() or self._curve_due() or (self._laying is None and not self._laid_out())

    def background(self) -> Iterator[None]:
        """Suspected errors, the learning curve and the map's sheet, in steps of a fit each."""
        quick = self._head()
        if self._doubts_due():
            self._doubted = time.monotonic()
            for doubts in quick.doubts(self._labelled):
                if doubts is not None and quick is self._quick:
                    self._doubts, quick.temperature, self._waiting = doubts, doubts.temperature, True
                yield
        if self._curve_due():
            self._curve_at = len(self._labelled)
            for curve in quick.curve(self._labelled, self._held):
                if curve is not None and quick is self._quick:
                    self._curve, self._waiting = curve, True
                yield
        if self._laying is None and not self._laid_out():
            self._laying = threading.Thread(target=self._lay_out, name="sheet", daemon=True)
            self._laying.start()

    def _doubts_due(self) -> bool:
        known = self._doubts is not None and self._labelled.same(self._doubts.of)
        enough = len(self._labelled) >= 10
        return enough and not known and time.monotonic() - self._doubted >= _DOUBT_SECONDS

    def _curve_due(self) -> bool:
        return len(self._labelled) >= max(30, _GROWN * self._curve_at)

    def _laid_out(self) -> bool:
        return (self.desk.folder / "xy-final").exists()

    def _lay_out(self) -> None:
        """xy.npy (N, 2) float32 for the map: a quick sheet at once, the better one when it is done."""
        from core.labels import projection

        with contextlib.suppress(OSError):
            self._keep_sheet(projection.quick(self._embeddings))
            self._keep_sheet(projection.project(self._embeddings, seed=0))
            (self.desk.folder / "xy-final").touch()

    def _keep_sheet(self, sheet: Array) -> None:
        save_array(self.desk.folder / "xy.npy", self.texts.spread(sheet.astype(np.float32), np.nan))
