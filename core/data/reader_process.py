"""The process that reads a file, so that a bad one can neither stop nor exhaust the app.

    python -m core.data.reader_process   < request as JSON   > answer as JSON

Knows which reader a format has. Does not know settings or who asks. It is started by
core.data.intake. Request: {"verb": "sniff" | "read", "path", "file_name", "out", "reading" or null,
"max_bytes", "max_seconds"}; answer: {"reading", "columns", "notes", "given_parts"} or {"error", "message"}.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.data.encoding import decode
from core.data.formats import identify, is_json, refuse_markup
from core.data.limits import limited
from core.errors import BadFile
from core.records import Reading


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Does what is asked. Raises FinesiftError for what a user can mend."""
    path, name = Path(request["path"]), request["file_name"]
    given = reading_from_json(request["reading"])
    kind = identify(path, name)
    if kind == "parquet":
        return _parquet(request, path, name)
    if kind == "excel":
        return _excel(request, path, name, given)
    decoded = decode(path.read_bytes(), given.encoding, name)
    if not decoded.data.strip():
        raise BadFile(f"“{name}” has only blank lines. Choose another file.")
    start = decoded.data[: 64 * 1024].decode("utf-8", "ignore")
    refuse_markup(start, name)
    if given.format in ("json", "jsonl") or (not given.format and is_json(start, name)):
        result = _json(request, decoded.data, name, given, decoded.encoding)
    else:
        result = _delimited(request, decoded.data, name, given, decoded.encoding)
    result["notes"] = [*decoded.notes, *result["notes"]]
    return result


def reading_from_json(data: dict[str, Any] | None) -> Reading:
    if data is None:
        return Reading(format="")
    return Reading(**{**data, "sheets": tuple(data.get("sheets") or ())})


def _parquet(request: dict[str, Any], path: Path, name: str) -> dict[str, Any]:
    from core.data.parquet import ParquetTable

    table = ParquetTable(path, name)
    if request["verb"] == "sniff":
        return _result(table.reading())
    from core.data.writer import TableWriter

    columns = table.columns()
    with TableWriter(Path(request["out"]), len(columns)) as writer:
        notes = table.write(writer)
    return _result(table.reading(), columns, notes + writer.notes())


def _excel(request: dict[str, Any], path: Path, name: str, given: Reading) -> dict[str, Any]:
    from core.data.excel import Workbook, refuse_bomb

    refuse_bomb(path, name, request["max_bytes"])
    book = Workbook(path, name)
    reading, rows = book.sniff(given)
    if request["verb"] == "sniff":
        return _result(reading)
    from core.data.writer import TableWriter

    columns = book.columns(reading, rows)
    with TableWriter(Path(request["out"]), len(columns)) as writer:
        notes = book.write(reading, rows, writer)
    if not writer.rows:
        raise BadFile(f"Sheet “{reading.sheet}” of “{name}” has no rows below its header.")
    return _result(reading, columns, notes + writer.notes())


def _json(request: dict[str, Any], data: bytes, name: str, given: Reading, encoding: str) -> dict[str, Any]:
    from core.data.json_table import JsonTable

    table = JsonTable(data, name)
    reading = table.sniff(given, encoding)
    if request["verb"] == "sniff":
        return _result(reading)
    from core.data.writer import TableWriter

    columns = table.columns(reading)
    with TableWriter(Path(request["out"]), len(columns)) as writer:
        notes = table.write(reading, columns, writer)
    return _result(reading, columns, notes + writer.notes(), table.given_parts)


def _delimited(
    request: dict[str, Any], data: bytes, name: str, given: Reading, encoding: str
) -> dict[str, Any]:
    from core.data.delimited import Delimited

    table = Delimited(data, name)
    reading, scan = table.sniff(Reading("csv", encoding, given.delimiter, given.quoting, given.header))
    if request["verb"] == "sniff":
        return _result(reading)
    from core.data.writer import TableWriter

    columns, surplus = table.columns(reading, scan)
    with TableWriter(Path(request["out"]), len(columns)) as writer:
        notes = table.write(reading, scan, writer, surplus)
    return _result(reading, columns, notes + writer.notes())


def _result(
    reading: Reading,
    columns: tuple[str, ...] = (),
    notes: list[str] | None = None,
    given_parts: list[str | None] | None = None,
) -> dict[str, Any]:
    return {
        "reading": asdict(reading),
        "columns": list(columns),
        "notes": notes or [],
        "given_parts": given_parts,
    }


def main() -> None:
    request = json.load(sys.stdin.buffer)
    subject = f"“{request['file_name']}”"
    sys.stdout.write(json.dumps(limited(answer, request, subject)))


if __name__ == "__main__":
    main()
