"""How fast training is and how long it will still take. Knows seconds and texts; nothing else."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

WINDOW = 5.0  # seconds of training that the current rate is taken over


class Clock:
    """Times training steps and evaluations apart, so that the rate does not dip while validating."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._recent: deque[tuple[float, int]] = deque()
        self._recent_seconds = 0.0
        self._first: tuple[float, int] | None = None
        self.texts = 0
        self.training_seconds = 0.0
        self._evaluations = 0
        self._evaluating_seconds = 0.0

    def to_json(self) -> dict[str, float]:
        """What a run that goes on later has to know."""
        return {
            "elapsed": self.elapsed,
            "texts": self.texts,
            "training_seconds": self.training_seconds,
            "evaluations": self._evaluations,
            "evaluating_seconds": self._evaluating_seconds,
        }

    def restore(self, kept: Mapping[str, float]) -> None:
        """Goes on from `to_json`: the time in between does not count."""
        self._started = time.perf_counter() - kept["elapsed"]
        self.texts = int(kept["texts"])
        self.training_seconds = kept["training_seconds"]
        self._first = (0.0, 0)
        self._evaluations = int(kept["evaluations"])
        self._evaluating_seconds = kept["evaluating_seconds"]

    @property
    def elapsed(self) -> float:
        """Seconds since the start, whatever they went into."""
        return time.perf_counter() - self._started

    @property
    def average(self) -> float:
        """Texts per second over the whole run, evaluation left out."""
        return self.texts / self.training_seconds if self.training_seconds > 0 else 0.0

    @property
    def current(self) -> float:
        """Texts per second over the last seconds, evaluation left out."""
        texts = sum(n for _, n in self._recent)
        return texts / self._recent_seconds if self._recent_seconds > 0 else 0.0

    def trained(self, seconds: float, texts: int) -> None:
        if self._first is None:
            self._first = (seconds, texts)
        self.texts += texts
        self.training_seconds += seconds
        self._recent.append((seconds, texts))
        self._recent_seconds += seconds
        while len(self._recent) > 1 and self._recent_seconds - self._recent[0][0] >= WINDOW:
            self._recent_seconds -= self._recent.popleft()[0]

    def evaluated(self, seconds: float) -> None:
        self._evaluations += 1
        self._evaluating_seconds += seconds

    def remaining(self, texts: int, evaluations: int, validation_texts: int) -> float:
        """Estimated seconds for so many more training texts and evaluations."""
        if self._first is None:
            return 0.0
        seconds, done = self.training_seconds, self.texts
        if done > self._first[1]:  # the first step warms up caches and says little about the others
            seconds, done = seconds - self._first[0], done - self._first[1]
        per_text = seconds / done
        per_evaluation = (
            self._evaluating_seconds / self._evaluations
            if self._evaluations
            else per_text * validation_texts / 2  # forward only, in full precision
        )
        known = self.training_seconds + self._evaluating_seconds
        # what the consumer of the events and the saving take, of which there will be as much again
        overhead = min(2.0, max(1.0, self.elapsed / known)) if known > WINDOW else 1.0
        return (texts * per_text + evaluations * per_evaluation) * overhead
