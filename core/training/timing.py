"""How long batches take on this machine: a few are timed, the others are read off between them.

Knows lengths, batches and seconds. Does not know what a step does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.training.batching import epoch_batches

Rows = np.ndarray[Any, Any]

_AT = (0.0, 0.5, 0.9, 1.0)  # quantiles of the batches' sizes that are timed: short, median, long, the longest
_ROUNDS = 5
_SHARE = 0.6  # of the time left that one batch may be expected to take; a part of it is timed otherwise
_ONCE = (0.85, 1.25)  # the range of a batch that was timed a single time, as multiples
_UNSEEN = (
    0.95,
    1.15,
)  # what a few seconds cannot see, as multiples: events, files, a processor that gets warm


@dataclass(frozen=True)
class Estimate:
    """Seconds, with the range that they are expected in."""

    value: float
    low: float
    high: float

    def plus(self, other: Estimate) -> Estimate:
        return Estimate(self.value + other.value, self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Estimate:
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Timing:
    """Seconds of batches by their size."""

    tokens: tuple[int, ...]  # of each timed batch, padding included; rising
    each: tuple[Estimate, ...]  # seconds of each whole batch
    texts: int  # in one pass over the batches that were handed in
    epoch: Estimate  # seconds of that pass
    share: float  # of the longest batch that was really computed; 1: all of it
    multiple: int = 1  # of tokens, that a batch's width is rounded up to

    @property
    def texts_per_second(self) -> float:
        return self.texts / self.epoch.value if self.epoch.value > 0 else 0.0

    def total(self, lengths: Rows, groups: Sequence[Rows]) -> Estimate:
        """Seconds of any batches of texts of these lengths (N,)."""
        return _total(self.tokens, self.each, padded_tokens(lengths, groups, self.multiple))


def time_steps(
    step: Callable[[Rows], None],
    lengths: Rows,
    batch_size: int,
    *,
    seconds: float = 6.0,
    seed: int = 0,
    multiple: int = 1,
    room: Callable[[int], float] = lambda tokens: 1.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Times `step(rows)` on real batches of an epoch over texts of `lengths` (N,) tokens.

    See `time_batches`; the batches are the ones that training would make.
    """
    groups = epoch_batches(lengths, batch_size, seed, 0)
    most = max(len(g) for g in groups)
    full = [g for g in groups if len(g) == most]  # a half-filled batch stands for no other
    timing = time_batches(step, lengths, full, seconds=seconds, multiple=multiple, room=room, clock=clock)
    return replace(timing, texts=len(lengths), epoch=timing.total(lengths, groups))


def time_batches(
    step: Callable[[Rows], None],
    lengths: Rows,
    groups: Sequence[Rows],
    *,
    seconds: float,
    multiple: int = 1,
    room: Callable[[int], float] = lambda tokens: 1.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Times `step(rows)` on a short, a median, a long and the longest of `groups` (row numbers), by turns for
    about `seconds`, after a step that is not counted. `step` must return when the work is done, not queued.

    A batch that would take most of the time left, or for which `room(tokens)` (the share of so many tokens that
    fits in memory) says so, is timed in part and its seconds scaled. Raises whatever `step` raises.
    """
    sizes = padded_tokens(lengths, groups, multiple)
    chosen = _representatives(sizes)
    end = clock() + seconds
    step(groups[chosen[0]])
    found: dict[int, list[float]] = {int(sizes[at]): [] for at in chosen}
    shares: dict[int, float] = {}
    pace = 0.0  # seconds per token of the batch before
    for turn in range(_ROUNDS):
        for at in chosen:
            size, rows = int(sizes[at]), groups[at]
            expected, left = pace * size, end - clock()
            if turn and (expected > left or shares[size] < 1):
                continue
            if not turn:
                wanted = min(1.0, room(size), _SHARE * left / expected if expected > 0 else 1.0)
                rows = rows[: max(1, int(wanted * len(rows)))]
                shares[size] = len(rows) / len(groups[at])
            start = clock()
            step(rows)
            taken = (clock() - start) / shares[size]
            found[size].append(taken)
            pace = taken / size
    tokens = tuple(sorted(found))
    each = tuple(_estimate(found[n]) for n in tokens)
    epoch = _total(tokens, each, sizes)
    return Timing(tokens, each, sum(map(len, groups)), epoch, shares[tokens[-1]], multiple)


def padded_tokens(lengths: Rows, groups: Sequence[Rows], multiple: int = 1) -> Rows:
    """(B,) int64: tokens of each batch, every text as long as its longest, rounded up (see `forward.collate`)."""
    return np.asarray([len(g) * (-(-int(lengths[g].max()) // multiple) * multiple) for g in groups], np.int64)


def _representatives(sizes: Rows) -> list[int]:
    """Positions of the batches to time, the smallest first, no two of one size."""
    ordered = np.argsort(sizes, kind="stable")
    wanted = [int(ordered[round(q * (len(ordered) - 1))]) for q in _AT]
    return list({int(sizes[at]): at for at in wanted}.values())


def _total(tokens: Sequence[int], each: Sequence[Estimate], sizes: Rows) -> Estimate:
    """Seconds of all batches of these sizes: linear between the timed ones, beyond the largest in proportion."""

    def read(seconds: list[float]) -> float:
        inside = np.interp(sizes, tokens, seconds)
        return float((inside * np.maximum(1.0, sizes / tokens[-1])).sum())

    return Estimate(read([e.value for e in each]), read([e.low for e in each]), read([e.high for e in each]))


def _estimate(seconds: Sequence[float]) -> Estimate:
    middle = float(np.median(seconds))
    low, high = min(seconds), max(seconds)
    if len(seconds) == 1:
        low, high = middle * _ONCE[0], middle * _ONCE[1]
    return Estimate(middle, low * _UNSEEN[0], high * _UNSEEN[1])
