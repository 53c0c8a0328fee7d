"""Means with their intervals. Knows the bootstrap (B. Efron, 1979), not what the numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.records import Interval

RESAMPLES = 1000


def mean_interval(values: np.ndarray[Any, Any], seed: int = 0) -> Interval | None:
    """The mean of (N,) values, one a text, with its 95 % percentile bootstrap interval. NaN: not defined for that
    text, left out; None: defined for fewer than two, which tell nothing of the spread."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    n = len(known)
    if n < 2:
        return None
    value = float(known.mean())
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES)
    low, high = np.percentile(counts @ known / n, [2.5, 97.5])
    return Interval(value, min(float(low), value), max(float(high), value))
