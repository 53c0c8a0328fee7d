"""Which text to label next: rows in the order in which they are asked.

Knows row numbers and the arrays of the assist job (core.labels.pool). Does not know texts on disk, annotators, slots
or the store: who calls it gives the rows that may be asked, and takes from the front what he can claim.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from core.errors import BadData
from core.labels.pool import Pool

STRATEGIES = {  # name -> what it does, for the select box
    "auto": "Automatic: what teaches the model most",
    "order": "In order of the file",
    "random": "Random",
    "search": "Search or pattern",
    "uncertain": "Least certain (entropy)",
    "margin": "Least certain (margin)",
    "class": "Most likely of a class",
    "diverse": "Most diverse",
    "disagree": "Where annotators disagree",
    "errors": "Where model and label disagree",
}
NEED_MODEL = frozenset({"uncertain", "margin", "class", "diverse", "errors"})  # without a pool: random
OF_ANSWERED = frozenset({"disagree", "errors"})  # rank texts that have answers, and leave out all others


def order(
    strategy: str,
    pool: Pool | None,
    rows: np.ndarray[Any, Any],
    *,
    seed: int = 0,
    label: str | None = None,
    disputed: Mapping[int, float] | None = None,
) -> np.ndarray[Any, Any]:
    """The candidate `rows` (n,) ranked, the next to ask first. (m,) int64, m = n but for OF_ANSWERED.

    `rows` are in the order of the file, so “order” and “search” (see `matching`) leave them as they are. `label`:
    the id that “class” looks for. `disputed`: row -> dispute (see `disputes`) for “disagree”. `seed` is that of
    “random”, which gives each row a place of its own: who asks again gets the same order, less what is done.
    Rows that the pool does not know yet come last. Raises BadData for an unknown strategy or label.
    """
    rows = np.asarray(rows, dtype=np.int64)
    if strategy not in STRATEGIES:
        raise BadData(f"There is no queue “{strategy}”. There are: {', '.join(STRATEGIES)}.")
    if strategy in ("order", "search"):
        return rows
    if strategy == "disagree":
        found = disputed or {}
        there = rows[np.isin(rows, list(found))] if found else rows[:0]
        return np.asarray(sorted(there.tolist(), key=lambda row: -found[row]), dtype=np.int64)
    if strategy == "errors":
        return rows[:0] if pool is None else pool.suspects(rows[rows < pool.rows])
    mixed = _mixed(rows, seed)
    if strategy == "random" or pool is None:
        return mixed
    if strategy == "diverse":
        return _first(pool.diverse, mixed)
    inside = mixed[mixed < pool.rows]
    inside = inside[np.asarray(pool.known)[inside]]
    ranked = inside[np.argsort(_worth(strategy, pool, inside, label), kind="stable")]
    if strategy == "auto":
        ranked = _first(pool.auto, ranked)
    return np.concatenate([ranked, mixed[~np.isin(mixed, ranked)]]) if len(ranked) < len(mixed) else ranked


def _worth(strategy: str, pool: Pool, rows: np.ndarray[Any, Any], label: str | None) -> np.ndarray[Any, Any]:
    """(n,) float32: the smaller, the sooner it is asked."""
    if strategy == "uncertain":
        return -np.asarray(pool.entropies[rows], dtype=np.float32)
    if strategy == "class":
        column = pool.column(label or "")
        if column is None:
            raise BadData(
                "The model does not know this label yet. Label a text with it, or choose another label."
            )
        return -np.asarray(column[rows], dtype=np.float32)
    return np.asarray(pool.margins[rows], dtype=np.float32)


def _first(wanted: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Of the rows first those that are `wanted`, in that order, then the others in their own."""
    front = np.asarray(wanted, dtype=np.int64)
    front = front[np.isin(front, rows)]
    return np.concatenate([front, rows[~np.isin(rows, front)]])


def _mixed(rows: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """A random order that does not depend on which other rows there are: by a hash of row and seed (the finaliser
    of SplitMix64; G. Steele et al., 2014).
    """
    start = ((seed + 1) * 0x9E3779B97F4A7C15) % 2**64
    with np.errstate(over="ignore"):
        z = rows.astype(np.uint64) + np.uint64(start)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return rows[np.argsort(z ^ (z >> np.uint64(31)), kind="stable")]


def matching(texts: Any, query: str, pattern: bool = False) -> np.ndarray[Any, Any]:
    """(N,) bool: which of N texts (an Arrow column or a list, None where there is none) hold the query, regardless
    of case; with `pattern` it is a regular expression. Raises BadData for one that cannot be read.

    Arrow searches with RE2, whose time is linear in the text: no pattern can hang the server.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, pa.large_string())
    find = pc.match_substring_regex if pattern else pc.match_substring
    try:
        found = find(column, query, ignore_case=True)
    except pa.ArrowInvalid as error:
        why = str(error).removeprefix("Invalid regular expression: ")
        raise BadData(
            f"“{query}” is no pattern that can be searched for ({why}). Correct it, or search without pattern."
        ) from None
    return np.asarray(pc.fill_null(found, False).to_pylist(), dtype=bool)


def disputes(answers: Iterable[tuple[int, tuple[str, ...]]]) -> dict[int, float]:
    """Row -> share of its answers that are not the most frequent one, where that is above 0. `answers`: (row, label
    ids as the scheme reads them now) of every person; skipped texts left out.
    """
    per_row: dict[int, Counter[tuple[str, ...]]] = {}
    for row, labels in answers:
        per_row.setdefault(row, Counter())[labels] += 1
    found = {row: 1.0 - max(c.values()) / c.total() for row, c in per_row.items()}
    return {row: share for row, share in found.items() if share > 0}
