"""Looking at one data set: its figures, its classes, its lengths, its rows; rename and delete.

Draws; counts, searches and splits are core's affair.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.data.labels import split_labels
from core.errors import FinesiftError
from core.records import Dataset, Part, Reading, Row
from core.store import labels as label_rows
from core.workspace import Workspace
from ui import charts, parts, state
from ui.colors import class_colors
from ui.data_add import distinct
from ui.lengths import SAMPLE, cut_words, dataset_lengths, training_length
from ui.reading import reading_words
from ui.words import count_words, counted, escape_markdown, number_words, part_words, shorten, when_words

PAGE = 50  # rows on a page of the browser
ANY = ""
FAULTS = {"without_text": "Without text", "without_label": "Without label", "duplicate": "Duplicates"}


def show(workspace: Workspace) -> None:
    dataset = pick(workspace)
    if dataset is None:
        return
    draw_source(dataset)
    draw_figures(dataset)
    parts.notes(list(dataset.source.get("notes", [])))
    draw_charts(workspace, dataset)
    browse(workspace, dataset)


def pick(workspace: Workspace) -> Dataset | None:
    """The data set to look at, and what can be done with it."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="data_actions"):
        dataset = parts.pick_dataset(workspace, key="data_pick")
        if dataset is None:
            return None
        label = st.button(
            "Label it",
            type="secondary" if dataset.labelled else "primary",
            key="data_label",
            icon=":material/edit_note:",
        )
        train = st.button(
            "Train on it",
            type="primary" if dataset.labelled else "secondary",
            key="data_train",
            disabled=not dataset.labelled,
        )
        rename = st.button("Rename", key="data_rename", icon=":material/edit:")
        delete = st.button("Delete", key="data_delete", icon=":material/delete:")
    if label:
        state.go("annotate", data=dataset.id)
    if train:
        state.go("train", data=dataset.id)
    if rename:
        parts.rename_dialog(
            dataset.name,
            lambda name: workspace.rename_dataset(dataset.id, name),
            key="data_rename_dialog",
            noun="data set",
        )
    if delete:
        parts.confirm_delete(
            dataset.name,
            f"{counted(dataset.rows, 'row')} will be gone for good{_answers(workspace, dataset)}. Models trained on it "
            "stay, and so do the runs.",
            lambda: delete_dataset(workspace, dataset),
            key="data_delete_dialog",
        )
    return dataset


def _answers(workspace: Workspace, dataset: Dataset) -> str:
    """What people have labelled of it, which goes with it."""
    people = label_rows.annotators(workspace.db, dataset.id)
    if not people:
        return ""
    answers = label_rows.count(workspace.db, dataset.id)
    return f", and with them {counted(answers, 'answer')} that {counted(len(people), 'person', 'people')} gave here"


def delete_dataset(workspace: Workspace, dataset: Dataset) -> None:
    workspace.delete_dataset(dataset.id)
    state.forget(dataset.id)


def draw_source(dataset: Dataset) -> None:
    """Where it came from, how it was read, when."""
    source = dataset.source
    words = [f"Added {when_words(dataset.created_at)}"]
    if source.get("hub"):
        configuration = f" ({source['configuration']})" if source.get("configuration") else ""
        words.append(f"from the Hub: {source['hub']}{configuration}")
    elif source.get("file"):
        words.append(f"from “{shorten(str(source['file']), 80)}”")
    if isinstance(source.get("reading"), dict):
        reading = source["reading"]
        words.append(reading_words(Reading(**{**reading, "sheets": tuple(reading.get("sheets") or ())})))
    names = distinct(dataset.columns)
    columns = f"text: {names[dataset.text_column]}"
    if dataset.label_column is not None:
        columns += f", label: {names[dataset.label_column]}"
    st.caption(escape_markdown(" · ".join([*words, columns])))


def draw_figures(dataset: Dataset) -> None:
    parts.figures(
        (
            ("Rows", count_words(dataset.rows)),
            *label_figures(dataset),
            ("Training", count_words(dataset.parts.get(Part.TRAIN, 0)), "Texts that a model learns from."),
            (
                "Validation",
                count_words(dataset.parts.get(Part.VALIDATION, 0)),
                "Texts that choose the best model while it learns.",
            ),
            (
                "Test",
                count_words(dataset.parts.get(Part.TEST, 0)),
                "Texts kept out of everything until you ask for the final figures.",
            ),
        ),
        key="data",
    )


def label_figures(dataset: Dataset) -> list[tuple[str, str, str | None]]:
    if dataset.separator is None:
        return [("Classes", count_words(len(dataset.labels)), None)]
    labelled = dataset.rows - dataset.without_label
    return [
        ("Labels", count_words(len(dataset.labels)), None),
        (
            "Labels a text",
            number_words(sum(dataset.labels.values()) / max(1, labelled)),
            f"A text may have several labels, separated by “{dataset.separator}”. This is the mean of those that "
            "have any.",
        ),
    ]


# ------------------------------------------------------------------------------------- charts


