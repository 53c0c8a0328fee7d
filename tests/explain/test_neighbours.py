"""Nearest training texts: by what the last layer is given, the same alone and in a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import BadModel
from core.explain.attribution import finish
from core.explain.neighbours import embed, embed_one, nearest
from core.explain.subject import Subject
from tests import tiny


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "modernbert"])
def test_the_last_layer_turns_the_vectors_into_the_logits(family: str, tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model", family))
    texts = [*tiny.toy_texts(7)[0], "card"]
    vectors = finish(embed(subject, texts))
    last = [m for n, m in subject.model.named_modules() if n in ("classifier", "classifier.out_proj")][-1]
    weight, bias = last.weight.numpy(), 0.0 if last.bias is None else last.bias.numpy()
    logits = subject.logits([subject.read(text) for text in texts])
    np.testing.assert_allclose(vectors @ weight.T + bias, logits, atol=1e-4)
    np.testing.assert_allclose(embed_one(subject, subject.read(texts[2])), vectors[2], atol=1e-4)


def test_a_text_is_nearest_to_itself_whatever_all_vectors_share() -> None:
    known = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    near = nearest(known, known[7], 5)
    assert near[0].at == 7
    assert near[0].similarity == pytest.approx(1, abs=1e-5)
    assert [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)
    moved = nearest(known + 100, known[7] + 100, 5)
    assert [n.at for n in moved] == [n.at for n in near]


def test_a_base_model_has_no_neighbours(tmp_path: Path) -> None:
    base = Subject.load(tiny.tiny_bert(tmp_path / "base"))
    with pytest.raises(BadModel, match="base model"):
        finish(embed(base, ["my card"]))
