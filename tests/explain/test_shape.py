"""A plane shaped as a reader asked: temperature, hiding, pair filters, words and threshold, in their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.explain.shape import Shape, Shaped, groups, punctuation, shape, temper
from core.records import Side

TOKENS = ("[CLS]", "tok", "##en", ".", "[SEP]", "other", "[SEP]")
SIDE = Side(
    TOKENS,
    segments=(0, 0, 0, 0, 0, 1, 1),
    special=(True, False, False, False, True, False, True),
    words=(-1, 0, 0, 1, -1, 2, -1),
)


@pytest.fixture
def plane() -> np.ndarray:
    scores = np.random.default_rng(2).normal(size=(7, 7))
    power = np.exp(scores)
    return (power / power.sum(-1, keepdims=True)).astype(np.float32)


def test_nothing_asked_leaves_everything_as_it_is(plane: np.ndarray) -> None:
    found = shape(plane, SIDE, Shape())
    np.testing.assert_array_equal(found.weights, plane)
    assert found.row_names == found.column_names == TOKENS
    assert not found.hidden.any()


def test_temperature_is_the_softmax_of_divided_scores() -> None:
    scores = np.random.default_rng(3).normal(size=(4, 6)) * 3

    def softmax(x: np.ndarray) -> np.ndarray:
        power = np.exp(x - x.max(-1, keepdims=True))
        return power / power.sum(-1, keepdims=True)

    for t in (0.25, 1.0, 3.0):
        np.testing.assert_allclose(temper(softmax(scores), t), softmax(scores / t), atol=1e-12)


def test_temperature_leaves_masked_weights_at_nothing_and_survives_extremes() -> None:
    row = np.asarray([[0.75, 0.25, 0.0], [1.0, 0.0, 0.0]])
    for t in (0.01, 0.5, 50.0):
        found = temper(row, t)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found.sum(-1), 1)
        assert (found[row == 0] == 0).all()
    assert temper(row, 0.01)[0, 0] == pytest.approx(1)


def test_hiding_renormalises_and_tells_what_was_hidden(plane: np.ndarray) -> None:
    found = shape(plane, SIDE, Shape(hide_special=True))
    keep = [1, 2, 3, 5]
    left = plane[np.ix_(keep, keep)].astype(float)
    np.testing.assert_allclose(found.weights, left / left.sum(-1, keepdims=True))
    np.testing.assert_allclose(found.hidden, plane[np.ix_(keep, [0, 4, 6])].sum(-1), atol=1e-6)
    assert found.row_names == ("tok", "##en", ".", "other")


def test_hiding_and_temperature_may_change_places(plane: np.ndarray) -> None:
    both = shape(plane, SIDE, Shape(temperature=0.4, hide_special=True))
    kept = [1, 2, 3, 5]
    hidden_first = plane[np.ix_(kept, kept)].astype(float)
    np.testing.assert_allclose(
        both.weights, temper(hidden_first / hidden_first.sum(-1, keepdims=True), 0.4), atol=1e-12
    )


def test_a_row_with_nothing_left_is_nothing() -> None:
    side = Side(("[CLS]", "a"), (0, 0), (True, False))
    found = shape(np.asarray([[1.0, 0.0], [1.0, 0.0]]), side, Shape(hide_special=True))
    np.testing.assert_array_equal(found.weights, [[0.0]])
    assert found.hidden[0] == 1


def test_everything_hidden_is_an_empty_plane(plane: np.ndarray) -> None:
    side = replace(SIDE, special=(True,) * 7)
    assert shape(plane, side, Shape(hide_special=True, words=True)).weights.shape == (0, 0)


def test_word_pieces_add_up_across_and_average_down(plane: np.ndarray) -> None:
    found = shape(plane, SIDE, Shape(words=True))
    assert found.row_names == ("[CLS]", "token", ".", "[SEP]", "other", "[SEP]")
    assert found.rows[1] == (1, 2)
    np.testing.assert_allclose(found.weights.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(found.weights[1, 1], plane[1:3, 1:3].sum(1).mean(), atol=1e-6)
    np.testing.assert_allclose(found.weights[0, 1], plane[0, 1:3].sum(), atol=1e-6)


def test_pair_filters_keep_the_models_own_weights(plane: np.ndarray) -> None:
    first = shape(plane, SIDE, Shape(pair="a_to_b"))
    np.testing.assert_array_equal(first.weights, plane[:5, 5:])
    assert first.row_names == TOKENS[:5]
    assert first.column_names == TOKENS[5:]
    np.testing.assert_array_equal(shape(plane, SIDE, Shape(pair="b_to_a")).weights, plane[5:, :5])
    within = shape(plane, SIDE, Shape(pair="within")).weights
    assert not within[:5, 5:].any()
    assert not within[5:, :5].any()
    np.testing.assert_array_equal(within[:5, :5], plane[:5, :5])


def test_threshold_is_the_last_step(plane: np.ndarray) -> None:
    merged = shape(plane, SIDE, Shape(words=True)).weights
    cut = shape(plane, SIDE, Shape(words=True, threshold=0.2)).weights
    np.testing.assert_array_equal(cut, np.where(merged < 0.2, 0, merged))
    assert 0 < (cut > 0).sum() < cut.size


def test_sides_of_cross_attention_are_shaped_each_by_its_own_tokens() -> None:
    rows = Side(("<pad>", "▁Ha", "us"), (0, 0, 0), (True, False, False), (-1, 0, 0))
    columns = Side(("▁the", "▁hou", "se", "</s>"), (0,) * 4, (False, False, False, True), (0, 1, 1, -1))
    plane = np.full((3, 4), 0.25)
    found: Shaped = shape(plane, rows, Shape(words=True, hide_special=True), columns)
    assert found.row_names == ("Haus",)
    assert found.column_names == ("the", "house")
    np.testing.assert_allclose(found.weights, [[1 / 3, 2 / 3]])


def test_punctuation_is_neither_letters_nor_emoji_nor_special() -> None:
    names = ("[CLS]", ".", "?!", "a.", "👍", "$", "۔", "。", "[", "▁")
    side = Side(names, (0,) * 10, (True, *[False] * 9))
    assert punctuation(side) == (False, True, True, False, False, False, True, True, True, False)


def test_words_stay_apart_where_they_are_not_known() -> None:
    assert groups(replace(SIDE, words=()), range(7), words=True) == tuple((at,) for at in range(7))


def test_impossible_wishes_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Shape(temperature=0)
    with pytest.raises(ValueError, match="pair filter"):
        Shape(pair="sideways")
