"""A table as it came: every cell a string or missing, every header to the letter.

Knows columns and how to name and guess them. Does not know files, parts or disks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from core.data.names import LABEL_NAMES, TEXT_NAMES
from core.errors import BadColumn
from core.records import Reading

_SAMPLE = 5000  # rows that a guess looks at
# "text_id", "label_count" and "question_type" are about a text or a label, they are not one.
_ABOUT = frozenset(
    (
        "id",
        "ids",
        "idx",
        "index",
        "count",
        "len",
        "length",
        "annotation",
        "score",
        "type",
        "date",
        "time",
        "url",
    )
)
_NO_LABEL = frozenset(("split", "part", "fold", "partition", "subset", "id", "idx", "index"))
_LISTED = 30  # columns that an error message names


@dataclass(frozen=True)
class Table:
    """What was read from a file or the Hub. Nothing is renamed, dropped or retyped.

    `data` has the columns c0..cK-1 (large_string, nullable) because original names may repeat; null means
    that the source itself has no value there (JSON null, an empty Excel cell, a line with too few fields).
    """

    columns: tuple[str, ...]  # K original names
    data: pa.Table  # (N, K)
    reading: Reading
    notes: tuple[str, ...] = ()  # sentences for the user
    given_parts: tuple[str | None, ...] | None = None  # N; only where the source comes split

    @property
    def rows(self) -> int:
        return int(self.data.num_rows)

    def column(self, index: int) -> list[str | None]:
        """The N cells of one column."""
        cells: list[str | None] = self.data.column(index).to_pylist()
        return cells


def column_index(columns: Sequence[str], name: str) -> int:
    """The position of a column: the exact name first, then regardless of case.

    `name#2` is the second column of that name. Raises BadColumn, which lists the columns there are.
    """
    wanted, _, count = name.rpartition("#")
    for fold in (False, True):
        names = [_fold(c) if fold else c for c in columns]
        for candidate, occurrence in ((name, "1"), (wanted, count)):
            key = _fold(candidate) if fold else candidate
            if occurrence.isascii() and occurrence.isdigit():
                places = [i for i, c in enumerate(names) if c == key]
                if 0 < int(occurrence) <= len(places):
                    return places[int(occurrence) - 1]
    listed = ", ".join(f"“{c}”" for c in columns[:_LISTED])
    more = f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
    raise BadColumn(f"There is no column “{name}”. The columns are: {listed}{more}.")


def suggest_columns(table: Table) -> tuple[int | None, int | None]:
    """A guess at (text column, label column); None where nothing fits.

    By name first. Without a telling name, the text is the column with the longest and most varied cells,
    the label a column with few distinct values.
    """
    sample = table.data.slice(0, _SAMPLE)
    cells = [[c for c in column.to_pylist() if c and c.strip()] for column in sample.columns]
    text = _by_name(table.columns, TEXT_NAMES, taken=None)
    if text is None:
        text = _most_textual(cells)
    label = _by_name(table.columns, LABEL_NAMES, taken=text)
    if label is None:
        label = _most_categorical(table.columns, cells, taken=text)
    return text, label


def _fold(name: str) -> str:
    return name.strip().casefold()


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [w for w in re.split(r"[\W_]+", spaced.casefold()) if w]


def _by_name(columns: Sequence[str], names: Sequence[str], taken: int | None) -> int | None:
    """An exact name before one that has it as a word (`review_text`); earlier names before later ones."""
    folded = [_fold(c) for c in columns]
    for name in names:
        for i, column in enumerate(folded):
            if column == name and i != taken:
                return i
    for name in names:
        for i, column in enumerate(columns):
            words = set(_words(column))
            if i != taken and len(name) > 1 and name in words and not words & _ABOUT:
                return i
    return None


def _most_textual(cells: list[list[str]]) -> int | None:
    best, best_score = None, 0.0
    for i, column in enumerate(cells):
        letters = sum(any(ch.isalpha() for ch in c) for c in column)
        if not column or letters < len(column) / 2:
            continue
        score = sum(map(len, column)) / len(column) * len(set(column)) / len(column)
        if score > best_score:
            best, best_score = i, score
    return best


def _most_categorical(columns: Sequence[str], cells: list[list[str]], taken: int | None) -> int | None:
    """Few values that come back often; words before numbers, later columns before earlier ones."""
    best, best_rank = None, (False, -1)
    for i, column in enumerate(cells):
        values = set(column)
        if i == taken or _fold(columns[i]) in _NO_LABEL or not 2 <= len(values) <= min(200, len(column) / 2):
            continue
        if max(map(len, values)) > 100:
            continue
        rank = (any(any(ch.isalpha() for ch in v) for v in values), i)
        if rank > best_rank:
            best, best_rank = i, rank
    return best
