"""Files that are complete or not there: written beside their place, and put into it by a rename."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from core.errors import BadFile, DiskFull


@contextmanager
def disk_full_in_words(path: Path) -> Iterator[None]:
    """Turns “no space left”, however a library words it, into DiskFull. Other errors pass through."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        told = str(error)  # safetensors raises its own class with the system's words
        full = number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        if not (full or "No space left" in told or "os error 28" in told):
            raise
        raise DiskFull(
            f"There is no space left where {path.name} was to be written. Delete data sets or runs that you no longer "
            "need, or free some disk space, and try again; nothing that was complete before is lost."
        ) from error


@contextmanager
def whole_file(out: Path) -> Iterator[TextIO]:
    """A text file for the user, flushed to the disk. Raises BadFile, DiskFull."""
    if not out.parent.is_dir():
        raise BadFile(f"The folder of “{out}” does not exist. Make it first, or choose another file.")
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with (
            disk_full_in_words(out),
            draft.open("w", encoding="utf-8", newline="") as stream,
        ):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def save_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    """An array as .npy, for a cache: not flushed. Raises OSError."""
    draft = path.with_name(f"tmp-{os.getpid()}-{path.name}")
    try:
        with draft.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
