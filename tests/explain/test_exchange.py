"""One token of a text exchanged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.errors import BadData, BadModel
from core.explain.exchange import exchange, moved
from core.explain.subject import Subject
from tests.tiny import tiny_classifier

TEXT = "my card was charged twice"


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Subject]:
    loaded: dict[str, Subject] = {}

    def of(family: str) -> Subject:
        if family not in loaded:
            loaded[family] = Subject.load(tiny_classifier(tmp_path_factory.mktemp(family) / "model", family))
        return loaded[family]

    return of


@pytest.fixture
def subject(subjects: Callable[[str], Subject]) -> Subject:
    return subjects("bert")


def test_a_masked_token_is_the_only_one_that_changes(subject: Subject) -> None:
    piece = subject.read(TEXT)
    found = exchange(subject, piece, 2)
    assert found.after.tokens == ("[CLS]", "my", "[MASK]", "was", "charged", "twice", "[SEP]")
    assert found.aligned
    assert not found.same


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_another_word_gives_what_the_model_would_have_read(
    subjects: Callable[[str], Subject], family: str
) -> None:
    subject = subjects(family)
    piece = subject.read(TEXT)
    at = [piece.word(int(w)) if w >= 0 else "" for w in piece.words].index("card")
    found = exchange(subject, piece, at, "invoice")
    assert found.after.ids.tolist() == subject.read("my invoice was charged twice").ids.tolist()
    assert found.after.text == "my invoice was charged twice"


def test_a_word_of_several_tokens_is_found_again_where_it_stands(subject: Subject) -> None:
    piece = subject.read(TEXT)
    found = exchange(subject, piece, 2, "dog")  # in letters, as the toy vocabulary does not have it
    assert [found.after.tokens[k] for k in found.places] == ["d", "##o", "##g"]
    assert not found.aligned


def test_a_token_that_is_left_out_leaves_no_place_even_between_equal_ones(subject: Subject) -> None:
    piece = subject.read("my my my card")
    found = exchange(subject, piece, 2, "")
    assert found.after.tokens == ("[CLS]", "my", "my", "card", "[SEP]")
    assert found.places == ()


def test_the_second_text_of_a_pair_is_changed_where_it_stands(subject: Subject) -> None:
    piece = subject.read("my card", "my parcel")
    at = piece.tokens.index("parcel")
    found = exchange(subject, piece, at, "card")
    assert (found.after.text, found.after.pair) == ("my card", "my card")
    assert found.aligned


def test_the_same_word_changes_nothing(subject: Subject) -> None:
    assert exchange(subject, subject.read(TEXT), 2, "card").same


def test_what_cannot_be_exchanged_is_told_in_a_sentence(subject: Subject) -> None:
    piece = subject.read(TEXT)
    with pytest.raises(BadData, match="not part of the text"):
        exchange(subject, piece, 0)
    with pytest.raises(BadData, match="no such token"):
        exchange(subject, piece, 99)
    with pytest.raises(BadData, match="Nothing would be left"):
        exchange(subject, subject.read("card"), 1, " ")


def test_a_model_without_a_mask_token_says_so(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(subject), "mask_token", None)
    with pytest.raises(BadModel, match="knows no token that masks"):
        exchange(subject, subject.read(TEXT), 2)


def test_what_moved_is_the_share_of_attention_that_went_elsewhere() -> None:
    before = np.array([[[[0.5, 0.5], [1.0, 0.0]]]])
    after = np.array([[[[0.0, 1.0], [1.0, 0.0]]]])
    assert moved(before, after) == pytest.approx(np.array([[0.25]]))
    assert moved(before, before) == pytest.approx(np.array([[0.0]]))
