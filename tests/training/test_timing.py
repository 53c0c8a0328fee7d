"""Seconds of batches read off a few of them, and memory in use and to be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.device import pick_device
from core.training.batching import epoch_batches
from core.training.memory import PeakMemory, container_limit
from core.training.timing import padded_tokens, time_batches, time_steps


class Machine:
    """A clock that a step moves on by so much per text and token."""

    def __init__(self, lengths: np.ndarray[Any, Any], per_step: float, per_token: float) -> None:
        self.lengths, self.per_step, self.per_token = lengths, per_step, per_token
        self.now, self.seen = 0.0, [np.asarray([], dtype=np.int64)]

    def __call__(self) -> float:
        return self.now

    def step(self, rows: np.ndarray[Any, Any]) -> None:
        self.seen.append(rows)
        self.now += self.per_step + self.per_token * len(rows) * int(self.lengths[rows].max())


def test_time_of_an_epoch_is_read_off_a_few_batches() -> None:
    lengths = np.random.default_rng(0).geometric(0.05, 4000) + 4
    machine = Machine(lengths, 0.01, 1e-5)
    timing = time_steps(machine.step, lengths, 32, seconds=6.0, clock=machine)
    batches = epoch_batches(lengths, 32, 0, 0)
    truth = sum(0.01 + 1e-5 * len(rows) * int(lengths[rows].max()) for rows in batches)
    assert timing.epoch.value == pytest.approx(truth, rel=0.05)
    assert timing.epoch.low < timing.epoch.value < timing.epoch.high
    assert timing.texts_per_second == pytest.approx(4000 / timing.epoch.value)
    assert timing.share == 1
    assert machine.now < 6.5


def test_short_and_the_longest_batches_are_timed() -> None:
    lengths = np.asarray([5] * 90 + [50] * 9 + [400])
    machine = Machine(lengths, 0.0, 1e-4)
    timing = time_steps(machine.step, lengths, 10, clock=machine)
    widths = {int(lengths[rows].max()) for rows in machine.seen[1:]}
    assert {5, 400} <= widths
    assert timing.tokens[-1] == 4000


def test_a_batch_too_slow_for_the_time_left_is_timed_in_part() -> None:
    lengths = np.asarray([8] * 320 + [512] * 32)
    machine = Machine(lengths, 0.0, 1e-3)
    timing = time_steps(machine.step, lengths, 32, seconds=2.0, clock=machine)
    assert timing.share < 1
    assert timing.each[-1].value == pytest.approx(1e-3 * 512 * 32)
    assert machine.now < 3


def test_a_batch_that_would_not_fit_is_not_tried_whole() -> None:
    lengths = np.asarray([8] * 320 + [100] * 32)
    machine = Machine(lengths, 0.0, 1e-5)
    timing = time_steps(machine.step, lengths, 32, room=lambda tokens: min(1.0, 800 / tokens), clock=machine)
    assert max(len(rows) for rows in machine.seen if len(rows) and lengths[rows].max() == 100) == 8
    assert timing.share == 0.25


def test_widths_are_rounded_up_where_the_device_wants_it() -> None:
    groups = [np.asarray([0, 1]), np.asarray([2])]
    lengths = np.asarray([3, 9, 16])
    assert padded_tokens(lengths, groups).tolist() == [18, 16]
    assert padded_tokens(lengths, groups, 8).tolist() == [32, 16]


def test_one_size_of_batch_is_enough() -> None:
    machine = Machine(np.asarray([4, 4, 4]), 1.0, 0.0)
    timing = time_batches(machine.step, machine.lengths, [np.asarray([0, 1, 2])], seconds=0.1, clock=machine)
    assert timing.epoch.value == pytest.approx(1.0)
    twice = timing.total(np.asarray([8, 8, 8]), [np.asarray([0, 1, 2])])
    assert twice.value == pytest.approx(2.0)  # beyond what was timed, in proportion


# --------------------------------------------------------------------------- memory


def test_peak_memory_sees_what_is_gone_again() -> None:
    size = 64 * 2**20
    with PeakMemory(pick_device()) as peak:
        block = np.ones(size, dtype=np.uint8)
        _ = peak.growth
        del block
    assert 0.8 * size < peak.growth < 3 * size
    assert peak.free > 0


def test_a_containers_limit_counts_and_its_cached_files_are_free(tmp_path: Path) -> None:
    assert container_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    assert container_limit(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert container_limit(tmp_path) == 450
