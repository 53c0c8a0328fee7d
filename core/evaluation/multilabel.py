"""Several labels a text: thresholds that turn probabilities into labels, and scores of the labels.

Knows (N, C) arrays of truth, predictions and probabilities. Does not know texts or models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.evaluation.metrics import RESAMPLES, class_scores, f1_of, wilson
from core.records import Interval, Scores

_WORK = 4_000_000_000  # multiplications that a bootstrap may cost; fewer resamples beyond it
_BLOCK = 4_000_000  # cells held at once
_PRIOR = 10.0  # texts that the common threshold counts as, against a label's own positive texts
_GRID = np.arange(-7.0, 7.0001, 0.05)  # log-odds at which a common threshold is tried
_EDGE = 1e-6  # probabilities nearer to 0 or 1 than this count as that near


# --------------------------------------------------------------------------- thresholds


def choose(probabilities: np.ndarray[Any, Any], thresholds: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(N, C) probabilities and (C,) thresholds to (N, C) bool: the labels of each text, which may be none."""
    return np.asarray(probabilities >= thresholds)


def tune_thresholds(truth: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(C,) float64 thresholds in (0, 1) that are to maximise the F1 of each label on texts like these.

    `truth` (N, C) bool, `probabilities` (N, C), of texts that the model did not learn from. The best threshold of
    a label lies in the middle between two probabilities; of equals, the one nearest to 0.5. On few positive texts
    it is mostly chance, so it is drawn, in log-odds, towards the threshold that is best for all labels together,
    which counts as 10 positive texts; that one in the same way towards 0.5, which is also what a label without
    positive texts gets where no other label has any.

    Why not straight towards 0.5: models of rare labels give low probabilities to all texts, and 0.5 is then far
    from any good threshold. Eight splits of 2,000 cooking questions (11 labels, 300 texts to tune on), macro-F1
    on 2,000 others with frozen MiniLM features / TF-IDF: 0.5 everywhere 59.3 / 28.0; each label's own best 64.6 /
    66.7; drawn towards 0.5 63.8 / 55.2; drawn towards the common one 65.7 / 67.8.
    """
    truth = np.asarray(truth, dtype=bool)
    wide = np.clip(np.asarray(probabilities, dtype=np.float64), _EDGE, 1 - _EDGE)
    odds = np.log(wide) - np.log1p(-wide)
    order = np.argsort(-odds, axis=0, kind="stable")
    falling = np.take_along_axis(odds, order, axis=0)
    hits = np.take_along_axis(truth, order, axis=0).cumsum(axis=0)
    positives = truth.sum(axis=0)
    total = positives.sum()
    common = _common(falling, hits, positives) * total / (total + _PRIOR)
    own = _own(falling, hits, positives)
    drawn = (positives * own + _PRIOR * common) / (positives + _PRIOR)
    return np.asarray(1 / (1 + np.exp(-drawn)))


def _own(
    falling: np.ndarray[Any, Any], hits: np.ndarray[Any, Any], positives: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(C,) log-odds: the cut of each column of `falling` with the highest F1; 0 without positives.

    `falling` (N, C): log-odds from high to low; `hits` (N, C): positives down to there.
    """
    n, classes = falling.shape
    if not n:
        return np.zeros(classes)
    guessed = np.arange(1, n + 1)[:, None]
    after = np.vstack([falling[1:], np.full((1, classes), -np.inf)])
    f1 = np.where(falling > after, 2.0 * hits / (positives + guessed), -1.0)  # no cut between equals
    after[-1] = falling[-1] - 2.0  # the last gap has no end: a cut somewhat below
    middle = (falling + after) / 2
    best = f1 >= f1.max(axis=0) - 1e-12
    at = np.where(best, np.abs(middle), np.inf).argmin(axis=0)
    return np.where(positives > 0, middle[at, np.arange(classes)], 0.0)


def _common(
    falling: np.ndarray[Any, Any], hits: np.ndarray[Any, Any], positives: np.ndarray[Any, Any]
) -> float:
    """Log-odds: the one cut for all labels with the highest macro-F1; of equals, the one nearest to 0.5."""
    present = np.flatnonzero(positives)
    if not len(present):
        return 0.0
    f1 = np.zeros(len(_GRID))
    for c in present:
        guessed = np.searchsorted(-falling[:, c], -_GRID, side="right")
        right = np.concatenate([[0], hits[:, c]])[guessed]
        f1 += 2.0 * right / (positives[c] + guessed)
    best = np.flatnonzero(f1 >= f1.max() - 1e-9)
    return float(_GRID[best[np.abs(_GRID[best]).argmin()]])


# --------------------------------------------------------------------------- scores


def score_several(
    truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], labels: Sequence[str], seed: int = 0
) -> Scores:
    """Scores of N texts with any number of C labels; `truth` and `predicted` are (N, C) bool.

    `accuracy`: the share of texts whose labels are all right, with its Wilson interval. `macro_f1`: the plain
    mean of F1 over the labels that occur in truth or prediction; `micro_f1`: F1 of all labels counted together;
    both with a percentile bootstrap over texts (B. Efron, 1979). There is no confusion matrix.
    Raises ValueError when shapes differ.
    """
    true, guess = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    names = tuple(labels)
    if true.shape != guess.shape or true.ndim != 2 or true.shape[1] != len(names):
        raise ValueError(f"truth {true.shape}, predictions {guess.shape}, but {len(names)} labels")
    macro, micro = _intervals(true, guess, seed)
    return Scores(
        n=len(true),
        accuracy=wilson(int((true == guess).all(axis=1).sum()), len(true)),
        macro_f1=macro,
        per_class=class_scores((true & guess).sum(axis=0), true.sum(axis=0), guess.sum(axis=0), names),
        confusion=(),
        labels=names,
        micro_f1=micro,
    )


