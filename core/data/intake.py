"""A file that someone brings, to a table. The reading itself happens in a child process under limits.

Knows what to ask and of which size. Does not know formats (core.data.reader_process and its readers do).
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.data.guarded import ask, open_arrow, scratch_folder
from core.data.table import Table
from core.errors import BadFile, TooLarge
from core.records import Reading
from core.settings import MIB, Settings


def sniff(path: Path, file_name: str, settings: Settings) -> Reading:
    """How this file would be read: format, encoding, delimiter, quoting, header, sheet.

    `file_name` is the name the user knows; `path` is where the bytes are. Raises BadFile, TooLarge, DiskFull.
    """
    return _reading(_read("sniff", path, file_name, settings, None, None)["reading"])


def read_table(path: Path, file_name: str, settings: Settings, reading: Reading | None = None) -> Table:
    """The table in a file. What `reading` leaves None is detected.

    Raises BadFile (no table, damaged, empty, only a header), TooLarge (over a limit of `settings`) or
    DiskFull, each with a sentence for the user.
    """
    with scratch_folder(settings) as folder:
        out = Path(folder) / "table.arrow"
        found = _read("read", path, file_name, settings, reading, out)
        return table_of(found, out)


def table_of(answer: dict[str, Any], arrow: Path) -> Table:
    """The table that the reading process answered with and wrote to `arrow`."""
    parts = answer["given_parts"]
    return Table(
        columns=tuple(answer["columns"]),
        data=open_arrow(arrow),
        reading=_reading(answer["reading"]),
        notes=tuple(answer["notes"]),
        given_parts=None if parts is None else tuple(parts),
    )


def _read(
    verb: str, path: Path, file_name: str, settings: Settings, reading: Reading | None, out: Path | None
) -> dict[str, Any]:
    _refuse_size(path, file_name, settings)
    request = {
        "verb": verb,
        "path": os.path.abspath(path),
        "file_name": file_name,
        "out": str(out) if out else None,
        "reading": asdict(reading) if reading else None,
    }
    return ask(
        "core.data.reader_process",
        request,
        settings,
        subject=f"“{file_name}”",
        advice="It is damaged, or of a kind that is not known here. Save it as CSV in UTF-8 and upload that.",
    )


def _reading(data: dict[str, Any]) -> Reading:
    return Reading(**{**data, "sheets": tuple(data["sheets"])})


def _refuse_size(path: Path, file_name: str, settings: Settings) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadFile(
            f"“{file_name}” cannot be opened ({error.strerror}). Check that the file is still there."
        ) from None
    if not path.is_file():
        raise BadFile(f"“{file_name}” is a folder, not a file. Choose the file in it.")
    if size > settings.max_file_bytes:
        raise TooLarge(
            f"“{file_name}” has {size / MIB:,.0f} MB; the limit is {settings.max_file_bytes / MIB:,.0f} MB. "
            "Save it as Parquet, which takes less room, or split it, or raise FINESIFT_MAX_FILE_MB."
        )
