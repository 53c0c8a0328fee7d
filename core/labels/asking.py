"""What teaches the model most: how sure it is of each text, and texts that stand for many others.

Arithmetic on probabilities and embeddings. Does not know heads, answers or files; `queue` ranks rows by what is
computed here.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

AHEAD = 1000  # texts that the diverse order has
# Texts labelled before the model has a say in what comes next. Simulated on Banking77 (77 labels, whose names are
# known): 25, 77 and 150 end within half a point of each other at 500 labels, and 25 is ahead until 200.
START = 25
NEXT = 200  # texts that the default queue is ranked for, until the next refit ranks it anew
_SAMPLE = 3000  # texts that stand for the pool in a cover
_CANDIDATES = 1500  # texts among which an order is looked for


def measures(
    probabilities: np.ndarray[Any, Any], several: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Margins (N,) float16, entropies (N,) float16 in nats and the most probable class (N,) int16 of (N, C)
    probabilities.

    With several labels a text each label is a question of its own: the margin is that of the least certain one, the
    entropy the sum over all.
    """
    count, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1).astype(np.int16) if classes else np.zeros(count, np.int16)
    p = np.clip(probabilities, 1e-7, 1.0)
    if several:
        q = np.clip(1.0 - probabilities, 1e-7, 1.0)
        margins = np.abs(2.0 * probabilities - 1.0).min(axis=1, initial=1.0)
        entropies = -(p * np.log(p) + q * np.log(q)).sum(axis=1)
    else:
        if classes > 1:
            best = np.partition(probabilities, classes - 2, axis=1)[:, -2:]
            margins = best[:, 1] - best[:, 0]
        else:
            margins = np.ones(count)
        entropies = -(p * np.log(p)).sum(axis=1)
    return margins.astype(np.float16), entropies.astype(np.float16), predicted


class Cover:
    """Which texts stand for the pool: facility location, the sum over all texts of the cosine to the nearest chosen
    one, raised greedily (G. Nemhauser et al., 1978).

    Each prefix of its order is spread over the pool and lies where texts are dense: unlike the farthest text, which
    is mostly an oddity. The pool is represented by a random sample of it.
    """

    def __init__(self, embeddings: np.ndarray[Any, Any], seed: int = 0) -> None:
        """`embeddings` (U, D) float32 of the distinct texts."""
        self._rng = np.random.default_rng(seed)
        self._embeddings = embeddings
        self._sample = self._rng.permutation(len(embeddings))[:_SAMPLE]
        self._places = self._unit(self._sample)

    def of(self, chosen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(S,) float32: how well each text of the sample is stood for by the `chosen` ones; 0 by none."""
        best = np.zeros(len(self._sample), dtype=np.float32)
        for start in range(0, len(chosen), 256):
            block = self._unit(chosen[start : start + 256])
            best = np.maximum(best, (self._places @ block.T).max(axis=1, initial=0.0))
        return best

    def order(
        self,
        candidates: np.ndarray[Any, Any],
        most: int,
        chosen: np.ndarray[Any, Any] | None = None,
        weights: np.ndarray[Any, Any] | None = None,
    ) -> np.ndarray[Any, Any]:
        """At most `most` of the candidates (text numbers), each the one that adds most to what is `chosen` before it.
        `weights` (U,) ≥ 0: how much it counts that a text is stood for; None: all the same.
        """
        best = self.of(np.zeros(0, dtype=np.int64) if chosen is None else chosen)
        weight = (
            np.ones(len(self._sample), np.float32)
            if weights is None
            else weights[self._sample].astype(np.float32)
        )
        tried = self._drawn(np.asarray(candidates, dtype=np.int64), weights, max(_CANDIDATES, 2 * most))
        near = self._unit(tried) @ self._places.T  # (K, S)
        gains = np.maximum(near - best, 0.0) @ weight
        # what a text adds only shrinks as others are chosen: an old gain is an upper bound (M. Minoux, 1978)
        waiting = [(-float(gain), at, 0) for at, gain in enumerate(gains)]
        heapq.heapify(waiting)
        order: list[int] = []
        while waiting and len(order) < most:
            _, at, known = heapq.heappop(waiting)
            if known < len(order):
                heapq.heappush(waiting, (-float(np.maximum(near[at] - best, 0.0) @ weight), at, len(order)))
                continue
            order.append(int(tried[at]))
            best = np.maximum(best, near[at])
        return np.asarray(order, dtype=np.int64)

    def ask_next(
        self,
        open_: np.ndarray[Any, Any],
        labelled: np.ndarray[Any, Any],
        margins: np.ndarray[Any, Any],
        most: int = NEXT,
    ) -> np.ndarray[Any, Any]:
        """The default queue: `open_` texts that stand for many others, given the `labelled` ones, and from START
        labels on for many that the head is not certain of (`margins`, (U,)).

        Simulated (bench/labelling.py), that is better than asking the least certain ones, which are much alike.
        """
        weights = None if len(labelled) < START else 1.0 - margins.astype(np.float32)
        return self.order(open_, most, labelled, weights)

    def _unit(self, texts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found = self._embeddings[texts]
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))

    def _drawn(
        self, candidates: np.ndarray[Any, Any], weights: np.ndarray[Any, Any] | None, most: int
    ) -> np.ndarray[Any, Any]:
        """At most `most` candidates, drawn at random, those of a larger weight sooner (P. Efraimidis and P. Spirakis,
        2006, in logarithms).
        """
        if len(candidates) <= most:
            return candidates
        keys = self._rng.exponential(size=len(candidates))
        if weights is not None:
            keys /= np.maximum(weights[candidates], 1e-6)
        return candidates[np.argpartition(keys, most)[:most]]
