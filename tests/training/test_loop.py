"""The loop: what it yields, repeats, keeps, and where it stops."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.evaluation.metrics import score
from core.inference.classifier import Classifier
from core.models.saving import read_sidecar
from core.records import (
    Evaluated,
    Event,
    Finished,
    FirstBatch,
    Note,
    Progress,
    Rung,
    Started,
    Step,
    event_from_json,
)
from core.training import precision
from core.training import run as run_module
from core.training.learner import Learner
from core.training.recipe import Recipe
from tests.tiny import FAMILIES, LABELS, tiny_encoder
from tests.training.support import RECIPE, equal, of, start, toy_data, weights

# --------------------------------------------------------------------------- the whole


def test_training_learns_what_can_be_learnt(run: tuple[list[Event], Path]) -> None:
    events, _ = run
    losses = [step.loss for step in of(Step, events)]
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])
    quick, *tuned = of(Evaluated, events)
    assert tuned[-1].loss < 0.3 * quick.loss
    assert tuned[-1].macro_f1 > 0.95


def test_the_quick_head_comes_first_and_is_measured_before_any_step(run: tuple[list[Event], Path]) -> None:
    events, _ = run
    first = of(Evaluated, events)[0]
    assert (first.step, first.epoch, first.best) == (0, 0.0, True)
    quick, full = of(Rung, events)
    assert [quick.name, full.name] == ["quick", "full"]
    assert (quick.kept, full.kept) == (False, True)
    assert quick.macro_f1.value == pytest.approx(first.macro_f1)  # the head on kept features, or in the model
    assert quick.macro_f1.value > 0.8
    assert 0 < quick.seconds < full.seconds


def test_events_come_in_order_and_count_right(run: tuple[list[Event], Path]) -> None:
    events, out = run
    started, finished = of(Started, events)[0], of(Finished, events)[0]
    steps, evaluated = of(Step, events), of(Evaluated, events)
    assert isinstance(events[0], Note)
    assert events[-1] is finished
    assert [s.step for s in steps] == list(range(1, started.steps + 1))
    assert started.steps == 48
    assert (started.train_texts, started.validation_texts, started.cut_texts) == (96, 30, 0)
    assert 0 < started.trainable < started.parameters  # the embeddings stay as they are
    assert steps[-1].texts == 4 * 96
    assert steps[-1].epoch == pytest.approx(4)
    assert [e.step for e in evaluated] == [0, 12, 24, 36, 48]
    assert all(a.elapsed <= b.elapsed for a, b in pairwise(steps))
    assert all(s.texts_per_second > 0 and s.memory > 0 and s.remaining >= 0 for s in steps)
    assert (finished.step, finished.stopped, finished.folder) == (48, False, str(out))
    assert (finished.method, started.method, started.resumed_from) == ("full", "full", 0)
    kinds = [e.kind for e in events]
    order = ["progress", "started", "first_batch", "evaluated", "step", "finished"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    assert kinds.index("rung") < kinds.index("started")


def test_progress_tells_how_many_texts_are_read(run: tuple[list[Event], Path]) -> None:
    progress = of(Progress, run[0])
    assert all(p.total == 96 + 30 for p in progress)
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert progress[-1].done == progress[-1].total
    assert all(p.remaining >= 0 and p.elapsed >= 0 for p in progress)


def test_first_batch_is_what_the_model_sees(run: tuple[list[Event], Path]) -> None:
    (shown,) = of(FirstBatch, run[0])
    assert (shown.batch, len(shown.texts), len(shown.labels)) == (8, 8, 8)
    data = toy_data()
    labels = dict(zip(data.train_texts, data.train_labels, strict=True))
    for text, label in zip(shown.texts, shown.labels, strict=True):
        assert text.startswith("[CLS] ")
        assert text.endswith(" [SEP]")
        assert LABELS[labels[text.removeprefix("[CLS] ").removesuffix(" [SEP]")]] == label
    assert 0 <= shown.padding < 0.5


def test_each_evaluation_says_what_its_classes_gained_and_lost(run: tuple[list[Event], Path]) -> None:
    evaluated = of(Evaluated, run[0])
    for before, now in pairwise(evaluated):
        assert [texts for texts, *_ in now.classes] == [10, 10, 10]
        for (_, was, _, _), (_, right, gained, lost) in zip(before.classes, now.classes, strict=True):
            assert right == was + gained - lost
        assert sum(right for _, right, _, _ in now.classes) == round(now.accuracy * 30)
        assert now.macro_f1_low <= now.macro_f1 <= now.macro_f1_high


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
    assert found["method"] == "full"
    assert found["validation"]["macro_f1"] == max(e.macro_f1 for e in of(Evaluated, events))
    assert found["trained"]["step"] == of(Finished, events)[0].best_step


def test_events_survive_json(run: tuple[list[Event], Path]) -> None:
    for event in run[0]:
        assert event_from_json(event.kind, json.loads(json.dumps(event.to_json()))) == event


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_and_is_saved(family: str, number_format: str, tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path / "base", family)
    before = Learner.load(base, LABELS)
    recipe = replace(RECIPE, epochs=1, batch_size=32, precision=number_format)
    events = list(start(base, tmp_path / "out", recipe, toy_data(32, 6)))
    assert [s.step for s in of(Step, events)] == [1]
    assert of(Step, events)[0].gradient_norm > 0
    after = Learner.load(tmp_path / "out", LABELS)
    assert after.averaging == before.averaging == (family in ("bert", "distilbert", "roberta"))
    if of(Finished, events)[0].best_step:
        old = dict(before.named_parameters())
        moved = {name for name, p in after.named_parameters() if not p.equal(old[name])}
        assert moved > after.head_names()
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
    assert of(Evaluated, events)[-1].macro_f1 > 0.9
    assert all(
        w.dtype.is_floating_point is False or "32" in str(w.dtype) for w in weights(tmp_path / "m").values()
    )


def test_half_precision_trains_too(base: Path, tmp_path: Path) -> None:
    events = list(start(base, tmp_path / "m", replace(RECIPE, precision="fp16")))
    assert of(Started, events)[0].precision == "fp16"
    assert np.mean([s.loss for s in of(Step, events)][-5:]) < 0.2


# --------------------------------------------------------------------------- stopping


def test_stop_after_an_evaluation_keeps_the_best_so_far(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []

    def enough() -> bool:
        return len(of(Evaluated, seen)) == 2 and isinstance(seen[-1], Step)

    for event in start(base, tmp_path / "m", should_stop=enough):
        seen.append(event)
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert finished.stopped
    assert finished.step == of(Evaluated, seen)[1].step + 1
    assert finished.best_step == of(Evaluated, seen)[1].step
    assert "Stopped on request" in finished.reason
    assert read_sidecar(tmp_path / "m")["trained"]["step"] == finished.best_step
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_before_the_first_evaluation_after_steps_keeps_the_quick_head(
    base: Path, tmp_path: Path
) -> None:
    seen: list[Event] = []
    for event in start(base, tmp_path / "m", should_stop=lambda: len(of(Step, seen)) >= 2):
        seen.append(event)
    assert [e.step for e in of(Evaluated, seen)] == [0]
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert (finished.stopped, finished.step, finished.best_step) == (True, 2, 0)
    assert finished.method == "quick"
    assert "did not get better" not in finished.reason  # nobody has measured it
    assert "quick head" in finished.reason
    assert [r.kept for r in of(Rung, seen)] == [False, True]
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_in_the_first_evaluation_measures_once_more_if_that_is_quick(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    for event in start(
        base, tmp_path / "m", data=toy_data(96, 600), should_stop=lambda: bool(of(FirstBatch, seen))
    ):
        seen.append(event)
    assert [e.step for e in of(Evaluated, seen)] == [0]
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].stopped, seen[-1].step, seen[-1].best_step) == (True, 0, 0)
    assert read_sidecar(tmp_path / "m")["validation"]["texts"] == 600


def test_stop_does_not_wait_for_a_long_validation(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "STOP_SECONDS", 0.0)
    seen: list[Event] = []
    for event in start(
        base, tmp_path / "m", data=toy_data(96, 600), should_stop=lambda: bool(of(FirstBatch, seen))
    ):
        seen.append(event)
    assert of(Evaluated, seen) == []
    assert any("unmeasured" in note.message for note in of(Note, seen))
    assert read_sidecar(tmp_path / "m")["validation"] is None
    assert Classifier.load(tmp_path / "m").labels == LABELS


def test_stop_while_texts_are_read_keeps_a_head_on_those_read_so_far(base: Path, tmp_path: Path) -> None:
    data = toy_data(900, 900)
    seen: list[Event] = []
    for event in start(
        base, tmp_path / "m", data=data, should_stop=lambda: bool(seen) and progress(seen) > 1000
    ):
        seen.append(event)
    finished = seen[-1]
    assert isinstance(finished, Finished)
    assert (finished.stopped, finished.step, finished.method) == (True, 0, "quick")
    assert "texts read so far" in finished.reason
    assert progress(seen) < 1800
    predicted = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (predicted == np.asarray(data.validation_labels)).mean() > 0.8


def test_stop_before_anything_is_read_says_that_nothing_is_learnt(base: Path, tmp_path: Path) -> None:
    events = list(start(base, tmp_path / "m", should_stop=lambda: True))
    assert of(Rung, events) == []
    assert isinstance(events[-1], Finished)
    assert events[-1].stopped
    assert "untrained" in events[-1].reason


def progress(events: list[Event]) -> int:
    return max((p.done for p in of(Progress, events)), default=0)


def test_stop_interrupts_a_running_evaluation(base: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    asked_since_step: list[int] = []

    def during_the_second_evaluation() -> bool:
        asked_since_step.append(len(seen))
        return len(of(Evaluated, seen)) == 2 and asked_since_step.count(len(seen)) > 1

    for event in start(
        base, tmp_path / "m", data=toy_data(96, 600), should_stop=during_the_second_evaluation
    ):
        seen.append(event)
    assert [e.step for e in of(Evaluated, seen)] == [0, 12]
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].stopped, seen[-1].step) == (True, 24)


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
    assert finished.step == 24
    assert not finished.stopped
    assert "no improvement" in finished.reason
