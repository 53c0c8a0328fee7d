"""JSON and JSONL to rows: a list of objects, an object of columns, an object that holds lists.

Knows JSON values. Gets UTF-8 (core.data.encoding) and does not know encodings. Nested values stay JSON text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.data.heading import looks_like_header, numbered_columns
from core.data.writer import TableWriter
from core.errors import BadFile
from core.records import Part, Reading

_PARTS = {
    "train": Part.TRAIN,
    "training": Part.TRAIN,
    "validation": Part.VALIDATION,
    "valid": Part.VALIDATION,
    "val": Part.VALIDATION,
    "dev": Part.VALIDATION,
    "test": Part.TEST,
}
_SPACE = re.compile(r"[ \t\r\n]*")


def part_of(name: str) -> str | None:
    """The part that a split of this name is (train, validation, valid, val, dev, test), or that its first
    word is (`validation_matched`)."""
    folded = name.strip().casefold()
    part = _PARTS.get(folded) or _PARTS.get(re.split(r"[\W_\d]", folded)[0])
    return part.value if part else None


class _Number(float):
    """A float that keeps how it was written: 1e5 and 0.10 stay to the letter."""

    written: str

    def __new__(cls, written: str) -> _Number:
        number = super().__new__(cls, written)
        number.written = written
        return number


class JsonTable:
    """Rows are objects (columns by key) or lists (columns by position)."""

    def __init__(self, data: bytes, file_name: str) -> None:
        self.file_name = file_name
        self.notes: list[str] = []
        self.given_parts: list[str | None] | None = None
        self._repeated = 0
        text = data.decode("utf-8")
        try:
            values = list(self._documents(text))
        except RecursionError:
            raise BadFile(f"“{file_name}” is nested too deeply to be a table of texts.") from None
        self.format = "json" if len(values) == 1 and not _is_lines_name(file_name) else "jsonl"
        if len(values) == 1:
            found = values[0]
            self.rows = self._from_document(found) if isinstance(found, dict | list) else [{"value": found}]
        else:
            self.rows = self._as_rows(values)
        if not self.rows:
            raise BadFile(f"“{file_name}” has no rows. Choose another file.")

    def sniff(self, given: Reading, encoding: str) -> Reading:
        header = None
        if isinstance(self.rows[0], list):
            sample = [[cell_text(c) for c in row] for row in self.rows[:500]]
            header = looks_like_header(sample) if given.header is None else given.header
        return Reading(format=self.format, encoding=encoding, header=header)

    def columns(self, reading: Reading) -> tuple[str, ...]:
        if isinstance(self.rows[0], list):
            names = [cell_text(c) or "" for c in self.rows[0]] if reading.header else []
            if reading.header and len(self.rows) == 1:
                raise BadFile(f"“{self.file_name}” has a header and no rows below it. Choose another file.")
            return tuple(names + numbered_columns(max(map(len, self.rows)))[len(names) :])
        keys: dict[str, None] = {}
        for row in self.rows:
            keys.update(dict.fromkeys(row))
        return tuple(keys)

    def write(self, reading: Reading, columns: tuple[str, ...], writer: TableWriter) -> list[str]:
        if isinstance(self.rows[0], list):
            for row in self.rows[1:] if reading.header else self.rows:
                writer.row([cell_text(c) for c in row])
        else:
            for row in self.rows:
                writer.row([cell_text(row.get(c)) for c in columns])
        notes = list(self.notes)
        if self._repeated:
            notes.append(f"In {self._repeated:,} objects a key stood twice; the last value was kept.")
        return notes

    # ------------------------------------------------------------------ from text to values

    def _documents(self, text: str) -> Iterator[Any]:
        """The values one after another: a single one is JSON, several are JSONL."""
        decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_float=_Number, parse_constant=str, strict=False
        )
        position = _skip_space(text, 0)
        while position < len(text):
            try:
                value, position = decoder.raw_decode(text, position)
            except json.JSONDecodeError as error:
                raise self._broken(text, error.pos, error.msg) from None
            except ValueError:  # a whole number of more than 4,300 digits
                raise self._broken(text, position, "a number has too many digits") from None
            yield value
            position = _skip_space(text, position)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self._repeated += len(found) < len(pairs)
        return found

    def _broken(self, text: str, position: int, what: str) -> BadFile:
        line = text.count("\n", 0, position) + 1
        column = position - text.rfind("\n", 0, position)
        return BadFile(
            f"“{self.file_name}” is not valid JSON at line {line:,}, character {column:,} ({what}). "
            "Mend that place, or upload the data as CSV."
        )

    # ------------------------------------------------------------------ from values to rows

    def _from_document(self, found: dict[str, Any] | list[Any]) -> list[Any]:
        if isinstance(found, list):
            return self._as_rows(found)
        if not found:
            return []
        lists = {k: v for k, v in found.items() if isinstance(v, list)}
        holds_rows = {k: v for k, v in lists.items() if v and all(isinstance(i, dict) for i in v)}
        if len(holds_rows) == 1:
            (key, rows) = next(iter(holds_rows.items()))
            self.notes.append(f"The rows are those of the list “{key}”.")
            left = [k for k in found if k != key]
            if left:
                self.notes.append(
                    "Besides that list the file holds " + _listed(left) + ", which are not rows."
                )
            return rows
        if holds_rows and len(holds_rows) == len(found):
            return self._grouped(holds_rows)
        if len(lists) == len(found):
            if len({len(v) for v in lists.values()}) == 1:
                return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
            return self._grouped({k: self._as_rows(v) for k, v in lists.items()})
        if all(isinstance(v, dict) for v in found.values()):
            return self._by_index(found)
        return [found]

    def _grouped(self, groups: dict[str, list[Any]]) -> list[Any]:
        """Several lists: the parts of a split data set, or one list for each class."""
        parts = [part_of(key) for key in groups]
        if all(parts):
            self.given_parts = [p for p, rows in zip(parts, groups.values(), strict=True) for _ in rows]
            self.notes.append(f"The parts {_listed(groups)} are those of the file.")
            return [row for rows in groups.values() for row in rows]
        self.notes.append(f"The column “list” tells which list a row is from: {_listed(groups)}.")
        return [{"list": key, **row} for key, rows in groups.items() for row in rows]

    def _by_index(self, found: dict[str, dict[str, Any]]) -> list[Any]:
        """`{"text": {"0": …, "1": …}}` as pandas writes it, or one object for each key."""
        keys = [tuple(v) for v in found.values()]
        if len(set(keys)) == 1 and keys[0] and all(k.isdecimal() for k in keys[0]):
            return [{name: cells[k] for name, cells in found.items()} for k in keys[0]]
        return [{"key": key, **row} for key, row in found.items()]

    def _as_rows(self, values: list[Any]) -> list[Any]:
        if all(isinstance(v, dict) for v in values) or all(isinstance(v, list) and v for v in values):
            return values
        return [v if isinstance(v, dict) else {"value": v} for v in values]


def cell_text(value: Any) -> str | None:
    """A JSON value as a cell: text as it is, numbers as written, nested values as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return value.written
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _is_lines_name(file_name: str) -> bool:
    return Path(file_name).suffix.lower() in (".jsonl", ".ndjson")


def _listed(names: Any) -> str:
    quoted = [f"“{n}”" for n in names]
    return ", ".join(quoted[:10]) + (f" and {len(quoted) - 10} more" if len(quoted) > 10 else "")
