"""The limits that a child process sets on itself, and what it reports when it meets one.

Knows memory, output, CPU and clock. Does not know what the process is for.
"""

from __future__ import annotations

import errno
import mmap
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import DiskFull, FinesiftError, TooLarge

_LIBRARIES = 512 << 20  # bytes of virtual memory
_DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def limited(
    work: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any], subject: str
) -> dict[str, Any]:
    """`work(request)` under the request's limits; `{"error", "message"}` for what a user can mend.

    Whatever else goes wrong ends the process, and core.data.guarded finds words for it.
    """
    try:
        set_limits(request["max_bytes"], request["max_seconds"])
        return work(request)
    except FinesiftError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except MemoryError:  # Arrow's is one too
        pass
    except OSError as error:
        if error.errno in _DISK_FULL or "No space left" in str(error):
            full = f"There is no space left to read {subject}. Free some space and try again."
            return {"error": DiskFull.__name__, "message": full}
        if error.errno not in (errno.EFBIG, errno.ENOMEM) and "File too large" not in str(error):
            raise
    # Once memory has run out, little can be built any more; this is a constant with two gaps.
    most = request["max_bytes"] // 2**20
    message = (
        f"{subject} needs more than the {most:,} MB of memory that reading a file may take. "
        "Split it into smaller files, or raise FINESIFT_MAX_PARSE_MB."
    )
    return {"error": TooLarge.__name__, "message": message}


def set_limits(max_bytes: int, max_seconds: float) -> None:
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
    return int(pages) * mmap.PAGESIZE
