"""Which number format the arithmetic runs in. Knows what devices can do, and measures where that is not
enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

GAIN = 1.15  # times faster that bf16 has to be on a CPU
_ROUNDS = 3
_SECONDS = 4.0  # after which there is no third round
_TEXTS, _TOKENS = (
    32,
    1024,
)  # that a trial takes at most: with fewer, casting the weights hides what bf16 gains


@dataclass(frozen=True)
class Precision:
    name: str  # "fp32" | "bf16" | "fp16"
    note: str  # a sentence for the user

    @property
    def dtype(self) -> Any:
        """The torch dtype of mixed precision; None for fp32 throughout."""
        import torch

        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[self.name]


def choose(wanted: str, device: str, trial: Callable[[Any], None]) -> Precision:
    """The precision to train in. `trial(dtype)` runs one real forward and backward pass in that dtype (None:
    fp32).

    With "auto", a CUDA card takes bf16 where it has it and fp16 elsewhere, Apple's GPU fp32; a CPU is
    measured, since only some can compute in bf16 at speed.
    """
    if wanted != "auto":
        return Precision(wanted, f"Computing in {wanted}, as asked.")
    if device == "cuda":
        import torch

        name = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return Precision(
            name, f"Computing in mixed precision ({name}), which this graphics card is made for."
        )
    if device != "cpu":
        return Precision("fp32", "Computing in full precision (fp32).")
    return _measured(trial)


def stand_for_most(lengths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers of a few texts to time number formats with, given the tokens of all, (N,): those of about median
    length.
    """
    middle = int(np.median(lengths))
    size = max(1, min(_TEXTS, _TOKENS // max(1, middle)))
    start = max(0, len(lengths) // 2 - size // 2)
    return np.argsort(lengths, kind="stable")[start : start + size]


def _measured(trial: Callable[[Any], None]) -> Precision:
    import torch

    best = {None: float("inf"), torch.bfloat16: float("inf")}
    begun = time.perf_counter()
    for turn in range(_ROUNDS):  # by turns, so that a busy moment of the machine hits both
        if turn >= 2 and time.perf_counter() - begun > _SECONDS:
            break
        for dtype in best:
            start = time.perf_counter()
            trial(dtype)
            best[dtype] = min(best[dtype], time.perf_counter() - start)
    gain = best[None] / best[torch.bfloat16]
    if gain >= GAIN:
        return Precision(
            "bf16", f"Computing in mixed precision (bf16): measured {gain:.1f} times as fast as fp32."
        )
    return Precision(
        "fp32", f"Computing in full precision (fp32): bf16 is no faster here ({gain:.2f} times)."
    )
