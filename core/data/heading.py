"""Is the first row a header? Assumed so, unless it is clearly data.

Knows rows of strings. Does not know formats.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from core.data.names import HEADER_NAMES

_NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*%?\s*")
_SENTENCE = 60  # characters: longer than any column name one meets


def looks_like_header(rows: Sequence[Sequence[str | None]]) -> bool:
    """False only where the first of these rows is clearly data.

    That is: no cell is a usual column name, and a number stands where the column below has numbers, or a
    cell is as long as a sentence, or a cell comes back as one of the few values of its column.
    """
    first, rest = [c or "" for c in rows[0]], rows[1:]
    below = [[row[i] or "" for row in rest if len(row) > i] for i in range(len(first))]
    for cell, column in zip(first, below, strict=True):
        if cell.strip().casefold() in HEADER_NAMES and cell not in column:
            return True
    if any(len(c) > _SENTENCE for c in first):
        return False
    for cell, column in zip(first, below, strict=True):
        if cell.strip() and column and (_numeric(cell, column) or _comes_back(cell, column)):
            return False
    return True


def numbered_columns(width: int) -> list[str]:
    """Names for columns that have none."""
    return [f"column {i + 1}" for i in range(width)]


def _numeric(cell: str, column: list[str]) -> bool:
    # One numeric column name above numbers is a table of years, so the number must not stand out.
    if not _NUMBER.fullmatch(cell):
        return False
    numbers = sum(_NUMBER.fullmatch(c) is not None for c in column)
    return numbers > len(column) * 0.9


def _comes_back(cell: str, column: list[str]) -> bool:
    counts = Counter(column)
    few = len(counts) <= max(2, len(column) / 4)
    return few and counts[cell] > 1
