"""Agreement beyond chance from counts, for many resamples of the texts at once.

Knows sums over patterns of answers. Does not know people, labels' names or intervals' meaning (`agreement`).

All measures here have the form (observed - expected) / (1 - expected). Texts with the same answers are one pattern
with a multiplicity, and a bootstrap resample of N texts is a draw of N patterns: weights W (B, U) over U patterns.
All sums over texts are then matrix products, and 1,000 resamples of 5,000 texts take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Matrix = np.ndarray[Any, Any]

RESAMPLES = 1000
_FEWEST = 200
_DRAWS = 12_000_000  # binomial draws that a bootstrap may cost; fewer resamples beyond it
_BLOCK = 4_000_000  # cells of W held at once


@dataclass(frozen=True)
class Beyond:
    """Observed and expected agreement, each (B,) or (B, C)."""

    observed: Matrix
    expected: Matrix

    @property
    def value(self) -> Matrix:
        """NaN where chance alone would always agree: no text or person differs, so nothing can be told."""
        room = 1.0 - self.expected
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(room > 1e-12, (self.observed - self.expected) / room, np.nan)


def resamples(patterns: int) -> int:
    """How many resamples a bootstrap over so many patterns takes: 1,000, fewer where that takes too long."""
    return int(np.clip(_DRAWS // max(1, patterns), _FEWEST, RESAMPLES))


def draws(times: Matrix, count: int, rng: np.random.Generator) -> Iterator[Matrix]:
    """Blocks of W, `count` rows in all: resamples of the texts, given how often each of U patterns occurs."""
    total = int(times.sum())
    share = times / total
    block = max(1, _BLOCK // len(times))
    for begin in range(0, count, block):
        yield rng.multinomial(total, share, size=min(block, count - begin)).astype(np.float64)


# ------------------------------------------------------------------------------------- any number of people


@dataclass(frozen=True)
class Patterns:
    """U distinct ways in which texts are answered, whoever says what."""

    times: Matrix  # (U,) texts of each pattern
    counts: Matrix  # (U, S) people per distinct answer
    presence: Matrix  # (U, C) people per label
    people: Matrix  # (U,) people who say something; at least two


def patterns_of(codes: Matrix, member: Matrix) -> Patterns:
    """From (N, A) answers (-1: none) of texts with at least two, and (S, C) labels of each distinct answer."""
    found, times = np.unique(np.sort(codes, axis=1), axis=0, return_counts=True)
    counts = np.zeros((len(found), len(member)), dtype=np.float64)
    at, person = np.nonzero(found >= 0)
    np.add.at(counts, (at, found[at, person]), 1)
    return Patterns(times, counts, counts @ member, counts.sum(axis=1))


def percent(w: Matrix, p: Patterns) -> tuple[Matrix, Matrix]:
    """(B,) share of the pairs of answers to the same text that are the same, and (B, C) the share of them that
    say the same of each label.
    """
    m, k = p.people, p.presence
    pairs = w @ (m * (m - 1))
    same = w @ (p.counts * (p.counts - 1)).sum(axis=1) / pairs
    rest = m[:, None] - k
    return same, (w @ (k * (k - 1) + rest * (rest - 1))) / pairs[:, None]


def alpha(w: Matrix, p: Patterns) -> tuple[Beyond, Beyond]:
    """Krippendorff's alpha for nominal data: of whole answers (B,), and of each label against the rest (B, C).

    K. Krippendorff (2004), Content Analysis, ch. 11: observed disagreement is the share of unequal pairs within
    texts, each text's pairs divided by its answers minus one; the expected one that of all answers thrown together.
    """
    m, k = p.people, p.presence
    n = w @ m
    held = w @ p.counts
    unequal = w @ ((m**2 - (p.counts**2).sum(axis=1)) / (m - 1))
    whole = Beyond(1 - unequal / n, 1 - (n**2 - (held**2).sum(axis=1)) / (n * (n - 1)))
    given = w @ k
    unequal = w @ (2 * k * (m[:, None] - k) / (m - 1)[:, None])
    every = n[:, None]
    return whole, Beyond(1 - unequal / every, 1 - 2 * given * (every - given) / (every * (every - 1)))


def fleiss(w: Matrix, p: Patterns, people: int) -> tuple[Beyond, Beyond]:
    """Fleiss' kappa on the texts with exactly so many answers: (B,) and per label (B, C).

    J. L. Fleiss (1971), Psychological Bulletin 76, 378-382. NaN in a resample that has no such text.
    """
    w = w * (p.people == people)
    r, k = float(people), p.presence
    with np.errstate(divide="ignore", invalid="ignore"):
        texts = w.sum(axis=1)
        same = w @ (((p.counts**2).sum(axis=1) - r) / (r * (r - 1))) / texts
        share = (w @ p.counts) / (texts * r)[:, None]
        whole = Beyond(same, (share**2).sum(axis=1))
        same = w @ ((k**2 + (r - k) ** 2 - r) / (r * (r - 1))) / texts[:, None]
        share = (w @ k) / (texts * r)[:, None]
    return whole, Beyond(same, share**2 + (1 - share) ** 2)


# ------------------------------------------------------------------------------------- two people


@dataclass(frozen=True)
class Two:
    """U distinct pairs of answers of two people to the same text."""

    times: Matrix  # (U,) texts
    same: Matrix  # (U,) 1.0 where both say the same
    first: Matrix  # (U, C) labels of the one
    second: Matrix  # (U, C) labels of the other


def two_of(first: Matrix, second: Matrix, member: Matrix) -> Two:
    """From (n,) answers of each, none missing."""
    found, times = np.unique(np.stack([first, second], axis=1), axis=0, return_counts=True)
    a, b = found[:, 0], found[:, 1]
    return Two(times, (a == b).astype(np.float64), member[a].astype(np.float64), member[b].astype(np.float64))


def cohen(w: Matrix, t: Two) -> tuple[Beyond, Beyond]:
    """Cohen's kappa of answers with one label each (B,), and of each label against the rest (B, C).

    J. Cohen (1960), Educational and Psychological Measurement 20, 37-46.
    """
    n = w.sum(axis=1)[:, None]
    a, b, both = (w @ held for held in (t.first, t.second, t.first * t.second))
    one, other = a / n, b / n
    whole = Beyond(w @ t.same / n[:, 0], (one * other).sum(axis=1))
    return whole, Beyond((n - a - b + 2 * both) / n, one * other + (1 - one) * (1 - other))
