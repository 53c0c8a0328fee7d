"""A model folder as one file to take along. Knows zip; loads nothing."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path


def zip_folder(folder: Path, name: str) -> BytesIO:
    """The folder's files below `name`/ in a zip, at its start. In memory, because Streamlit takes a download
    into memory anyway.

    Weights do not compress, so nothing is compressed: speed is the disk's."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, f"{name}/{path.relative_to(folder).as_posix()}")
    out.seek(0)
    return out
