"""Scores agree with their definitions, and their intervals with what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from core.evaluation.metrics import macro_f1, score, wilson
from core.records import Scores

LABELS = ("a", "b", "c", "d")


def random_answers(n: int, classes: int, seed: int = 0, right: float = 0.7) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < right, truth, rng.integers(0, classes, n))
    return truth.tolist(), predicted.tolist()


def test_wilson_matches_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    for k, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(k, n)
        assert found.low == pytest.approx(low, abs=5e-5)
        assert found.high == pytest.approx(high, abs=5e-5)
        assert found.value == k / n


def test_wilson_stays_inside_zero_and_one() -> None:
    for n in (1, 2, 7, 1000):
        for k in {0, 1, n - 1, n}:
            found = wilson(k, n)
            assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert wilson(5, 5).high == 1.0
    assert wilson(0, 5).low == 0.0


def test_nothing_measured_says_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    empty = score([], [], LABELS)
    assert empty.n == 0
    assert (empty.macro_f1.low, empty.macro_f1.high) == (0.0, 1.0)


def test_scores_equal_scikit_learn() -> None:
    truth, predicted = random_answers(500, 4)
    found = score(truth, predicted, LABELS)
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=range(4))
    assert found.accuracy.value == pytest.approx(accuracy_score(truth, predicted))
    assert found.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    for c, entry in enumerate(found.per_class):
        assert entry.label == LABELS[c]
        assert entry.precision == pytest.approx(precision[c])
        assert entry.recall == pytest.approx(recall[c])
        assert entry.f1 == pytest.approx(f1[c])
        assert entry.support == support[c]
        assert entry.predicted == predicted.count(c)
        assert entry.recall_low < entry.recall < entry.recall_high


def test_confusion_has_truth_by_row_and_prediction_by_column() -> None:
    found = score([0, 0, 1, 2], [0, 1, 1, 0], LABELS)
    assert found.confusion == ((1, 1, 0, 0), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 0))


def test_macro_f1_leaves_out_classes_that_do_not_occur() -> None:
    assert score([0, 1], [0, 1], LABELS).macro_f1.value == 1.0
    # "c" was predicted though no text has it: that counts
    assert score([0, 1], [0, 2], LABELS).macro_f1.value == pytest.approx(1 / 3)
    assert macro_f1([0, 1], [0, 2], 4) == pytest.approx(1 / 3)


def test_bootstrap_interval_agrees_with_resampled_texts() -> None:
    truth, predicted = random_answers(300, 3, seed=4)
    found = score(truth, predicted, ("a", "b", "c")).macro_f1
    rng = np.random.default_rng(1)
    true, guess = np.asarray(truth), np.asarray(predicted)
    values = []
    for _ in range(1000):
        rows = rng.integers(0, 300, 300)
        values.append(f1_score(true[rows], guess[rows], average="macro"))
    low, high = np.percentile(values, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_intervals_narrow_with_more_texts() -> None:
    small, large = (score(*random_answers(n, 4, seed=2), LABELS) for n in (100, 10_000))
    for name in ("accuracy", "macro_f1"):
        few, many = getattr(small, name), getattr(large, name)
        assert few.low <= few.value <= few.high
        assert (few.high - few.low) / (many.high - many.low) == pytest.approx(math.sqrt(100), rel=0.3)


def test_same_seed_gives_the_same_interval() -> None:
    answers = random_answers(200, 4)
    assert score(*answers, LABELS) == score(*answers, LABELS)
    assert score(*answers, LABELS, seed=1).macro_f1 != score(*answers, LABELS).macro_f1


def test_many_texts_and_classes_are_scored() -> None:
    found = score(*random_answers(100_000, 77), [str(c) for c in range(77)])
    assert found.macro_f1.high - found.macro_f1.low < 0.01
    assert sum(map(sum, found.confusion)) == 100_000


def test_scores_survive_json() -> None:
    found = score(*random_answers(50, 4), LABELS)
    assert Scores.from_json(found.to_json()) == found


def test_wrong_indices_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        score([0, 4], [0, 1], LABELS)
    with pytest.raises(ValueError, match="true classes"):
        score([0], [0, 1], LABELS)
