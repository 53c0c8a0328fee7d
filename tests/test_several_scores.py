"""Several labels a text: thresholds and scores, from arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from core.evaluation.multilabel import choose, mean_f1, score_several, tune_thresholds
from core.records import Scores

# --------------------------------------------------------------------------- thresholds and scores


def draws(n: int, shares: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(truth, probabilities): calibrated for a sigmoid, a label's share as said."""
    rng = np.random.default_rng(seed)
    odds = np.log(np.array(shares) / (1 - np.array(shares))) + rng.normal(0, 1.5, (n, len(shares)))
    probabilities = 1 / (1 + np.exp(-odds))
    return rng.random(probabilities.shape) < probabilities, probabilities


def test_thresholds_of_frequent_labels_reach_the_best_f1() -> None:
    truth, probabilities = draws(4000, [0.3, 0.1, 0.5])
    found = tune_thresholds(truth, probabilities)
    assert found.shape == (3,)
    for c in range(3):
        best = max(f1_score(truth[:, c], probabilities[:, c] >= t) for t in np.linspace(0.02, 0.9, 200))
        assert f1_score(truth[:, c], probabilities[:, c] >= found[c]) > best - 0.005
        assert f1_score(truth[:, c], probabilities[:, c] >= 0.5) < best - 0.02 or found[c] > 0.3


def test_tuned_thresholds_beat_one_half_on_texts_that_were_not_seen() -> None:
    truth, probabilities = draws(300, [0.3, 0.1, 0.05, 0.05, 0.03])
    later, unseen = draws(5000, [0.3, 0.1, 0.05, 0.05, 0.03], seed=1)
    tuned = mean_f1(later, choose(unseen, tune_thresholds(truth, probabilities)))[0]
    assert tuned > mean_f1(later, unseen >= 0.5)[0] + 0.05


def test_a_label_with_few_positives_is_drawn_to_the_common_threshold_and_all_to_one_half() -> None:
    truth, probabilities = draws(2000, [0.2, 0.2, 0.2])
    truth[:, 2] = False
    found = tune_thresholds(truth, probabilities)
    assert min(found[:2]) - 0.1 < found[2] < max(found[:2]) + 0.1  # no positives: the common one
    truth[int(probabilities[:, 2].argmin()), 2] = True  # one odd text, whose own best is near 0
    assert abs(tune_thresholds(truth, probabilities)[2] - found[2]) < 0.15
    alone = np.array([[True], [False]])
    assert 0.35 < tune_thresholds(alone, np.array([[0.1], [0.01]]))[0] < 0.5
    assert tune_thresholds(np.zeros((3, 2), bool), np.full((3, 2), 0.1)).tolist() == [0.5, 0.5]
    assert tune_thresholds(np.zeros((0, 2), bool), np.zeros((0, 2))).tolist() == [0.5, 0.5]


def test_of_equal_thresholds_the_middle_is_taken() -> None:
    truth = np.array([[True]] * 200 + [[False]] * 200)
    apart = np.array([[0.9]] * 200 + [[0.1]] * 200)
    assert tune_thresholds(truth, apart)[0] == pytest.approx(0.5, abs=1e-9)
    tied = np.array([[0.3]] * 200 + [[0.3]] * 200)  # equal probabilities cannot be told apart
    assert 0 < tune_thresholds(truth, tied)[0] < 0.3
    extreme = np.array([[1.0]] * 200 + [[0.0]] * 200)
    assert tune_thresholds(truth, extreme)[0] == pytest.approx(0.5, abs=1e-9)


def test_scores_of_several_labels_are_those_of_scikit_learn() -> None:
    truth, probabilities = draws(500, [0.3, 0.1, 0.5, 0.2])
    predicted = probabilities >= 0.4
    found = score_several(truth, predicted, "abcd")
    assert found.several
    assert found.confusion == ()
    assert found.accuracy.value == pytest.approx((truth == predicted).all(axis=1).mean())
    assert found.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found.micro_f1 is not None
    assert found.micro_f1.value == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert [c.f1 for c in found.per_class] == pytest.approx(f1_score(truth, predicted, average=None).tolist())
    assert mean_f1(truth, predicted) == pytest.approx((found.macro_f1.value, found.micro_f1.value))
    assert Scores.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert set(found.brief()) == {"accuracy", "macro_f1", "micro_f1"}


def test_bootstrap_of_several_labels_agrees_with_resampled_texts() -> None:
    truth, probabilities = draws(300, [0.3, 0.1, 0.5])
    predicted = probabilities >= 0.4
    found = score_several(truth, predicted, "abc")
    rng = np.random.default_rng(1)
    drawn = [mean_f1(truth[rows], predicted[rows]) for rows in rng.integers(0, 300, (1000, 300))]
    for figure, values in ((found.macro_f1, [m for m, _ in drawn]), (found.micro_f1, [m for _, m in drawn])):
        assert figure is not None
        assert (figure.low, figure.high) == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.012)


def test_labels_that_do_not_occur_and_no_texts_are_scored() -> None:
    truth = np.array([[True, False], [False, False]])
    assert score_several(truth, truth, "ab").macro_f1.value == 1.0
    assert score_several(np.zeros((0, 2)), np.zeros((0, 2)), "ab").n == 0
    with pytest.raises(ValueError, match="2 labels"):
        score_several(truth, truth[:1], "ab")
