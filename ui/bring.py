"""From an upload, or the bundled sample, to a table or a data set. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.data.intake import read_table
from core.data.sample import SAMPLE_NAME, sample_path
from core.data.table import suggest_columns
from core.errors import FinesiftError
from core.records import Dataset, Reading
from core.workspace import Workspace
from ui.uploads import kept_upload, read_upload

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


def try_upload(
    workspace: Workspace, file: UploadedFile | None, *, key: str, wanted: Reading | None = None
) -> Upload | None:
    """Read an uploaded file once per file and reading; what came of it, a fault included, stays in the session
    under `key`."""
    if file is None:
        st.session_state.pop(key, None)
        return None
    kept = st.session_state.get(key)
    if isinstance(kept, Upload) and kept.file_id == file.file_id and kept.wanted == wanted:
        return kept
    table, fault = None, None
    try:
        table = read_upload(workspace, kept_upload(workspace, file), file.name, wanted)
    except FinesiftError as error:
        fault = str(error)
    upload = Upload(file.file_id, file.name, wanted, table, fault)
    st.session_state[key] = upload
    return upload


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
