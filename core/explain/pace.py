"""How fast long work goes, as the Progress that every study yields. Knows a clock, not the work."""

from __future__ import annotations

import time

from core.records import Progress


class Pace:
    """Started when it is made; `at` tells how far the work is."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._begun = time.monotonic()

    def at(self, done: int, total: int | None = None) -> Progress:
        """Progress after `done` of the things to do; `total` where their number has become another."""
        self.total = self.total if total is None else total
        elapsed = time.monotonic() - self._begun
        rate = done / elapsed if elapsed > 0 else 0.0
        remaining = max(0, self.total - done) / rate if rate > 0 else 0.0
        return Progress(done, self.total, rate, elapsed, remaining)
