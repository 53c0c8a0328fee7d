"""Uploaded files: kept on disk for as long as the session needs them, read once and cached.

Names that a user gave are shown and never used as paths.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.data.intake import read_table
from core.data.table import Table
from core.records import Reading
from core.workspace import Workspace


def kept_upload(workspace: Workspace, uploaded: UploadedFile) -> Path:
    """The upload as a file in the home folder, named by its content."""
    folder = workspace.settings.home / "uploads"
    folder.mkdir(exist_ok=True)
    view = uploaded.getbuffer()
    path = folder / hashlib.sha256(view).hexdigest()[:32]
    if not path.exists():
        temporary = path.with_suffix(".part")
        temporary.write_bytes(view)
        temporary.replace(path)
    return path


def read_upload(workspace: Workspace, path: Path, name: str, reading: Reading | None = None) -> Table:
    """The table in a kept upload; read once, then kept for a while. Raises what `read_table` raises."""
    return _read(str(path), name, reading, workspace)


@st.cache_resource(max_entries=8, ttl=3600, show_spinner="Reading the file.")
def _read(path: str, name: str, reading: Reading | None, _workspace: Workspace) -> Table:
    return read_table(Path(path), name, _workspace.settings, reading)
