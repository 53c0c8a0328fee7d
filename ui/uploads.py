"""Uploaded files: kept on disk for as long as the session needs them, read once and cached.

Names that a user gave are shown and never used as paths.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.data.intake import read_table
from core.data.table import Table
from core.records import Reading
from core.workspace import Workspace

KEPT_SECONDS = 6 * 3600


def kept_upload(workspace: Workspace, uploaded: UploadedFile) -> Path:
    """The upload as a file in the home folder, named by its content."""
    folder = workspace.settings.home / "uploads"
    folder.mkdir(exist_ok=True)
    _forget_old(folder)
    view = uploaded.getbuffer()
    path = folder / hashlib.sha256(view).hexdigest()[:32]
    if path.exists():
        path.touch()
    else:
        temporary = path.with_suffix(".part")
        temporary.write_bytes(view)
        temporary.replace(path)
    return path


def _forget_old(folder: Path) -> None:
    """Whatever became a data set or a job was copied there; the upload itself is not kept."""
    for path in folder.iterdir():
        try:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
        except OSError:
            continue  # another session was quicker


def read_upload(workspace: Workspace, path: Path, name: str, reading: Reading | None = None) -> Table:
    """The table in a kept upload; read once, then kept for a while. Raises what `read_table` raises."""
    return _read(str(path), name, reading, workspace)


@st.cache_resource(max_entries=8, ttl=3600, show_spinner="Reading the file.")
def _read(path: str, name: str, reading: Reading | None, _workspace: Workspace) -> Table:
    return read_table(Path(path), name, _workspace.settings, reading)
