"""Words of classes over many texts: each effect is that of masking the word, each interval that of its texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from core.errors import BadData
from core.explain.attribution import finish
from core.explain.class_words import effects, measure
from core.explain.subject import Subject
from tests import tiny


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("words") / "model"))


def centred(subject: Subject, text: str) -> np.ndarray:
    logits = subject.logits([subject.read(text)])[0].astype(float)
    return np.asarray(logits - logits.mean())


def test_a_words_effect_is_what_all_its_places_do_together(subject: Subject) -> None:
    words, found = effects(subject, subject.read("Card twice , my card ?"))
    assert words == ["card", "twice", "my"] or words == ["Card", "twice", "my"]
    by_hand = centred(subject, "card twice , my card ?") - centred(subject, "[MASK] twice , my [MASK] ?")
    np.testing.assert_allclose(found[0], by_hand, atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-5)


def test_means_and_intervals_are_those_of_the_texts(subject: Subject) -> None:
    texts = [*tiny.toy_texts(20)[0], "  "]
    findings = finish(measure(subject, texts))
    words = findings.arrays["words"].tolist()
    assert findings.summary["texts"] == 20
    assert findings.summary["skipped"] == 1
    at = words.index("card")
    own = []
    for text in texts[:-1]:
        if "card" in text.split():
            named, found = effects(subject, subject.read(text))
            own.append(found[named.index("card")])
    assert findings.arrays["texts"][at] == len(own)
    mean, half = findings.arrays["mean"][at], findings.arrays["half"][at]
    np.testing.assert_allclose(mean, np.mean(own, axis=0), atol=1e-5)
    low, high = stats.t.interval(0.95, len(own) - 1, np.mean(own, axis=0), stats.sem(own, axis=0))
    np.testing.assert_allclose([mean - half, mean + half], [low, high], atol=1e-4)
    for told in findings.summary["classes"].values():
        assert all(low > 0 for _, _, low, _, _ in told["for"])
        assert all(high < 0 for _, _, _, high, _ in told["against"])
        assert [row[2] for row in told["for"]] == sorted((row[2] for row in told["for"]), reverse=True)


def test_rare_words_are_not_spoken_of(subject: Subject) -> None:
    with pytest.raises(BadData, match="at least 3"):
        finish(measure(subject, ["my card", "a parcel"]))


def test_a_base_model_has_no_class_words(tmp_path: Path) -> None:
    base = Subject.load(tiny.tiny_bert(tmp_path / "base"))
    with pytest.raises(Exception, match="base model"):
        finish(measure(base, ["my card"]))
