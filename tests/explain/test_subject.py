"""The model under examination: tokens, words, answers and attention of single texts and of several at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadData, BadModel
from core.explain.subject import Subject
from tests import tiny


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("subject") / "model"))


def test_words_join_the_pieces_and_leave_special_tokens_out(subject: Subject) -> None:
    piece = subject.read("my parcel was late", "please refund")
    assert piece.word_list() == ["my", "parcel", "was", "late", "please", "refund"]
    assert (piece.words[piece.special] == -1).all()
    assert piece.by_word(np.ones(len(piece))).sum() == (~piece.special).sum()


def test_attention_of_a_batch_is_that_of_each_text_alone(subject: Subject) -> None:
    pieces = [
        subject.read("my parcel was late today"),
        subject.read("refund"),
        subject.read("a card", "login"),
    ]
    together, logits = subject.attend_all(pieces)
    for piece, weights, row in zip(pieces, together, logits, strict=True):
        alone, own = subject.attend(piece)
        np.testing.assert_allclose(weights, alone, atol=1e-5)
        np.testing.assert_allclose(row, own, atol=1e-5)
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(subject.logits(pieces), logits, atol=1e-5)


def test_groups_hold_every_piece_once(subject: Subject) -> None:
    pieces = [subject.read("my parcel " * n) for n in range(1, 50)]
    rows = np.concatenate(subject.groups(pieces))
    assert sorted(rows.tolist()) == list(range(len(pieces)))


def test_an_exchanged_token_changes_the_answer(subject: Subject) -> None:
    piece = subject.read("my parcel was late")
    found = subject.token("card")
    assert found is not None
    other = piece.exchanged(2, *found)
    assert other.shown[2] == "card"
    assert piece.shown[2] == "parcel"
    assert np.abs(subject.logits([piece]) - subject.logits([other])).max() > 1e-6


def test_a_base_model_has_attention_but_no_answer(tmp_path: Path) -> None:
    base = Subject.load(tiny.tiny_bert(tmp_path / "base"))
    weights, logits = base.attend(base.read("my parcel"))
    assert logits is None
    assert weights.shape[0] == 2
    with pytest.raises(BadModel, match="has not learnt any classes"):
        base.logits([base.read("my parcel")])


def test_an_empty_text_is_refused_and_a_lone_surrogate_read(subject: Subject) -> None:
    with pytest.raises(BadData):
        subject.read("  ")
    assert len(subject.read("card \ud800 refund")) > 3
