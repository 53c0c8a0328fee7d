"""Heads switched off, in every family, against the same thing done by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadModel
from core.explain import ablation
from core.explain.subject import Subject
from tests import tiny

FAMILIES = (
    "bert", "distilbert", "roberta", "xlm-roberta", "electra", "albert", "deberta-v2", "modernbert",
)  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {"albert": {"embedding_size": 16}, "deberta-v2": {"conv_kernel_size": 3}}


@pytest.fixture(scope="module", params=FAMILIES)
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    family = str(request.param)
    folder = tmp_path_factory.mktemp(family) / "model"
    return Subject.load(tiny.tiny_classifier(folder, family, **SIZES.get(family, {})))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("bert") / "model"))


def pieces_of(subject: Subject) -> list[Any]:
    return [
        subject.read(t) for t in ("my parcel was late today", "refund", "card charged twice, please refund")
    ]


def by_hand(subject: Subject, layer: int, heads: list[int]) -> np.ndarray[Any, Any]:
    """The logits where the output projection of that layer does not read these heads: its columns are zero."""
    import torch

    suffix = ablation.PROJECTIONS[subject.model.config.model_type]
    found = [module for name, module in subject.encoder.named_modules() if name.endswith(f".{suffix}")]
    shared = len(found) == 1  # ALBERT: one projection, called in every layer
    projection, calls = found[0 if shared else layer], 0
    width = projection.weight.shape[1] // subject.shape[1]
    whole = projection.weight.data.clone()
    without = whole.clone()
    for head in heads:
        without[:, head * width : (head + 1) * width] = 0

    def before(*_: Any) -> None:
        nonlocal calls
        projection.weight.data = without if not shared or calls == layer else whole
        calls += 1

    hook = projection.register_forward_pre_hook(before)
    try:
        out = []
        for piece in pieces_of(subject):
            calls = 0
            with torch.inference_mode():
                out.append(subject.model(**subject.tensors([piece])).logits[0].numpy())
    finally:
        hook.remove()
        projection.weight.data = whole
    return np.stack(out)


def without(subject: Subject, heads: list[tuple[int, int]]) -> np.ndarray[Any, Any]:
    pieces = pieces_of(subject)
    out = np.full((len(pieces), len(subject.labels)), np.nan)
    for rows, logits in ablation.logits_without(subject, pieces, heads):
        out[rows] = logits
    return out


def test_a_head_that_is_off_is_not_read_by_the_projection(subject: Subject) -> None:
    whole = subject.logits(pieces_of(subject))
    for layer, heads in ((0, [1]), (1, [0, 3]), (1, [0, 1, 2, 3])):
        off = without(subject, [(layer, head) for head in heads])
        np.testing.assert_allclose(off, by_hand(subject, layer, heads), atol=1e-5)
        assert np.abs(off - whole).max() > 1e-5, "nothing was switched off"
    np.testing.assert_allclose(subject.logits(pieces_of(subject)), whole, atol=1e-6)


def test_each_head_in_turn_is_that_head_alone(subject: Subject) -> None:
    pieces = pieces_of(subject)
    layers, heads = subject.shape
    seen = np.zeros((layers, len(pieces)), dtype=int)
    for layer, rows, each, whole in ablation.each_head(subject, pieces):
        seen[layer, rows] += 1
        for head in range(heads):
            np.testing.assert_allclose(each[:, head], without(subject, [(layer, head)])[rows], atol=1e-5)
        np.testing.assert_allclose(
            whole, without(subject, ablation.whole_layer(subject, layer))[rows], atol=1e-5
        )
    assert (seen == 1).all()


def test_a_layer_without_its_heads_adds_only_the_bias_of_its_projection(bert: Subject) -> None:
    import torch

    projection = bert.encoder.encoder.layer[1].attention.output.dense
    added: list[Any] = []
    with ablation.opened(bert) as circuit, torch.inference_mode():
        circuit.gates = ablation.gates_without(bert, ablation.whole_layer(bert, 1))
        hook = projection.register_forward_hook(lambda _module, _given, result: added.append(result))
        bert.model(**bert.tensors(pieces_of(bert)))
        hook.remove()
    (result,) = added
    np.testing.assert_allclose(
        result.numpy(), np.broadcast_to(projection.bias.numpy(), result.shape), atol=1e-6
    )


def test_the_model_is_whole_again_after_an_error(bert: Subject) -> None:
    whole = bert.logits(pieces_of(bert))

    def ask() -> None:
        with ablation.opened(bert) as circuit:
            circuit.gates = "no gates"
            bert.logits(pieces_of(bert))

    with pytest.raises(TypeError):
        ask()
    np.testing.assert_array_equal(bert.logits(pieces_of(bert)), whole)
    assert not any("forward" in vars(module) for module in bert.model.modules())


def test_the_averaging_layer_is_no_layer_to_switch_off(tmp_path: Path) -> None:
    from core.models.loading import load_for_training
    from core.models.pooling import add_layer

    model = load_for_training(tiny.tiny_bert(tmp_path / "base"), tiny.LABELS)
    add_layer(model)
    model.save_pretrained(tmp_path / "base")
    subject = Subject.load(tmp_path / "base")
    assert subject.shape[0] == 3
    assert ablation.own_layers(subject) == 2
    assert {layer for layer, *_ in ablation.each_head(subject, pieces_of(subject))} == {0, 1}


def test_what_cannot_be_switched_off_is_told_in_a_sentence(bert: Subject, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no head 5 in layer 1"):
        ablation.answer_without(bert, bert.read("refund"), [(0, 4)])
    base = Subject.load(tiny.tiny_bert(tmp_path / "base"))
    with pytest.raises(BadModel, match="base model"):
        ablation.answer_without(base, base.read("refund"), [(0, 0)])
