"""The step without padding gives the numbers of the plain one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.forward import Encoded, collate, encode
from core.models.loading import load_tokenizer
from core.training import packed as module
from core.training.learner import Learner
from core.training.packed import FAMILIES, Packed
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
    packed = Packed(learner, 0.0, 0)
    with torch.no_grad():
        wanted = learner.logits(inputs).numpy()
        np.testing.assert_allclose(packed.logits(encoded, None, (0, 0)).numpy(), wanted, atol=1e-4)
        half = packed.logits(encoded, torch.bfloat16, (0, 0)).numpy()
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
    found = gradients(Packed(learner, 0.0, 0).logits(encoded, None, (0, 0)))
    assert found.keys() == plain.keys()
    for name, gradient in plain.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-5, err_msg=name)


def test_noise_follows_from_seed_step_and_part(both: tuple[Learner, Encoded, dict[str, Any]]) -> None:
    import torch

    learner, encoded, _ = both
    packed = Packed(learner, 0.2, 3)
    with torch.no_grad():
        one = packed.logits(encoded, None, (4, 0))
        assert torch.equal(one, Packed(learner, 0.2, 3).logits(encoded, None, (4, 0)))
        for other in (
            packed.logits(encoded, None, (5, 0)),
            packed.logits(encoded, None, (4, 6)),
            Packed(learner, 0.2, 4).logits(encoded, None, (4, 0)),
            Packed(learner, 0.0, 3).logits(encoded, None, (4, 0)),
        ):
            assert not torch.allclose(one, other, atol=1e-3)


def test_dropout_leaves_out_its_share_however_large_the_batch(
    both: tuple[Learner, Encoded, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(module, "_POOL", 4096)
    packed = Packed(both[0], 0.2, 0)
    for size in (10, 50, 500):
        found = packed._drop(torch.ones(size, 32), np.random.default_rng(0))
        assert sorted(set(found.reshape(-1).tolist())) == [0.0, 1.25]
        assert float((found == 0).float().mean()) == pytest.approx(0.2, abs=0.06)
        assert float(found.mean()) == pytest.approx(1.0, abs=0.08)


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
