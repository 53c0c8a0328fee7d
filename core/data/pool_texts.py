"""The texts of a data set as labelling needs them: by row, by content, straight from Arrow.

Knows the folder of one data set. Does not know answers or schemes. Opening is a matter of milliseconds for 100,000
rows: columns stay mapped, and everything that is worked out is an array operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.data import shelf

Array = np.ndarray[Any, Any]
_HEX = 13  # digits of a hash that decide on the evaluation part: 52 bits, exact in a double (Plan.evaluates)


class PoolTexts:
    """N rows of one data set; never changes, so threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Raises NotFound where the files are gone."""
        table = shelf.arrow(folder).select(["text", "text_hash"])
        self.column = table["text"]
        self._hashes = _bytes(table["text_hash"])
        self.labelable: Array = np.asarray(pc.is_valid(self.column).combine_chunks().to_numpy(False))

    def __len__(self) -> int:
        return len(self.labelable)

    def texts(self, rows: Sequence[int] | Array) -> list[str]:
        """The texts of these rows, in their order; "" where there is none."""
        found = self.column.take(pa.array(np.asarray(rows, dtype=np.int64)))
        return [text or "" for text in found.to_pylist()]

    @cached_property
    def hashes(self) -> Array:
        """(N,) of str: 16 hex digits each, by the exact text."""
        return self._hashes.astype("U16")

    @cached_property
    def groups(self) -> Array:
        """(N,) int64: the first row with the identical text; its own number for a row without text."""
        _, first, inverse = np.unique(self._hashes, return_index=True, return_inverse=True)
        own = np.arange(len(self), dtype=np.int64)
        return np.where(self.labelable, first[inverse.reshape(-1)], own)

    @cached_property
    def sizes(self) -> Array:
        """(N,) int64: rows with the identical text, itself included."""
        return np.bincount(self.groups, minlength=len(self))[self.groups]

    def twins(self, row: int) -> list[int]:
        """The other rows with the identical text."""
        if self.sizes[row] == 1:
            return []
        order, starts = self._by_group
        group = self.groups[row]
        found = order[starts[group] : starts[group + 1]]
        return [int(other) for other in found if other != row]

    @cached_property
    def fractions(self) -> Array:
        """(N,) float64 in [0, 1), from the hash: a text is in the evaluation part where it is below the share."""
        digits = self._hashes.view(np.uint8).reshape(len(self), 16)[:, :_HEX].astype(np.int64)
        values = np.where(digits >= ord("a"), digits - ord("a") + 10, digits - ord("0"))
        powers = 16 ** np.arange(_HEX - 1, -1, -1, dtype=np.int64)
        return (values * powers).sum(axis=1) / float(16**_HEX)

    @cached_property
    def _by_group(self) -> tuple[Array, Array]:
        order = np.argsort(self.groups, kind="stable")
        starts = np.searchsorted(self.groups[order], np.arange(len(self) + 1))
        return order, starts


@lru_cache(maxsize=8)
def pool_texts(folder: Path, _fingerprint: str) -> PoolTexts:
    """Opened once in the process; the fingerprint is the data set's."""
    return PoolTexts(folder)


def _bytes(column: Any) -> Array:
    """(N,) S16 from an Arrow column of strings of 16 ASCII characters."""
    return np.asarray(column.to_numpy(), dtype="S16") if len(column) else np.zeros(0, dtype="S16")
