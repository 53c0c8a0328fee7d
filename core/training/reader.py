"""One reader of a batch, for whoever learns, measures or keeps a time: encoded texts to features and logits, as this
learner and device do it fastest.

Knows padding, number formats and dropout. Does not know targets, losses or optimizers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from core.models.forward import (
    BATCH_TEXTS,
    BATCH_TOKENS,
    Encoded,
    batches,
    collate,
    memory_in_words,
    multiple,
)
from core.training.group import Group
from core.training.learner import Learner
from core.training.packed import Packed

Noisy = tuple[int, np.ndarray[Any, Any]]  # a step, and the numbers (n,) of its texts


class Reader:
    """Reads with the learner as it is at each moment. To be made once it is settled what of it learns."""

    def __init__(
        self,
        learner: Learner,
        tokenizer: Any,
        device: str,
        dtype: Any = None,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`dtype`: of mixed precision, None for fp32. `dropout` and its `seed` count for steps without padding;
        padded ones take what the model was loaded with.
        """
        self.learner, self.tokenizer, self.device, self.dtype = learner, tokenizer, device, dtype
        self.packed = Packed(learner, dropout, seed) if Packed.suits(learner, device) else None

    def features(self, encoded: Encoded, noisy: Noisy | None = None) -> Any:
        """(n, D) float32 on the device: what the head sees. `noisy`: with dropout, drawn for these texts in this
        step. Raises OutOfMemory, DeviceLost.
        """
        width = self._ready(encoded, noisy)
        with memory_in_words(len(encoded), width):
            if self.packed is not None:
                return self.packed.features(encoded, self.dtype, noisy)
            return self.learner.features(self._padded(encoded), self.dtype)

    def logits(self, encoded: Encoded, noisy: Noisy | None = None) -> Any:
        """(n, C) float32 on the device; see `features`."""
        width = self._ready(encoded, noisy)
        with memory_in_words(len(encoded), width):
            if self.packed is not None:
                return self.learner.head(self.packed.features(encoded, self.dtype, noisy))
            return self.learner.logits(self._padded(encoded), self.dtype)

    def over(
        self, encoded: Encoded, rows: np.ndarray[Any, Any], group: Group, features: bool = False
    ) -> Iterator[tuple[np.ndarray[Any, Any] | None, Any]]:
        """Some rows of many texts without learning, in batches of like lengths, the longest first: their numbers (n,)
        and their logits or `features`, numpy float32. The processes of a `group` take the batches by turns; one that
        has none left in a round gets (None, None).
        """
        import torch

        lengths = encoded.lengths[rows]
        tokens, texts = BATCH_TOKENS.get(self.device, 4096), BATCH_TEXTS.get(self.device, 64)
        read = self.features if features else self.logits
        for batch in group.rounds(batches(lengths, tokens, texts)):
            if batch is None:
                yield None, None
                continue
            with torch.inference_mode():
                found = read(encoded.select(rows[batch])).cpu().numpy()
            yield rows[batch], found

    def _ready(self, encoded: Encoded, noisy: Noisy | None) -> int:
        """The learner's mode, and the width of the batch in tokens."""
        training = noisy is not None
        if self.learner.model.training != training or self.learner.head.training != training:
            (self.learner.train if training else self.learner.eval)()
        return int(encoded.lengths.max())

    def _padded(self, encoded: Encoded) -> dict[str, Any]:
        batch = collate(encoded, range(len(encoded)), self.tokenizer, multiple=multiple(self.device))
        if self.device == "cuda":
            batch = {name: value.pin_memory() for name, value in batch.items()}
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
