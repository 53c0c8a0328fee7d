"""Many means at once with their intervals, such as one for each head. Knows the bootstrap, not what the numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np

RESAMPLES = 1000
_CELLS = 4_000_000  # resampled means held at once

Means = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def mean_intervals(values: np.ndarray[Any, Any], seed: int = 0) -> Means:
    """(N, ...) values, one row a text, to their (...) means and the ends (...), (...) of their 95 % intervals.

    Percentile bootstrap over texts (B. Efron, 1979); every figure sees the same resamples. NaN: not defined for that
    text, left out. A figure that is defined for fewer than two texts comes out NaN, all three of it.
    """
    flat = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    known = np.isfinite(flat)
    filled = np.where(known, flat, 0.0)
    count = known.sum(axis=0)
    n, figures = flat.shape
    out = np.full((3, figures), np.nan)
    if n >= 2:
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES).astype(float)
        step = max(1, _CELLS // RESAMPLES)
        for start in range(0, figures, step):
            part = slice(start, start + step)
            drawn = draws @ known[:, part]
            with np.errstate(invalid="ignore", divide="ignore"):
                means = draws @ filled[:, part] / drawn
                value = filled[:, part].sum(axis=0) / count[part]
            means = np.where(
                drawn > 0, means, value
            )  # a resample without any text that knows says nothing new
            low, high = np.percentile(means, [2.5, 97.5], axis=0)
            out[:, part] = value, np.minimum(low, value), np.maximum(high, value)
        out[:, count < 2] = np.nan
    value, low, high = (each.reshape(np.shape(values)[1:]) for each in out)
    return value, low, high
