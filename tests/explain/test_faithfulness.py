"""Taking out the words that a method names: against the definition, and whether a good method stands out from chance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadData
from core.explain import faithfulness
from core.explain.attribution import finish
from core.explain.faithfulness import SHARES, erase, measure
from core.explain.nouns import Findings
from core.explain.sampling import perturbed
from core.explain.subject import Subject
from core.records import Progress
from tests import tiny

TEXTS = tiny.toy_texts(12, seed=5, words=10)[0]


@pytest.fixture(scope="module")
def found(bundled: Subject) -> Findings:
    return finish(measure(bundled, [*TEXTS, "late", " "], ("ig", "occlusion", "attention"), draws=3))


def test_erasing_is_the_difference_of_probabilities_by_definition(tmp_path: Path) -> None:
    """DeYoung et al. (2020): one text, one ranking, each share by itself."""
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model", initializer_range=0.5))
    piece = subject.read("my parcel was late and the courier lost it today")
    scores = np.random.default_rng(0).normal(size=piece.word_count)
    result = erase(subject, piece, 1, [scores, -scores])

    def probability(kept: list[int]) -> float:
        row = np.isin(np.arange(piece.word_count), kept)[None]
        return float(subject.probabilities(subject.logits(perturbed(subject, piece, row)))[0, 1])

    order = np.argsort(-scores).tolist()
    falls, rests = [], []
    for share in SHARES:
        count = max(1, int(np.ceil(share * piece.word_count)))
        falls.append(result.whole - probability(order[count:]))
        rests.append(result.whole - probability(order[:count]))
    assert result.whole == pytest.approx(probability(order), abs=1e-6)
    assert result.comprehensiveness[0] == pytest.approx(np.mean(falls), abs=1e-6)
    assert result.sufficiency[0] == pytest.approx(np.mean(rests), abs=1e-6)
    assert abs(result.comprehensiveness[0] - result.comprehensiveness[1]) > 1e-4


def test_a_good_method_stands_out_from_random_words(found: Findings) -> None:
    for method in ("ig", "occlusion"):
        figures = found.summary["methods"][method]
        value, low, high = figures["gain"]
        assert 0 < low <= value <= high
        assert figures["comprehensiveness"][0] > found.summary["random"]["comprehensiveness"][0]
        assert figures["sufficiency_gain"][1] > 0
    assert found.summary["random"]["gain"] == [0, 0, 0]


def test_a_method_that_guesses_does_not_stand_out(bundled: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    real = faithfulness.attribute

    def guessing(*given: object, **options: object) -> object:
        one = yield from real(*given, **options)
        return replace(one, word_scores=rng.random(len(one.words)))

    monkeypatch.setattr(faithfulness, "attribute", guessing)
    figures = finish(measure(bundled, TEXTS, ("gradient",), draws=3)).summary["methods"]["gradient"]
    assert figures["gain"][1] < 0 < figures["gain"][2]


def test_what_is_measured_is_told_and_is_json(found: Findings) -> None:
    summary = json.loads(json.dumps(found.summary, allow_nan=False))
    assert (summary["texts"], summary["skipped"]) == (len(TEXTS), 2)
    assert summary["removal"] == "the word is replaced by [MASK]"
    assert list(summary["methods"]) == ["ig", "occlusion", "attention"]
    assert found.arrays["comprehensiveness"].shape == (4, len(TEXTS))
    for figures in [*summary["methods"].values(), summary["random"]]:
        assert len(figures["removed"]) == len(figures["kept"]) == len(summary["shares"])
        low, high = figures["comprehensiveness"][1:]
        assert low <= figures["comprehensiveness"][0] <= high
    agreed = summary["agreement"]
    assert agreed["spearman"][0][0] == pytest.approx([1, 1, 1])
    assert agreed["spearman"][0][1] == agreed["spearman"][1][0]
    assert 0 < agreed["chance"] < 1


def test_the_same_seed_gives_the_same_figures_and_progress_counts_texts(bundled: Subject) -> None:
    events = list(measure(bundled, TEXTS[:3], ("gradient",), draws=2))
    assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3]
    slow = [event.done for event in measure(bundled, TEXTS[:2], ("ig",), draws=2)]
    assert len(slow) > 3  # it can be stopped in the middle of a text
    assert slow == sorted(slow)
    first, again = (finish(measure(bundled, TEXTS[:3], ("gradient",), draws=2)) for _ in range(2))
    assert first.summary == again.summary


def test_too_short_texts_are_refused_in_a_sentence(bundled: Subject) -> None:
    with pytest.raises(BadData, match="Only 1 of the 3 texts"):
        finish(measure(bundled, ["late", "a card", "the card was charged twice"], ("gradient",)))
