"""A model folder as one file to take along. Knows zip; loads nothing."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO, cast


def zip_folder(folder: Path, name: str) -> BinaryIO:
    """The folder's files below `name`/ in a zip, as an open temporary file at its start.

    Weights do not compress, so nothing is compressed: speed is the disk's."""
    out = tempfile.TemporaryFile()  # noqa: SIM115  handed to the caller, gone when it is closed
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{name}/{path.relative_to(folder).as_posix()}")
    out.seek(0)
    return cast(BinaryIO, out)
