"""The quick head of labelling: from the answers to a few texts to what to think of all, in a fraction of a second.

Knows embeddings, targets and what is said of the labels, as arrays. Does not know answers, files or the encoder. What
takes longer than a moment (doubts, the learning curve) is a generator that yields after each fit, so that new
answers never wait for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.metrics import wilson
from core.labels.curve import Curve, fit_curve, sizes_of
from core.labels.similar import by_names
from core.training import head as heads
from core.training.head import Head

STRENGTH = (
    0.3  # scikit-learn's C. Banking77, 500 texts: 0.1 gives 78.7 %, 0.3 79.0 %, 1.0 78.8 % on the test part
)
SURE = 0.9  # probability from which on the head counts as sure
FEWEST_EVALUATION = 50  # answers in the evaluation part from which on the curve is measured there
_FOLDS = 5
_REPEATS = 2  # of the curve on the evaluation part; a cross-validation is one repeat by itself
_TEMPERATURES = np.geomspace(0.25, 4.0, 33)

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Labelled:
    """What people say of n texts."""

    texts: Array  # (n,) int64: which of the U distinct texts
    targets: Array  # (n,) int64 class indices, or (n, C) bool where a text may have several labels

    def __len__(self) -> int:
        return len(self.texts)

    def some(self, at: Array) -> Labelled:
        return Labelled(self.texts[at], self.targets[at])

    def same(self, other: Labelled | None) -> bool:
        if other is None or self.targets.shape != other.targets.shape:
            return False
        return bool((self.texts == other.texts).all() and (self.targets == other.targets).all())


@dataclass(frozen=True)
class Doubts:
    """What heads that have not seen a text say of its label."""

    of: Labelled
    doubts: Array  # (n,) float32: probability of the best other label less that of its own; above 0: they disagree
    temperature: float  # that makes the probabilities of those heads as sure as they are right


class Quick:
    """One head on U distinct texts, refitted from where it was."""

    def __init__(
        self, embeddings: Array, said: Array, owner: Array, classes: int, several: bool, seed: int = 0
    ) -> None:
        """`embeddings` (U, D) float32; `said` (M, D) float32 is what is said of the labels (similar.spoken) and
        `owner` (M,) whose it is. The names are examples too: each label is learnt from them until texts outweigh them.
        """
        self.embeddings, self.classes, self.several, self.seed = embeddings, classes, several, seed
        self.temperature = 1.0
        self._mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._said, self._owner = said, owner
        # all names share a direction that texts do not have; where there is but one, it cannot be told
        known = len(np.unique(owner)) > 1
        self._examples = said - said.mean(axis=0) if known else np.zeros((0, embeddings.shape[1]), np.float32)
        self._example_owner = owner if known else owner[:0]
        self._head: Head | None = None
        self._of_names: Head | None = None

    # ----------------------------------------------------------------- now

    def guess(self) -> Array:
        """(U, C) float32 before anything is labelled: by names and definitions."""
        return by_names(self.embeddings, self._said, self._owner, self.classes)

    def learn(self, labelled: Labelled) -> None:
        """Refit on at least one text, from the head before."""
        self._head = self._fit(labelled, self._head)

    def probabilities(self, texts: Array | None = None) -> Array:
        """(U, C) float32, or of some texts; rows sum to 1 unless a text may have several labels."""
        return self.of(self.embeddings if texts is None else self.embeddings[texts])

    def of(self, features: Array) -> Array:
        """(n, C) float32 of any (n, D) features."""
        if self._head is None:
            raise RuntimeError("nothing was learnt yet")
        return self._normalised(self._logits(self._head, features) / np.float32(self.temperature))

    def right(self, labelled: Labelled) -> Array:
        """(n,) bool: texts whose label, or all of whose labels, the head gives."""
        return self._hits(self.probabilities(labelled.texts), labelled.targets)

    def sure(self, probabilities: Array) -> Array:
        """(n,) bool: where the head is sure, with several labels of each of them."""
        if self.several:
            return np.asarray(np.maximum(probabilities, 1 - probabilities).min(axis=1, initial=1.0) >= SURE)
        return np.asarray(probabilities.max(axis=1, initial=0.0) >= SURE)

    # ----------------------------------------------------------------- in the background

    def doubts(self, labelled: Labelled) -> Iterator[Doubts | None]:
        """None after each fit, and at last the Doubts, by cross-fitting; ends without where there are too few."""
        if len(labelled) < 2 * _FOLDS:
            return
        logits = np.zeros((len(labelled), self.classes), dtype=np.float32)
        for fitted, held in self._folds(len(labelled), 0):
            head = self._fit(labelled.some(fitted), self._start())
            logits[held] = self._logits(head, self.embeddings[labelled.texts[held]])
            yield None
        targets = labelled.targets
        temperature = self._temperature(logits, targets)
        found = self._normalised(logits / np.float32(temperature))
        if self.several:
            doubts = np.where(targets, 1 - 2 * found, 2 * found - 1).max(axis=1, initial=-1.0)
        else:
            at = np.arange(len(found))
            own = found[at, targets].copy()
            found[at, targets] = 0.0
            doubts = found.max(axis=1) - own
        yield Doubts(labelled, doubts.astype(np.float32), temperature)

    def curve(self, labelled: Labelled, held: Labelled) -> Iterator[Curve | None]:
        """None after each fit, and at last the Curve; ends without where there are too few labels. `held`: the
        evaluation part, which is a random sample: where it has enough answers the curve is measured there. Else by
        cross-validation, on texts which the queue chose, and those are harder than most.
        """
        outside = len(held) >= FEWEST_EVALUATION
        if outside:
            sizes, asked = sizes_of(len(labelled)), held
            everything = (np.arange(len(labelled)), np.arange(len(held)))
            repeats = [[everything]] * _REPEATS
        else:
            sizes, asked = sizes_of(len(labelled) - -(-len(labelled) // _FOLDS)), labelled
            repeats = [self._folds(len(labelled), 0)]
        if not sizes:
            return
        rng = np.random.default_rng(self.seed)
        correct = np.zeros((len(repeats), len(sizes), len(asked)), dtype=bool)
        for turn, folds in enumerate(repeats):
            for fitted, out in folds:
                mixed = rng.permutation(fitted)
                for at, size in enumerate(sizes):
                    head = self._fit(labelled.some(np.sort(mixed[:size])), self._start())
                    logits = self._logits(head, self.embeddings[asked.texts[out]])
                    correct[turn, at, out] = self._hits(self._normalised(logits), asked.targets[out])
                    yield None
        measured_on = "evaluation" if outside else "held out"
        yield fit_curve(sizes, correct, len(labelled), measured_on, self.seed)

    # ----------------------------------------------------------------- details

    def _fit(self, labelled: Labelled, start: Head | None) -> Head:
        from threadpoolctl import threadpool_limits

        features = np.concatenate([self.embeddings[labelled.texts] - self._mean, self._examples])
        own = self._example_owner
        if self.several:
            told = np.zeros((len(own), self.classes), dtype=bool)
            told[np.arange(len(own)), own] = True
        else:
            told = own
        targets = np.concatenate([labelled.targets, told])
        # matrices this small gain nothing from a second thread, and lose much where it has to wait for a core
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # more classes than half the texts: so it is at the start
            return heads.fit(features, targets, self.classes, strength=STRENGTH, seed=self.seed, start=start)

    def _start(self) -> Head | None:
        """What the names alone say: a start for heads that must not have seen the texts that they are asked about."""
        if self._of_names is None and len(self._examples):
            empty = np.zeros((0, self.classes), bool) if self.several else np.zeros(0, np.int64)
            self._of_names = self._fit(Labelled(np.zeros(0, np.int64), empty), None)
        return self._of_names

    def _logits(self, head: Head, features: Array) -> Array:
        centred = Head(head.weight, (head.bias - head.weight @ self._mean).astype(np.float32), head.strength)
        return centred.logits(features)

    def _normalised(self, logits: Array) -> Array:
        if self.several:
            return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), dtype=np.float32)
        found = np.exp(
            logits - logits.max(axis=1, keepdims=True)
        )  # in float32: half the time of `forward.softmax`
        found /= found.sum(axis=1, keepdims=True)
        return np.asarray(found, dtype=np.float32)

    def _hits(self, probabilities: Array, targets: Array) -> Array:
        if self.several:
            return np.asarray(((probabilities >= 0.5) == targets).all(axis=1))
        return np.asarray(probabilities.argmax(axis=1) == targets)

    def _folds(self, count: int, turn: int) -> list[tuple[Array, Array]]:
        order = np.random.default_rng([self.seed, turn]).permutation(count)
        return [(np.setdiff1d(order, out), np.sort(out)) for out in np.array_split(order, _FOLDS)]

    def _temperature(self, logits: Array, targets: Array) -> float:
        """Of the least mean negative log-likelihood (C. Guo et al., 2017), among some between a quarter and four."""

        def loss(temperature: float) -> float:
            found = np.clip(self._normalised(logits / np.float32(temperature)), 1e-7, 1 - 1e-7)
            if self.several:
                return float(-np.where(targets, np.log(found), np.log1p(-found)).mean())
            return float(-np.log(found[np.arange(len(found)), targets]).mean())

        return float(min(_TEMPERATURES, key=loss))


def accuracy(right: Array) -> dict[str, Any]:
    """The share of right ones with its Wilson interval, as JSON."""
    found = wilson(int(right.sum()), len(right))
    return {
        "n": len(right),
        "right": int(right.sum()),
        "value": found.value,
        "low": found.low,
        "high": found.high,
    }
