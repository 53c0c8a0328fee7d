"""States on the way: what a run keeps to watch its attention change, and that keeping it changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from core.explain.change import head_distances
from core.explain.states import States
from core.explain.subject import Subject
from core.records import Checkpointed, Evaluated, Event, Finished, Note
from core.training import snapshots
from core.training.loop import Places, train
from core.training.recipe import Recipe, problems
from tests.tiny import LABELS, tiny_bert, tiny_encoder
from tests.training.support import RECIPE, equal, toy_data, weights

TEXT = "my card was charged twice"
SHORT = replace(RECIPE, epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def _time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is at the moment."""
    monkeypatch.setattr(snapshots, "SECONDS", 60.0)


def run(
    base: Path, out: Path, recipe: Recipe = SHORT, keep: bool = True, stop_after: int | None = None
) -> list[Event]:
    events: list[Event] = []
    places = Places(out.parent / "checkpoints", None, 0.0, out.parent / "snapshots" if keep else None)
    for event in train(toy_data(48), recipe, base, out, base_name="tiny", places=places):
        events.append(event)
        if stop_after is not None and isinstance(event, Checkpointed) and event.step >= stop_after:
            break
    return events


def test_snapshots_lie_at_evaluations_evenly_spread() -> None:
    assert snapshots.due_at([3, 6, 9, 12, 15, 18], 3) == [6, 12, 18]
    assert snapshots.due_at([3, 6], 8) == [3, 6]
    assert snapshots.due_at([3, 6], 0) == []
    assert snapshots.due_at(list(range(1, 11)), 1) == [10]


def test_a_run_keeps_its_states_and_comes_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    events = run(base, tmp_path / "with" / "out")
    run(base, tmp_path / "without" / "out", keep=False)
    assert equal(weights(tmp_path / "with" / "out"), weights(tmp_path / "without" / "out"))
    found = snapshots.kept(tmp_path / "with" / "snapshots")
    evaluated = [e for e in events if isinstance(e, Evaluated) and e.step]
    assert [(s.step, s.epoch) for s in found] == [(e.step, e.epoch) for e in evaluated]


@pytest.mark.parametrize("family", ["bert", "deberta-v2"])  # with and without the averaging layer
def test_the_state_that_was_kept_as_best_reads_as_the_model_does(tmp_path: Path, family: str) -> None:
    base = tiny_encoder(tmp_path / "base", family)
    recipe = replace(SHORT, learning_rate=5e-3, train_embeddings=True)
    finished = run(base, tmp_path / "out", recipe)[-1]
    assert isinstance(finished, Finished)
    assert finished.best_step > 0
    found = snapshots.kept(tmp_path / "snapshots")
    states = States.load(tmp_path / "out", "model", [s.path for s in found])
    start = Subject.load(base)
    _, (_, *earlier, last) = states.maps(start, TEXT)
    best = [s.step for s in found].index(finished.best_step)
    np.testing.assert_allclose(earlier[best].weights, last.weights, atol=2e-3)  # float16
    away = [head_distances(m.weights, last.weights).max() for m in earlier]
    assert all(other > 2 * away[best] for at, other in enumerate(away) if at != best)
    again = states.maps(start, TEXT)[1][-1]  # the model is as it was
    np.testing.assert_array_equal(again.weights, last.weights)


def test_low_rank_updates_are_merged_into_the_state(base: Path, tmp_path: Path) -> None:
    recipe = replace(SHORT, method="lora", lora_rank=4, learning_rate=1e-2)
    finished = run(base, tmp_path / "out", recipe)[-1]
    assert isinstance(finished, Finished)
    found = snapshots.kept(tmp_path / "snapshots")
    states = States.load(tmp_path / "out", "model", [s.path for s in found])
    start, (_, *earlier, last) = states.maps(Subject.load(base), TEXT)
    assert head_distances(start.weights, earlier[-1].weights).max() > 0.01
    if finished.best_step:
        best = [s.step for s in found].index(finished.best_step)
        np.testing.assert_allclose(earlier[best].weights, last.weights, atol=2e-3)


def test_a_resumed_run_keeps_its_states(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.resume.SHARE", 0.0)
    run(base, tmp_path / "whole" / "out")
    run(base, tmp_path / "broken" / "out", stop_after=4)
    before = snapshots.kept(tmp_path / "broken" / "snapshots")
    run(base, tmp_path / "broken" / "out")
    assert before
    whole, broken = (snapshots.kept(tmp_path / name / "snapshots") for name in ("whole", "broken"))
    assert [s.step for s in broken] == [s.step for s in whole]
    assert all(equal(load_file(a.path), load_file(b.path)) for a, b in zip(broken, whole, strict=True))
    assert equal(weights(tmp_path / "whole" / "out"), weights(tmp_path / "broken" / "out"))


def test_a_run_that_begins_anew_forgets_its_states(base: Path, tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "step-00000999.safetensors").write_bytes(b"of another attempt")
    run(base, tmp_path / "out", replace(SHORT, epochs=1, snapshots=0))
    assert not (tmp_path / "snapshots").exists()


def test_states_that_cannot_be_written_do_not_break_the_run(base: Path, tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file stands where the folder should be")
    events = run(base, tmp_path / "out")
    assert isinstance(events[-1], Finished)
    told = [e.message for e in events if isinstance(e, Note) and "watch a head learn" in e.message]
    assert len(told) == 1
    assert "Training goes on" in told[0]


def test_states_of_a_large_model_are_not_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MOST_BYTES", 100)
    events = run(base, tmp_path / "out", replace(SHORT, epochs=1))
    assert not (tmp_path / "snapshots").exists()
    assert any(isinstance(e, Note) and "no states on the way" in e.message for e in events)


def test_what_takes_too_long_is_written_less_often(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SECONDS", 0.0)
    monkeypatch.setattr(snapshots, "SHARE", 0.0)
    run(base, tmp_path / "out")
    assert len(snapshots.kept(tmp_path / "snapshots")) == 1  # what one costs is not known before


def test_a_damaged_state_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "step-00000004.safetensors").write_bytes(b"half a file")
    assert snapshots.kept(tmp_path) == []
    assert snapshots.kept(tmp_path / "nowhere") == []


def test_a_recipe_says_how_many_states_are_kept() -> None:
    assert problems(Recipe(snapshots=-1))
    assert Recipe.from_json({}).snapshots == 8
    assert len(LABELS) == 3
