"""The small experiments of the Learn page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadModel
from core.explain import lessons
from core.explain.subject import Subject
from tests import tiny


def test_without_scaling_softmax_saturates_as_vectors_grow_longer() -> None:
    found = lessons.saturation(draws=200)
    plain, scaled = found.largest["plain"][:, 0], found.largest["scaled"][:, 0]
    assert plain[-1] > 0.9
    assert scaled[-1] < 0.6
    assert found.slope["plain"][-1, 0] < 0.1 < found.slope["scaled"][-1, 0]
    assert (found.largest["plain"][:, 1] <= plain).all()
    assert (plain <= found.largest["plain"][:, 2]).all()


def test_a_causal_mask_leaves_the_future_unread_and_rows_whole() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 6))
    weights = lessons.softmax(scores, lessons.causal(6))
    assert (np.triu(weights, 1) == 0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    nobody = lessons.softmax(scores, lessons.padded(6, 2))
    assert (nobody[:, 4:] == 0).all()
    assert (lessons.softmax(scores, np.zeros((6, 6), dtype=bool)) == 0).all()


def test_without_positions_the_order_of_words_is_invisible(tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model"))
    piece = subject.read("my parcel was late again please refund the money")
    before = subject.logits([piece])
    found = lessons.shuffled(subject, piece)
    inner = ~piece.special
    assert sorted(found.order.tolist()) == list(range(len(piece)))
    assert found.moved[inner].max() > 1e-3
    assert found.moved_without.max() < 1e-5
    assert found.answers is not None
    np.testing.assert_allclose(found.answers[2], found.answers[3], atol=1e-5)
    np.testing.assert_array_equal(subject.logits([piece]), before)  # the positions are back


def test_a_model_without_a_table_of_positions_says_so(tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_encoder(tmp_path / "model", "modernbert"))
    with pytest.raises(BadModel, match="relative"):
        lessons.shuffled(subject, subject.read("my parcel was late"))


def test_one_head_for_all_would_be_less_certain_than_the_heads(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).dirichlet(np.full(7, 0.2), size=(4, 7))
    found = lessons.spread(weights, 2)
    assert found.entropy_of_mean >= found.entropy.mean()
    assert found.weight[1] == weights[1, 2].max()
