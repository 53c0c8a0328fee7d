"""Scores with their intervals, from true and predicted class indices.

Knows: counts, the Wilson interval, the bootstrap. Does not know: texts, models, thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.records import ClassScore, Interval, Scores

Z95 = 1.959963984540054  # 97.5th percentile of the standard normal distribution

RESAMPLES = 1000
_DRAWS = 20_000_000  # binomial draws that a bootstrap may cost; fewer resamples beyond it
_BLOCK = 2_000_000  # cells held at once


def wilson(k: int, n: int) -> Interval:
    """k successes in n trials, as a share with its 95 % interval.

    Source: E. B. Wilson (1927), JASA 22, 209-212. It stays inside [0, 1] and is sound for small n and for
    shares near 0 and 1. n = 0 tells nothing: value 0, interval 0 to 1.
    """
    if n <= 0:
        return Interval(0.0, 0.0, 1.0)
    share = k / n
    square = Z95 * Z95
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return Interval(share, low, high)


def score(truth: Sequence[int], predicted: Sequence[int], labels: Sequence[str], seed: int = 0) -> Scores:
    """Scores of N predictions.

    `truth` and `predicted` are (N,) class indices into `labels` (C). Macro-F1 is the plain mean of F1 over
    the classes that occur in truth or prediction: a class that no text has and no text got says nothing.
    Raises ValueError when lengths differ or an index is outside the labels.
    """
    true, guess, names = (
        np.asarray(truth, dtype=np.int64),
        np.asarray(predicted, dtype=np.int64),
        tuple(labels),
    )
    _require(true, guess, len(names))
    confusion = _confusion(true, guess, len(names))
    return Scores(
        n=len(true),
        accuracy=wilson(int(np.trace(confusion)), len(true)),
        macro_f1=_macro_f1_interval(confusion, seed),
        per_class=class_scores(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0), names),
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        labels=names,
    )


def macro_f1(truth: Sequence[int], predicted: Sequence[int], classes: int) -> float:
    """The value of `score(...).macro_f1` without its interval: cheap enough for every evaluation."""
    confusion = _confusion(np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64), classes)
    return _macro_f1_of(confusion)


def _require(true: np.ndarray[Any, Any], guess: np.ndarray[Any, Any], classes: int) -> None:
    if true.shape != guess.shape:
        raise ValueError(f"{len(true)} true classes, but {len(guess)} predicted ones")
    for indices in (true, guess):
        if len(indices) and (indices.min() < 0 or indices.max() >= classes):
            raise ValueError(f"a class index is outside the {classes} labels")


def _confusion(true: np.ndarray[Any, Any], guess: np.ndarray[Any, Any], classes: int) -> np.ndarray[Any, Any]:
    """(C, C) counts: true class by row, predicted class by column."""
    if len(true) == 0:  # scikit-learn refuses an empty set
        return np.zeros((classes, classes), dtype=np.int64)
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(true, guess, labels=np.arange(classes)), dtype=np.int64)


def f1_of(
    hits: np.ndarray[Any, Any], support: np.ndarray[Any, Any], guessed: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """F1 = 2 TP / (support + predicted); 0 where the class does not occur."""
    total = support + guessed
    return np.divide(2.0 * hits, total, out=np.zeros(total.shape, dtype=np.float64), where=total > 0)


def _macro_f1_of(confusion: np.ndarray[Any, Any]) -> float:
    support, guessed = confusion.sum(axis=1), confusion.sum(axis=0)
    occurs = (support + guessed) > 0
    if not occurs.any():
        return 0.0
    return float(f1_of(np.diag(confusion), support, guessed)[occurs].mean())


def _macro_f1_interval(confusion: np.ndarray[Any, Any], seed: int) -> Interval:
    """Percentile bootstrap over texts (B. Efron, 1979).

    Drawing N texts with replacement and counting them into the confusion matrix is one multinomial draw over
    its cells, so the cost depends on the filled cells, not on N.
    """
    n = int(confusion.sum())
    value = _macro_f1_of(confusion)
    if n == 0:
        return Interval(0.0, 0.0, 1.0)
    rows, columns = np.nonzero(confusion)
    cells = confusion[rows, columns]
    classes = len(confusion)
    of_row, of_column, of_diagonal = (np.zeros((len(cells), classes), dtype=np.float64) for _ in range(3))
    index = np.arange(len(cells))
    of_row[index, rows] = 1.0
    of_column[index, columns] = 1.0
    of_diagonal[index[rows == columns], rows[rows == columns]] = 1.0

    rng = np.random.default_rng(seed)
    resamples = int(np.clip(_DRAWS // len(cells), 200, RESAMPLES))
    block = max(1, _BLOCK // len(cells))
    values: list[np.ndarray[Any, Any]] = []
    for start in range(0, resamples, block):
        drawn = rng.multinomial(n, cells / n, size=min(block, resamples - start)).astype(np.float64)
        support, guessed = drawn @ of_row, drawn @ of_column
        occurs = (support + guessed) > 0
        values.append(f1_of(drawn @ of_diagonal, support, guessed).sum(axis=1) / occurs.sum(axis=1))
    low, high = np.percentile(np.concatenate(values), [2.5, 97.5])
    # the percentile interval of a biased statistic can miss its own value; the value belongs to it
    return Interval(value, min(float(low), value), max(float(high), value))


def class_scores(
    hits: np.ndarray[Any, Any],
    support: np.ndarray[Any, Any],
    guessed: np.ndarray[Any, Any],
    labels: Sequence[str],
) -> tuple[ClassScore, ...]:
    """From (C,) counts: texts that are and were predicted, are, were predicted."""
    f1 = f1_of(hits, support, guessed)
    scores = []
    for c, label in enumerate(labels):
        recall = wilson(int(hits[c]), int(support[c]))
        scores.append(
            ClassScore(
                label=label,
                support=int(support[c]),
                predicted=int(guessed[c]),
                precision=float(hits[c] / guessed[c]) if guessed[c] else 0.0,
                recall=recall.value,
                f1=float(f1[c]),
                recall_low=recall.low,
                recall_high=recall.high,
            )
        )
    return tuple(scores)
