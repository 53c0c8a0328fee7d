"""Excel and OpenDocument workbooks (xlsx, xlsb, xls, ods), by calamine.

Knows sheets and cell types. Does not know other formats.
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.data.heading import looks_like_header, numbered_columns
from core.data.writer import TableWriter
from core.errors import BadFile, TooLarge
from core.records import Reading

_KEPT = 500  # first rows by which the header is recognised


def refuse_bomb(path: Path, file_name: str, limit: int) -> None:
    """Raises TooLarge where the workbook says itself that it unpacks to more than `limit` bytes."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > limit:
        raise TooLarge(
            f"“{file_name}” unpacks to {unpacked / 2**20:,.0f} MB, more than the {limit / 2**20:,.0f} MB that "
            "reading a file may take. Save only the sheet with the texts, or save it as CSV or Parquet."
        )


class Workbook:
    def __init__(self, path: Path, file_name: str) -> None:
        import python_calamine as calamine

        self.file_name = file_name
        try:
            self._book = calamine.CalamineWorkbook.from_path(str(path))
        except calamine.PasswordError:
            raise BadFile(
                f"“{file_name}” is protected by a password. Save it without one and upload the new file."
            ) from None
        except (calamine.CalamineError, OSError) as error:
            raise BadFile(
                f"“{file_name}” cannot be read as a workbook ({error}). Save it again as .xlsx or CSV."
            ) from None
        visible = calamine.SheetVisibleEnum.Visible
        work = calamine.SheetTypeEnum.WorkSheet
        sheets = [m for m in self._book.sheets_metadata if m.typ == work]
        # Hidden sheets hold look-up lists more often than data, so they stand last.
        self.sheets = tuple(m.name for m in sorted(sheets, key=lambda m: m.visible != visible))
        if not self.sheets:
            raise BadFile(f"“{file_name}” has no sheet with cells. Choose another file.")

    def sniff(self, given: Reading) -> tuple[Reading, list[list[str | None]]]:
        """The reading with sheet and header decided, and all rows of that sheet."""
        if given.sheet is not None and given.sheet not in self.sheets:
            raise BadFile(
                f"“{self.file_name}” has no sheet “{given.sheet}”. Its sheets are: {', '.join(self.sheets)}."
            )
        for name in [given.sheet] if given.sheet is not None else self.sheets:
            rows = list(self._rows(name))
            if rows:
                break
        else:
            which = f"Sheet “{given.sheet}” of “{self.file_name}”" if given.sheet else f"“{self.file_name}”"
            raise BadFile(f"{which} has no filled cells. Choose another sheet or file.")
        header = looks_like_header(rows[:_KEPT]) if given.header is None else given.header
        reading = replace(
            given,
            format="excel",
            encoding=None,
            delimiter=None,
            quoting=None,
            header=header,
            sheet=name,
            sheets=self.sheets,
        )
        return reading, rows

    def columns(self, reading: Reading, rows: list[list[str | None]]) -> tuple[str, ...]:
        width = max(map(len, rows))
        if not reading.header:
            return tuple(numbered_columns(width))
        if len(rows) == 1:
            raise BadFile(
                f"Sheet “{reading.sheet}” of “{self.file_name}” has a header and no rows below it. "
                "Choose another sheet or file, or say that the first line is data."
            )
        return tuple([c or "" for c in rows[0]] + numbered_columns(width)[len(rows[0]) :])

    def write(self, reading: Reading, rows: list[list[str | None]], writer: TableWriter) -> list[str]:
        blank = 0
        for row in rows[1:] if reading.header else rows:
            if any(c is not None for c in row):
                writer.row(row)
            else:
                blank += 1
        notes = []
        if blank:
            notes.append(
                "1 empty row was left out." if blank == 1 else f"{blank:,} empty rows were left out."
            )
        others = [s for s in self.sheets if s != reading.sheet]
        if others:
            named = ", ".join(f"“{s}”" for s in others[:10])
            notes.append(f"Sheet “{reading.sheet}” was read; the workbook also has {named}.")
        return notes

    def _rows(self, sheet: str) -> Iterator[list[str | None]]:
        found = self._book.get_sheet_by_name(sheet)
        for row in found.iter_rows():
            yield [cell_text(value) for value in row]


def cell_text(value: Any) -> str | None:
    """A cell as text: 5.0 as 5, dates in ISO 8601, TRUE and FALSE as Excel shows them; None where empty."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    return None if value is None else str(value)