def mean_f1(truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> tuple[float, float]:
    """(macro-F1, micro-F1) of (N, C) bool arrays, as `score_several` has them, without intervals: cheap."""
    true, guess = np.asarray(truth, dtype=bool), np.asarray(predicted, dtype=bool)
    hits, total = (true & guess).sum(axis=0), true.sum(axis=0) + guess.sum(axis=0)
    macro, micro = _means(hits[None].astype(np.float64), total[None].astype(np.float64))
    return float(macro[0]), float(micro[0])


def _means(
    hits: np.ndarray[Any, Any], total: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(R,) macro-F1 and (R,) micro-F1 from (R, C) true positives and (R, C) support + predicted."""
    occurs = (total > 0).sum(axis=1)
    none = np.zeros(1)  # `total` is support and predicted together
    f1 = f1_of(hits, total, none)
    macro = np.divide(f1.sum(axis=1), occurs, out=np.zeros(len(hits)), where=occurs > 0)
    return macro, f1_of(hits.sum(axis=1), total.sum(axis=1), none)


def _intervals(
    true: np.ndarray[Any, Any], guess: np.ndarray[Any, Any], seed: int
) -> tuple[Interval, Interval]:
    """Macro- and micro-F1 with their intervals. Texts with the same truth and prediction are drawn together: a
    bootstrap sample is one multinomial draw over the different pairs, of which there are few."""
    n, classes = true.shape
    if n == 0:
        return Interval(0.0, 0.0, 1.0), Interval(0.0, 0.0, 1.0)
    packed = np.packbits(np.hstack([true, guess]), axis=1)
    _, first, times = np.unique(packed, axis=0, return_index=True, return_counts=True)
    both = (true[first] & guess[first]).astype(np.float32)  # (P, C)
    either = true[first].astype(np.float32) + guess[first]
    resamples = int(np.clip(_WORK // max(1, 2 * len(first) * classes), 200, RESAMPLES))
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // (len(first) + classes))
    drawn_macro, drawn_micro = [], []
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = rng.multinomial(n, times / n, size=size).astype(np.float32)
        macro, micro = _means((counts @ both).astype(np.float64), (counts @ either).astype(np.float64))
        drawn_macro.append(macro)
        drawn_micro.append(micro)
    values = mean_f1(true, guess)
    return _percentiles(values[0], drawn_macro), _percentiles(values[1], drawn_micro)


def _percentiles(value: float, drawn: list[np.ndarray[Any, Any]]) -> Interval:
    low, high = np.percentile(np.concatenate(drawn), [2.5, 97.5])
    # the percentile interval of a biased statistic can miss its own value; the value belongs to it
    return Interval(value, min(float(low), value), max(float(high), value))