def draw_charts(workspace: Workspace, dataset: Dataset) -> None:
    theme = state.current_theme()
    left, right = st.columns(2, gap="large")
    with left:
        parts.section("Texts per class" if dataset.separator is None else "Texts per label")
        if dataset.labels:
            texts = dataset.rows - dataset.without_label
            figure = charts.class_balance(dataset.labels, texts=texts, theme=theme)
            alt = ", ".join(f"{label}: {n}" for label, n in list(dataset.labels.items())[:30])
            parts.chart(figure, key="data_balance", alt=f"Bars with the number of texts of each class: {alt}")
        else:
            parts.hint("No row has a label. Texts can be classified; to train, bring a file with labels.")
    with right:
        parts.section("Length of the texts")
        try:
            lengths = dataset_lengths(workspace, dataset.id, dataset.fingerprint)
        except FinesiftError as error:
            parts.fault(error)
            return
        if not lengths.size:
            parts.hint("There is no text whose length could be counted.")
            return
        cut = training_length(lengths)
        figure = charts.length_histogram(lengths.tolist(), cut, theme=theme)
        median = int(np.median(lengths))
        parts.chart(
            figure,
            key="data_lengths",
            alt=f"Histogram of text lengths in tokens; median {median}, longest {int(lengths.max())}",
        )
        sampled = f" Counted on {lengths.size:,} of them." if dataset.rows > SAMPLE else ""
        st.caption(
            f"In tokens of the bundled encoder: half of the texts have at most {median:,}, the longest has "
            f"{int(lengths.max()):,}. {cut_words(dataset, lengths, cut)}{sampled}"
        )


# ------------------------------------------------------------------------------------- rows


def browse(workspace: Workspace, dataset: Dataset) -> None:
    """Search and filter the rows, 50 a page; a selected row is shown whole."""
    parts.section("Rows")
    query, label, part, fault = choose_filter(dataset)
    # another question is another table and begins on its first page: the keys say so
    place = abs(hash((dataset.id, query, label, part, fault)))
    page_key = f"rows_page_{place}"
    offset = (int(st.session_state.get(page_key) or 1) - 1) * PAGE
    try:
        total, rows = workspace.find_rows(
            dataset.id, query=query or None, label=label, part=part, fault=fault, offset=offset, limit=PAGE,
            separator=dataset.separator,
        )  # fmt: skip
    except FinesiftError as error:
        parts.fault(error)
        return
    if not total:
        parts.hint("No row matches. Loosen the search or the filters.")
        return
    with st.container(key="rows_table"):
        picked = draw_rows(dataset, rows, place)
    pages = -(-total // PAGE)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="rows_pages"
    ):
        st.caption(f"Rows {offset + 1:,}–{offset + len(rows):,} of {total:,}. Select one to see it whole.")
        if pages > 1:
            st.pagination(pages, key=page_key)
    if picked is not None:
        draw_row(dataset, picked)


def choose_filter(dataset: Dataset) -> tuple[str, str | None, str | None, str | None]:
    """(query, label, part, fault) as asked for on the screen."""
    left, middle, right = st.columns([2, 1, 1])
    query = left.text_input("Search in the texts", key=f"rows_query_{dataset.id}", icon=":material/search:")
    label = middle.selectbox(
        "Label",
        [ANY, *dataset.labels],
        format_func=lambda name: f"{shorten(name, 50)} ({dataset.labels[name]:,})" if name else "All",
        key=f"rows_label_{dataset.id}",
    )
    part = right.selectbox(
        "Part",
        [ANY, *(p for p in Part if dataset.parts.get(p))],
        format_func=lambda p: f"{part_words(p)} ({dataset.parts[p]:,})" if p else "All",
        key=f"rows_part_{dataset.id}",
    )
    counts = {
        "without_text": dataset.without_text,
        "without_label": dataset.without_label if dataset.label_column is not None else 0,
        "duplicate": dataset.duplicates,
    }
    found = [fault for fault, n in counts.items() if n]
    fault = None
    if found:
        fault = st.pills(
            "Worth a look",
            found,
            format_func=lambda name: f"{FAULTS[name]}: {counts[name]:,}",
            key=f"rows_fault_{dataset.id}",
            help="Rows that training leaves out or keeps on one side of the split. They stay in the data set.",
        )
    return query, label or None, str(part) if part else None, fault


def draw_rows(dataset: Dataset, rows: list[Row], place: int) -> Row | None:
    """The page of rows as a table; returns the selected one."""
    frame = pd.DataFrame(
        {
            "Row": [row.row + 1 for row in rows],
            "Text": [None if row.text is None else shorten(row.text, 300) for row in rows],
            "Label": [row.label for row in rows],
            "Part": [part_words(row.part) if row.part else None for row in rows],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        key=f"rows_{place}_{rows[0].row}",
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(rows), 560),
        column_config={
            "Row": st.column_config.NumberColumn(width=60, format="%d"),
            "Text": st.column_config.TextColumn(width=470),
            "Label": st.column_config.TextColumn(width=150),
            "Part": st.column_config.TextColumn(width=90),
        },
        alt=f"Rows of the data set {shorten(dataset.name, 60)}",
    )
    selected = event["selection"]["rows"]
    return rows[selected[0]] if selected and selected[0] < len(rows) else None


def draw_row(dataset: Dataset, row: Row) -> None:
    """One row whole: its text, its label, every original column."""
    with st.container(border=True, key="row_whole"):
        st.markdown(f"**Row {row.row + 1:,}**")
        parts.text_block(row.text if row.text is not None else "(no text)", key="row_text")
        if row.label is not None:
            colors = class_colors(dataset.labels, state.current_theme())
            note = part_words(row.part) if row.part else None
            labels = split_labels(row.label, dataset.separator)
            parts.class_chips(
                [(label, colors.get(label, "#808080"), note) for label in labels], key="row_label"
            )
        others = [
            (name, value)
            for i, (name, value) in enumerate(zip(distinct(dataset.columns), row.original, strict=False))
            if i != dataset.text_column
        ]
        if others:
            frame = pd.DataFrame(others, columns=["Column", "Value"], dtype=object)
            st.dataframe(frame, hide_index=True, key="row_columns", alt="The other columns of the row")


__all__ = ["show"]
