"""From an upload, or the bundled sample, to a table or a data set. Draws nothing but a spinner."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.data.intake import read_table
from core.data.sample import SAMPLE_NAME, sample_path
from core.data.table import suggest_columns
from core.errors import FinesiftError
from core.records import Dataset, Reading
from core.workspace import Workspace

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.data.table import Table

FILE_TYPES = ["csv", "tsv", "txt", "xlsx", "xls", "xlsm", "xlsb", "ods", "parquet", "json", "jsonl", "ndjson"]


@dataclass
class Upload:
    """What was read from an uploaded file: a table, or the sentence why not."""

    file_id: str
    name: str
    wanted: Reading | None  # the reading that was asked for; None: detect everything
    table: Table | None
    fault: str | None


def read_upload(
    workspace: Workspace, file: UploadedFile | None, *, key: str, wanted: Reading | None = None
) -> Upload | None:
    """Read an uploaded file once per file and reading, and keep the result in the session under `key`."""
    if file is None:
        st.session_state.pop(key, None)
        return None
    kept = st.session_state.get(key)
    if isinstance(kept, Upload) and kept.file_id == file.file_id and kept.wanted == wanted:
        return kept
    with st.spinner("Reading the file …"):
        try:
            table, fault = table_from_bytes(workspace, file, wanted), None
        except FinesiftError as error:
            table, fault = None, str(error)
    upload = Upload(file.file_id, file.name, wanted, table, fault)
    st.session_state[key] = upload
    return upload


def table_from_bytes(workspace: Workspace, file: UploadedFile, wanted: Reading | None) -> Table:
    """The table in an upload. Raises BadFile, TooLarge or DiskFull with a sentence.

    The bytes go through a file of a name of ours in the home folder, which is gone when this returns."""
    folder = workspace.settings.home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="upload-", dir=folder, ignore_cleanup_errors=True) as scratch:
        path = Path(scratch) / "upload"
        path.write_bytes(file.getbuffer())
        return read_table(path, file.name, workspace.settings, wanted)


def bring_sample(workspace: Workspace) -> Dataset:
    """The sample as a data set; one that was added earlier is taken again."""
    for dataset in workspace.datasets():
        if dataset.source.get("sample"):
            return dataset
    table = read_table(sample_path(), sample_path().name, workspace.settings)
    text, label = suggest_columns(table)
    return workspace.add_dataset(
        table,
        name=SAMPLE_NAME,
        text_column=text or 0,
        label_column=label,
        source={"file": sample_path().name, "sample": True},
    )
