"""The quick head: regularised logistic regression, against scikit-learn's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.training import head as heads
from core.training.head import Head, cross_fitted


@pytest.fixture(scope="module", autouse=True)
def _one_strength() -> None:
    """Here the choice itself is tested."""


def clouds(n: int, classes: int, apart: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 6) float32 points around one centre per class, away from the origin, and their classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, apart, (classes, 6)) + 5
    targets = np.arange(n) % classes
    return (centres[targets] + rng.normal(0, 1, (n, 6))).astype(np.float32), targets


def probabilities(head: Head, features: np.ndarray) -> np.ndarray:
    logits = head.logits(features).astype(np.float64)
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_head_is_scikit_learns_regression_on_centred_features(classes: int, balanced: bool) -> None:
    from sklearn.linear_model import LogisticRegression

    features, targets = clouds(90, classes, apart=1.0)
    keep = (targets != 1) | (np.arange(90) < 40)  # one class is rarer
    features, targets = features[keep], targets[keep]
    found = heads.fit(features, targets, classes, balanced=balanced, strength=0.3)
    wanted = LogisticRegression(
        C=0.3, max_iter=2000, tol=1e-8, class_weight="balanced" if balanced else None
    ).fit(features - features.mean(axis=0), targets)
    assert found.weight.shape == (classes, 6)
    assert found.weight.dtype == found.bias.dtype == np.float32
    assert found.strength == 0.3
    fresh, _ = clouds(40, classes, apart=1.0, seed=1)
    np.testing.assert_allclose(
        probabilities(found, fresh), wanted.predict_proba(fresh - features.mean(axis=0)), atol=1e-2
    )


def test_several_labels_are_one_regression_each() -> None:
    from sklearn.linear_model import LogisticRegression

    features, classes = clouds(80, 4, apart=1.0)
    targets = np.stack([classes == 0, classes <= 1, np.ones(80, bool), np.zeros(80, bool)], axis=1)
    found = heads.fit(features, targets, 4, strength=0.1)
    logits = found.logits(features)
    for c in (0, 1):
        wanted = LogisticRegression(C=0.1, max_iter=2000, tol=1e-8).fit(
            features - features.mean(axis=0), targets[:, c]
        )
        np.testing.assert_allclose(
            logits[:, c], wanted.decision_function(features - features.mean(axis=0)), atol=2e-2
        )
    assert (logits[:, 2] > 10).all()  # a label that all texts carry
    assert (logits[:, 3] < -10).all()  # and one that none does


@pytest.mark.parametrize("present", [[0, 2], [1, 2, 3], [3]])
def test_a_class_without_texts_is_never_chosen(present: list[int]) -> None:
    features, targets = clouds(60, len(present))
    found = heads.fit(features, np.asarray(present)[targets], 5)
    chosen = found.logits(features).argmax(axis=1)
    assert (chosen == np.asarray(present)[targets]).mean() > 0.95
    assert set(chosen) == set(present)
    absent = [c for c in range(5) if c not in present]
    assert probabilities(found, features)[:, absent].max() < 1e-3


@pytest.mark.parametrize(
    "targets",
    [
        [0] * 19 + [1],  # a fold without the only text of a class
        [0, 0, 1, 1, 2, 2, 3, 3],  # fewer texts of every class than folds
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1],
        [2, 2, 2, 2, 2, 2, 2],  # stopped while reading: only one class is known
    ],
)
def test_few_texts_make_a_head_too(targets: list[int]) -> None:
    rng = np.random.default_rng(0)
    classes = max(targets) + 1
    features = (np.eye(8)[targets] * 5 + rng.normal(0, 0.1, (len(targets), 8))).astype(np.float32)
    found = heads.fit(features, np.asarray(targets), classes)
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.bias).all()
    assert (found.logits(features).argmax(axis=1) == np.asarray(targets)).mean() >= 0.5


def test_few_texts_of_several_labels_make_a_head_too() -> None:
    features, classes = clouds(7, 2)
    found = heads.fit(features, np.stack([classes == 0, np.arange(7) == 0], axis=1), 2)
    assert np.isfinite(found.logits(features)).all()


def test_wrong_labels_ask_for_a_stronger_penalty() -> None:
    def strength(wrong: float) -> float:
        features, targets = clouds(120, 3, apart=2.0)
        noise = np.random.default_rng(1).normal(0, 3, (120, 30)).astype(np.float32)
        wide = np.concatenate([features, noise], axis=1)
        rng = np.random.default_rng(2)
        moved = np.where(rng.random(120) < wrong, rng.integers(0, 3, 120), targets)
        return heads.fit(wide, moved, 3).strength

    assert strength(0.6) in heads.STRENGTHS
    assert strength(0.6) <= strength(0.0)


def test_of_strengths_that_are_as_good_the_strongest_penalty_is_taken() -> None:
    features, targets = clouds(120, 3, apart=8.0)  # any of them has no fault
    assert heads.fit(features, targets, 3).strength == min(heads.STRENGTHS)


def test_a_weak_penalty_is_taken_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that a small weight cannot tell apart when one is far more frequent."""
    rng = np.random.default_rng(0)
    targets = (np.arange(400) % 5 == 0).astype(int)
    features = (targets[:, None] * 0.4 + rng.normal(0, 0.05, (400, 1))).astype(np.float32)
    assert heads.fit(features, targets, 2).strength > min(heads.STRENGTHS)
    seen: list[Any] = []
    monkeypatch.setattr(heads, "_choose", lambda *_: seen.append(1) or 0.1)
    heads.fit(features, targets, 2, strength=3.0)
    assert seen == []  # a strength that is given is not chosen


def test_the_choice_is_the_same_twice_and_looks_at_a_sample_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = clouds(300, 3, apart=0.7)
    one, two = (heads.fit(features, targets, 3, seed=4) for _ in range(2))
    assert one.strength == two.strength
    assert np.array_equal(one.weight, two.weight)
    monkeypatch.setattr(heads, "_CHOOSING", 30)
    sizes: list[int] = []
    whole = heads._solve

    def solve(x: Any, *rest: Any) -> Any:
        sizes.append(len(x))
        return whole(x, *rest)

    monkeypatch.setattr(heads, "_solve", solve)
    heads.fit(features, targets, 3)
    assert sizes == [20] * (3 * len(heads.STRENGTHS)) + [300]


def test_cross_fitted_answers_do_not_know_the_text_itself() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 300)
    features = (rng.normal(0, 0.4, (300, 8)) + 2 * np.eye(3, 8)[targets]).astype(np.float32)
    found = cross_fitted(features, targets, 3)
    assert found is not None
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
    assert (found.argmax(axis=1) == targets).mean() > 0.95
    wrong = targets.copy()
    wrong[7] = (targets[7] + 1) % 3
    told = cross_fitted(features, wrong, 3)
    assert told is not None
    assert told[7].argmax() == targets[7]
    assert np.array_equal(found[7], told[7]), "its own label must not matter at all"


def test_too_few_texts_teach_nothing() -> None:
    assert cross_fitted(np.zeros((5, 4), dtype=np.float32), np.zeros(5, dtype=np.int64), 2) is None
