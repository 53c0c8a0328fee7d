"""Work in a child process under limits, so that a bad file can neither stop nor exhaust the app.

Knows how to start, watch and end such a process and what its end means. Does not know what it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

import core.errors
from core.errors import BadFile, FinesiftError, TooLarge
from core.settings import MIB, Settings

_ROOT = Path(core.errors.__file__).parents[1]
_BASE = 256 * MIB  # resident memory of the child's interpreter and libraries
_LOOK = 0.05  # seconds between two looks at it
# Arrow's own allocators reserve a gigabyte of address space at once, which a tight RLIMIT_AS does not have.
_CHILD = {"PYTHONIOENCODING": "utf-8", "RUST_BACKTRACE": "0", "ARROW_DEFAULT_MEMORY_POOL": "system"}
# How C++, Rust and Python report that memory ran out before they abort.
_OUT_OF_MEMORY = ("bad_alloc", "memory allocation of", "capacity overflow", "MemoryError", "Cannot allocate")


def ask(
    module: str,
    request: dict[str, Any],
    settings: Settings,
    *,
    subject: str,
    advice: str,
    seconds: float | None = None,
    environment: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Runs `python -m module`, the request as JSON on its stdin, and returns the JSON object it prints.

    `subject` names the file for messages, `advice` says what to do if its reader breaks down. `seconds`
    replaces the limit of `settings`. Raises the error that the child names (`{"error", "message"}`),
    TooLarge where a limit ended it, BadFile where it broke down.
    """
    allowed = settings.max_parse_seconds if seconds is None else seconds
    limits = {"max_bytes": settings.max_parse_bytes, "max_seconds": allowed}
    reply, complaint, code, over = _run(module, {**request, **limits}, limits, environment or {})
    if code == 0 and reply and over is None:
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise getattr(core.errors, answer["error"], FinesiftError)(answer["message"])
        return answer
    if over == "time" or code in (-_number("SIGXCPU"), -_number("SIGALRM")):
        raise TooLarge(
            f"Reading {subject} took longer than {allowed:,.0f} seconds and was stopped. "
            "Split it into smaller files, or raise FINESIFT_MAX_PARSE_SECONDS."
        )
    if over == "memory" or code == -_number("SIGKILL") or any(w in complaint for w in _OUT_OF_MEMORY):
        raise TooLarge(
            f"{subject} needs more than the {settings.max_parse_bytes / MIB:,.0f} MB of memory that reading a "
            "file may take. Split it into smaller files, or raise FINESIFT_MAX_PARSE_MB."
        )
    said = [line for line in complaint.splitlines() if line.strip() and not line.startswith("note:")]
    why = said[-1].strip()[:200] if said else f"the reader ended with {code}"
    raise BadFile(f"{subject} cannot be read ({why}). {advice}")


def scratch_folder(settings: Settings) -> tempfile.TemporaryDirectory[str]:
    """A folder for the length of a `with`, on the home's own disk: a system's /tmp is often memory."""
    where = settings.home / "tmp"
    where.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="read-", dir=where, ignore_cleanup_errors=True)


def open_arrow(path: Path) -> pa.Table:
    """An Arrow IPC file, memory-mapped. On POSIX the file may be deleted afterwards; Windows cannot delete
    a mapped file, so there it is read into memory."""
    if os.name == "posix":
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    with pa.OSFile(str(path)) as stream:
        return pa.ipc.open_file(stream).read_all()


def _number(name: str) -> int:
    """A signal's number; 0, which no child ends with after a failure, where the system lacks it."""
    return int(getattr(signal, name, 0))


def _run(
    module: str, request: dict[str, Any], limits: dict[str, float], environment: dict[str, str]
) -> tuple[bytes, str, int, str | None]:
    """stdout, stderr, exit code, and "time" or "memory" where the child was ended for that.

    The child sets limits on itself where the system has them; resident memory and the clock are watched
    from here as well, which is all there is on Windows.
    """
    deadline = time.monotonic() + limits["max_seconds"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=_ROOT,
            env={**os.environ, **_CHILD, **environment},
        )
        over = None
        try:
            # A child that died before it read its request is told by its exit code.
            with contextlib.suppress(BrokenPipeError), child.stdin or contextlib.nullcontext() as stdin:
                if stdin:
                    stdin.write(json.dumps(request).encode())
            over = _watch(child, deadline, int(limits["max_bytes"]) + _BASE)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
        out.seek(0)
        err.seek(0)
        return out.read(), err.read(MIB).decode("utf-8", "replace"), child.returncode, over


def _watch(child: subprocess.Popen[bytes], deadline: float, most: int) -> str | None:
    """Waits for the end of a child; says why it has to be ended."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            child.wait(timeout=min(_LOOK, left))
            return None
        except subprocess.TimeoutExpired:
            try:
                if psutil.Process(child.pid).memory_info().rss > most:
                    return "memory"
            except psutil.Error:
                continue
    return "time"
