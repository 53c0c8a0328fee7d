"""The best state so far: in memory at once, on the disk as a plain Hugging Face folder when that is due.

Writing costs seconds for a large model, so the folder follows the best state at a pace that costs next to nothing,
and at the end for certain. Knows learner, folder and sidecar; not how states come about.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.models.saving import save_model
from core.training.learner import Learner
from core.training.validation import Measured

PATIENCE = 100.0  # times as long as writing takes is waited until the next writing: a hundredth of the time


@dataclass
class Keeper:
    learner: Learner
    tokenizer: Any
    folder: Path
    sidecar: dict[str, Any]
    writes: bool = True  # False: another process of the same run writes
    best: Measured | None = None
    step: int = 0  # optimizer steps before the best state
    state: dict[str, Any] | None = None  # tensors by name, on the CPU
    made: dict[str, Any] = field(default_factory=dict)  # for the sidecar: precision, device, step, epoch
    written: bool = False  # the folder holds the best state
    _cost: float = 0.0  # seconds of the last writing
    _at: float = 0.0

    def improve(self, measured: Measured | None, step: int, made: dict[str, Any]) -> None:
        """The learner's present state is the best from now on."""
        self.best, self.step, self.made = measured, step, made
        self.state, self.written = self.learner.state(), False

    def write_if_due(self) -> None:
        """Call it when the learner is in the best state, or seldom: another state is put aside for the writing."""
        waited = time.perf_counter() - self._at >= PATIENCE * self._cost
        if waited and not self.written and self.state is not None:
            self.write()

    def write(self) -> None:
        """The best state to the folder; the learner stays as it is. Raises DiskFull."""
        if self.state is None or not self.writes:
            return
        start = time.perf_counter()
        present = self.learner.state()
        self.learner.restore(self.state)
        try:
            save_model(
                self.learner.model, self.tokenizer, self.folder, self._content(), self.learner.plain_state()
            )
        finally:
            self.learner.restore(present)
        self.written, self._at = True, time.perf_counter()
        self._cost = self._at - start

    def _content(self) -> dict[str, Any]:
        content = {**self.sidecar, "trained": self.made, "validation": None}
        if self.best is not None:
            content["validation"] = {
                "loss": self.best.loss,
                "texts": self.best.scores.n,
                **self.best.scores.brief(),
            }
            if self.best.thresholds is not None:
                content["thresholds"] = [float(t) for t in self.best.thresholds]
        return content
