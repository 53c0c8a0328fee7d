"""Cells that a spreadsheet would run as formulas, and how a CSV file keeps it from doing so
(docs/decisions/0003-csv-guard.md). Knows cells, not files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_BEGINS = "[=+\\-@\t\r]"
_FORMULA = re.compile(_BEGINS)
_QUOTED = re.compile(f"'+{_BEGINS}")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)


def guarded(cell: str) -> str:
    """With an apostrophe before it, if it would run; a plain number does not."""
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def quoted(cell: str) -> str:
    """The same, and one more apostrophe before a cell that has some already: `unquoted` gives every cell back."""
    return "'" + cell if _QUOTED.match(cell) else guarded(cell)


def unquoted(cell: str) -> str:
    """What `quoted` was given."""
    return cell[1:] if _QUOTED.match(cell) else cell


class Guard:
    """Cells on their way into a file; counts those that got an apostrophe."""

    def __init__(self, on: bool, how: Callable[[str], str] = guarded) -> None:
        self.on, self.how = on, how
        self.count = 0

    def row(self, cells: Iterable[str | None]) -> list[str]:
        return [self.cell(cell) for cell in cells]

    def cell(self, cell: str | None) -> str:
        """An absent cell is an empty one."""
        if not cell or not self.on:
            return cell or ""
        safe = self.how(cell)
        self.count += safe is not cell
        return safe
