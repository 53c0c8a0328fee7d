"""One training run in memory: its steps, its measurements, its best state.

Knows how a step is made safe and what is kept. Does not know how a run is put together (`loop`), threads,
databases or screens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import Diverged
from core.models.device import Device, memory_used
from core.models.forward import Encoded, accepted, collate, memory_in_words
from core.models.saving import save_model
from core.records import Evaluated, Event, Finished, Note, Started, Step
from core.training import batching, precision
from core.training.clock import Clock
from core.training.optimizer import set_rate
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.training.validation import Measured, measure

STOP_SECONDS = 5.0  # that a stop may still spend on a first measurement
_TRIAL_TEXTS, _TRIAL_TOKENS = 16, 1024  # of the first batch at most, to time number formats with
_MOST_SKIPPED = 20  # fp16 steps in a row whose gradient overflowed


@dataclass
class Run:
    """What one training run holds in memory."""

    data: TrainingData
    recipe: Recipe
    out_folder: Path
    sidecar: dict[str, Any]
    should_stop: Callable[[], bool]
    device: Device
    model: Any
    tokenizer: Any
    train_part: Encoded
    validation_part: Encoded
    optimizer: Any
    weights: Any
    total: int  # optimizer steps
    evaluations: list[int]
    precision: precision.Precision = field(init=False)
    scaler: Any = field(init=False)
    clock: Clock = field(default_factory=Clock)
    step: int = 0
    best: Measured | None = None
    best_step: int = 0
    mark: Measured | None = None  # the last evaluation that early stopping counts as progress
    since_mark: int = 0  # evaluations since
    skipped: int = 0  # fp16: overflows in a row
    stopped: bool = False
    reason: str = ""

    # ----------------------------------------------------------------- the stages

    def choose_precision(self) -> None:
        """Times real passes on the first texts; neither weights nor random state move."""
        import torch

        batch = self._batches(0)[0]
        longest = int(self.train_part.lengths[batch].max())
        rows = batch[: max(1, min(_TRIAL_TEXTS, _TRIAL_TOKENS // longest))]

        def trial(dtype: Any) -> None:
            self._loss(rows, dtype)[0].backward()
            self.optimizer.zero_grad(set_to_none=True)

        self.model.train()
        with torch.random.fork_rng(enabled=self.device.torch_name == "cpu"):
            self.precision = precision.choose(self.recipe.precision, self.device.torch_name, trial)
        self.scaler = torch.amp.GradScaler(self.device.torch_name, enabled=self.precision.name == "fp16")

    def started(self) -> Started:
        sizes = [(p.numel(), p.requires_grad) for p in self.model.parameters()]
        self.clock = Clock()
        return Started(
            device=self.device.title,
            precision=self.precision.name,
            parameters=sum(n for n, _ in sizes),
            trainable=sum(n for n, trains in sizes if trains),
            train_texts=len(self.train_part),
            validation_texts=len(self.validation_part),
            cut_texts=self.train_part.cut,
            epochs=self.recipe.epochs,
            steps=self.total,
        )

    def steps(self) -> Iterator[Event]:
        """Every optimizer step and the evaluations between them, until the end or a reason to end earlier."""
        for epoch in range(math.ceil(self.recipe.epochs)):
            for rows in self._batches(epoch):
                if self._stop_asked() or self.step >= self.total:
                    return
                yield self._train_on(rows)
                if self.step in self.evaluations:
                    event = self._evaluate(self._stop_asked)
                    if event is None:
                        return
                    yield event
                    if 0 < self.recipe.early_stopping <= self.since_mark:
                        self.reason = (
                            f"The last {self.since_mark} evaluations brought no improvement, so training "
                            "ended early."
                        )
                        return

    def last_measurement(self) -> Iterator[Event]:
        """A stop before the first evaluation: measure the present state if that is quick, and keep it in any
        case.
        """
        if self.best_step or self.best is not None:
            return
        limit = time.perf_counter() + STOP_SECONDS
        event = self._evaluate(lambda: time.perf_counter() > limit)
        if event is not None:
            yield event
        else:
            self._save(None)
            self.best_step = self.step
            yield Note(
                "The validation part is too large to measure it while stopping; the model is kept unmeasured."
            )

    def finished(self) -> Finished:
        epochs = self.recipe.epochs
        done = "The epoch is done." if epochs == 1 else f"All {epochs:g} epochs are done."
        kept = f"The {'best ' if self.best else ''}state after step {self.best_step:,} is kept."
        return Finished(
            folder=str(self.out_folder),
            step=self.step,
            best_step=self.best_step,
            reason=f"{self.reason or done} {kept}",
            stopped=self.stopped,
            seconds=self.clock.elapsed,
            texts_per_second=self.clock.average,
            device=self.device.title,
            precision=self.precision.name,
        )

    # ----------------------------------------------------------------- one step

    def _train_on(self, rows: np.ndarray[Any, Any]) -> Step:
        start = time.perf_counter()
        self.model.train()
        rate = set_rate(self.optimizer, self.recipe.rate_factor(self.step, self.total))
        loss, width = self._loss(rows, self.precision.dtype)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(f"The loss became {value}")
        with memory_in_words(len(rows), width):  # the optimizer's own state is made in its first step
            self.scaler.scale(loss).backward()
            norm = self._clip()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.clock.trained(time.perf_counter() - start, len(rows))
        return Step(
            step=self.step,
            epoch=self._epoch,
            loss=value,
            learning_rate=rate,
            gradient_norm=norm,
            texts=self.clock.texts,
            texts_per_second=self.clock.current,
            memory=memory_used(self.device),
            elapsed=self.clock.elapsed,
            remaining=self._remaining(),
        )

    def _loss(self, rows: Sequence[int] | np.ndarray[Any, Any], dtype: Any) -> tuple[Any, int]:
        """Mean cross-entropy of some training texts, and their width in tokens."""
        import torch

        device = self.device.torch_name
        inputs = {
            k: v.to(device)
            for k, v in accepted(self.model, collate(self.train_part, rows, self.tokenizer)).items()
        }
        labels = torch.tensor([self.data.train_labels[i] for i in rows], device=device)
        width = int(inputs["input_ids"].shape[1])
        with memory_in_words(len(rows), width):
            with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
                logits = self.model(**inputs).logits
            return torch.nn.functional.cross_entropy(logits.float(), labels, weight=self.weights), width

    def _clip(self) -> float:
        """The gradient's norm, after which it is clipped. Raises Diverged before the optimizer could use a
        broken one.
        """
        import torch

        self.scaler.unscale_(self.optimizer)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        limit = self.recipe.gradient_clip or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(trained, limit))
        if math.isfinite(norm):
            self.skipped = 0
        elif self.precision.name != "fp16" or self.skipped >= _MOST_SKIPPED:
            raise self._diverged("The gradient became infinite")
        else:
            self.skipped += 1  # the scaler leaves this step out and lowers its factor: fp16's way of working
        return norm if math.isfinite(norm) else 0.0

    def _diverged(self, what: str) -> Diverged:
        self.optimizer.zero_grad(set_to_none=True)
        kept = (
            f"The best state before that, after step {self.best_step:,}, is kept."
            if self.best_step
            else "No model was kept."
        )
        return Diverged(
            f"{what} at step {self.step + 1:,}, so training ended before it could spoil the weights. {kept} "
            f"Try a smaller learning rate than {self.recipe.learning_rate:g}, or a longer warm-up."
        )

    # ----------------------------------------------------------------- measuring and keeping

    def _evaluate(self, give_up: Callable[[], bool]) -> Evaluated | None:
        start = time.perf_counter()
        found = measure(
            self.model,
            self.tokenizer,
            self.validation_part,
            self.data.validation_labels,
            self.device.torch_name,
            give_up,
        )
        if found is None:
            return None
        if not found.finite:
            raise self._diverged("The validation loss became infinite or not a number")
        self.clock.evaluated(time.perf_counter() - start)
        improved = found.better_than(self.best)
        if improved:
            self._save(found)
            self.best, self.best_step = found, self.step
        self.since_mark += 1
        if found.progress_since(self.mark):
            self.mark, self.since_mark = found, 0
        return Evaluated(
            step=self.step,
            epoch=self._epoch,
            loss=found.loss,
            accuracy=found.accuracy.value,
            accuracy_low=found.accuracy.low,
            accuracy_high=found.accuracy.high,
            macro_f1=found.macro_f1,
            best=improved,
            elapsed=self.clock.elapsed,
        )

    def _save(self, measured: Measured | None) -> None:
        metrics = measured and {
            "loss": measured.loss,
            "accuracy": measured.accuracy.value,
            "macro_f1": measured.macro_f1,
            "texts": len(self.validation_part),
        }
        made = {
            "precision": self.precision.name,
            "device": self.device.title,
            "step": self.step,
            "epoch": self._epoch,
        }
        content = {**self.sidecar, "trained": made, "validation": metrics}
        save_model(self.model, self.tokenizer, self.out_folder, content)

    def _stop_asked(self) -> bool:
        if self.should_stop():
            self.stopped = True
            self.reason = f"Stopped on request after step {self.step:,} of {self.total:,}."
        return self.stopped

    # ----------------------------------------------------------------- figures

    def _batches(self, epoch: int) -> list[np.ndarray[Any, Any]]:
        return batching.epoch_batches(
            self.train_part.lengths, self.recipe.batch_size, self.recipe.seed, epoch
        )

    @property
    def _epoch(self) -> float:
        return self.step / self.recipe.steps_per_epoch(len(self.train_part))

    def _remaining(self) -> float:
        left = self.total - self.step
        texts = round(left * len(self.train_part) / self.recipe.steps_per_epoch(len(self.train_part)))
        evaluations = sum(step >= self.step for step in self.evaluations)
        return self.clock.remaining(texts, evaluations, len(self.validation_part))
