"""Training learns, can be repeated, can be stopped, and never leaves a broken model behind."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadRecipe, Diverged
from core.evaluation.metrics import score, wilson
from core.inference.classifier import Classifier
from core.models.catalogue import BUNDLED
from core.models.loading import head_names, load_classifier, load_for_training, load_tokenizer
from core.models.saving import read_sidecar
from core.records import Evaluated, Event, Finished, Note, Started, Step
from core.training import loop, precision, task
from core.training import run as run_module
from core.training.batching import epoch_batches
from core.training.clock import Clock
from core.training.freezing import encoder_layers, freeze
from core.training.loop import train
from core.training.optimizer import class_weights, make_optimizer, set_rate
from core.training.recipe import Recipe, automatic_length, problems, suggest
from core.training.task import TrainingData
from core.training.validation import Measured, evaluation_steps
from tests.tiny import FAMILIES, LABELS, POSITIONS, tiny_bert, tiny_encoder, toy_texts

RECIPE = Recipe(epochs=4, batch_size=8, learning_rate=5e-3, head_learning_rate_factor=1, precision="fp32")


def toy_data(n: int = 96, validation: int = 30) -> TrainingData:
    texts, labels = toy_texts(n, seed=1)
    held_out, truth = toy_texts(validation, seed=2)
    return TrainingData(texts, labels, held_out, truth, LABELS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("training") / "base")


def start(
    base: Path,
    out: Path,
    recipe: Recipe = RECIPE,
    data: TrainingData | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    **sidecar: Any,
) -> Iterator[Event]:
    return train(
        data or toy_data(), recipe, base, out, base_name="tiny", sidecar=sidecar, should_stop=should_stop
    )


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_classifier(folder).state_dict())


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    import torch

    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --------------------------------------------------------------------------- the whole


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("run") / "model"
    return list(start(base, out, data_fingerprint="abc")), out


def test_training_learns_what_can_be_learnt(run: tuple[list[Event], Path]) -> None:
    events, _ = run
    losses = [step.loss for step in of(Step, events)]
    assert losses[0] == pytest.approx(math.log(3), abs=0.6)
    assert np.mean(losses[-3:]) < 0.3 * losses[0]
    assert max(e.macro_f1 for e in of(Evaluated, events)) > 0.9


def test_events_come_in_order_and_count_right(run: tuple[list[Event], Path]) -> None:
    events, out = run
    started, finished = of(Started, events)[0], of(Finished, events)[0]
    steps, evaluated = of(Step, events), of(Evaluated, events)
    assert isinstance(events[0], Note)
    assert events[-1] is finished
    assert [s.step for s in steps] == list(range(1, started.steps + 1))
    assert started.steps == 48
    assert (started.train_texts, started.validation_texts, started.cut_texts) == (96, 30, 0)
    assert started.trainable == started.parameters
    assert steps[-1].texts == 4 * 96
    assert steps[-1].epoch == pytest.approx(4)
    assert {12, 24, 36, 48} == {e.step for e in evaluated}
    assert all(a.elapsed <= b.elapsed for a, b in pairwise(steps))
    assert all(s.texts_per_second > 0 and s.memory > 0 and s.remaining >= 0 for s in steps)
    assert (finished.step, finished.stopped, finished.folder) == (48, False, str(out))


def test_learning_rate_rises_and_falls_to_the_end(run: tuple[list[Event], Path]) -> None:
    rates = [step.learning_rate for step in of(Step, run[0])]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(RECIPE.learning_rate)
    assert 0 < peak < 8
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.1 * RECIPE.learning_rate


def test_best_state_is_the_one_that_is_kept(run: tuple[list[Event], Path]) -> None:
    events, out = run
    evaluated = of(Evaluated, events)
    best = max(evaluated, key=lambda e: (e.macro_f1, -e.loss))
    assert best.best
    assert [e.step for e in evaluated if e.best][-1] == best.step == of(Finished, events)[0].best_step
    data = toy_data()
    predicted = Classifier.load(out).predict_proba(data.validation_texts).argmax(axis=1).tolist()
    assert score(data.validation_labels, predicted, LABELS).macro_f1.value == pytest.approx(best.macro_f1)


def test_sidecar_tells_what_was_done(run: tuple[list[Event], Path]) -> None:
    events, out = run
    found = read_sidecar(out)
    assert found["labels"] == list(LABELS)
    assert found["base_model"] == "tiny"
    assert Recipe.from_json(found["recipe"]) == RECIPE
    assert found["data_fingerprint"] == "abc"
    assert found["validation"]["macro_f1"] == max(e.macro_f1 for e in of(Evaluated, events))
    assert found["trained"]["step"] == of(Finished, events)[0].best_step


def test_events_survive_json(run: tuple[list[Event], Path]) -> None:
    for event in run[0]:
        assert type(event)(**json.loads(json.dumps(event.to_json()))) == event


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_and_is_saved(family: str, number_format: str, tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path / "base", family)
    before = load_for_training(base, LABELS).state_dict()
    recipe = replace(RECIPE, epochs=1, batch_size=32, precision=number_format)
    events = list(start(base, tmp_path / "out", recipe, toy_data(32, 6)))
    assert [s.step for s in of(Step, events)] == [1]
    assert of(Step, events)[0].gradient_norm > 0
    after = weights(tmp_path / "out")
    head = head_names(load_for_training(base, LABELS))
    assert any(not np.array_equal(after[n], before[n]) for n in after if n not in head)
    assert Classifier.load(tmp_path / "out").predict_proba(["my parcel is late"]).shape == (1, 3)


# --------------------------------------------------------------------------- repeating


def test_same_seed_gives_the_same_weights(run: tuple[list[Event], Path], base: Path, tmp_path: Path) -> None:
    events, out = run
    again = list(start(base, tmp_path / "again"))
    assert [s.loss for s in of(Step, again)] == [s.loss for s in of(Step, events)]
    assert equal(weights(tmp_path / "again"), weights(out))


def test_another_seed_gives_other_weights(run: tuple[list[Event], Path], base: Path, tmp_path: Path) -> None:
    list(start(base, tmp_path / "other", replace(RECIPE, seed=1)))
    assert not equal(weights(tmp_path / "other"), weights(run[1]))


def test_measuring_the_precision_moves_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPE, epochs=1)
    list(start(base, tmp_path / "plain", recipe))
    monkeypatch.setattr(precision, "GAIN", float("inf"))  # measured, and fp32 whatever comes out
    notes = of(Note, list(start(base, tmp_path / "measured", replace(recipe, precision="auto"))))
    assert any("bf16 is no faster" in note.message for note in notes)
    assert equal(weights(tmp_path / "measured"), weights(tmp_path / "plain"))


def test_mixed_precision_trains_too(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "GAIN", 0.0)
    events = list(start(base, tmp_path / "m", replace(RECIPE, precision="auto")))
    assert of(Started, events)[0].precision == "bf16"
    assert max(e.macro_f1 for e in of(Evaluated, events)) > 0.9
    assert all(
        w.dtype.is_floating_point is False or "32" in str(w.dtype) for w in weights(tmp_path / "m").values()
    )


def test_half_precision_trains_too(base: Path, tmp_path: Path) -> None:
    events = list(start(base, tmp_path / "m", replace(RECIPE, precision="fp16")))
    assert of(Started, events)[0].precision == "fp16"
    assert np.mean([s.loss for s in of(Step, events)][-5:]) < 0.8


# --------------------------------------------------------------------------- stopping


def test_stop_after_an_evaluation_keeps_the_best_so_far(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []

    def enough() -> bool:
        return bool(of(Evaluated, seen)) and isinstance(seen[-1], Step)

    for event in start(base, tmp_path / "m", should_stop=enough):
        seen.append(event)
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert finished.stopped
    assert finished.step == of(Evaluated, seen)[0].step + 1
    assert finished.best_step == of(Evaluated, seen)[0].step
    assert "Stopped on request" in finished.reason
    assert read_sidecar(tmp_path / "m")["trained"]["step"] == finished.best_step
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_before_any_evaluation_measures_once_and_keeps_the_state(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    for event in start(base, tmp_path / "m", should_stop=lambda: len(of(Step, seen)) >= 2):
        seen.append(event)
    assert [e.step for e in of(Evaluated, seen)] == [2]
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].stopped, seen[-1].best_step) == (True, 2)
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_does_not_wait_for_a_long_validation(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "STOP_SECONDS", 0.0)
    seen: list[Event] = []
    for event in start(
        base, tmp_path / "m", data=toy_data(96, 600), should_stop=lambda: len(of(Step, seen)) >= 2
    ):
        seen.append(event)
    assert of(Evaluated, seen) == []
    assert any("unmeasured" in note.message for note in of(Note, seen))
    assert read_sidecar(tmp_path / "m")["validation"] is None
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_interrupts_a_running_evaluation(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    asked_since_step: list[int] = []

    def during_the_second_evaluation() -> bool:
        asked_since_step.append(len(seen))
        return len(of(Evaluated, seen)) == 1 and asked_since_step.count(len(seen)) > 1

    for event in start(
        base, tmp_path / "m", data=toy_data(96, 600), should_stop=during_the_second_evaluation
    ):
        seen.append(event)
    assert len(of(Evaluated, seen)) == 1
    assert isinstance(seen[-1], Finished)
    assert seen[-1].stopped


def test_closing_the_generator_leaves_a_whole_model(base: Path, tmp_path: Path) -> None:
    events = start(base, tmp_path / "m")
    for event in events:
        if isinstance(event, Evaluated):
            break
    events.close()  # type: ignore[attr-defined]
    assert Classifier.load(tmp_path / "m").labels == LABELS
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_early_stopping_ends_without_improvement(base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=50, learning_rate=1e-9, early_stopping=2, warmup_share=0.0)
    events = list(start(base, tmp_path / "m", recipe))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.step == 36
    assert not finished.stopped
    assert "no improvement" in finished.reason


# --------------------------------------------------------------------------- going wrong


def broken(base: Path, folder: Path) -> Path:
    """A base model one of whose weights is not a number."""
    import torch
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in base.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    state = load_file(folder / "model.safetensors")
    state["encoder.layer.1.output.dense.bias"][0] = torch.nan
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_loss_that_is_no_number_ends_training_before_the_first_step(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    events = start(broken(base, tmp_path / "bad"), tmp_path / "m")
    with pytest.raises(Diverged, match=r"at step 1\b.*No model was kept.*smaller learning rate"):
        seen.extend(events)
    assert of(Step, seen) == []
    assert not (tmp_path / "m").exists()


def test_infinite_gradient_never_reaches_the_weights(base: Path, tmp_path: Path) -> None:
    import torch

    made = loop._prepare(toy_data(), RECIPE, base, tmp_path / "m", "tiny", {}, lambda: False)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.model.classifier.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(Diverged, match="gradient"):
        made._train_on(np.arange(16))
    assert all(torch.equal(value, before[name]) for name, value in made.model.state_dict().items())


def test_diverging_keeps_the_best_state_before_it(base: Path, tmp_path: Path) -> None:
    import torch

    made = loop._prepare(toy_data(), RECIPE, base, tmp_path / "m", "tiny", {}, lambda: False)
    events = made.steps()
    while not isinstance(next(events), Evaluated):
        pass
    with torch.no_grad():
        made.model.classifier.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="after step 12, is kept"):
        next(events)
    assert np.isfinite(Classifier.load(tmp_path / "m").logits(["my parcel"])).all()


def test_validation_loss_that_is_no_number_is_not_kept(base: Path, tmp_path: Path) -> None:
    import torch

    made = loop._prepare(toy_data(), RECIPE, base, tmp_path / "m", "tiny", {}, lambda: False)
    with torch.no_grad():
        made.model.classifier.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="validation"):
        made._evaluate(lambda: False)
    assert not (tmp_path / "m").exists()


# --------------------------------------------------------------------------- what trains


def moved(base: Path, out: Path, layers: str) -> set[str]:
    """Names of the parameters that one epoch changed."""
    import torch

    recipe = replace(RECIPE, epochs=1, layers=layers)
    torch.manual_seed(recipe.seed)
    before = load_for_training(base, LABELS).state_dict()
    list(start(base, out, recipe))
    return {name for name, value in weights(out).items() if not torch.equal(value, before[name])}


def test_head_alone_moves_the_head_alone(base: Path, tmp_path: Path) -> None:
    assert moved(base, tmp_path / "m", "head") == {
        "classifier.weight",
        "classifier.bias",
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
    }


def test_last_layer_moves_itself_and_the_head(base: Path, tmp_path: Path) -> None:
    changed = moved(base, tmp_path / "m", "last:1")
    assert any("encoder.layer.1." in name for name in changed)
    assert not any("encoder.layer.0." in name or "embeddings" in name for name in changed)
    assert "classifier.weight" in changed


def test_all_layers_move_with_all(base: Path, tmp_path: Path) -> None:
    changed = moved(base, tmp_path / "m", "all")
    for part in ("embeddings.word", "encoder.layer.0.", "encoder.layer.1.", "classifier"):
        assert any(part in name for name in changed), part


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_found_in_every_family(family: str, tmp_path: Path) -> None:
    model = load_for_training(tiny_encoder(tmp_path / family, family), LABELS)
    layers = encoder_layers(model)
    assert len(layers) == 2
    freeze(model, Recipe(layers="last:1"))
    trains = {name for name, p in model.named_parameters() if p.requires_grad}
    last = {id(p) for p in layers[1].parameters()}
    assert trains == head_names(model) | {n for n, p in model.named_parameters() if id(p) in last}
    freeze(model, Recipe(layers="head"))
    assert {name for name, p in model.named_parameters() if p.requires_grad} == head_names(model)


def test_more_layers_than_the_model_has_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="has 2 layers"):
        list(start(base, tmp_path / "m", replace(RECIPE, layers="last:3")))


def test_biases_and_norms_are_not_decayed_and_the_head_is_faster(base: Path) -> None:
    model = load_for_training(base, LABELS)
    optimizer = make_optimizer(
        model, Recipe(learning_rate=1e-3, head_learning_rate_factor=7, weight_decay=0.1), "cpu"
    )
    set_rate(optimizer, 0.5)
    of_parameter = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    head = head_names(model)
    for name, parameter in model.named_parameters():
        group = of_parameter[id(parameter)]
        plain = name.endswith("bias") or "LayerNorm" in name
        assert group["weight_decay"] == (0.0 if plain else 0.1), name
        assert group["lr"] == pytest.approx(0.5e-3 * (7 if name in head else 1)), name


def test_class_weights_give_every_class_the_same_say() -> None:
    found = class_weights([0, 0, 0, 0, 0, 0, 1, 1], 3, "cpu").numpy()
    np.testing.assert_allclose(found, [8 / (2 * 6), 8 / (2 * 2), 0])
    assert found[0] * 6 == pytest.approx(found[1] * 2)


def test_class_weights_change_what_is_learnt(
    run: tuple[list[Event], Path], base: Path, tmp_path: Path
) -> None:
    rare = toy_data()
    keep = [i for i, label in enumerate(rare.train_labels) if label != 2 or i % 4 == 2]
    data = replace(
        rare,
        train_texts=[rare.train_texts[i] for i in keep],
        train_labels=[rare.train_labels[i] for i in keep],
    )
    first = [
        of(Step, list(start(base, tmp_path / str(on), replace(RECIPE, epochs=1, class_weights=on), data)))[
            0
        ].loss
        for on in (False, True)
    ]
    assert first[0] != first[1]


# --------------------------------------------------------------------------- lengths


def test_long_training_texts_are_cut_and_counted(base: Path, tmp_path: Path) -> None:
    data = replace(toy_data(), train_texts=["parcel " * 40, *toy_data().train_texts[1:]])
    events = list(start(base, tmp_path / "m", replace(RECIPE, epochs=0.2, max_length=16), data))
    assert of(Started, events)[0].cut_texts == 1
    assert read_sidecar(tmp_path / "m")["max_length_in_training"] == 16
    assert load_tokenizer(tmp_path / "m").model_max_length == POSITIONS


def test_automatic_length_covers_nearly_all_texts_and_stays_cheap() -> None:
    lengths = np.asarray([10] * 990 + [21] * 9 + [500])
    assert automatic_length(lengths, 512) == 24
    assert automatic_length(np.asarray([1000] * 10), 512) == 256
    assert automatic_length(np.asarray([1000] * 10), 130) == 130
    assert automatic_length(np.asarray([3]), 512) == 8


def test_batches_of_an_epoch_hold_every_text_once_in_like_lengths() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 3210)
    batches = epoch_batches(lengths, 32, seed=0, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(3210))
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.1 * lengths.sum()
    assert len(batches) == 101


def test_order_differs_by_epoch_and_seed_and_repeats_otherwise() -> None:
    lengths = np.random.default_rng(0).integers(5, 50, 500)
    first = [b.tolist() for b in epoch_batches(lengths, 16, 0, 0)]
    assert first == [b.tolist() for b in epoch_batches(lengths, 16, 0, 0)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 16, 0, 1)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 16, 1, 0)]
    means = [lengths[b].mean() for b in epoch_batches(lengths, 16, 0, 0)]
    assert means != sorted(means)  # not from short to long


# --------------------------------------------------------------------------- recipes


def test_recipe_survives_json() -> None:
    recipe = Recipe(epochs=2.5, layers="last:2", class_weights=True, seed=7)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert Recipe.from_json({}) == Recipe()
    assert Recipe.from_json({"epochs": 2}).epochs == 2.0


@pytest.mark.parametrize(
    "data",
    [{"epoch": 1}, {"epochs": "3"}, {"batch_size": 1.5}, {"class_weights": 1}, {"layers": 2}, {"seed": True}],
)
def test_recipe_of_the_wrong_shape_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe, match="setting"):
        Recipe.from_json(data)


def test_all_faults_of_a_recipe_are_told_at_once() -> None:
    bad = Recipe(
        epochs=0, batch_size=0, learning_rate=-1, layers="last:0", precision="fp8", max_length=3, seed=-1
    )
    assert len(problems(bad)) == 7
    assert problems(Recipe()) == []
    assert problems(Recipe(learning_rate=float("nan"), epochs=float("inf")))
    with pytest.raises(BadRecipe, match="Epochs"):
        list(train(toy_data(), bad, Path("x"), Path("y"), base_name="z"))


@pytest.mark.parametrize("layers", ["last:", "last:-1", "last:x", "first:2", "", "last:²"])
def test_layers_of_no_kind_are_refused(layers: str) -> None:
    assert len(problems(Recipe(layers=layers))) == 1


def test_suggested_recipes_are_sound_for_any_size() -> None:
    for texts in (0, 2, 50, 300, 1000, 10_000, 1_000_000):
        for classes in (0, 2, 7, 77, 1000):
            for base_name in (BUNDLED, "bert-base-uncased", "some/thing"):
                assert problems(suggest(texts, classes, base_name)) == []
    assert suggest(280, 7, BUNDLED).steps(280) >= 100
    assert suggest(9000, 77, BUNDLED).epochs <= 5


def test_fractions_of_an_epoch_count_as_steps() -> None:
    assert Recipe(epochs=0.5, batch_size=10).steps(100) == 5
    assert Recipe(epochs=2, batch_size=10).steps(101) == 22
    assert Recipe(epochs=0.001, batch_size=10).steps(5) == 1
    assert all(
        0 < Recipe(warmup_share=w).rate_factor(s, n) <= 1
        for w in (0, 0.1, 1)
        for n in (1, 2, 9)
        for s in range(n)
    )


# --------------------------------------------------------------------------- data that cannot be learnt from


def data_of(
    train_labels: list[int], validation_labels: list[int], labels: tuple[str, ...] = LABELS
) -> TrainingData:
    return TrainingData(
        [f"text {i}" for i in range(len(train_labels))],
        train_labels,
        [f"other {i}" for i in range(len(validation_labels))],
        validation_labels,
        labels,
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (data_of([], [], ()), "no text with a label"),
        (data_of([1] * 20, [1] * 3), "the same label, “payment”"),
        (data_of([0, 1, 2], []), "only one text"),
        (data_of([0, 0, 1, 1], []), "No text is left to validate on"),
        (data_of([], [0, 1]), "No text is left to train on"),
    ],
)
def test_data_that_cannot_be_learnt_from_get_a_sentence(
    data: TrainingData, says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadData, match=says):
        list(train(data, RECIPE, tmp_path, tmp_path / "m", base_name="x"))


def test_absent_and_rare_classes_are_named_as_warnings() -> None:
    found = task.check(data_of([0] * 9 + [1] * 2, [0, 2]))
    assert any("No training text belongs to “account”" in sentence for sentence in found)
    assert any("fewer than five" in sentence and "“payment”" in sentence for sentence in found)
    assert any("No validation text belongs to “payment”" in sentence for sentence in found)
    assert task.check(data_of([0, 1, 2] * 5, [0, 1, 2])) == []


def test_many_absent_classes_are_counted() -> None:
    labels = tuple(f"class {i}" for i in range(30))
    found = task.check(data_of([0, 1] * 5, [0, 1], labels))
    assert any("and 23 more classes" in sentence for sentence in found)


# --------------------------------------------------------------------------- measuring


def test_evaluations_come_every_epoch_and_more_often_where_cheap() -> None:
    assert evaluation_steps(54, 18, 280, 70) == [18, 36, 54]
    long = evaluation_steps(846, 282, 9000, 500)
    assert {282, 564, 846} <= set(long)
    assert 4 <= len(long) / 3 <= 8
    assert evaluation_steps(5, 18, 280, 70) == [5]
    assert evaluation_steps(846, 282, 9000, 9000) == [282, 564, 846]


def test_a_creeping_loss_is_no_progress() -> None:
    mark = Measured(1.0, wilson(1, 2), 0.5)
    assert mark.progress_since(None)
    assert not Measured(0.995, wilson(1, 2), 0.5).progress_since(mark)
    assert Measured(0.98, wilson(1, 2), 0.5).progress_since(mark)
    assert Measured(2.0, wilson(1, 2), 0.51).progress_since(mark)


def test_better_means_macro_f1_and_then_loss() -> None:
    def measured(f1: float, loss: float) -> Measured:
        return Measured(loss, wilson(1, 2), f1)

    assert measured(0.1, 9).better_than(None)
    assert measured(0.6, 9).better_than(measured(0.5, 1))
    assert measured(0.5, 1).better_than(measured(0.5, 2))
    assert not measured(0.5, 2).better_than(measured(0.5, 2))


def test_clock_leaves_evaluation_out_of_the_rate() -> None:
    clock = Clock()
    for _ in range(10):
        clock.trained(0.5, 20)
        clock.evaluated(3.0)
    assert clock.current == pytest.approx(40)
    assert clock.average == pytest.approx(40)
    assert clock.remaining(400, 2, 100) == pytest.approx(10 + 6)


def test_clock_estimates_before_the_first_evaluation() -> None:
    clock = Clock()
    clock.trained(9.0, 10)  # a slow first step
    clock.trained(1.0, 10)
    assert clock.remaining(100, 1, 20) == pytest.approx(10 + 1, rel=0.01)
