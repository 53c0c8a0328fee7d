"""A file that someone brings, to a table. The reading itself happens in a child process under limits.

Knows how to start, watch and end that process and what its end means. Does not know formats
(core.data.reader_process and the readers it uses do).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

import core.errors
from core.data.table import Table
from core.errors import BadFile, FinesiftError, TooLarge
from core.records import Reading
from core.settings import MIB, Settings

_ROOT = Path(core.errors.__file__).parents[1]
_BASE = 128 * MIB  # the child's interpreter and libraries
_LOOK = 0.05  # seconds between two looks at the child's memory


def sniff(path: Path, file_name: str, settings: Settings) -> Reading:
    """How this file would be read: format, encoding, delimiter, quoting, header, sheet.

    `file_name` is the name the user knows; `path` is where the bytes are. Raises BadFile, TooLarge, DiskFull.
    """
    _refuse_size(path, file_name, settings)
    return _reading(_ask("sniff", path, file_name, settings, None, None)["reading"])


def read_table(path: Path, file_name: str, settings: Settings, reading: Reading | None = None) -> Table:
    """The table in a file. What `reading` leaves None is detected.

    Raises BadFile (no table, damaged, empty, only a header), TooLarge (over a limit of `settings`) or
    DiskFull, each with a sentence for the user.
    """
    _refuse_size(path, file_name, settings)
    with _scratch(settings) as folder:
        out = Path(folder) / "table.arrow"
        found = _ask("read", path, file_name, settings, reading, out)
        data = open_arrow(out)
    parts = found["given_parts"]
    return Table(
        columns=tuple(found["columns"]),
        data=data,
        reading=_reading(found["reading"]),
        notes=tuple(found["notes"]),
        given_parts=None if parts is None else tuple(parts),
    )


def open_arrow(path: Path) -> pa.Table:
    """An Arrow IPC file, memory-mapped. On POSIX the file may be deleted afterwards; Windows cannot delete
    a mapped file, so there it is read into memory."""
    if os.name == "posix":
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    with pa.OSFile(str(path)) as stream:
        return pa.ipc.open_file(stream).read_all()


def _scratch(settings: Settings) -> tempfile.TemporaryDirectory[str]:
    """A folder on the home's own disk: a system's /tmp is often memory."""
    where = settings.home / "tmp"
    where.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="read-", dir=where, ignore_cleanup_errors=True)


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


def _reading(data: dict[str, Any]) -> Reading:
    return Reading(**{**data, "sheets": tuple(data["sheets"])})


def _ask(
    verb: str, path: Path, file_name: str, settings: Settings, reading: Reading | None, out: Path | None
) -> dict[str, Any]:
    request = {
        "verb": verb,
        "path": os.path.abspath(path),
        "file_name": file_name,
        "out": str(out) if out else None,
        "reading": asdict(reading) if reading else None,
        "max_bytes": settings.max_parse_bytes,
        "max_seconds": settings.max_parse_seconds,
    }
    reply, complaint, code, over = run_limited("core.data.reader_process", request, settings)
    if over == "time" or code == -int(getattr(signal, "SIGXCPU", 0) or -1):
        raise TooLarge(
            f"Reading “{file_name}” took longer than {settings.max_parse_seconds:,.0f} seconds and was stopped. "
            "Split the file, or raise FINESIFT_MAX_PARSE_SECONDS."
        )
    if code == 0 and reply:
        answer: dict[str, Any] = json.loads(reply)
        if "error" not in answer:
            return answer
        kind = getattr(core.errors, answer["error"], FinesiftError)
        raise kind(answer["message"])
    if over == "memory" or code == -9 or any(w in complaint for w in _OUT_OF_MEMORY):
        raise TooLarge(
            f"“{file_name}” needs more than the {settings.max_parse_bytes / MIB:,.0f} MB of memory that reading "
            "a file may take. Split it into smaller files, or raise FINESIFT_MAX_PARSE_MB."
        )
    said = [line for line in complaint.splitlines() if line.strip() and not line.startswith("note:")]
    why = said[-1].strip()[:200] if said else f"the reader ended with {code}"
    raise BadFile(
        f"“{file_name}” cannot be read: it is damaged, or of a kind that is not known here ({why}). "
        "Save it again as CSV in UTF-8 and upload that."
    )


# Arrow's own allocators reserve a gigabyte of address space at once, which a tight RLIMIT_AS does not have.
_CHILD = {"PYTHONIOENCODING": "utf-8", "RUST_BACKTRACE": "0", "ARROW_DEFAULT_MEMORY_POOL": "system"}
# How C++, Rust and Python report that memory ran out before they abort.
_OUT_OF_MEMORY = (
    *("bad_alloc", "memory allocation of", "capacity overflow", "MemoryError", "Cannot allocate memory"),
)


def run_limited(
    module: str,
    request: dict[str, Any],
    settings: Settings,
    *,
    seconds: float | None = None,
    environment: dict[str, str] | None = None,
) -> tuple[bytes, str, int, str | None]:
    """Runs `python -m module` with the request on its stdin, watched.

    Returns its stdout, its stderr, its exit code, and "time" or "memory" where it was ended for that.
    The child sets limits on itself where the system has them; resident memory and the clock are watched from
    here as well, which is all there is on Windows.
    """
    allowed = settings.max_parse_seconds if seconds is None else seconds
    deadline = time.monotonic() + allowed
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=_ROOT,
            env={**os.environ, **_CHILD, **(environment or {})},
        )
        over = None
        try:
            if child.stdin:
                child.stdin.write(json.dumps(request).encode())
                child.stdin.close()
            over = _watch(child, deadline, settings.max_parse_bytes)
        except BrokenPipeError:
            child.wait(timeout=allowed)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
        out.seek(0)
        err.seek(0)
        return out.read(), err.read(1 << 20).decode("utf-8", "replace"), child.returncode, over


def _watch(child: subprocess.Popen[bytes], deadline: float, most: int) -> str | None:
    """Waits for the end of a child; says why it ends it itself."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return "time"
        try:
            child.wait(timeout=min(_LOOK, left))
            return None
        except subprocess.TimeoutExpired:
            try:
                if psutil.Process(child.pid).memory_info().rss > most + _BASE:
                    return "memory"
            except psutil.Error:
                continue
