"""Before a run: time, memory, cut texts, classes, method and advice, from a few real steps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import jobs
from core.__main__ import main
from core.errors import BadData, BadRecipe, OutOfMemory
from core.jobs import supervise
from core.models.device import pick_device
from core.records import Interval, JobState, Preflight
from core.training import few
from core.training import preflight as preflights
from core.training.advice import advise, classes_with
from core.training.preflight import preflight
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.training.timing import time_batches, time_steps
from core.training.trial import Trial, sample
from tests.homes import NoWorker, add_rows, open_home, work
from tests.tiny import LABELS, toy_texts
from tests.training.support import RECIPE, toy_data
from tests.training.test_timing import Machine

SECONDS = 0.15  # of timed steps: the tiny model takes milliseconds for one


# --------------------------------------------------------------------------- the whole


def test_preflight_measures_a_run_without_writing_anything(base: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in base.rglob("*")}
    found = preflight(toy_data(), replace(RECIPE, method="full"), base, seconds=SECONDS)
    assert {path: path.stat().st_mtime_ns for path in base.rglob("*")} == before
    assert (found.train_texts, found.validation_texts, found.classes) == (96, 30, 3)
    assert found.device == pick_device().title
    assert found.precision == "fp32"
    assert found.method == "full"
    assert found.steps == 4 * 12
    assert found.evaluations >= 4
    assert 0 < found.seconds_low < found.seconds < found.seconds_high
    assert found.texts_per_second > 0
    assert found.memory_needed >= 4 * (found.parameters + 3 * found.trainable)
    assert found.fits
    assert found.longer.value == 0
    assert found.below_five == found.below_twenty == {}
    assert Preflight.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_quick_fits_a_head_and_takes_no_steps(base: Path) -> None:
    quick = preflight(toy_data(), replace(RECIPE, method="quick"), base, seconds=SECONDS)
    full = preflight(toy_data(), replace(RECIPE, method="full", epochs=500), base, seconds=SECONDS)
    assert quick.steps == 0
    assert quick.trainable < full.trainable
    assert quick.seconds < full.seconds


def test_few_labels_take_their_own_steps(base: Path) -> None:
    found = preflight(toy_data(), replace(RECIPE, method="few"), base, seconds=SECONDS)
    assert found.method == "few"
    assert found.steps == 2 * few.STEPS  # once to be measured, once with all texts
    assert found.evaluations == 0


def test_more_epochs_take_longer_in_proportion(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(epochs: float) -> float:
        return preflight(
            toy_data(), replace(RECIPE, method="full", epochs=epochs), base, seconds=SECONDS
        ).seconds

    monkeypatch.setattr(preflights, "time_steps", fixed_timing)
    monkeypatch.setattr(preflights, "time_batches", fixed_timing)
    assert seconds(200) - seconds(100) > 90 * 12 * 1.0  # twelve steps of a second each per epoch


def fixed_timing(step: Callable[[Any], None], lengths: Any, groups: Any, **options: Any) -> Any:
    """As on a machine on which every batch takes a second."""
    machine = Machine(lengths, 1.0, 0.0)
    options |= {"clock": machine, "seconds": 0.5}
    if isinstance(groups, int):
        return time_steps(machine.step, lengths, groups, **options)
    return time_batches(machine.step, lengths, groups, **options)


def test_cut_texts_are_counted_and_windows_avoid_the_cut(base: Path) -> None:
    texts = [f"{text} {'parcel ' * 30}" if i % 4 == 0 else text for i, text in enumerate(toy_texts(96)[0])]
    data = replace(toy_data(), train_texts=texts)
    recipe = replace(RECIPE, method="full", max_length=16)
    cut = preflight(data, recipe, base, seconds=SECONDS)
    assert cut.max_length == 16
    assert cut.longer.value == pytest.approx(0.25)
    assert cut.longer.low < 0.25 < cut.longer.high
    assert any("25 % of the training texts" in sentence and "windows" in sentence for sentence in cut.advice)
    windows = preflight(data, replace(recipe, windows=True), base, seconds=SECONDS)
    assert windows.windows
    assert windows.longer.value == pytest.approx(0.25)
    assert windows.steps > cut.steps
    assert not any("lose their end" in sentence for sentence in windows.advice)


def test_auto_says_what_it_picks_and_why(base: Path) -> None:
    found = preflight(toy_data(), replace(RECIPE, method="auto"), base, seconds=SECONDS)
    assert found.method in ("quick", "full", "few", "lora")
    assert found.method_note.endswith(".")


def test_several_labels_a_text_are_measured_too(base: Path) -> None:
    plain = toy_data()
    data = replace(
        plain,
        train_labels=[(c, (c + 1) % 3) if i % 2 else (c,) for i, c in enumerate(plain.train_labels)],
        validation_labels=[(c,) for c in plain.validation_labels],
        several=True,
    )
    found = preflight(data, replace(RECIPE, method="full"), base, seconds=SECONDS)
    assert found.steps == 48
    assert found.seconds > 0


def test_data_and_recipes_that_cannot_be_trained_are_refused(base: Path) -> None:
    with pytest.raises(BadData, match="same label"):
        preflight(replace(toy_data(), train_labels=[0] * 96), RECIPE, base)
    with pytest.raises(BadRecipe, match="Epochs"):
        preflight(toy_data(), replace(RECIPE, epochs=0), base)
    with pytest.raises(BadRecipe, match="has 2 layers"):
        preflight(toy_data(), replace(RECIPE, method="full", layers="last:3"), base)


def test_a_batch_that_does_not_fit_is_computed_in_parts(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_device(monkeypatch, most=2)
    found = preflight(toy_data(), replace(RECIPE, method="full"), base, seconds=SECONDS)
    assert found.accumulation == 4
    assert any("in 4 parts" in sentence for sentence in found.advice)


def test_a_device_too_small_for_one_text_says_so(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_device(monkeypatch, most=0)
    with pytest.raises(OutOfMemory, match="single text"):
        preflight(toy_data(), replace(RECIPE, method="full"), base, seconds=SECONDS)


def small_device(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """As on a device that learns from at most so many texts at once."""
    real = Trial._backward

    def backward(self: Trial, rows: Any, share: float) -> None:
        if len(rows) > most:
            raise OutOfMemory(f"{len(rows)} texts are too many")
        real(self, rows, share)

    monkeypatch.setattr(Trial, "_backward", backward)


def test_large_data_are_sampled_and_scaled(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy_data(300, 30)
    monkeypatch.setattr("core.training.trial._TEXTS", 100)
    part = sample(data, seed=0)
    assert (len(part.data.train_texts), part.train_scale, part.validation_scale) == (100, 3.0, 1.0)
    assert all(
        data.train_labels[data.train_texts.index(text)] == label
        for text, label in zip(part.data.train_texts, part.data.train_labels, strict=True)
    )
    found = preflight(data, replace(RECIPE, method="full"), base, seconds=SECONDS)
    assert found.train_texts == 300
    assert found.steps == RECIPE.steps(300)


# --------------------------------------------------------------------------- advice


FOUND = Preflight(
    device="CPU, 2 threads", precision="fp32", precision_note="", method="full", method_note="",
    parameters=1000, trainable=1000, train_texts=1000, validation_texts=100, classes=3, max_length=64,
    longer=Interval(0.0, 0.0, 0.0), windows=False, steps=500, evaluations=5, accumulation=1,
    texts_per_second=100.0, seconds=60.0, seconds_low=50.0, seconds_high=80.0, memory_needed=10**9,
    memory_free=10**10, fits=True, below_five={}, below_twenty={},
)  # fmt: skip
EVEN = Counter({0: 100, 1: 100, 2: 100})


def told(
    found: Preflight = FOUND, counts: Counter[int] = EVEN, recipe: Recipe = RECIPE, readable: int = 512
) -> str:
    return " ".join(advise(found, recipe, counts, LABELS, readable))


def test_nothing_to_change_is_no_advice() -> None:
    assert told() == ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"fits": False, "memory_needed": 2 * 10**10}, "20.0 GB of memory and 10.0 GB are free"),
        ({"accumulation": 2}, "in 2 parts"),
        ({"seconds": 3600.0}, "60 minutes"),
        (
            {"longer": Interval(0.3, 0.25, 0.35)},
            "maximum length of up to 512 tokens or reading long texts in windows",
        ),
        ({"longer": Interval(0.3, 0.25, 0.35), "max_length": 512}, "read long texts in windows"),
        ({"steps": 5}, "only 5 optimizer steps"),
        ({"below_five": {"account": 2}, "below_twenty": {"payment": 12}}, "“account” (2), “payment” (12)"),
    ],
)
def test_each_figure_out_of_line_brings_its_advice(change: dict[str, Any], says: str) -> None:
    assert says in told(replace(FOUND, **change))


def test_imbalance_asks_for_class_weights_unless_they_are_on() -> None:
    uneven = Counter({0: 200, 1: 100, 2: 10})
    assert "“delivery” has 20 times as many training texts as “account”" in told(counts=uneven)
    assert told(counts=uneven, recipe=replace(RECIPE, class_weights=True)) == ""
    assert told(counts=Counter({0: 100, 1: 100, 2: 10})) == ""  # ten to one is still fine


def test_small_classes_are_counted_smallest_first() -> None:
    counts = Counter({0: 4, 1: 1, 2: 5})
    assert classes_with(range(1, 5), counts, LABELS) == {"payment": 1, "delivery": 4}
    assert list(classes_with(range(1, 5), counts, LABELS)) == ["payment", "delivery"]
    assert classes_with(range(5, 20), counts, LABELS) == {"account": 5}


# --------------------------------------------------------------------------- the command line and the job


def rows_of(data: TrainingData) -> list[tuple[str | None, str | None]]:
    return [(text, LABELS[c]) for text, c in zip(data.train_texts, data.train_labels, strict=True)]


def test_command_line_prints_the_figures_as_json_and_the_rest_in_words(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws = open_home(tmp_path)
    add_rows(ws, rows_of(toy_data()), name="toy")
    ws.close()
    line = ["--home", str(tmp_path), "preflight", "toy", "--model", str(base), "--method", "quick"]
    assert main([*line, "--precision", "fp32"]) == 0
    said = capsys.readouterr()
    found = Preflight.from_json(json.loads(said.out.splitlines()[-1]))
    assert found.method == "quick"
    assert found.train_texts == open_home(tmp_path).dataset("toy").parts["train"]
    assert "the whole run takes about" in said.err
    assert main([*line, "--max-length", "2"]) == 1
    assert "maximum length" in json.loads(capsys.readouterr().out)["error"]


def test_the_job_leaves_the_figures_as_its_result(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "_spawn", NoWorker)
    ws = open_home(tmp_path)
    rows = rows_of(toy_data())
    again = [
        f"{label}|urgent" if i % 4 == 0 else "urgent" if i % 5 == 0 else label
        for i, (_, label) in enumerate(rows)
    ]
    dataset = add_rows(ws, [(text, cell) for (text, _), cell in zip(rows, again, strict=True)], name="toy")
    assert dataset.separator == "|"
    job = jobs.submit_preflight(ws, dataset, str(base), replace(RECIPE, method="quick"))
    assert (job.kind, job.state) == ("preflight", JobState.QUEUED)
    done = work(ws, "use")
    assert done.state == JobState.FINISHED, done.reason
    found = Preflight.from_json(done.result or {})
    assert found.train_texts == dataset.parts["train"]
    assert found.classes == 4
    with pytest.raises(BadRecipe, match="Epochs"):
        jobs.submit_preflight(ws, dataset, str(base), replace(RECIPE, epochs=-1))
    ws.close()
