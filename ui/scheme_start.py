"""The first labels of a data set: from its label column, typed, or from a codebook.

Draws and asks core; also brings the labels of the column in as answers of a person called “imported”.
"""

from __future__ import annotations

import streamlit as st

from core.data import shelf
from core.errors import FinesiftError
from core.labels import codebook
from core.labels import scheme as steps
from core.labels.nouns import IMPORTED, Annotator, Scheme
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from ui import parts, state
from ui.colors import class_colors
from ui.words import count_words, counted, escape_markdown, shorten

SHOWN = 40  # chips, beyond which the rest is a number
CHUNK = 2_000  # answers of one transaction

COLUMN, TYPED, FILE = "column", "typed", "file"


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    """Three ways to the first version of the labels."""
    parts.section("Labels", "What do you want to tell apart? All of this can be changed later, and undone.")
    ways = {TYPED: "I type them", FILE: "From a codebook"}
    if dataset.labels and dataset.label_column is not None:
        column = dataset.columns[dataset.label_column] or f"column {dataset.label_column + 1}"
        ways = {COLUMN: f"From the column “{shorten(column, 40)}”", **ways}
    picked = st.segmented_control(
        "Where do the labels come from?",
        list(ways),
        default=next(iter(ways)),
        required=True,
        format_func=lambda way: escape_markdown(ways[way]),
        key=f"scheme_way_{dataset.id}",
    )
    try:
        {COLUMN: _column, TYPED: _typed, FILE: _file}[str(picked)](workspace, dataset, me)
    except FinesiftError as error:
        parts.fault(error)


# ------------------------------------------------------------------------------------- three ways


def _column(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    names = list(dataset.labels)
    colors = class_colors(names, state.current_theme())
    chips = [(shorten(name, 80), colors[name], count_words(dataset.labels[name])) for name in names[:SHOWN]]
    parts.class_chips(chips, "scheme_column_labels")
    more = f" {len(names) - SHOWN:,} more are not shown." if len(names) > SHOWN else ""
    several = dataset.separator is not None
    how = "A text may have several of them." if several else "Each text has one of them."
    st.caption(f"{counted(len(names), 'label')}, the most frequent first, with their texts.{more} {how}")
    counts = st.checkbox(
        f"The {counted(dataset.labelled, 'label')} in this column also count as answers of a person called “{IMPORTED}”"
        if not several
        else f"What this column says also counts as answers of a person called “{IMPORTED}”",
        value=_rest(dataset) > 0,
        key="scheme_import",
        help="Then these texts count as answered, the model learns from them at once, and you can look for errors "
        "among them. Otherwise all texts are still to be labelled.",
    )
    rest = _rest(dataset)
    left = dataset.rows - dataset.without_text if not counts else rest
    st.caption(f"{counted(left, 'text')} left to label." if left else "No text is left to label then.")
    if st.button(f"Start with {counted(len(names), 'label')}", type="primary", key="scheme_start_column"):
        first = steps.from_names(
            dataset.id,
            names,
            author=me.name,
            several=several,
            change=f"Started with the {counted(len(names), 'label')} of the label column.",
        )
        schemes.add(workspace.db, first)
        if counts:
            bring_column(workspace, dataset, first)
        state.say(f"{counted(len(names), 'label')} are ready.")
        st.rerun()


def _typed(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    with st.form("scheme_typed", border=False):
        typed = st.text_area(
            "Names of the labels, one a line",
            height=180,
            key="scheme_names",
            placeholder="One name a line",
        )
        several = st.checkbox("A text may have several labels", key="scheme_several")
        asked = st.form_submit_button("Make these labels", type="primary", key="scheme_start_typed")
    if not asked:
        return
    names = lines(typed)
    if not names:
        parts.hint("There is no name yet. Type at least two, one a line.")
        return
    first = steps.from_names(dataset.id, names, author=me.name, several=several)
    schemes.add(workspace.db, first)
    state.say(f"{counted(len(names), 'label')} are ready.")
    st.rerun()


def _file(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    uploaded = st.file_uploader(
        "Codebook (JSON)", type=["json"], key="scheme_file", max_upload_size=codebook.MOST_MEGABYTES
    )
    if uploaded is None:
        return
    first = codebook.from_json(uploaded.getvalue(), scheme=None, dataset_id=dataset.id, author=me.name)
    names = [label.name for label in first.labels]
    listed = ", ".join(f"“{shorten(name, 40)}”" for name in names[:10])
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    st.markdown(escape_markdown(f"{counted(len(names), 'label')}: {listed}{more}."))
    if st.button(f"Start with {counted(len(names), 'label')}", type="primary", key="scheme_start_file"):
        schemes.add(workspace.db, first)
        state.say(f"{counted(len(names), 'label')} are ready.")
        st.rerun()


def lines(text: str) -> list[str]:
    """The lines that hold something, stripped, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


# ------------------------------------------------------------------------------------- the column as answers


def bring_column(workspace: Workspace, dataset: Dataset, scheme: Scheme) -> int:
    """The cells of the label column become answers, with a bar that moves. Returns how many. Doing it again after it
    was broken off adds only what is missing."""
    person = label_rows.annotator(workspace.db, IMPORTED)
    table = shelf.arrow(workspace.settings.datasets / dataset.id).select(["row", "text", "label"])
    bar = st.progress(0.0, text="Bringing the labels in.")
    done = 0
    for start in range(0, table.num_rows, CHUNK):
        part = table.slice(start, CHUNK).to_pydict()
        cells = [
            (row, label)
            for row, text, label in zip(part["row"], part["text"], part["label"], strict=True)
            if text is not None
        ]
        sent = list(
            steps.imported(
                scheme,
                cells,
                separator=dataset.separator,
                annotator_id=person.id,
                session=scheme.id,
                stamp=round(scheme.created_at * 1e6),
            )
        )
        if sent:
            label_rows.save(workspace.db, dataset.id, person.id, sent)
        done += len(sent)
        reached = min(start + CHUNK, table.num_rows)
        bar.progress(
            reached / table.num_rows, text=f"{reached:,} of {table.num_rows:,} rows, {done:,} labelled texts."
        )
    bar.empty()
    return done


def _rest(dataset: Dataset) -> int:
    """Texts without a label in the column."""
    return max(0, dataset.rows - dataset.without_text - dataset.labelled)
