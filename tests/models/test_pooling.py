"""The averaging layer: a plain folder whose first state is the mean of all states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models import pooling
from core.models.forward import Encoded, accepted, collate, encode
from core.models.loading import load_classifier, load_for_training, load_tokenizer
from core.models.saving import save_model
from core.training.learner import Learner
from tests.tiny import AVERAGING, LABELS, tiny_encoder, toy_texts

TEXTS = [*toy_texts(12, words=20)[0], "late", "", "parcel " * 100]  # of unlike lengths: some are padded


@pytest.fixture(scope="module", params=AVERAGING)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Learner, Path]:
    """A learner with a head of some size, and the folder that it was saved to."""
    folder = tmp_path_factory.mktemp("pooling")
    base = tiny_encoder(folder / "base", request.param)
    learner = Learner.load(base, LABELS)
    rng = np.random.default_rng(0)
    learner.set_head(rng.normal(0, 0.7, (3, 32)), rng.normal(0, 1, 3))
    save_model(learner.model, load_tokenizer(base), folder / "model", {}, learner.plain_state())
    return learner, folder / "model"


def inputs_of(folder: Path, texts: list[str]) -> dict[str, Any]:
    tokenizer = load_tokenizer(folder)
    encoded: Encoded = encode(tokenizer, texts, tokenizer.model_max_length)
    return collate(encoded, range(len(texts)), tokenizer)


def test_plain_transformers_reads_the_folder_and_answers_as_the_learner_does(
    trained: tuple[Learner, Path],
) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    learner, folder = trained
    assert learner.averaging
    inputs = inputs_of(folder, TEXTS)
    learner.eval()
    with torch.inference_mode():
        ours = learner.logits(inputs).numpy()
    assert np.abs(ours).max() > 1
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    theirs = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        found = model(**accepted(model, dict(theirs))).logits.numpy()
    np.testing.assert_allclose(found, ours, atol=1e-4)


def test_features_are_the_normalised_mean_of_the_states_that_are_no_padding(
    trained: tuple[Learner, Path],
) -> None:
    import torch

    learner, folder = trained
    learner.eval()
    inputs = inputs_of(folder, TEXTS)
    with torch.inference_mode():
        together = learner.features(inputs).numpy()
        for at in (0, 12, 13):
            alone = inputs_of(folder, [TEXTS[at]])
            np.testing.assert_allclose(learner.features(alone)[0].numpy(), together[at], atol=1e-4)
        states = learner.encoder(**accepted(learner.encoder, alone)).last_hidden_state[0].numpy()
    mixed = pooling.SCALE * states.mean(axis=0) + states[0]
    wanted = (mixed - mixed.mean()) / np.sqrt(mixed.var() + pooling.norm_epsilon(learner.model))
    np.testing.assert_allclose(together[13], wanted, atol=1e-4)


def test_the_added_layer_attends_to_all_tokens_alike_and_padding_not_at_all(
    trained: tuple[Learner, Path],
) -> None:
    import torch

    _, folder = trained
    model = load_classifier(folder, "eager")
    inputs = accepted(model, inputs_of(folder, TEXTS))
    with torch.inference_mode():
        attention = model(**inputs, output_attentions=True).attentions
    added = pooling.added_layer(model.config)
    assert added == 2
    assert len(attention) == 3
    mask = inputs["attention_mask"].float()
    wanted = (mask / mask.sum(dim=1, keepdim=True))[:, None, None, :].expand_as(attention[added])
    np.testing.assert_allclose(attention[added].numpy(), wanted.numpy(), atol=1e-6)
    own = attention[1][mask.sum(dim=1) > 3]
    assert float(own.max()) > 2 / mask.shape[1]  # the model's own layers are not like that


def test_a_head_comes_back_as_it_was_set(trained: tuple[Learner, Path]) -> None:
    import torch

    learner, _ = trained
    rng = np.random.default_rng(1)
    weight = torch.from_numpy(rng.normal(0, 3, (3, 32)).astype(np.float32))
    bias = torch.from_numpy(rng.normal(0, 3, 3).astype(np.float32))
    kept = pooling.head(learner.model)
    pooling.set_head(learner.model, weight, bias)
    found = pooling.head(learner.model)
    pooling.set_head(learner.model, *kept)
    np.testing.assert_allclose(found[0].numpy(), weight.numpy(), rtol=1e-5)
    np.testing.assert_allclose(found[1].numpy(), bias.numpy(), atol=1e-3)


def test_a_trained_folder_as_the_base_keeps_one_averaging_layer_and_its_head(
    trained: tuple[Learner, Path],
) -> None:
    import torch

    learner, folder = trained
    again = Learner.load(folder, LABELS)
    config = json.loads((folder / "config.json").read_text())
    assert pooling.added_layer(config) == pooling.added_layer(again.model.config) == 2
    assert len(again.layers()) == len(learner.layers()) == 2
    inputs = inputs_of(folder, TEXTS)
    again.eval()
    learner.eval()
    with torch.inference_mode():
        np.testing.assert_allclose(again.logits(inputs).numpy(), learner.logits(inputs).numpy(), atol=1e-4)
    others = Learner.load(folder, ("yes", "no"))
    assert others.averaging
    assert others.head.out_features == 2
    with torch.inference_mode():
        np.testing.assert_allclose(
            others.features(inputs).numpy(), learner.features(inputs).numpy(), atol=1e-4
        )


def test_the_added_layer_never_learns(trained: tuple[Learner, Path]) -> None:
    learner, _ = trained
    family = pooling.FAMILIES[learner.model.config.model_type]
    encoder = getattr(learner.model, learner.model.base_model_prefix)
    added = {id(p) for p in encoder.get_submodule(family.layers)[2].parameters()}
    learns = {id(p) for _, p in learner.named_parameters()}
    assert not added & learns
    own = {id(p) for layer in learner.layers() for p in layer.parameters()}
    assert own <= learns
    assert {id(p) for p in learner.head.parameters()} <= learns


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_other_families_are_left_as_they_are(family: str, tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path / "base", family)
    config = json.loads((base / "config.json").read_text())
    assert not pooling.supported(config)
    learner = Learner.load(base, LABELS)
    assert not learner.averaging
    assert pooling.added_layer(learner.model.config) is None
    assert len(learner.layers()) == 2


def test_decoders_are_not_supported() -> None:
    assert pooling.supported({"model_type": "bert"})
    assert not pooling.supported({"model_type": "bert", "is_decoder": True})
    assert not pooling.supported({"model_type": "gpt2"})
    assert not pooling.supported({})


def test_a_classifier_of_others_is_not_taken_for_one_with_the_layer(tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path / "base", "bert")
    plain = load_for_training(base, LABELS)
    save_model(plain, load_tokenizer(base), tmp_path / "plain", {})
    learner = Learner.load(tmp_path / "plain", LABELS)
    assert learner.averaging
    assert pooling.added_layer(learner.model.config) == 2
    assert pooling.added_layer(load_classifier(tmp_path / "plain").config) is None
