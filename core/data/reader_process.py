"""The process that reads a file, so that a bad one can neither stop nor exhaust the app.

    python -m core.data.reader_process   < request as JSON   > answer as JSON

Knows the limits and which reader a format has. Does not know settings or who asks. It is started by
core.data.intake. Request: {"verb": "sniff" | "read", "path", "file_name", "out", "reading" or null,
"max_bytes", "max_seconds"}; answer: {"reading", "columns", "notes", "given_parts"} or {"error", "message"}.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.data.encoding import decode
from core.data.formats import identify, is_json, refuse_markup
from core.errors import BadFile, FinesiftError, TooLarge
from core.records import Reading

_LIBRARIES = 512 << 20  # bytes of virtual memory
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", -1))


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


def limit(max_bytes: int, max_seconds: float) -> None:
    """Limits on memory, output, CPU and wall clock, where the system has them.

    RLIMIT_AS counts virtual memory, and loading Arrow takes some hundred MB of it before a byte is read;
    so what this process has now and room for its libraries come on top of `max_bytes`.
    """
    try:
        import resource
    except ImportError:  # Windows: the parent watches memory and time
        return
    for kind, most in (
        (resource.RLIMIT_AS, _virtual_memory() + _LIBRARIES + max_bytes),
        (resource.RLIMIT_FSIZE, max_bytes),
        (resource.RLIMIT_CPU, int(max_seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (allowed, hard))
        except (ValueError, OSError):
            continue  # macOS refuses RLIMIT_AS; the parent watches memory there too
    signal.setitimer(signal.ITIMER_REAL, max_seconds + 5)  # ends this process even if its parent is gone


def _virtual_memory() -> int:
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 1 << 30
    return int(pages) * 4096


def _limited_answer(request: dict[str, Any]) -> dict[str, Any]:
    name, most = request["file_name"], request["max_bytes"]
    too_much = (
        f"“{name}” needs more than the {most / 2**20:,.0f} MB of memory that reading a file may take. "
        "Split it into smaller files, or raise FINESIFT_MAX_PARSE_MB."
    )
    try:
        limit(most, request["max_seconds"])
        return answer(request)
    except FinesiftError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except MemoryError:  # Arrow's is one too
        return {"error": TooLarge.__name__, "message": too_much}
    except OSError as error:
        code = error.errno or 0
        if code in _DISK_FULL or "No space left" in str(error):
            full = f"There is no space left to read “{name}”. Free some space and try again."
            return {"error": "DiskFull", "message": full}
        if code == errno.EFBIG or "File too large" in str(error):
            return {"error": TooLarge.__name__, "message": too_much}
        if code == errno.ENOMEM:
            return {"error": TooLarge.__name__, "message": too_much}
        raise


def main() -> None:
    request = json.load(sys.stdin.buffer)
    sys.stdout.write(json.dumps(_limited_answer(request)))


if __name__ == "__main__":
    main()
