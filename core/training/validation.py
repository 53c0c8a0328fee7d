"""Measuring on the validation part, and when to do so. Knows loss and macro-F1; does not know how to train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.metrics import macro_f1, wilson
from core.models.forward import Encoded, iter_encoded
from core.records import Interval

# inner evaluations an epoch per (training / validation texts): about a tenth of the time at most
_SHARE = 0.25
_MOST = 8  # evaluations an epoch
_APART = 10  # steps between two of them at least


@dataclass(frozen=True)
class Measured:
    loss: float  # mean cross-entropy in nats, every text weighing the same
    accuracy: Interval
    macro_f1: float

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.loss))

    def better_than(self, other: Measured | None) -> bool:
        """By macro-F1; of two equals the one with the lower loss."""
        return other is None or (self.macro_f1, -self.loss) > (other.macro_f1, -other.loss)

    def progress_since(self, mark: Measured | None) -> bool:
        """Enough to go on for: a higher macro-F1, or a loss lower by a hundredth. On a plateau of macro-F1
        the loss can creep down for ever.
        """
        return mark is None or self.macro_f1 > mark.macro_f1 or self.loss < 0.99 * mark.loss


def measure(
    model: Any,
    tokenizer: Any,
    encoded: Encoded,
    truth: Sequence[int],
    device: str,
    give_up: Callable[[], bool],
) -> Measured | None:
    """The model on the validation part, in full precision as it will be used. None when `give_up()` said so
    between two batches. Puts the model into evaluation mode.
    """
    true = np.asarray(truth, dtype=np.int64)
    predicted = np.zeros(len(true), dtype=np.int64)
    losses = np.zeros(len(true), dtype=np.float64)
    for rows, logits in iter_encoded(model, tokenizer, encoded, device):
        predicted[rows] = logits.argmax(axis=1)
        losses[rows] = _cross_entropy(logits, true[rows])
        if give_up():
            return None
    hits = int((predicted == true).sum())
    return Measured(
        loss=float(losses.mean()),
        accuracy=wilson(hits, len(true)),
        macro_f1=macro_f1(true.tolist(), predicted.tolist(), model.config.num_labels),
    )


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
