"""One fine-tuning run in memory: its steps, its measurements, its best state.

Knows how a step is made safe and what is kept. Does not know how a run is put together (`loop`), how a checkpoint
lies on the disk, threads, databases or screens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import Diverged, OutOfMemory
from core.models.device import Device, device_use, memory_used
from core.models.forward import Encoded, memory_in_words
from core.records import Checkpointed, Evaluated, Event, Note, Step
from core.training import batching
from core.training.averaging import Average
from core.training.clock import Clock
from core.training.group import Group
from core.training.keeper import Keeper
from core.training.learner import Learner
from core.training.losses import mass, total_loss
from core.training.material import Material
from core.training.optimizer import set_rate
from core.training.precision import Precision
from core.training.reader import Reader
from core.training.recipe import Recipe
from core.training.validation import Mark, Measured, class_changes, measure, predict

STOP_SECONDS = 5.0  # that a stop may still spend on a first measurement
_MOST_SKIPPED = 20  # fp16 steps in a row whose gradient overflowed
_THINNING = 7  # sets the draws of left-out tokens apart from those of the order of texts
_MOST_CLASSES = 500  # for which every evaluation lists what each class gained and lost


@dataclass
class Run:
    """What one run holds in memory."""

    recipe: Recipe
    material: Material
    should_stop: Callable[[], bool]  # says the same on all processes
    device: Device
    learner: Learner
    reader: Reader
    optimizer: Any
    weights: Any  # (C,) of the classes, or None
    total: int  # optimizer steps
    evaluations: list[int]
    precision: Precision
    scaler: Any
    keeper: Keeper
    group: Group
    checkpoint: Callable[[Run], Checkpointed | None] = lambda run: None  # asked after every step
    snapshot: Callable[[Run], Iterator[Event]] = lambda run: iter(())  # asked after every evaluation
    taught: np.ndarray[Any, Any] | None = None  # (N, C) float32: what a teacher says of each training text
    trust: float = 0.0  # the share of each target that this is; with several labels a text it is all of it
    average: Average = field(default_factory=lambda: Average(0))  # of the last states
    clock: Clock = field(default_factory=Clock)
    step: int = 0
    accumulation: int = 1  # parts that a batch is computed in
    mark: Mark | None = None  # the last evaluation that early stopping counts as progress
    since_mark: int = 0  # evaluations since
    tuned: Measured | None = None  # the best measurement after at least one step
    right: np.ndarray[Any, Any] | None = None  # the last evaluation's right answers
    skipped: int = 0  # fp16: overflows in a row
    stopped: bool = False
    reason: str = ""
    losses: list[float] = field(default_factory=list)  # of this process's steps, for tests and the ladder

    def __post_init__(self) -> None:
        self.learning = [p for _, p in self.learner.trainable()]  # asked several times a step

    # ----------------------------------------------------------------- the stages

    def steps(self) -> Iterator[Event]:
        """Every optimizer step and the evaluations between them, until the end or a reason to end earlier."""
        per_epoch = self.recipe.steps_per_epoch(len(self.material.train.encoded))
        due = set(self.evaluations)
        while self.step < self.total:
            batches = self.batches(self.step // per_epoch)
            for rows in batches[self.step % per_epoch :]:
                if self._stop_asked() or self.step >= self.total:
                    return
                yield from self._train_on(rows)
                self.average.look(self.step, self.learning)
                if self.step in due:
                    event = self.evaluate(self._stop_asked)
                    if event is None:
                        return
                    yield event
                    yield from self.snapshot(self)
                    if 0 < self.recipe.early_stopping <= self.since_mark:
                        self.reason = (
                            f"The last {self.since_mark} evaluations brought no improvement, so training "
                            "ended early."
                        )
                        return
                saved = self.checkpoint(self)
                if saved is not None:
                    yield saved

    def last_measurement(self) -> Iterator[Event]:
        """A stop before the first evaluation: measure the present state if that is quick, and keep it in any
        case.
        """
        if self.keeper.state is not None:
            return
        limit = time.perf_counter() + STOP_SECONDS
        event = self.evaluate(lambda: self.group.agree(time.perf_counter() > limit))
        if event is not None:
            yield event
        else:
            self.keeper.improve(None, self.step, self._made())
            yield Note(
                "The validation part is too large to measure it while stopping; the model is kept unmeasured."
            )

    def batches(self, epoch: int) -> list[np.ndarray[Any, Any]]:
        lengths = self.material.train.encoded.lengths
        return batching.epoch_batches(lengths, self.recipe.batch_size, self.recipe.seed, epoch)

    # ----------------------------------------------------------------- one step

    def _train_on(self, rows: np.ndarray[Any, Any]) -> Iterator[Event]:
        """One optimizer step on a batch. A batch that does not fit in memory is computed in twice as many parts."""
        start = time.perf_counter()
        rate = set_rate(self.optimizer, self.recipe.rate_factor(self.step, self.total))
        while True:
            self.group.seed(self.recipe.seed, self.step)
            try:
                value = self._gradients(rows)
                break
            except OutOfMemory as error:
                self.optimizer.zero_grad(set_to_none=True)
                if self.accumulation * self.group.size >= len(rows):
                    raise
                self.accumulation *= 2
                _free_memory(self.device)
                yield Note(
                    f"{error} Each batch is computed in {self.accumulation} parts from now on; "
                    "the steps stay the same and take a little longer."
                )
        with memory_in_words(len(rows), 0):  # the optimizer's own state is made in its first step
            self.group.sum_gradients(self.learning)
            norm = self._clip()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.losses.append(value)
        self.clock.trained(time.perf_counter() - start, len(rows))
        yield Step(
            step=self.step,
            epoch=self.epoch,
            loss=value,
            learning_rate=rate,
            gradient_norm=norm,
            texts=self.clock.texts,
            texts_per_second=self.clock.current,
            memory=memory_used(self.device),
            elapsed=self.clock.elapsed,
            remaining=self.remaining(),
            device_use=device_use(self.device),
        )

    def _gradients(self, rows: np.ndarray[Any, Any]) -> float:
        """The mean loss of a batch. The gradient of this process's parts of it is left in the parameters. Raises
        Diverged, OutOfMemory; on all processes if on one.
        """
        weight = mass(self._targets(rows), weights=self.weights, of_text=self._shares(rows))
        tokens = self._thinned(rows)
        parts = np.array_split(np.arange(len(rows)), min(self.accumulation * self.group.size, len(rows)))
        value, short = 0.0, ""
        try:
            for at in self.group.mine(parts):
                loss, width = self._loss(rows[at], tokens.select(at))
                loss = loss / weight
                value += float(loss.detach())
                if not math.isfinite(value):
                    break
                with memory_in_words(len(at), width):
                    self.scaler.scale(loss).backward()
        except OutOfMemory as error:
            short = str(error)
        value, faults = self.group.total(value, float(bool(short)))
        if faults:
            raise OutOfMemory(short or "Another process has too little memory for its part of the batch.")
        if not math.isfinite(value):
            raise self._diverged(f"The loss became {value}")
        return value

    def _thinned(self, rows: np.ndarray[Any, Any]) -> Encoded:
        """The tokens of a batch that this step learns from. Follows from seed and step alone, however a batch is
        split.
        """
        encoded = self.material.train.encoded
        if self.recipe.token_dropout <= 0:
            return encoded.select(rows)
        rng = np.random.default_rng([self.recipe.seed, self.step, _THINNING])
        special = np.asarray(self.reader.tokenizer.all_special_ids)
        return batching.thin(encoded, rows, self.recipe.token_dropout, special, rng)

    def _loss(self, rows: np.ndarray[Any, Any], encoded: Encoded) -> tuple[Any, int]:
        """The sum of the losses of some training pieces, given by their numbers and their tokens, and their width
        in tokens.
        """
        device = self.device.torch_name
        targets, shares = self._targets(rows).to(device), self._shares(rows)
        width = int(encoded.lengths.max())
        logits = self.reader.logits(encoded, (self.step, rows))
        with memory_in_words(len(rows), width):
            return total_loss(
                logits,
                targets,
                weights=self.weights,
                smoothing=self.recipe.label_smoothing,
                focal=self.recipe.loss == "focal",
                of_text=None if shares is None else shares.to(device),
                taught=self._taught(rows),
                trust=self.trust,
            ), width

    def _targets(self, rows: np.ndarray[Any, Any]) -> Any:
        import torch

        part = self.material.train
        soft = self.taught if self.material.several else None
        found = torch.from_numpy((part.targets if soft is None else soft)[part.owner[rows]])
        return found.float() if found.ndim == 2 else found

    def _taught(self, rows: np.ndarray[Any, Any]) -> Any:
        import torch

        if self.taught is None:
            return None
        found = torch.from_numpy(self.taught[self.material.train.owner[rows]])
        return found.to(self.device.torch_name)

    def _shares(self, rows: np.ndarray[Any, Any]) -> Any:
        import torch

        share = self.material.train.share
        return None if share is None else torch.from_numpy(share[rows])

    def _clip(self) -> float:
        """The gradient's norm, after which it is clipped. Raises Diverged before the optimizer could use a
        broken one.
        """
        import torch

        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.learning if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients, foreach=True))
        if norm > self.recipe.gradient_clip > 0:  # torch's own clipping would multiply every gradient, always
            torch._foreach_mul_(gradients, self.recipe.gradient_clip / (norm + 1e-6))
        if math.isfinite(norm):
            self.skipped = 0
        elif self.precision.name != "fp16" or self.skipped >= _MOST_SKIPPED:
            raise self._diverged("The gradient became infinite")
        else:
            self.skipped += 1  # the scaler leaves this step out and lowers its factor: fp16's way of working
        return norm if math.isfinite(norm) else 0.0

    def _diverged(self, what: str) -> Diverged:
        self.optimizer.zero_grad(set_to_none=True)
        kept = "No model was kept."
        if self.keeper.state is not None:
            self.keeper.write()
            kept = "The quick head is kept."
            if self.keeper.step:
                kept = f"The best state before that, after step {self.keeper.step:,}, is kept."
        return Diverged(
            f"{what} at step {self.step + 1:,}, so training ended before it could spoil the weights. {kept} "
            f"Try a smaller learning rate than {self.recipe.learning_rate:g}, or a longer warm-up."
        )

    # ----------------------------------------------------------------- measuring

    def evaluate(self, give_up: Callable[[], bool]) -> Evaluated | None:
        """The present state on the validation part; it is kept when it is the best so far."""
        start = time.perf_counter()
        part = self.material.validation
        logits = predict(self.reader, part, give_up, self.group)
        if logits is None:
            return None
        found = measure(logits, part.targets, self.material.labels)
        if not found.finite:
            raise self._diverged("The validation loss became infinite or not a number")
        best = self.keeper.best
        improved = found.mark.better_than(None if best is None else best.mark)
        if improved:
            self.keeper.improve(found, self.step, self._made())
        if self.step and found.mark.better_than(None if self.tuned is None else self.tuned.mark):
            self.tuned = found
        self.keeper.write_if_due()
        self.since_mark += 1
        if found.mark.progress_since(self.mark):
            self.mark, self.since_mark = found.mark, 0
        classes = len(self.material.labels)
        changes = (
            class_changes(part.targets, found.right, self.right, classes) if classes <= _MOST_CLASSES else ()
        )
        self.right = found.right
        self.clock.evaluated(time.perf_counter() - start)
        scores = found.scores
        return Evaluated(
            step=self.step,
            epoch=self.epoch,
            loss=found.loss,
            accuracy=scores.accuracy.value,
            accuracy_low=scores.accuracy.low,
            accuracy_high=scores.accuracy.high,
            macro_f1=scores.macro_f1.value,
            best=improved,
            elapsed=self.clock.elapsed,
            macro_f1_low=scores.macro_f1.low,
            macro_f1_high=scores.macro_f1.high,
            classes=changes,
        )

    def _made(self) -> dict[str, Any]:
        return {
            "precision": self.precision.name,
            "device": self.device.title,
            "step": self.step,
            "epoch": self.epoch,
        }

    def _stop_asked(self) -> bool:
        if self.should_stop():
            self.stopped = True
            self.reason = f"Stopped on request after step {self.step:,} of {self.total:,}."
        return self.stopped

    # ----------------------------------------------------------------- figures

    @property
    def epoch(self) -> float:
        return self.step / self.recipe.steps_per_epoch(len(self.material.train.encoded))

    def remaining(self) -> float:
        """Seconds to the end, as far as can be told by now."""
        pieces = len(self.material.train.encoded)
        left = self.total - self.step
        texts = round(left * pieces / self.recipe.steps_per_epoch(pieces))
        evaluations = sum(step >= self.step for step in self.evaluations)
        return self.clock.remaining(texts, evaluations, len(self.material.validation.encoded))


def _free_memory(device: Device) -> None:
    import gc

    gc.collect()
    if device.torch_name == "cuda":
        import torch

        torch.cuda.empty_cache()
