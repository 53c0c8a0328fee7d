"""Means with bootstrap intervals."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.means import mean_interval


def test_the_interval_is_that_of_the_normal_approximation_for_many_values() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    found = mean_interval(values)
    assert found is not None
    half = 1.96 * values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.2 * half)


def test_what_is_not_defined_is_left_out() -> None:
    assert mean_interval(np.asarray([1.0, np.nan, 3.0])).value == 2.0
    assert mean_interval(np.asarray([np.nan, 1.0])) is None
    assert mean_interval(np.zeros(0)) is None
