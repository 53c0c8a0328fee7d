"""The loop: what it yields, repeats, keeps, and does when something goes wrong."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.errors import Diverged
from core.evaluation.metrics import score
from core.inference.classifier import Classifier
from core.models.loading import head_names, load_for_training
from core.models.saving import read_sidecar
from core.records import Evaluated, Event, Finished, Note, Started, Step
from core.training import loop, precision
from core.training import run as run_module
from core.training.recipe import Recipe
from tests.tiny import FAMILIES, LABELS, tiny_encoder
from tests.training.support import RECIPE, equal, of, start, toy_data, weights

# --------------------------------------------------------------------------- the whole


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
