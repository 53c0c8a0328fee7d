"""Two processes over gloo on the CPU train as one does: the same batches, losses and weights, a common end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.errors import BadRecipe, WorkerFailed
from core.jobs import ranks
from core.records import Checkpointed, Evaluated, Event, Finished, Note, Started, Step
from core.training import checkpoint, resume
from core.training.group import Group, Meeting, share_of
from core.training.loop import Places, train
from core.training.recipe import Recipe
from tests.training import rank_short_of_memory
from tests.training.support import of, start, toy_data, weights

RECIPE = Recipe(
    method="full",
    epochs=2,
    batch_size=8,
    learning_rate=1e-3,
    dropout=0.1,
    token_dropout=0.1,
    class_weights=True,
    label_smoothing=0.1,
    distillation=0.2,
    precision="fp32",
)
DIES_AFTER, STOP_AFTER = 4, 20  # optimizer steps, of 24


def never(_error: WorkerFailed) -> None:
    raise AssertionError("the first process did not notice by itself")


class Stop:
    """Asks to stop after a number of steps."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self) -> bool:
        return self.steps >= STOP_AFTER

    def watch(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Step):
                self.steps = event.step
            yield event


def together(base: Path, out: Path, places: Places, group: Group) -> Iterator[Event]:
    data, stop = toy_data(), Stop()
    ranks.tell(group, ranks.Task(data, RECIPE, str(base), "tiny"))
    return stop.watch(
        train(data, RECIPE, base, out, base_name="tiny", group=group, places=places, should_stop=stop)
    )


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out, stop = tmp_path_factory.mktemp("alone") / "model", Stop()
    places = Places(out.parent / "checkpoints", None, 1000.0)
    return list(stop.watch(start(base, out, RECIPE, should_stop=stop, places=places))), out


@dataclass
class Two:
    """What two processes did until one of them died, why that ended, and what two others did from there."""

    first: list[Event]
    fault: WorkerFailed
    second: list[Event]
    folder: Path


@pytest.fixture(scope="module")
def two(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder = tmp_path_factory.mktemp("two") / "model"
    places = Places(folder.parent / "checkpoints", folder.parent / "cache", 0.0)
    first: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resume, "SHARE", 0.0)  # a checkpoint after each step
        with pytest.raises(WorkerFailed) as fault:
            _until_one_dies(base, folder, places, first)
        assert not _others()
        patch.setattr(ranks, "_COMMAND", [sys.executable, "-m", rank_short_of_memory.__name__])
        with ranks.crew(2, never) as group:
            second = list(together(base, folder, places, group))
    return Two(first, fault.value, second, folder)


def last_state(folder: Path) -> dict[str, Any]:
    """Tensors of the checkpoint that a stop has left."""
    found = checkpoint.newest(folder.parent / "checkpoints", None).found
    assert found is not None
    assert found.step == STOP_AFTER
    return found.tensors


