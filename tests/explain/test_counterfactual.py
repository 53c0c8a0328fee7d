"""Counterfactuals: changed texts really have another answer, and the smallest change is the smallest."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadData
from core.explain.attribution import finish
from core.explain.counterfactual import Flip, deletions, goal_of, replacements
from core.explain.edits import edited, slopes, table_of, vocabulary
from core.explain.subject import Piece, Subject
from tests import tiny
from tests.test_several_models import several_folder


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("flip") / "model", seed=3))


def answer(subject: Subject, text: str) -> int:
    return int(subject.logits([subject.read(text)])[0].argmax())


def smallest_by_hand(subject: Subject, words: list[str], most: int) -> int | None:
    before = answer(subject, " ".join(words))
    for size in range(1, most + 1):
        for out in combinations(range(len(words)), size):
            left = [word for at, word in enumerate(words) if at not in out]
            if left and answer(subject, " ".join(left)) != before:
                return size
    return None


@pytest.mark.parametrize("number", range(6))
def test_no_smaller_deletion_flips_the_answer(subject: Subject, number: int) -> None:
    words = tiny.toy_texts(6, seed=5)[0][number].split()[:5]
    piece = subject.read(" ".join(words))
    found = finish(deletions(subject, piece, goal_of(subject, subject.logits([piece])[0]), seconds=1e9))
    expected = smallest_by_hand(subject, words, 5)
    if expected is None:
        assert not found.flips
        assert "texts were tried" in found.ended
    else:
        assert len(found.flips[0].edits) == expected
        assert found.smallest


def flips_are_real(subject: Subject, piece: Piece, flips: tuple[Flip, ...]) -> None:
    before = int(subject.logits([piece])[0].argmax())
    for flip in flips:
        logits = subject.logits([subject.read(flip.text, flip.pair)])[0]
        np.testing.assert_allclose(logits, flip.logits, atol=1e-4)
        assert int(logits.argmax()) != before


def test_replacements_come_from_the_given_words_and_reach_the_class_asked_for(subject: Subject) -> None:
    texts = tiny.toy_texts(12, seed=8)[0]
    words = vocabulary(subject, texts)
    assert set(words) <= set(" ".join(texts).split())
    piece = subject.read(texts[0])
    logits = subject.logits([piece])[0]
    wanted = subject.labels[int(logits.argsort()[-2])]
    found = finish(replacements(subject, piece, goal_of(subject, logits, wanted=wanted), words, seconds=1e9))
    assert found.flips
    flips_are_real(subject, piece, found.flips)
    for flip in found.flips:
        assert int(flip.logits.argmax()) == subject.labels.index(wanted)
        assert set(flip.edits.values()) <= set(words)
    with pytest.raises(BadData, match="already"):
        goal_of(subject, logits, wanted=subject.labels[int(logits.argmax())])


def test_a_search_ends_when_its_texts_are_spent(subject: Subject) -> None:
    piece = subject.read(" ".join(["my", "card", "was", "late"] * 20))
    goal = goal_of(subject, subject.logits([piece])[0])
    found = finish(deletions(subject, piece, goal, most=100, seconds=1e9))
    assert found.tried <= 100
    none = finish(replacements(subject, piece, goal, []))
    assert "training texts are gone" in none.ended


def test_edits_leave_the_rest_of_the_text_as_it_is(subject: Subject) -> None:
    piece = subject.read("My card,  was late.", "why not")
    now, places = edited(subject, piece, {0: "", 3: "is"})
    assert now is not None
    assert (now.text, now.pair) == ("card,  is late.", "why not")
    assert [now.tokens[places[word][0]] for word in (1, 3, 6)] == ["card", "is", "why"]
    assert edited(subject, piece, {5: ""})[0].text == "My card,  was late"  # type: ignore[union-attr]
    gone, _ = edited(subject, piece, dict.fromkeys(range(piece.word_count), ""))
    assert gone is None
    without_pair, _ = edited(subject, piece, {6: "", 7: ""})
    assert without_pair is not None
    assert without_pair.pair is None


def test_the_gradient_foresees_small_changes(subject: Subject) -> None:
    piece = subject.read("my card was charged twice")
    slope, own = slopes(subject, piece, 0, 1)
    assert slope.shape == (len(piece), 32)
    table = table_of(subject, [piece.tokens[2]])
    np.testing.assert_allclose(table[0] @ slope[2], own[2], atol=1e-4)


def test_a_label_of_several_is_switched(tmp_path: Path) -> None:
    subject = Subject.load(several_folder(tiny.tiny_bert(tmp_path / "base"), tmp_path / "several"))
    piece = subject.read("my card was charged twice")
    label = subject.labels[0]
    logits = subject.logits([piece])[0]
    limit = float(subject.probabilities(logits[None])[0, 0])
    for edge in (limit - 0.01, limit + 0.01):
        goal = goal_of(subject, logits, label, limit=edge)
        found = finish(deletions(subject, piece, goal, seconds=1e9))
        for flip in found.flips:
            after = float(subject.probabilities(flip.logits[None])[0, 0])
            assert (after >= edge) != goal.holds
