"""In which order texts are learnt from, and which of their tokens are left out. Pure arithmetic; the same seed gives
the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.models.forward import Encoded

POOL = 20  # batches that are sorted among themselves: like lengths together, yet another mix in every epoch


def epoch_batches(
    lengths: np.ndarray[Any, Any], batch_size: int, seed: int, epoch: int
) -> list[np.ndarray[Any, Any]]:
    """The batches of one epoch: every row number in exactly one of them, rows of like length together.

    Rows are shuffled, sorted by length within pools of some twenty batches, cut into batches, and the batches
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


def thin(
    encoded: Encoded,
    rows: np.ndarray[Any, Any],
    share: float,
    special: np.ndarray[Any, Any],
    rng: np.random.Generator,
) -> Encoded:
    """Some rows with a share of their tokens left out at random; `special` tokens (their numbers) always stay.

    Word dropout (J. Wei, K. Zou, 2019, random deletion): a model must not lean on a single word. The tokens are
    really gone, so a step gets shorter too; those that stay keep their positions. Of texts of the same length
    equally many go, so that a batch of like lengths stays one: M tokens lose share x M, rounded up or down alike in
    the whole batch.
    """
    rest = float(rng.random())
    ids = np.concatenate([encoded.ids[row] for row in rows])
    lengths = np.asarray([len(encoded.ids[row]) for row in rows])
    owner = np.repeat(np.arange(len(rows)), lengths)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    place = np.arange(len(ids)) - first[owner]
    ordinary = ~np.isin(ids, special)
    drawn = np.where(ordinary, rng.random(len(ids)), 2.0)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.lexsort((drawn, owner))] = place  # of each token among those of its text, by what was drawn
    count = np.bincount(owner[ordinary], minlength=len(rows))
    gone = (share * count + rest).astype(np.int64)
    gone[gone >= count] = 0
    kept = rank >= gone[owner]
    ends = np.cumsum(lengths - gone)[:-1]
    types = None
    if encoded.types is not None:
        types = np.split(np.concatenate([encoded.types[row] for row in rows])[kept], ends)
    return Encoded(np.split(ids[kept], ends), types, lengths - gone, np.split(place[kept], ends))
