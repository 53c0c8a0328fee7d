"""How far several methods agree about one text. Knows scores of words, not how they came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.explain.attribution import Attribution

Matrix = np.ndarray[Any, Any]

TOP = 5  # words that are compared as the most important ones, a third of the text at most


@dataclass(frozen=True)
class Agreement:
    """Between M methods, each with each; NaN: not defined (fewer than three words, or all scores alike)."""

    methods: tuple[str, ...]
    spearman: Matrix  # (M, M) rank correlation of the words' scores, -1 to 1
    kendall: Matrix  # (M, M) tau-b: concordant minus discordant pairs of words, ties allowed for
    overlap: Matrix  # (M, M) share of the k top words that both name
    k: int
    chance: float  # overlap of two choices of k words at random, in the mean


def agreement(found: Sequence[Attribution], k: int | None = None) -> Agreement:
    """The agreement of attributions of one text and one aim.

    Words are ranked by score. Where one of two methods knows no sign (attention), the other's sign is left out too: both
    are ranked by how much. Raises ValueError for attributions of different texts.
    """
    from scipy.stats import kendalltau, spearmanr

    words = len(found[0].words) if found else 0
    if any(one.words != found[0].words for one in found):
        raise ValueError("attributions of different texts cannot be compared")
    k = min(words, k or max(1, min(TOP, words // 3)))
    size = len(found)
    spearman, kendall, overlap = (np.full((size, size), np.nan) for _ in range(3))
    for i in range(size):
        for j in range(size):
            a, b = _alike(found[i], found[j])
            overlap[i, j] = len(set(_top(a, k)) & set(_top(b, k))) / k if k else np.nan
            if words >= 3 and np.ptp(a) > 0 and np.ptp(b) > 0:
                spearman[i, j] = spearmanr(a, b).statistic
                kendall[i, j] = kendalltau(a, b).statistic
    return Agreement(
        tuple(one.method for one in found), spearman, kendall, overlap, k, k / words if words else 0.0
    )


def _alike(one: Attribution, other: Attribution) -> tuple[Matrix, Matrix]:
    if one.signed and other.signed:
        return one.word_scores, other.word_scores
    return np.abs(one.word_scores), np.abs(other.word_scores)


def _top(scores: Matrix, k: int) -> list[int]:
    return [int(word) for word in np.argsort(-scores, kind="stable")[:k]]
