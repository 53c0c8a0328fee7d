"""When to stop: a learning curve through what was measured at several numbers of labels, and how it goes on.

Knows sizes and which texts were right at each. Does not know how heads are fitted (core.training.relearn measures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

SIZES = 6
FEWEST = 30  # labels below which there is no curve
_RESAMPLES = 120
_AHEAD = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)  # times the labels so far, to where the curve is drawn
_GAIN = 0.01
_VAGUE = 20.0  # upper over lower end of the interval from which on it tells nothing
_FAR = 50.0  # times the labels so far: nobody labels that many for a point
_SLOWEST, _FASTEST = 0.1, 2.0  # exponents of learning curves lie well between


@dataclass(frozen=True)
class Curve:
    """Shares are of 1; intervals are 95 %, percentile bootstrap over texts and repeats (B. Efron, 1979)."""

    measured_on: (
        str  # "evaluation": on the evaluation part; "held out": by cross-validation on the labels themselves
    )
    texts: int  # M that it was measured on
    sizes: tuple[int, ...]  # labels that the head learnt from
    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    ahead: tuple[tuple[int, float, float, float], ...] = ()  # (labels, value, low, high) of the fitted curve
    more: int | None = None  # labels for one more point of accuracy; None: not to be told, or out of reach
    more_low: int | None = None
    more_high: int | None = None  # None: without limit
    sentence: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Curve:
        lists = {name: tuple(data[name]) for name in ("sizes", "values", "low", "high")}
        return Curve(**{**data, **lists, "ahead": tuple(tuple(point) for point in data["ahead"])})


def sizes_of(labels: int) -> tuple[int, ...]:
    """SIZES numbers of labels from a sixth of those so far to all of them, evenly by their logarithm; () below FEWEST."""
    if labels < FEWEST:
        return ()
    found = np.geomspace(max(8, labels / 6), labels, SIZES)
    return tuple(sorted({round(size) for size in found}))


def fit_curve(
    sizes: Sequence[int], correct: np.ndarray[Any, Any], labels: int, measured_on: str, seed: int = 0
) -> Curve:
    """The curve through (R, S, M) `correct`: for each of R repeats, at each of S `sizes`, whether each of M texts
    (which the head had not seen) was right. `labels`: those so far, at least the largest size.

    Fitted is accuracy = a - b n^-c, an inverse power law (C. Cortes et al., 1993; R. Figueroa et al., 2012), once
    for the figure and once in each resample for the intervals.
    """
    right = np.asarray(correct, dtype=np.float64)
    repeats, _, texts = right.shape
    at = np.asarray(sizes, dtype=np.float64)
    values = right.mean(axis=(0, 2))
    rng = np.random.default_rng(seed)
    resampled = np.stack(
        [
            right[rng.integers(repeats, size=repeats)][:, :, rng.integers(texts, size=texts)].mean(
                axis=(0, 2)
            )
            for _ in range(_RESAMPLES)
        ]
    )
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    bare = Curve(
        measured_on,
        texts,
        tuple(int(n) for n in sizes),
        _rounded(values),
        _rounded(np.minimum(low, values)),
        _rounded(np.maximum(high, values)),
    )
    if len(sizes) < 4:
        return _said(
            bare,
            labels,
            sentence="It cannot tell yet what more labels would bring: there are too few so far.",
        )
    whole = _power_law(at, values)
    laws = np.stack([_power_law(at, one, whole) for one in resampled])
    ahead = np.unique(np.round(labels * np.asarray(_AHEAD)))
    shown = _at(whole, ahead)
    lows, highs = np.percentile(np.stack([_at(law, ahead) for law in laws]), [2.5, 97.5], axis=0)
    points = tuple(
        (int(n), round(float(v), 5), round(float(min(lo, v)), 5), round(float(max(hi, v)), 5))
        for n, v, lo, hi in zip(ahead, shown, lows, highs, strict=True)
    )
    needed = np.asarray([_needed(law, labels) for law in laws])
    return _said(
        bare, labels, points, _needed(whole, labels), *np.percentile(needed, [2.5, 97.5], method="nearest")
    )


def _power_law(
    sizes: np.ndarray[Any, Any], values: np.ndarray[Any, Any], start: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """(a, b, c) of a - b (n / n_1)^-c, by least squares, a ≤ 1 and b ≥ 0: with n in units of the first size the
    three have like scales. Larger sizes weigh more, since it is from there that the curve goes on.
    """
    from scipy.optimize import least_squares

    x, weight = sizes / sizes[0], np.sqrt(sizes / sizes[-1])
    if start is None:
        start = np.asarray([min(0.999, values.max() + 0.02), max(0.02, values.max() - values[0]), 0.6])
    found = least_squares(
        lambda law: weight * (law[0] - law[1] * x ** -law[2] - values),
        np.clip(start, [1e-6, 1e-9, _SLOWEST + 1e-6], [1 - 1e-6, 2 - 1e-6, _FASTEST - 1e-6]),
        bounds=([0.0, 0.0, _SLOWEST], [1.0, 2.0, _FASTEST]),
        max_nfev=60,
    )
    a, b, c = found.x
    return np.asarray([a, b * sizes[0] ** c, c])  # back to n itself


def _at(law: np.ndarray[Any, Any], sizes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.clip(law[0] - law[1] * sizes ** -law[2], 0.0, 1.0)


def _needed(law: np.ndarray[Any, Any], labels: float) -> float:
    """Labels beyond those so far for _GAIN more; infinite where the curve ends below that."""
    _, b, c = (float(value) for value in law)
    rest = b * labels**-c - _GAIN  # what is left below a, less the gain
    if rest <= 0 or b <= 0:
        return math.inf
    with np.errstate(over="ignore"):
        return float(np.power(b / rest, 1 / c) - labels)


# --------------------------------------------------------------------------- in words


def _said(
    bare: Curve,
    labels: int,
    ahead: tuple[tuple[int, float, float, float], ...] = (),
    more: float = math.nan,
    low: float = math.nan,
    high: float = math.nan,
    sentence: str = "",
) -> Curve:
    values: dict[str, Any] = {"ahead": ahead, "sentence": sentence}
    if sentence:
        pass
    elif min(more, low) > _FAR * labels:
        values["sentence"] = "More labels of this kind will hardly help any more: the curve has levelled out."
    elif more > _FAR * labels or (high > _VAGUE * max(1.0, low) and low < labels / 2):
        values["sentence"] = (
            f"It cannot tell yet how many more labels bring +1 point: it may be {_round(low):,}, or far more. "
            "It will know better after some more."
        )
    else:
        values |= {"more": _round(more), "more_low": _round(low)}
        if high > _FAR * labels:
            span = f"at least {_round(low):,}"
        else:
            values["more_high"] = _round(high)
            span = f"{_round(low):,} to {_round(high):,}"
        values["sentence"] = f"About {_round(more):,} more labels for +1 point ({span})."
    return Curve(**{**asdict(bare), **values})


def too_few(labels: int) -> str:
    """The sentence where there is no curve yet."""
    return f"It cannot tell yet: a learning curve needs {FEWEST} labels outside the evaluation part, and there are {labels}."


def _round(labels: float) -> int:
    """Two significant digits, at least 1: the estimate is not better than that."""
    if labels < 10:
        return max(1, round(labels))
    digits = 10 ** (math.floor(math.log10(labels)) - 1)
    return int(round(labels / digits) * digits)


def _rounded(values: Any) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
