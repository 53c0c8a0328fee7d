"""In which order texts are learnt from. Pure arithmetic on lengths; the same seed gives the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

POOL = 50  # batches that are sorted among themselves: like lengths together, yet another mix in every epoch


def epoch_batches(
    lengths: np.ndarray[Any, Any], batch_size: int, seed: int, epoch: int
) -> list[np.ndarray[Any, Any]]:
    """The batches of one epoch: every row number in exactly one of them, rows of like length together.

    Rows are shuffled, sorted by length within pools of some fifty batches, cut into batches, and the batches
    shuffled. Little padding then costs nearly no randomness.
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    size = batch_size * POOL
    batches: list[np.ndarray[Any, Any]] = []
    for start in range(0, len(order), size):
        pool = order[start : start + size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]
