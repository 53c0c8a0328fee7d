"""A table and its chosen columns to a data set: texts, labels, parts, hashes and what is wrong with them.

Knows rows. Does not know files or the store.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from core.data.labels import (
    AUTO,
    check_separator,
    count_labels,
    guess_separator,
    holds_lists,
    joined,
    joiner,
    list_items,
    split_labels,
)
from core.data.splits import group_keys, is_blank, split_counted, text_hash
from core.data.table import Table, column_index, suggest_columns
from core.errors import BadColumn
from core.records import Part


@dataclass(frozen=True)
class Prepared:
    """All N rows in the order of the file (rows of an own test file follow). Nothing is left away: a row
    without text or label, or left out of training, stays and has no part."""

    columns: tuple[str, ...]  # K original names
    data: pa.Table  # (N, K), columns c0..cK-1: every original cell
    text_column: int
    label_column: int | None
    texts: list[str | None]  # N; None: no text, or nothing but white space
    # N; the cell as in the file, of a column of lists the items joined by `separator`; None: no label in it
    labels: list[str | None]
    parts: list[str | None]  # N
    hashes: list[str]  # N; core.data.splits.text_hash, of "" where there is no text
    is_duplicate: list[bool]  # N; the same normalised text stood in an earlier row
    without_text: int
    without_label: int
    duplicates: int
    left_out: int  # labelled rows that may not train, because their text is in a given test part
    label_counts: dict[str, int]  # rows that carry a (single) label, most frequent first
    part_counts: dict[str, int]  # Part -> rows; only parts that have rows
    fingerprint: str  # SHA-256 over texts, labels and parts in order
    notes: tuple[str, ...] = ()  # sentences for the user
    separator: str | None = None  # what stands between several labels of a text; None: each has one

    @property
    def rows(self) -> int:
        return len(self.texts)


def prepare(
    table: Table,
    text_column: int,
    label_column: int | None,
    *,
    seed: int = 0,
    test_share: float = 0.15,
    validation_share: float | None = None,
    test_table: Table | None = None,
    test_text_column: int | None = None,
    test_label_column: int | None = None,
    label_separator: str | None = AUTO,
) -> Prepared:
    """A data set from a table, split without leaks (core.data.splits).

    The parts that the table comes with are kept. The rows of `test_table` follow those of `table` and are
    the test part; its columns are those of the same names unless given. `label_separator` stands between several
    labels of a text; None: each text has one label; “auto”: guessed (core.data.labels).
    Raises BadColumn for a column that is not there, BadData for impossible shares or separators.
    """
    _check_column(table, text_column)
    if label_column is not None:
        _check_column(table, label_column)
    given = list(table.given_parts) if table.given_parts else None
    notes = list(table.notes)
    if test_table is not None:
        first_test_row = table.rows
        table = _append_test(
            table, text_column, label_column, test_table, test_text_column, test_label_column
        )
        notes += [f"Test file: {note}" for note in test_table.notes]
        # A file that brings its own test part gives way to the user's test file.
        own = [None if p == Part.TEST else p for p in given] if given else [None] * first_test_row
        given = own + [Part.TEST.value] * (table.rows - first_test_row)
    texts = [None if is_blank(t) else t for t in table.column(text_column)]
    labels, separator = _labels(table, label_column, label_separator)
    keys = group_keys(texts)
    split = split_counted(
        texts,
        labels,
        seed=seed,
        test_share=test_share,
        validation_share=_validation_share(labels) if validation_share is None else validation_share,
        given=given,
        keys=keys,
        separator=separator,
    )
    is_duplicate = _repeats(keys)
    found = count_labels(Counter(label for label in labels if label is not None), separator)
    if separator is not None:
        notes.append(
            f"Several labels a text, separated by “{separator}”: {len(found.counts):,} labels, "
            f"{found.per_text:.1f} per text."
        )
    return Prepared(
        columns=table.columns,
        data=table.data,
        text_column=text_column,
        label_column=label_column,
        texts=texts,
        labels=labels,
        parts=split.parts,
        hashes=[text_hash(t or "") for t in texts],
        is_duplicate=is_duplicate,
        without_text=texts.count(None),
        without_label=labels.count(None),
        duplicates=sum(is_duplicate),
        left_out=split.left_out,
        label_counts=found.counts,
        part_counts={p.value: n for p in Part if (n := split.parts.count(p.value))},
        fingerprint=fingerprint(texts, labels, split.parts, separator),
        notes=tuple(notes + _remarks(split.left_out, found.counts)),
        separator=separator,
    )


def fingerprint(
    texts: Sequence[str | None],
    labels: Sequence[str | None],
    parts: Sequence[str | None],
    separator: str | None = None,
) -> str:
    """SHA-256 over texts, labels and parts in order. Each is preceded by its length, so that no two data
    sets run together to the same bytes; what is missing has the length -1. A separator of labels comes last."""
    digest = hashlib.sha256()
    for row in zip(texts, labels, parts, strict=True):
        for cell in row:
            data = None if cell is None else cell.encode("utf-8", "surrogatepass")
            digest.update(b"-1:" if data is None else b"%d:%b" % (len(data), data))
    if separator is not None:
        digest.update(b"separator:" + separator.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _validation_share(labels: Sequence[str | None]) -> float:
    """15 % of a small data set; of a large one less, since a thousand texts (2 % of very many) measure to within
    two points and the others had better be learnt from.
    """
    labelled = sum(label is not None for label in labels)
    enough = max(1000.0, 0.02 * labelled)
    return min(0.15, enough / max(1, labelled))


def _check_column(table: Table, index: int) -> None:
    if not 0 <= index < len(table.columns):
        raise BadColumn(f"There is no column number {index + 1}; the file has {len(table.columns)}.")


def _labels(table: Table, column: int | None, wanted: str | None) -> tuple[list[str | None], str | None]:
    """The label cells and what separates the labels in them."""
    if column is None:
        return [None] * table.rows, None
    cells = [None if is_blank(label) else label for label in table.column(column)]
    values = Counter(cell for cell in cells if cell is not None)
    separator = guess_separator(values) if wanted == AUTO else check_separator(wanted)
    if separator is None:
        return cells, None
    if holds_lists(values) and any(separator in i for value in values for i in list_items(value) or ()):
        separator = joiner(values)  # the one that was named stands inside an item
    cells = [None if cell is None else joined(cell, separator) for cell in cells]
    return [cell if split_labels(cell, separator) else None for cell in cells], separator


def _repeats(keys: Sequence[bytes | None]) -> list[bool]:
    seen: set[bytes] = set()
    repeats = []
    for key in keys:
        repeats.append(key is not None and key in seen)
        if key is not None:
            seen.add(key)
    return repeats


def _append_test(
    table: Table,
    text_column: int,
    label_column: int | None,
    test: Table,
    test_text: int | None,
    test_label: int | None,
) -> Table:
    """`table` with the rows of `test` below. Text and label stand in the columns of `table`, other columns
    under the same name; columns that only the test file has come last."""
    guessed_text, guessed_label = suggest_columns(test)
    if test_text is None:
        test_text = _same_name(table.columns[text_column], test, guessed_text, "text")
    if test_label is None and label_column is not None:
        test_label = _same_name(table.columns[label_column], test, guessed_label, "label")
    source: dict[int, int] = {text_column: test_text}  # column of the whole -> column of the test file
    if label_column is not None and test_label is not None:
        source[label_column] = test_label
    columns = list(table.columns)
    free = [i for i in range(len(columns)) if i not in source]
    for i, name in enumerate(test.columns):
        if i in source.values():
            continue
        place = next((j for j in free if columns[j] == name), None)
        if place is None:
            place = len(columns)
            columns.append(name)
        else:
            free.remove(place)
        source[place] = i
    names = [f"c{i}" for i in range(len(columns))]
    above = [*table.data.columns, *[_nulls(table.rows)] * (len(columns) - len(table.columns))]
    below = [test.data.column(source[i]) if i in source else _nulls(test.rows) for i in range(len(columns))]
    data = pa.concat_tables([pa.table(above, names=names), pa.table(below, names=names)])
    return Table(tuple(columns), data, table.reading, table.notes)


def _same_name(name: str, test: Table, guess: int | None, what: str) -> int:
    try:
        return column_index(test.columns, name)
    except BadColumn as error:
        if guess is not None:
            return guess
        raise BadColumn(f"The test file has no {what} column. {error}") from None


def _nulls(rows: int) -> pa.Array:
    return pa.nulls(rows, pa.large_string())


def _remarks(left_out: int, label_counts: dict[str, int]) -> list[str]:
    notes = []
    if left_out:
        rows = "1 row is" if left_out == 1 else f"{left_out:,} rows are"
        notes.append(f"{rows} left out of training, because the same text stands in the test part.")
    alike: dict[str, list[str]] = {}
    for label in label_counts:
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    for names in alike.values():
        if len(names) > 1:
            listed = ", ".join(f"“{n}”" for n in names)
            notes.append(f"The labels {listed} differ only in case or white space and count as different.")
    return notes
