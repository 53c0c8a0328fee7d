"""Bringing texts: a file or a data set of the Hub, its reading, its columns, its test part, one button.

Draws; what a file holds and how it is split is core's affair. A fault stands where it happened, and all
other choices stay as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from core.data.table import column_index, suggest_columns
from core.errors import BadColumn, FinesiftError
from core.records import Dataset
from core.settings import MIB
from core.workspace import Workspace
from ui import parts
from ui.bring import FILE_TYPES, try_upload
from ui.data_labels import choose_labels
from ui.reading import change_reading, wanted_reading
from ui.words import counted, escape_markdown, shorten

if TYPE_CHECKING:
    from core.data.table import Table

PREVIEW_ROWS, PREVIEW_COLUMNS, PREVIEW_CELL = 12, 40, 1000
NO_LABELS = -1  # the option of a label column that says there is none
OWN, ASIDE = "My own test file", "Set a part aside"


@dataclass(frozen=True)
class Choice:
    """What a user has said about a table."""

    text: int
    label: int | None
    separator: str | None  # of several labels; None: each text has one
    name: str
    test_share: float
    test_table: Table | None
    test_columns: tuple[int, int] | None


def from_file(workspace: Workspace) -> Dataset | None:
    """Upload, look, choose, add. Returns the data set in the run in which it was added."""
    nonce = st.session_state.setdefault("data_nonce", 0)  # a new key empties the uploader after an addition
    limit = int(workspace.settings.max_file_bytes / MIB)
    file = st.file_uploader(
        "A file with one text a row",
        type=FILE_TYPES,
        key=f"data_file_{nonce}",
        max_upload_size=limit,
        help="CSV, TSV, Excel, Parquet, JSON or JSONL. What is in it stays as it is: nothing is renamed, "
        "dropped or turned into numbers.",
    )
    upload = try_upload(workspace, file, key="data_upload", wanted=wanted_reading(file))
    if file is None or upload is None:
        return None
    change_reading(file, upload)
    if upload.table is None:
        parts.fault(upload.fault)
        return None
    added = choose_and_add(
        workspace, upload.table, Path(upload.name).stem, {"file": upload.name}, key=f"{file.file_id}"
    )
    if added is not None:
        st.session_state["data_nonce"] = nonce + 1
        for key in ("data_upload", "data_test_upload"):
            st.session_state.pop(key, None)
    return added


def from_hub(workspace: Workspace) -> Dataset | None:
    """A data set of the Hub by name and configuration, as `datasets.load_dataset` gives it."""
    with st.form("data_hub", border=False):
        left, right = st.columns(2)
        name = left.text_input(
            "Name on the Hub",
            key="hub_name",
            placeholder="ag_news, or owner/name",
            help="Only data is fetched; code that a data set brings along is never run.",
        )
        configuration = right.text_input(
            "Configuration", key="hub_configuration", placeholder="leave empty for the only or default one"
        )
        asked = st.form_submit_button("Fetch", type="primary", key="hub_fetch", icon=":material/download:")
    if asked:
        st.session_state.pop("hub_table", None)
        try:
            with st.spinner(f"Fetching {escape_markdown(name)} …"):
                table = fetch(workspace, name, configuration)
        except FinesiftError as error:
            parts.fault(error)
        else:
            st.session_state["hub_table"] = (name.strip(), configuration.strip(), table)
    fetched = st.session_state.get("hub_table")
    if fetched is None:
        return None
    name, configuration, table = fetched
    source = {"hub": name, "configuration": configuration or None}
    added = choose_and_add(workspace, table, name.split("/")[-1], source, key=f"hub_{name}_{configuration}")
    if added is not None:
        st.session_state.pop("hub_table", None)
    return added


def fetch(workspace: Workspace, name: str, configuration: str) -> Table:
    """The table of a Hub data set. Raises Offline, HubNotFound, BadData, BadFile or TooLarge with a sentence."""
    from core.data.hub import load_hub_dataset

    return load_hub_dataset(name.strip(), configuration.strip() or None, settings=workspace.settings)


# ------------------------------------------------------------------------------------- the choices


def choose_and_add(
    workspace: Workspace, table: Table, name: str, source: dict[str, Any], *, key: str
) -> Dataset | None:
    """Preview, columns, name and test part of a table; then the button. `key` tells tables apart."""
    key = "".join(c if c.isalnum() else "_" for c in key)
    parts.notes(table.notes)
    preview(table)
    choice = choose(workspace, table, name, key)
    if not st.button("Add data set", type="primary", key="add_dataset", icon=":material/add:"):
        return None
    try:
        with st.spinner("Adding the data set …"):
            return workspace.add_dataset(
                table,
                name=choice.name.strip() or name,
                text_column=choice.text,
                label_column=choice.label,
                label_separator=choice.separator,
                source=source,
                test_table=choice.test_table,
                test_columns=choice.test_columns,
                test_share=choice.test_share,
            )
    except FinesiftError as error:
        parts.fault(error)
        return None


def preview(table: Table) -> None:
    """The first rows as they are; an empty cell is one that the file leaves out."""
    shown = min(table.rows, PREVIEW_ROWS)
    columns = table.columns[:PREVIEW_COLUMNS]
    head = table.data.slice(0, shown)
    cells = {
        name: [cell if cell is None else cell[:PREVIEW_CELL] for cell in head.column(i).to_pylist()]
        for i, name in enumerate(distinct(columns))
    }
    st.dataframe(
        pd.DataFrame(cells, dtype=object),
        hide_index=True,
        key="data_preview",
        alt="The first rows of the table",
    )
    hidden = len(table.columns) - len(columns)
    more = f" {counted(hidden, 'more column')} not shown here." if hidden > 0 else ""
    st.caption(
        f"The first {shown} of {counted(table.rows, 'row')}, {counted(len(table.columns), 'column')}.{more}"
    )


def distinct(names: tuple[str, ...]) -> list[str]:
    """Column names for the screen, where a data frame needs them to differ; the data keep theirs."""
    seen: dict[str, int] = {}
    result = []
    for i, name in enumerate(names):
        shown = name if name.strip() else f"(column {i + 1}, no name)"
        seen[shown] = seen.get(shown, 0) + 1
        result.append(shown if seen[shown] == 1 else f"{shown} ({seen[shown]})")
    return result


def choose(workspace: Workspace, table: Table, name: str, key: str) -> Choice:
    text_guess, label_guess = suggest_columns(table)
    names = distinct(table.columns)
    left, right = st.columns(2)
    with left:
        text = st.selectbox(
            "Text column",
            range(len(names)),
            index=text_guess or 0,
            format_func=names.__getitem__,
            key=f"text_column_{key}",
        )
    with right:
        label = st.selectbox(
            "Label column",
            [NO_LABELS, *range(len(names))],
            index=0 if label_guess is None else label_guess + 1,
            format_func=lambda i: "No labels" if i == NO_LABELS else names[i],
            key=f"label_column_{key}",
        )
    text, label = int(text or 0), None if label in (None, NO_LABELS) else int(label)
    separator = choose_labels(table, text, label, key)
    chosen_name = st.text_input("Name", value=shorten(name, 100), max_chars=120, key=f"dataset_name_{key}")
    share, test_table, test_columns = 0.15, None, None
    if label is not None:
        share, test_table, test_columns = choose_test(workspace, table, text, label, key)
    return Choice(text, label, separator, chosen_name, share, test_table, test_columns)


def choose_test(
    workspace: Workspace, table: Table, text: int, label: int, key: str
) -> tuple[float, Table | None, tuple[int, int] | None]:
    """How much to hold out for the test, or the user's own test file with its columns."""
    if table.given_parts and any(part == "test" for part in table.given_parts):
        st.caption("It brings its own test part, which is kept.")
        return 0.15, None, None
    how = st.segmented_control(
        "Test texts",
        [ASIDE, OWN],
        default=ASIDE,
        required=True,
        key=f"test_how_{key}",
        help="They are kept out of training and tell at the end how good the model is. Each class is "
        "represented, and the same text never stands on both sides.",
    )
    if how != OWN:
        share = st.slider("Share of the labelled texts", 5, 40, 15, format="%d %%", key=f"test_share_{key}")
        return share / 100, None, None
    file = st.file_uploader("Test file", type=FILE_TYPES, key=f"test_file_{key}")
    upload = try_upload(workspace, file, key="data_test_upload")
    if upload is None:
        st.caption("Until a file is chosen here, 15 % of the labelled texts are set aside.")
        return 0.15, None, None
    if upload.table is None:
        parts.fault(upload.fault)
        return 0.15, None, None
    wanted = (table.columns[text], table.columns[label])
    return 0.15, upload.table, test_columns(upload.table, upload.name, wanted, key)


def test_columns(table: Table, file_name: str, wanted: tuple[str, str], key: str) -> tuple[int, int]:
    """Text and label column of a test file: those of the same name, else a guess; changeable."""
    guess = list(suggest_columns(table))
    for i, name in enumerate(wanted):
        try:
            guess[i] = column_index(table.columns, name)
        except BadColumn:
            continue
    names = distinct(table.columns)
    columns = st.columns(2)
    picked = [
        column.selectbox(
            f"{noun} column of the test file",
            range(len(names)),
            index=guess[i] or 0,
            format_func=names.__getitem__,
            key=f"test_{noun.lower()}_{key}",
        )
        for i, (column, noun) in enumerate(zip(columns, ("Text", "Label"), strict=True))
    ]
    st.caption(f"{counted(table.rows, 'test text')} in “{escape_markdown(shorten(file_name, 60))}”.")
    return int(picked[0] or 0), int(picked[1] or 0)
