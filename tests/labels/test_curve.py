"""When to stop: curves with a known law, the first guess by names, and the quick head that is measured."""

from __future__ import annotations

import numpy as np
import pytest

from core.labels.curve import Curve, fit_curve, sizes_of
from core.labels.similar import by_names, spoken
from core.training.relearn import Doubts, Labelled, Quick


def measured(law: tuple[float, float, float], labels: int, texts: int = 4000) -> Curve:
    """A curve through what a head with this law would get right: the same texts, easy ones first."""
    a, b, c = law
    sizes = sizes_of(labels)
    place = (np.random.default_rng(0).permutation(texts) + 0.5) / texts
    correct = np.stack([place < a - b * size**-c for size in sizes])
    return fit_curve(sizes, np.stack([correct, correct]), labels, "evaluation")


def test_the_fitted_curve_goes_on_as_its_law_does() -> None:
    a, b, c = 0.9, 2.0, 0.5
    curve = measured((a, b, c), 300)
    for size, value, low, high in curve.ahead:
        assert value == pytest.approx(a - b * size**-c, abs=0.01)
        assert low <= value <= high
    more = (b / (b * 300**-c - 0.01)) ** (1 / c) - 300
    assert curve.more == pytest.approx(more, rel=0.25)
    assert curve.more_low is not None
    assert curve.more_low <= curve.more
    assert f"About {curve.more:,} more labels for +1 point" in curve.sentence


def test_a_level_curve_says_that_labels_hardly_help() -> None:
    curve = measured((0.8, 0.0, 1.0), 400)
    assert curve.more is None
    assert "hardly help" in curve.sentence or "cannot tell" in curve.sentence


def test_few_texts_to_measure_on_give_no_promise() -> None:
    rng = np.random.default_rng(1)
    sizes = sizes_of(60)
    curve = fit_curve(sizes, rng.random((2, len(sizes), 15)) < 0.7, 60, "held out")
    assert curve.more is None
    assert "cannot tell" in curve.sentence or "hardly" in curve.sentence


def test_below_thirty_labels_there_is_no_curve() -> None:
    assert sizes_of(29) == ()
    assert sizes_of(30)[-1] == 30
    assert len(sizes_of(1000)) == 6


def test_a_curve_survives_json() -> None:
    curve = measured((0.9, 1.0, 0.5), 200)
    assert Curve.from_json(curve.to_json()) == curve


def test_names_and_definitions_give_the_first_guess() -> None:
    rng = np.random.default_rng(0)
    directions = np.eye(8, dtype=np.float32)[:3] * 5
    truth = np.arange(60) % 3
    texts = directions[truth] + rng.normal(scale=0.5, size=(60, 8)).astype(np.float32) + 3
    found = by_names(texts, directions[[0, 1, 2, 2]], np.asarray([0, 1, 2, 2]), 4)
    assert found.shape == (60, 4)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found.argmax(axis=1) == truth).all()
    assert spoken("refund", "money back", ("I want it back",)) == ["refund: money back", "I want it back"]
    assert spoken("", "", ()) == []


def test_nothing_said_of_the_labels_is_no_guess() -> None:
    found = by_names(np.ones((3, 8), np.float32), np.zeros((0, 8), np.float32), np.zeros(0, np.int64), 2)
    assert np.allclose(found, 0.5)


def clouds(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.arange(n) % 3
    return (
        np.eye(6, dtype=np.float32)[truth] * 4 + rng.normal(scale=0.6, size=(n, 6)).astype(np.float32)
    ), truth


def test_a_wrong_answer_is_the_most_doubted() -> None:
    texts, truth = clouds()
    said = truth.copy()
    said[[7, 40]] = (said[[7, 40]] + 1) % 3
    quick = Quick(texts, np.zeros((0, 6), np.float32), np.zeros(0, np.int64), 3, False)
    labelled = Labelled(np.arange(90), said)
    found = list(quick.doubts(labelled))[-1]
    assert isinstance(found, Doubts)
    assert set(np.argsort(-found.doubts)[:2].tolist()) == {7, 40}
    assert (found.doubts > 0).sum() == 2


def test_refitting_from_the_head_before_ends_where_a_fresh_fit_does() -> None:
    texts, truth = clouds()
    names = np.eye(6, dtype=np.float32)[:3]
    warm, cold = (Quick(texts, names, np.arange(3), 3, False) for _ in range(2))
    for count in (3, 4, 10, 40):
        warm.learn(Labelled(np.arange(count), truth[:count]))
    cold.learn(Labelled(np.arange(40), truth[:40]))
    assert np.allclose(warm.probabilities(), cold.probabilities(), atol=0.03)
    assert warm.right(Labelled(np.arange(40, 90), truth[40:])).mean() > 0.95


def test_several_labels_are_learnt_each_by_itself() -> None:
    texts, truth = clouds()
    targets = np.zeros((90, 3), dtype=bool)
    targets[np.arange(90), truth] = True
    targets[truth == 0, 1] = True  # the first always goes with the second
    quick = Quick(texts, np.zeros((0, 6), np.float32), np.zeros(0, np.int64), 3, True)
    quick.learn(Labelled(np.arange(60), targets[:60]))
    assert quick.right(Labelled(np.arange(60, 90), targets[60:])).mean() > 0.9
    assert quick.probabilities().sum(axis=1).max() > 1.5
    assert (
        len(
            [
                one
                for one in quick.curve(
                    Labelled(np.arange(60), targets[:60]), Labelled(np.zeros(0, int), targets[:0])
                )
                if one
            ]
        )
        == 1
    )
