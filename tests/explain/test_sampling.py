"""Leave-one-out, LIME and kernel SHAP against figures whose right scores are known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest

from core.explain import sampling
from core.explain.attribution import finish
from core.records import Progress

Matrix = np.ndarray[Any, Any]


def figures(of: Callable[[Matrix], Matrix]) -> sampling.Value:
    """A model in one line: (n, W) kept words to (n,)."""

    def value(kept: Matrix) -> Generator[Progress, None, Matrix]:
        yield Progress(len(kept), len(kept), 1.0, 0.0, 0.0)
        return of(kept.astype(np.float64))

    return value


def linear(weights: Matrix) -> sampling.Value:
    return figures(lambda kept: 0.5 + kept @ weights)


def crossed(kept: Matrix) -> Matrix:
    """Words that need each other, and words that replace each other."""
    return 2 * kept[:, 0] * kept[:, 1] - kept[:, 2] + np.maximum(kept[:, 3], kept[:, 4]) + kept.prod(axis=1)


WEIGHTS = np.asarray([3.0, -2.0, 0.0, 1.0, 0.5, -0.25, 0.0, 4.0, -1.0, 0.1, 0.0, 2.0])


@pytest.mark.parametrize("method", [sampling.leave_one_out, sampling.lime, sampling.shap])
def test_of_a_linear_figure_every_method_finds_the_weights(method: Any) -> None:
    found = finish(method(len(WEIGHTS), linear(WEIGHTS)))
    tolerance = 0.01 if method is sampling.lime else 1e-9  # the ridge pulls a little
    np.testing.assert_allclose(found.scores, WEIGHTS, atol=tolerance * 4)
    assert found.whole == pytest.approx(0.5 + WEIGHTS.sum())
    assert found.empty == pytest.approx(0.5)


def exact_shapley(of: Callable[[Matrix], Matrix], words: int) -> Matrix:
    """The definition: the mean gain of a word over all orders."""
    total = np.zeros(words)
    for order in itertools.permutations(range(words)):
        kept = np.zeros((words + 1, words))
        for place, word in enumerate(order):
            kept[place + 1 :, word] = 1
        total[list(order)] += np.diff(of(kept))
    return total / math.factorial(words)


def test_shap_of_a_short_text_is_the_shapley_value() -> None:
    found = finish(sampling.shap(6, figures(crossed)))
    np.testing.assert_allclose(found.scores, exact_shapley(crossed, 6), atol=1e-9)
    assert found.margins is None


def test_sampled_shap_is_within_its_margins_and_adds_up() -> None:
    truth = np.concatenate([exact_shapley(crossed, 6), np.zeros(9)])  # further words that do nothing

    def longer(kept: Matrix) -> Matrix:
        return crossed(kept[:, :6])

    found = finish(sampling.shap(15, figures(longer), samples=800))
    assert found.margins is not None
    assert (np.abs(found.scores - truth) <= 2 * found.margins).all()
    assert found.margins.max() < 0.3
    assert found.scores.sum() == pytest.approx(found.whole - found.empty)


@pytest.mark.parametrize("method", [sampling.lime, sampling.shap])
def test_margins_are_what_other_seeds_show(method: Any) -> None:
    def curved(kept: Matrix) -> Matrix:
        return np.tanh(kept @ WEIGHTS)

    runs = [finish(method(len(WEIGHTS), figures(curved), samples=300, seed=seed)) for seed in range(30)]
    seen = 1.96 * np.std([run.scores for run in runs], axis=0, ddof=1).mean()
    told = np.mean([run.margins for run in runs])
    assert 0.7 < told / seen < 1.4


def test_too_few_samples_are_told() -> None:
    found = finish(sampling.shap(40, linear(np.arange(40.0)), samples=20))
    assert np.isnan(found.margins).all()
    assert found.scores.sum() == pytest.approx(np.arange(40.0).sum())


@pytest.mark.parametrize("method", [sampling.leave_one_out, sampling.lime, sampling.shap])
@pytest.mark.parametrize("words", [1, 2])
def test_the_shortest_texts_are_scored(method: Any, words: int) -> None:
    weights = np.asarray([3.0, -1.0])[:words]
    np.testing.assert_allclose(finish(method(words, linear(weights))).scores, weights, atol=0.05)


def test_the_same_seed_draws_the_same_samples() -> None:
    first, again, other = (
        finish(sampling.lime(6, figures(crossed), samples=50, seed=seed)).scores for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
