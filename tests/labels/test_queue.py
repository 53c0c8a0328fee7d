"""What comes next: ranks that a small hand-made pool decides."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadData
from core.labels import queue
from core.labels.asking import Cover, measures
from core.labels.pool import Pool

ALL = np.arange(6)


def pool_of(probabilities: list[list[float]], **arrays: object) -> Pool:
    found = np.asarray(probabilities, dtype=np.float32)
    margins, entropies, predicted = measures(found, False)
    values: dict[str, object] = {
        "folder": None,
        "generation": 1,
        "trained_on": 1,
        "scheme_version": 1,
        "label_ids": ("a", "b"),
        "several": False,
        "by": "model",
        "labelled": 2,
        "probabilities": found.astype(np.float16),
        "margins": margins,
        "entropies": entropies,
        "predicted": predicted,
        "doubts": np.full(len(found), np.nan, np.float16),
        "diverse": np.zeros(0, np.int32),
        "auto": np.zeros(0, np.int32),
        "known": np.ones(len(found), bool),
    }
    return Pool(**{**values, **arrays})  # type: ignore[arg-type]


POOL = pool_of([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9], [0.7, 0.3]])


def test_in_order_and_search_leave_the_order_of_the_file() -> None:
    rows = np.asarray([4, 1, 2])
    assert queue.order("order", POOL, rows).tolist() == [4, 1, 2]
    assert queue.order("search", None, rows).tolist() == [4, 1, 2]


def test_random_gives_each_row_the_same_place_whoever_else_is_left() -> None:
    rows = np.arange(200)
    whole = queue.order("random", None, rows, seed=4_000_000_000).tolist()
    less = queue.order("random", None, rows[::3], seed=4_000_000_000).tolist()
    assert sorted(whole) == rows.tolist()
    assert [row for row in whole if row % 3 == 0] == less
    assert whole != queue.order("random", None, rows, seed=5).tolist()


@pytest.mark.parametrize("strategy", ["uncertain", "margin", "auto"])
def test_the_least_certain_comes_first_and_unknown_rows_last(strategy: str) -> None:
    assert queue.order(strategy, POOL, ALL).tolist() == [
        2,
        1,
        4,
        *queue.order(strategy, POOL, ALL)[3:5].tolist(),
        5,
    ]
    assert set(queue.order(strategy, POOL, ALL)[3:5].tolist()) == {0, 3}


def test_the_most_likely_of_a_class_comes_first() -> None:
    assert queue.order("class", POOL, ALL, label="b").tolist()[:3] == [3, 1, 2]
    with pytest.raises(BadData, match="does not know this label"):
        queue.order("class", POOL, ALL, label="c")


def test_auto_and_diverse_follow_their_own_lists_first() -> None:
    pool = pool_of(
        np.asarray(POOL.probabilities).tolist(), auto=np.asarray([3, 0]), diverse=np.asarray([4, 2])
    )
    assert queue.order("auto", pool, ALL).tolist()[:2] == [3, 0]
    assert queue.order("auto", pool, np.asarray([0, 1, 2])).tolist() == [0, 2, 1]
    assert queue.order("diverse", pool, ALL).tolist()[:2] == [4, 2]
    assert sorted(queue.order("diverse", pool, ALL).tolist()) == ALL.tolist()


def test_suspected_errors_are_the_doubted_answers_alone() -> None:
    pool = pool_of(
        np.asarray(POOL.probabilities).tolist(),
        doubts=np.asarray([0.2, np.nan, 0.8, -0.5, np.nan], np.float16),
    )
    assert queue.order("errors", pool, ALL).tolist() == [2, 0]
    assert queue.order("errors", None, ALL).tolist() == []


def test_disputed_texts_come_by_how_much_people_differ() -> None:
    found = queue.disputes(
        [(0, ("a",)), (0, ("b",)), (1, ("a",)), (1, ("a",)), (2, ("a",)), (2, ("b",)), (2, ("c",))]
    )
    assert found == {0: 0.5, 2: pytest.approx(2 / 3)}
    assert queue.order("disagree", None, ALL, disputed=found).tolist() == [2, 0]


def test_search_ignores_case_and_takes_patterns() -> None:
    texts = ["Late parcel", None, "card (twice)", "late again"]
    assert queue.matching(texts, "LATE").tolist() == [True, False, False, True]
    assert queue.matching(texts, "(t").tolist() == [False, False, True, False]
    assert queue.matching(texts, "^late", pattern=True).tolist() == [True, False, False, True]
    with pytest.raises(BadData, match="no pattern"):
        queue.matching(texts, "(t", pattern=True)


def test_an_unknown_queue_is_refused() -> None:
    with pytest.raises(BadData, match="no queue"):
        queue.order("best", POOL, ALL)


def test_a_cover_takes_one_of_each_cloud_before_a_second() -> None:
    rng = np.random.default_rng(0)
    clouds = np.repeat(np.eye(5, dtype=np.float32), 40, axis=0) + rng.normal(
        scale=0.02, size=(200, 5)
    ).astype(np.float32)
    order = Cover(clouds).order(np.arange(200), 10)
    assert len(set(order.tolist())) == 10
    assert sorted((order[:5] // 40).tolist()) == [0, 1, 2, 3, 4]
    left = Cover(clouds).order(np.arange(200), 4, chosen=np.asarray([3]))
    assert sorted((left // 40).tolist()) == [1, 2, 3, 4], "what was chosen before is stood for"


def test_a_cover_goes_where_the_weight_is() -> None:
    clouds = np.repeat(np.eye(4, dtype=np.float32), 30, axis=0)
    weights = np.repeat(np.asarray([0.1, 0.0, 5.0, 1.0]), 30)
    assert (Cover(clouds).order(np.arange(120), 3, weights=weights) // 30).tolist() == [2, 3, 0]


def test_measures_of_several_labels_look_at_each_label() -> None:
    margins, entropies, predicted = measures(np.asarray([[0.9, 0.5], [0.99, 0.01]], np.float32), True)
    assert margins.tolist() == [0.0, pytest.approx(0.98, abs=1e-3)]
    assert entropies[0] > entropies[1]
    assert predicted.tolist() == [0, 0]
