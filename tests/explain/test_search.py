"""Where a head attends from one word to another: patterns, words, and the figures against a plain computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import BadData
from core.explain import search
from core.explain.search import Pattern, Units
from core.explain.subject import Subject
from core.records import Progress
from tests import tiny


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("search") / "model"))


def ended(study: Any) -> tuple[list[Any], Any]:
    events = []
    while True:
        try:
            events.append(next(study))
        except StopIteration as end:
            return events, end.value


def test_a_pattern_is_words_stars_and_special_tokens_by_name() -> None:
    refund = Pattern.of("Refund*, money")
    assert [refund.fits(word, False) for word in ("refunded", "REFUND", "money", "moneys", "my refund")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert Pattern.of("[sep]").fits("[SEP]", True)
    assert Pattern.of("").fits("anything", False)
    assert not Pattern.of(" * ").fits("[SEP]", True), "any word is a word of the text"
    assert Pattern.of("a.c").fits("a.c", False)
    assert not Pattern.of("a.c").fits("abc", False), "only a star is no letter of its own"
    assert Pattern.of("*" * 199).any
    assert [Pattern.of("a*b*a").fits(word, False) for word in ("aba", "axbya", "aa", "ab")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not Pattern.of("a*" * 90 + "c").fits("a" * 5000, False), "and no word takes long"
    with pytest.raises(BadData, match="too long"):
        Pattern.of("x" * 201)


def test_attention_between_words_sums_over_target_pieces_and_averages_over_source_pieces(
    subject: Subject,
) -> None:
    piece = subject.read("parcels refunded today")  # "parcels" and "refunded" are several pieces
    units = Units.of(piece)
    assert units.names[:3] == ("parcels", "refunded", "today")
    assert units.names[3:] == ("[CLS]", "[SEP]")
    weights, _ = subject.attend(piece)
    (value,) = search.between(weights, units, [(0, 1)])[1, 2]
    rows, columns = np.flatnonzero(piece.words == 0), np.flatnonzero(piece.words == 1)
    assert len(rows) > 1
    assert len(columns) > 1
    assert value == pytest.approx(weights[1, 2][np.ix_(rows, columns)].sum() / len(rows), abs=1e-6)


def test_a_search_reads_only_texts_that_hold_both(subject: Subject) -> None:
    texts = ["my card was charged", "the card", "", "charged today: card, card", "charged"]
    events, found = ended(search.study(subject, texts, "charged", "card"))
    assert found.arrays["place"].tolist() == [0, 3]
    assert (found.summary["found"], found.summary["texts"], found.summary["pairs"]) == (2, 5, 3)
    weights, _ = subject.attend(subject.read(texts[0]))
    assert found.arrays["best"][0, 1, 3] == pytest.approx(weights[1, 3, 4, 2], abs=1e-3)
    assert found.arrays["best"].shape == (2, *subject.shape)
    assert set(found.arrays["from_word"].tolist()) == {"charged"}
    assert isinstance(events[-1], Progress)
    assert events[-1].done == events[-1].total


def test_the_best_pair_of_a_text_is_named(subject: Subject) -> None:
    text = "my parcel was late"
    _, found = ended(search.study(subject, [text], "", "parcel, late"))
    weights, _ = subject.attend(subject.read(text))
    own = {(i, j): weights[0, 0, i, j] for i in range(1, 5) for j in (2, 4) if i != j}
    i, j = max(own, key=lambda pair: own[pair])
    words = text.split()
    which = int(found.arrays["which"][0, 0, 0])
    assert (found.arrays["from_word"][which], found.arrays["to_word"][which]) == (words[i - 1], words[j - 1])
    assert found.arrays["mean"][0, 0] == pytest.approx(np.mean(list(own.values())), abs=1e-6)
    assert np.isnan(found.arrays["low"]).all(), "one text tells nothing of the spread"


def test_a_special_token_may_be_looked_for(subject: Subject) -> None:
    _, found = ended(search.study(subject, ["my card", "a parcel"], "*", "[SEP]"))
    assert found.summary["read"] == 2
    assert found.summary["pairs"] == 4


def test_what_finds_nothing_is_told_in_a_sentence(subject: Subject) -> None:
    with pytest.raises(BadData, match="None of the 1 texts holds both"):
        ended(search.study(subject, ["my card"], "card", "parcel"))
    with pytest.raises(BadData, match="at least one word"):
        next(search.study(subject, ["my card"], " ", "*"))
