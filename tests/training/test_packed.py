"""The step without padding gives the numbers of the plain one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.forward import Encoded, collate, encode
from core.models.loading import load_tokenizer
from core.training.block import Form
from core.training.learner import Learner
from core.training.packed import FAMILIES, Packed, _places, _rows_of_noise
from tests.tiny import LABELS, tiny_encoder, toy_texts

TEXTS = [*toy_texts(9, words=20)[0], "late", "", "parcel " * 60]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Learner, Encoded, dict[str, Any]]:
    """A learner without dropout, twelve texts, and the same texts as a padded batch."""
    base = tiny_encoder(tmp_path_factory.mktemp("packed") / "base", request.param)
    learner = Learner.load(base, LABELS, dropout=0.0)
    learner.set_head(np.random.default_rng(0).normal(0, 0.5, (3, 32)), np.zeros(3))
    tokenizer = load_tokenizer(base)
    encoded = encode(tokenizer, TEXTS, 128)
    learner.train()
    return learner, encoded, collate(encoded, range(len(TEXTS)), tokenizer)


def test_logits_are_those_of_the_padded_batch(both: tuple[Learner, Encoded, dict[str, Any]]) -> None:
    import torch

    learner, encoded, inputs = both
    assert Packed.suits(learner, "cpu")
    packed = Packed(learner)
    with torch.no_grad():
        wanted = learner.logits(inputs).numpy()
        np.testing.assert_allclose(learner.head(packed.features(encoded)).numpy(), wanted, atol=1e-4)
        half = learner.head(packed.features(encoded, torch.bfloat16)).numpy()
    np.testing.assert_allclose(half, wanted, atol=0.3)


def test_gradients_are_those_of_the_padded_batch(both: tuple[Learner, Encoded, dict[str, Any]]) -> None:
    import torch

    learner, encoded, inputs = both
    truth = torch.arange(len(TEXTS)) % 3

    def gradients(logits: Any) -> dict[str, Any]:
        torch.nn.functional.cross_entropy(logits, truth).backward()
        found = {name: p.grad.numpy().copy() for name, p in learner.named_parameters() if p.grad is not None}
        for _, parameter in learner.named_parameters():
            parameter.grad = None
        return found

    plain = gradients(learner.logits(inputs))
    found = gradients(learner.head(Packed(learner).features(encoded)))
    assert found.keys() == plain.keys()
    for name, gradient in plain.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-5, err_msg=name)


def test_noise_follows_from_seed_step_and_text(both: tuple[Learner, Encoded, dict[str, Any]]) -> None:
    import torch

    learner, encoded, _ = both
    packed, texts = Packed(learner, 0.2, 3), np.arange(len(TEXTS))
    with torch.no_grad():
        one = packed.features(encoded, None, (4, texts))
        assert torch.equal(one, Packed(learner, 0.2, 3).features(encoded, None, (4, texts)))
        for other in (
            packed.features(encoded, None, (5, texts)),
            packed.features(encoded, None, (4, texts + 1)),
            Packed(learner, 0.2, 4).features(encoded, None, (4, texts)),
            Packed(learner, 0.0, 3).features(encoded, None, (4, texts)),
            packed.features(encoded),
        ):
            assert not torch.allclose(one, other, atol=1e-3)


def test_noise_is_the_same_however_a_batch_is_split(both: tuple[Learner, Encoded, dict[str, Any]]) -> None:
    import torch

    learner, encoded, _ = both
    packed, texts = Packed(learner, 0.3, 0), np.arange(len(TEXTS)) + 100
    with torch.no_grad():
        whole = packed.features(encoded, None, (7, texts))
        parts = [
            packed.features(encoded.select(rows), None, (7, texts[rows])) for rows in ([3, 0, 9], [11, 5])
        ]
    np.testing.assert_allclose(torch.cat(parts).numpy(), whole[[3, 0, 9, 11, 5]].numpy(), atol=1e-5)


def test_dropout_leaves_out_its_share_and_keeps_the_mean(
    both: tuple[Learner, Encoded, dict[str, Any]],
) -> None:
    packed = Packed(both[0], 0.2, 0)
    assert packed.noise is not None
    assert sorted(set(packed.noise.reshape(-1).tolist())) == [0.0, 1.25]
    assert float((packed.noise == 0).float().mean()) == pytest.approx(0.2, abs=0.01)
    form = Form.of(both[1].lengths, 4)
    rows = _rows_of_noise(0, (1, np.arange(len(TEXTS))), form, _places(both[1]), 5, len(packed.noise))
    assert rows.shape == (5, form.rows)
    assert len(np.unique(rows)) > 0.9 * rows[:, : form.tokens].size  # hardly two tokens share theirs


def test_frozen_layers_get_no_gradient_and_change_no_others(
    both: tuple[Learner, Encoded, dict[str, Any]],
) -> None:
    learner, encoded, _ = both

    def gradient() -> Any:
        learner.head(Packed(learner).features(encoded)).square().sum().backward()
        last = learner.layers()[-1].output.dense.weight.grad.clone()
        first = learner.layers()[0].output.dense.weight.grad
        for _, parameter in learner.named_parameters():
            parameter.grad = None
        return last, first

    whole, _ = gradient()
    frozen = [learner.embeddings(), *learner.layers()[:-1]]
    try:
        for module in frozen:
            module.requires_grad_(False)
        part, none = gradient()
    finally:
        for module in frozen:
            module.requires_grad_(True)
    assert none is None
    np.testing.assert_allclose(part.numpy(), whole.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", ["distilbert", "deberta-v2"])
def test_other_families_take_the_plain_step(family: str, tmp_path: Path) -> None:
    learner = Learner.load(tiny_encoder(tmp_path / "base", family), LABELS)
    assert not Packed.suits(learner, "cpu")


def test_low_rank_updates_and_graphics_cards_take_the_plain_step(base: Path) -> None:
    learner = Learner.load(base, LABELS)
    assert not Packed.suits(learner, "cuda")
    assert Packed.suits(learner, "cpu")
    learner.add_lora(2)
    assert not Packed.suits(learner, "cpu")