def _others() -> list[psutil.Process]:
    """The further processes of a training; other tests may have left children of their own."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and "rank" in child.cmdline():
                found.append(child)
    return found


def _until_one_dies(base: Path, folder: Path, places: Places, events: list[Event]) -> None:
    with ranks.crew(2, never) as group:
        for event in together(base, folder, places, group):
            events.append(event)
            if isinstance(event, Checkpointed) and event.step == DIES_AFTER:
                _others()[0].kill()


def test_two_processes_give_the_losses_of_one(alone: tuple[list[Event], Path], two: Two) -> None:
    one, both = of(Step, alone[0]), of(Step, two.first + two.second)
    assert [e.step for e in both] == [e.step for e in one]
    np.testing.assert_allclose([e.loss for e in both], [e.loss for e in one], rtol=1e-4)
    np.testing.assert_allclose([e.gradient_norm for e in both], [e.gradient_norm for e in one], rtol=1e-3)


def test_two_processes_measure_what_one_measures(alone: tuple[list[Event], Path], two: Two) -> None:
    one, both = of(Evaluated, alone[0]), of(Evaluated, two.first + two.second)
    assert [(e.step, e.macro_f1, e.best) for e in both] == [(e.step, e.macro_f1, e.best) for e in one]
    np.testing.assert_allclose([e.loss for e in both], [e.loss for e in one], rtol=1e-3)


def test_two_processes_end_with_the_weights_of_one(alone: tuple[list[Event], Path], two: Two) -> None:
    one, both = last_state(alone[1]), last_state(two.folder)
    assert one.keys() == both.keys()
    # the bias of keys moves all scores of a query alike, so its gradient is rounding alone, which AdamW makes large
    told = [name for name in one if not name.endswith("key.bias")]
    for name in [name for name in told if name.startswith(("now.", "optimizer.exp_avg"))]:
        np.testing.assert_allclose(both[name].numpy(), one[name].numpy(), atol=1e-4, err_msg=name)
    kept, kept_by_both = weights(alone[1]), weights(two.folder)
    for name in kept:
        np.testing.assert_allclose(kept_by_both[name].numpy(), kept[name].numpy(), atol=1e-3, err_msg=name)


def test_a_process_that_dies_ends_the_training_with_a_sentence(two: Two) -> None:
    assert max(e.step for e in of(Step, two.first)) == DIES_AFTER
    assert str(two.fault).startswith("Process 2 of 2 was killed")
    assert "go on from its last checkpoint" in str(two.fault)


def test_both_go_on_from_the_checkpoint_and_a_stop_reaches_both(two: Two) -> None:
    started, finished = of(Started, two.second)[0], of(Finished, two.second)[0]
    assert started.resumed_from == DIES_AFTER
    assert started.device.startswith("2 × ")
    assert finished.stopped
    assert finished.step == STOP_AFTER
    assert not _others()  # the other has ended by itself, or crew would have raised


def test_memory_that_is_short_in_one_process_splits_the_batches_of_both(two: Two) -> None:
    notes = [e.message for e in of(Note, two.second)]
    assert sum("Another process has too little memory" in note and "2 parts" in note for note in notes) == 1


# --------------------------------------------------------------------------- the others


def saying(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_another_process_failed_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    last = 'print(\'{"error": "There is no such model."}\'); raise SystemExit(1)'
    monkeypatch.setattr(ranks, "_COMMAND", saying(last))
    with (
        pytest.raises(WorkerFailed, match=r"^Process 2 of 2 failed: There is no such model\.$"),
        ranks.crew(2, never),
    ):
        pass


def test_a_first_process_that_stays_stuck_is_ended_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[WorkerFailed] = []
    ended = threading.Event()

    def leave(_code: int) -> None:
        ended.set()

    monkeypatch.setattr(ranks, "_GRACE", 0.0)
    monkeypatch.setattr(ranks, "_COMMAND", saying("raise SystemExit(1)"))
    monkeypatch.setattr(os, "_exit", leave)
    others = ranks._Others(Meeting(2), told.append)
    try:
        assert ended.wait(30.0)
    finally:
        others.end()
    assert "Process 2 of 2 ended with a fault" in str(told[0])


def test_the_others_end_when_their_worker_is_killed(tmp_path: Path) -> None:
    # what the other process does as long as it waits for its group, started by a worker that is then killed
    wait = "import threading, time; from core.jobs import ranks; print('on', flush=True); ranks._end_with_parent()"
    worker = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {wait!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with psutil.Popen(saying(worker), stdout=-1, cwd=ranks.ROOT) as started:
        child = psutil.Process(int(started.stdout.readline()))
        assert child.is_running()
        started.kill()
        child.wait(timeout=30)


def test_only_a_training_starts_the_processes_of_its_group() -> None:
    with pytest.raises(BadRecipe, match="--processes"):
        ranks.follow(child=True)


# --------------------------------------------------------------------------- the group


def test_a_process_alone_is_a_group_for_which_all_is_free() -> None:
    group = Group.join()
    rows = np.ones((2, 2), dtype=np.float32)
    group.gather(rows)
    asked: Callable[[], tuple[float, ...]] = lambda: group.total(1.0, 2.0)  # noqa: E731
    assert (group.first, group.agree(True), asked(), group.title("CPU")) == (True, True, (1.0, 2.0), "CPU")
    assert rows.sum() == 4
    assert group.share({}, "word") == ({}, "word")


@pytest.mark.parametrize(("parts", "size"), [(0, 2), (1, 2), (5, 2), (6, 3), (2, 4)])
def test_every_part_is_computed_once_in_as_many_rounds_by_all(parts: int, size: int) -> None:
    rounds = [Group(rank, size).rounds(list(range(parts))) for rank in range(size)]
    assert len({len(of_rank) for of_rank in rounds}) == 1
    assert sorted(part for of_rank in rounds for part in of_rank if part is not None) == list(range(parts))


def test_processes_share_the_threads_and_have_one_at_least() -> None:
    assert [share_of(8, n) for n in (1, 2, 3, 16)] == [8, 4, 2, 1]
