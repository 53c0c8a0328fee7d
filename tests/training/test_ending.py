"""How fine-tuning ends: the mean of the last states is one more candidate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.models.saving import read_sidecar
from core.records import Evaluated, Finished, Note, Started
from core.training import ending
from core.training.averaging import Average
from tests.training.support import RECIPE, made, of, start

WHOLE = replace(RECIPE, epochs=1, average_weights=True)


def test_the_mean_is_over_the_states_of_the_last_part() -> None:
    import torch

    average = Average(100)
    for step in range(1, 101):
        average.look(step, [torch.full((3,), float(step))])
    (found,) = average.state(["a"]).values()
    assert average.count == 20
    assert float(found[0]) == pytest.approx(np.mean(range(62, 101, 2)), rel=1e-5)
    assert Average(0).state(["a"]) == {}


def test_the_mean_is_measured_and_the_best_is_kept(base: Path, tmp_path: Path) -> None:
    run = made(base, tmp_path / "m", WHOLE)
    list(run.steps())
    last = run.learner.state()
    mean = run.average.state([name for name, _ in run.learner.trainable()])
    assert any(not value.equal(last[name]) for name, value in mean.items())
    run.keeper.best = None  # whatever is measured next is better
    events = list(ending.try_average(run))
    assert isinstance(events[0], Note)
    measured = of(Evaluated, events)
    assert [e.step for e in measured] == [12, 12]
    assert measured[0].best
    half = {name: (value + last[name]) / 2 for name, value in mean.items()}
    kept = half if measured[1].best else mean
    for name, value in (run.keeper.state or {}).items():
        np.testing.assert_allclose(value, kept[name], atol=1e-6)
    assert all(value.equal(run.learner.state()[name]) for name, value in last.items())  # put back


def test_a_run_tells_of_the_mean_and_keeps_the_best_of_all(base: Path, tmp_path: Path) -> None:
    events = list(start(base, tmp_path / "m", WHOLE))
    finished, evaluated = events[-1], of(Evaluated, events)
    assert isinstance(finished, Finished)
    assert any("mean of the last" in n.message for n in of(Note, events))
    assert [e.step for e in evaluated] == [0, 12, 12, 12]
    assert of(Started, events)[0].steps == finished.step == 12
    best = max(evaluated, key=lambda e: (e.macro_f1, -e.loss))
    assert [e for e in evaluated if e.best][-1] is best
    assert read_sidecar(tmp_path / "m")["validation"]["loss"] == best.loss


def test_a_stop_skips_the_mean(base: Path, tmp_path: Path) -> None:
    run = made(base, tmp_path / "m", WHOLE)
    list(run.steps())
    run.stopped = True
    assert list(ending.try_average(run)) == []
