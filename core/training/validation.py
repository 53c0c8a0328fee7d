"""Measuring on the validation part, and when to do so. Knows logits, loss and scores; does not know how to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.metrics import score
from core.evaluation.multilabel import score_several, tune_thresholds
from core.models.forward import pool_windows
from core.records import Scores
from core.training.group import Group
from core.training.material import Part
from core.training.reader import Reader

# inner evaluations an epoch per (training / validation texts): about a tenth of the time at most
_SHARE = 0.25
_MOST = 8  # evaluations an epoch
_APART = 10  # steps between two of them at least


@dataclass(frozen=True)
class Mark:
    """What two measurements are compared by."""

    macro_f1: float
    loss: float  # nats

    def better_than(self, other: Mark | None) -> bool:
        """By macro-F1; of two equals the one with the lower loss."""
        return other is None or (self.macro_f1, -self.loss) > (other.macro_f1, -other.loss)

    def progress_since(self, mark: Mark | None) -> bool:
        """Enough to go on for: a higher macro-F1, or a loss lower by a hundredth. On a plateau of macro-F1
        the loss can creep down for ever.
        """
        return mark is None or self.macro_f1 > mark.macro_f1 or self.loss < 0.99 * mark.loss


@dataclass(frozen=True)
class Measured:
    loss: float  # nats, mean over texts: cross-entropy, or the mean binary one over classes
    scores: Scores
    right: np.ndarray[Any, Any]  # (N,) bool: the text is right; several labels: (N, C), the label is right
    thresholds: np.ndarray[Any, Any] | None = (
        None  # (C,) several labels: probabilities from which a label holds
    )

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.loss))

    @property
    def mark(self) -> Mark:
        return Mark(self.scores.macro_f1.value, self.loss)


def predict(
    reader: Reader,
    part: Part,
    give_up: Callable[[], bool] = lambda: False,
    group: Group | None = None,
) -> np.ndarray[Any, Any] | None:
    """(N, C) float32 logits of a part; the mean over windows. None when `give_up()` said so between two batches.
    With a `group` the batches are computed by turns, and all of its processes get the same logits; `give_up` must
    then say the same on all. Raises OutOfMemory.
    """
    group = group or Group()
    found = np.zeros((len(part.encoded), reader.learner.head.out_features), dtype=np.float32)
    for rows, logits in reader.over(part.encoded, np.arange(len(part.encoded)), group):
        if rows is not None:
            found[rows] = logits
        if give_up():
            return None
    group.gather(found)
    return found if len(found) == part.texts else pool_windows(found, part.owner, part.texts)


def measure(logits: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], labels: tuple[str, ...]) -> Measured:
    """Loss and scores of (N, C) logits against (N,) class indices, or (N, C) booleans for several labels.

    Several labels: the thresholds are tuned on these texts, so the scores are cross-fitted: each half is judged
    by thresholds from the other half. What is returned to be used later is tuned on all.
    """
    if targets.ndim == 1:
        predicted = logits.argmax(axis=1)
        loss = float(_cross_entropy(logits, targets).mean())
        return Measured(loss, score(targets.tolist(), predicted.tolist(), labels), predicted == targets)
    wide = logits.astype(np.float64)
    loss = float(np.logaddexp(0.0, np.where(targets, -wide, wide)).mean())
    probabilities = 1.0 / (1.0 + np.exp(-wide))
    if not np.isfinite(loss):
        probabilities = np.nan_to_num(probabilities)
    chosen = np.zeros(targets.shape, dtype=bool)
    halves = np.random.default_rng(0).permutation(len(targets)) % 2 == 0
    for half in (halves, ~halves):
        tuned = tune_thresholds(targets[~half], probabilities[~half])
        chosen[half] = probabilities[half] >= tuned
    return Measured(
        loss,
        score_several(targets, chosen, labels),
        chosen == targets,
        np.asarray(tune_thresholds(targets, probabilities), dtype=np.float64),
    )


def class_changes(
    targets: np.ndarray[Any, Any],
    right: np.ndarray[Any, Any],
    before: np.ndarray[Any, Any] | None,
    classes: int,
) -> tuple[tuple[int, int, int, int], ...]:
    """Per class: its texts, those that are right, newly right and newly wrong since `before` (all as `right`)."""
    before = right if before is None else before
    found = []
    for c in range(classes):
        of_class = targets == c if targets.ndim == 1 else targets[:, c]
        now, then = (r[of_class] if targets.ndim == 1 else r[of_class, c] for r in (right, before))
        found.append((len(now), int(now.sum()), int((now & ~then).sum()), int((then & ~now).sum())))
    return tuple(found)


def _cross_entropy(logits: np.ndarray[Any, Any], true: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(n,) -log softmax(logits)[true], in nats."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(wide - top).sum(axis=1)) + top[:, 0]
    return np.asarray(log_sum - wide[np.arange(len(true)), true])


def evaluation_steps(steps: int, per_epoch: int, train_texts: int, validation_texts: int) -> list[int]:
    """After which optimizer steps to evaluate: at the end of every epoch, at the end, and in between as often
    as it costs little. Depends on sizes only, never on time, so the same run evaluates at the same steps.
    """
    affordable = int(_SHARE * train_texts / max(1, validation_texts))
    parts = max(1, min(_MOST, affordable, per_epoch // _APART))
    inner = {round(part * per_epoch / parts) for part in range(1, parts + 1)}
    found = {start + at for start in range(0, steps, per_epoch) for at in inner}
    return sorted({step for step in found if step < steps} | {steps})
