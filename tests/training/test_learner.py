"""What learns and what stays: layers, rates, low-rank updates, families without the averaging layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadRecipe
from core.models.forward import accepted, collate, encode
from core.models.loading import load_classifier, load_tokenizer
from core.models.saving import save_model
from core.records import Event, Finished, Started, Step
from core.training.freezing import freeze
from core.training.learner import Learner
from core.training.optimizer import class_weights, make_optimizer, set_rate
from core.training.recipe import Recipe
from tests.tiny import FAMILIES, LABELS, tiny_encoder, toy_texts
from tests.training.support import RECIPE, equal, made, of, start, toy_data, weights

TEXTS = toy_texts(9)[0]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("family") / "base", request.param)


def moved(base: Path, out: Path, **changes: object) -> set[str]:
    """Names of the parameters, as transformers calls them, that one epoch changed."""
    run = made(base, out, replace(RECIPE, epochs=1, **changes))  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in run.learner.plain_state().items()}
    list(run.steps())
    run.keeper.improve(None, run.step, {})
    run.keeper.write()
    after = weights(out)
    assert after.keys() == before.keys()
    return {name for name, value in after.items() if not value.equal(before[name])}


# --------------------------------------------------------------------------- what trains

HEAD = {"classifier.weight", "classifier.bias"}


def test_head_alone_moves_the_head_alone(base: Path, tmp_path: Path) -> None:
    assert moved(base, tmp_path / "m", layers="head") == HEAD


def test_last_layer_moves_itself_and_the_head(base: Path, tmp_path: Path) -> None:
    changed = moved(base, tmp_path / "m", layers="last:1")
    assert any("encoder.layer.1." in name for name in changed)
    assert all("encoder.layer.1." in name for name in changed - HEAD)
    assert changed > HEAD


def test_all_layers_move_with_all_but_neither_embeddings_nor_the_averaging_layer(
    base: Path, tmp_path: Path
) -> None:
    changed = moved(base, tmp_path / "m")
    for part in ("encoder.layer.0.", "encoder.layer.1.", "classifier"):
        assert any(part in name for name in changed), part
    for part in ("embeddings", "encoder.layer.2.", "pooler"):
        assert not any(part in name for name in changed), part


def test_embeddings_move_where_the_recipe_says_so(base: Path, tmp_path: Path) -> None:
    changed = moved(base, tmp_path / "m", train_embeddings=True)
    assert any("embeddings.word" in name for name in changed)
    assert not any("encoder.layer.2." in name for name in changed)


def test_layers_are_found_and_frozen_in_every_family(family: Path) -> None:
    learner = Learner.load(family, LABELS)
    layers = learner.layers()
    assert len(layers) == 2
    head = learner.head_names()
    freeze(learner, Recipe(method="full", layers="last:1"))
    last = {id(p) for p in layers[1].parameters()}
    assert {n for n, _ in learner.trainable()} == head | {
        n for n, p in learner.named_parameters() if id(p) in last
    }
    freeze(learner, Recipe(method="full", layers="head"))
    assert {n for n, _ in learner.trainable()} == head
    freeze(learner, Recipe(method="full"))
    still = {n for n, _ in learner.named_parameters()} - {n for n, _ in learner.trainable()}
    assert any("embeddings" in name for name in still)
    assert not any(id(p) in last or n in head for n, p in learner.named_parameters() if n in still)
    learner = Learner.load(family, LABELS)
    freeze(learner, Recipe(method="full", train_embeddings=True))
    assert len(learner.trainable()) == len(learner.named_parameters())


def test_more_layers_than_the_model_has_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="has 2 layers"):
        list(start(base, tmp_path / "m", replace(RECIPE, layers="last:3")))
    assert not (tmp_path / "m").exists()


# --------------------------------------------------------------------------- how fast


def test_biases_and_norms_are_not_decayed_and_the_head_is_faster(family: Path) -> None:
    learner = Learner.load(family, LABELS)
    recipe = Recipe(learning_rate=1e-3, head_learning_rate_factor=7, weight_decay=0.1)
    optimizer = make_optimizer(learner, recipe, "cpu")
    set_rate(optimizer, 0.5)
    of_parameter = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    head = learner.head_names()
    assert len(of_parameter) == len(learner.named_parameters())
    for name, parameter in learner.named_parameters():
        group = of_parameter[id(parameter)]
        plain = name.endswith("bias") or "norm" in name.lower()
        assert group["weight_decay"] == (0.0 if plain else 0.1), name
        assert group["lr"] == pytest.approx(0.5e-3 * (7 if name in head else 1)), name


def test_each_layer_is_slower_than_the_one_above_it(family: Path) -> None:
    learner = Learner.load(family, LABELS)
    recipe = Recipe(learning_rate=1e-3, head_learning_rate_factor=3, layer_decay=0.5, train_embeddings=True)
    optimizer = make_optimizer(learner, recipe, "cpu")
    rate = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    first, second = learner.layers()
    assert {rate[id(p)] for p in second.parameters()} == {1e-3}
    assert {rate[id(p)] for p in first.parameters()} == {0.5e-3}
    embeddings = {rate[id(p)] for p in learner.embeddings().parameters()}
    assert list(embeddings) == [pytest.approx(0.25e-3)]
    head = {rate[id(p)] for n, p in learner.named_parameters() if n in learner.head_names()}
    assert list(head) == [pytest.approx(3e-3)]
    assert set_rate(optimizer, 1.0) == pytest.approx(0.25e-3)


def test_class_weights_give_every_class_the_same_say() -> None:
    found = class_weights(np.asarray([0, 0, 0, 0, 0, 0, 1, 1]), 3, "cpu").numpy()
    np.testing.assert_allclose(found, [8 / (2 * 6), 8 / (2 * 2), 0])
    assert found[0] * 6 == pytest.approx(found[1] * 2)


def test_class_weights_of_several_labels_weigh_rare_positives_up_to_a_limit() -> None:
    targets = np.zeros((1000, 4), dtype=bool)
    targets[:500, 0] = targets[:100, 1] = targets[:1, 2] = True
    np.testing.assert_allclose(class_weights(targets, 4, "cpu").numpy(), [1, 9, 100, 100])


# --------------------------------------------------------------------------- families without the layer


@pytest.mark.parametrize("name", ["deberta-v2", "modernbert"])
def test_a_family_without_the_layer_gets_its_quick_head_all_the_same(name: str, tmp_path: Path) -> None:
    import torch

    base = tiny_encoder(tmp_path / "base", name)
    learner = Learner.load(base, LABELS)
    learner.eval()
    tokenizer = load_tokenizer(base)
    inputs = collate(encode(tokenizer, TEXTS, 64), range(9), tokenizer)
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, learner.head.in_features)), rng.normal(size=3)
    learner.set_head(weight, bias)
    with torch.inference_mode():
        features, logits = learner.features(inputs).numpy(), learner.logits(inputs).numpy()
        assert features.shape == (9, learner.head.in_features)
        wanted = features @ weight.T + (bias if learner.head.bias is not None else 0)
        np.testing.assert_allclose(logits, wanted, atol=1e-4)
        assert not learner.head._forward_pre_hooks
    save_model(learner.model, tokenizer, tmp_path / "m", {}, learner.plain_state())
    plain = load_classifier(tmp_path / "m")
    with torch.inference_mode():
        np.testing.assert_allclose(plain(**inputs).logits.numpy(), logits, atol=1e-5)


# --------------------------------------------------------------------------- low-rank updates


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("lora") / "m"
    recipe = replace(RECIPE, method="lora", lora_rank=4, learning_rate=1e-2, epochs=2)
    return list(start(base, out, recipe)), out


def test_lora_learns_and_is_saved_as_a_plain_folder(lora: tuple[list[Event], Path], base: Path) -> None:
    from safetensors import safe_open

    events, out = lora
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.method, finished.best_step > 0) == ("lora", True)
    started = of(Started, events)[0]
    assert started.trainable < 0.5 * started.parameters
    with safe_open(out / "model.safetensors", "pt") as tensors:
        names = set(tensors.keys())
    assert not any("lora" in name or "base_layer" in name for name in names)
    untouched = Learner.load(base, LABELS)
    assert names == set(untouched.plain_state())
    before, after = untouched.plain_state(), weights(out)
    changed = {name for name in names if not after[name].equal(before[name])}
    linear = {n for n in names if ".layer.0." in n or ".layer.1." in n}
    assert changed - HEAD == {n for n in linear if n.endswith("weight") and "LayerNorm" not in n}


@pytest.mark.parametrize("name", ["bert", "distilbert", "deberta-v2", "modernbert"])
def test_merged_weights_answer_as_the_low_rank_updates_did(name: str, tmp_path: Path) -> None:
    import torch

    base = tiny_encoder(tmp_path / "base", name)
    learner = Learner.load(base, LABELS)
    tokenizer = load_tokenizer(base)
    inputs = collate(encode(tokenizer, TEXTS, 64), range(9), tokenizer)
    learner.eval()
    learner.set_head(np.random.default_rng(0).normal(0, 0.3, (3, learner.head.in_features)), np.zeros(3))
    with torch.inference_mode():
        before = learner.logits(inputs)
    assert learner.add_lora(4) >= 8
    with torch.no_grad():
        assert torch.allclose(learner.logits(inputs), before, atol=1e-6)  # an update begins with nothing
        for key, parameter in learner.trainable():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.05)
        ours = learner.logits(inputs)
        assert (ours - before).abs().max() > 1e-3
    trains = {key for key, _ in learner.trainable()}
    assert all("lora_" in key for key in trains - learner.head_names())
    assert learner.head_names() <= trains
    assert len(learner.layers()) == 2
    save_model(learner.model, tokenizer, tmp_path / "m", {}, learner.plain_state())
    plain = load_classifier(tmp_path / "m")
    with torch.inference_mode():
        theirs = plain(**accepted(plain, inputs)).logits
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=1e-4)


def test_lora_of_a_seed_is_the_same_twice(lora: tuple[list[Event], Path], base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, method="lora", lora_rank=4, learning_rate=1e-2, epochs=2)
    again = list(start(base, tmp_path / "m", recipe))
    assert [s.loss for s in of(Step, again)] == [s.loss for s in of(Step, lora[0])]
    assert equal(weights(tmp_path / "m"), weights(lora[1]))


def test_a_model_that_lora_trained_is_a_base_for_another_run(
    lora: tuple[list[Event], Path], tmp_path: Path
) -> None:
    recipe = replace(RECIPE, method="full", epochs=0.1)
    events = list(start(lora[1], tmp_path / "m", recipe, toy_data(24, 9)))
    assert isinstance(events[-1], Finished)
