"""Which texts of a data set a line of a file speaks of: by its row number, by a column that names the text, or by
the text itself.

Knows rows, hashes and cells. Does not know labels or people.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from core.data.splits import is_blank, text_hash
from core.data.table import Table
from core.labels.exchange.nouns import Found

BY_ROW, BY_ITEM, BY_TEXT, BY_WORDS = "row", "item", "text", "words"
NO_TEXT, OTHER_TEXT, UNKNOWN = "no text", "another text", "unknown"


class Matcher:
    """`stored`: the shelf's table. `item`: the column of the data set whose cells a file's items are compared with."""

    def __init__(self, stored: pa.Table, item: int | None) -> None:
        self.texts = stored["text"].combine_chunks()
        self.hashes: list[str] = stored["text_hash"].to_pylist()
        self.blank: list[bool] = stored["text"].is_null().to_pylist()
        self._rows: dict[str, list[int]] = {}
        for row, digest in enumerate(self.hashes):
            if not self.blank[row]:
                self._rows.setdefault(digest, []).append(row)
        self._items: dict[str, list[int]] = {}
        if item is not None:
            for row, cell in enumerate(stored[f"c{item}"].to_pylist()):
                if cell is not None and not self.blank[row]:
                    self._items.setdefault(cell.strip(), []).append(row)
        self._loose: dict[str, list[int]] | None = None

    def match(self, found: Found) -> tuple[Sequence[int], str]:
        """The rows, and what they were found by; no rows, and why."""
        if found.row is not None and self._agrees(found.row, found.text):
            return [found.row], BY_ROW
        if found.item is not None and found.item.strip() in self._items:
            rows = self._items[found.item.strip()]
            if not is_blank(found.text):
                rows = [row for row in rows if self._agrees(row, found.text)]
                if not rows:
                    return [], OTHER_TEXT
            return rows, BY_ITEM
        if found.item is not None and self._items:
            return [], UNKNOWN
        if found.text is None or is_blank(found.text):
            return [], NO_TEXT
        rows = self._rows.get(text_hash(found.text), [])
        if rows:
            return rows, BY_TEXT
        rows = self._by_words().get(_words(found.text), [])
        return (rows, BY_WORDS) if rows else ([], UNKNOWN)

    def _agrees(self, row: int, text: str | None) -> bool:
        if text is None or not 0 <= row < len(self.hashes) or self.blank[row]:
            return False
        return text_hash(text) == self.hashes[row] or _words(text) == _words(self.texts[row].as_py())

    def _by_words(self) -> dict[str, list[int]]:
        """Spreadsheets change line ends and cut white space off: then the words decide."""
        if self._loose is None:
            self._loose = {}
            for row, text in enumerate(self.texts.to_pylist()):
                if text is not None:
                    self._loose.setdefault(_words(text), []).append(row)
        return self._loose


def item_column(stored: pa.Table, columns: Sequence[str], table: Table, taken: Sequence[str]) -> str | None:
    """A column of the same name in data set and file that tells identical texts apart; None: none is needed, or
    there is none. `taken`: names of the file's columns that mean something else.
    """
    hashes = stored["text_hash"]
    if pc.count_distinct(hashes).as_py() == len(hashes):
        return None
    for at, name in enumerate(columns):
        if name in taken or columns.count(name) > 1 or table.columns.count(name) != 1:
            continue
        cells = stored[f"c{at}"]
        if cells.null_count or pc.count_distinct(cells).as_py() < len(cells):
            continue
        known = pc.is_in(table.data.column(table.columns.index(name)), cells.combine_chunks())
        if pc.all(known).as_py():
            return name
    return None


def _words(text: str) -> str:
    return " ".join(text.split())
