"""Classify: one text with all its probabilities, or a whole file with progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.records import Job, JobState, Model, Progress
from core.workspace import Workspace
from ui import charts, engines, parts, state
from ui.bring import FILE_TYPES
from ui.colors import class_colors
from ui.uploads import kept_upload, read_upload
from ui.words import (
    counted,
    duration_words,
    elapsed_words,
    escape_markdown,
    number_words,
    percent,
    shorten,
    when_words,
)

if TYPE_CHECKING:
    from core.data.table import Table

PREVIEW_ROWS = 5
RESULT_ROWS = 50


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Classify", "Ask a trained model about one text, or about a whole file.")
    if not workspace.models():
        parts.empty_state(
            "No trained model yet",
            "A model that was fine-tuned on your classes is needed here.",
            "Train a model",
            "train",
            key="classify_train",
        )
        return
    picked = parts.pick_model(workspace, include_base=False, key="classify_model")
    if not isinstance(picked, Model):
        return
    one, many = st.tabs(["One text", "Many texts"], key="classify_tabs", on_change="rerun")
    if one.open:
        with one:
            _one_text(workspace, picked)
    if many.open:
        with many:
            _many_texts(workspace, picked)


# ------------------------------------------------------------------------------------- one text


def _one_text(workspace: Workspace, model: Model) -> None:
    with st.form("classify_one", border=False):
        text = st.text_area(
            "Text",
            key="classify_text",
            height=110,
            placeholder="Type or paste one text, as your users write them.",
        )
        asked = st.form_submit_button("Classify", type="primary", key="classify_ask")
    if not text.strip():
        if asked:
            parts.hint("There is no text yet. Type one above.")
        return
    try:
        _answer(workspace, model, text)
    except FinesiftError as error:
        parts.fault(error)


def _answer(workspace: Workspace, model: Model, text: str) -> None:
    classifier = engines.classifier(workspace.find_model(model.id))
    logits = classifier.logits([text])[0]
    probabilities = classifier.predict_proba([text])[0]
    labels = list(classifier.labels)
    theme = state.current_theme()
    colors = class_colors(labels, theme)
    chosen = np.flatnonzero(classifier.chosen(probabilities[None])[0])
    ranked = sorted((int(c) for c in chosen), key=lambda c: -probabilities[c])
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.caption("The model says")
        if ranked:
            parts.class_chips(
                [(labels[c], colors[labels[c]], percent(float(probabilities[c]))) for c in ranked], "answer"
            )
        else:
            parts.hint("No label: none of the probabilities reaches its threshold.")
        limits = None if classifier.thresholds is None else classifier.thresholds.tolist()
        parts.chart(
            charts.probabilities(
                labels, probabilities.tolist(), top=20, thresholds=limits, colors=colors, theme=theme
            ),
            key="answer_bars",
            alt=f"Probabilities of the classes, {labels[int(probabilities.argmax())]} the highest",
        )
        if limits is not None:
            st.caption(
                "The mark across each bar is the label's threshold: from there on the text gets the label."
            )
        if len(labels) > 20:
            st.caption(f"The 20 most likely of {len(labels)} classes.")
    with right:
        tokens = classifier.tokens(text)
        st.caption(f"{counted(len(tokens), 'token')}, as the model sees them")
        parts.token_chips(tokens, key="answer_tokens")
        if classifier.cut(text):
            parts.hint(
                f"The text is longer than the model can read: {counted(classifier.cut(text), 'token')} were left out."
            )
        with st.expander("Logits", key="answer_logits"):
            st.dataframe(
                pd.DataFrame(
                    {
                        "Class": labels,
                        "Logit": [f"{value:.4f}" for value in logits],
                        "Probability": [f"{value:.6f}" for value in probabilities],
                        **({} if limits is None else {"Threshold": [f"{value:.4f}" for value in limits]}),
                    }
                ),
                hide_index=True,
                key="answer_logit_table",
                alt="The model's raw outputs and their probabilities",
            )
            how = "the sigmoid of each" if classifier.several else "their softmax"
            st.caption(f"The model's raw outputs; {how} gives the probabilities.")


# ------------------------------------------------------------------------------------- many texts


def _many_texts(workspace: Workspace, model: Model) -> None:
    way = st.segmented_control(
        "Where are the texts?", ("file", "lines"), default="file", required=True, key="classify_way",
        format_func=lambda w: "I paste them" if w == "lines" else "In a file",
    )  # fmt: skip
    try:
        if way == "lines":
            _from_lines(workspace, model)
        else:
            _from_file(workspace, model)
    except FinesiftError as error:
        parts.fault(error)
    _classifications(workspace)


def _from_lines(workspace: Workspace, model: Model) -> None:
    with st.form("classify_lines", border=False):
        pasted = st.text_area("One text a line", key="classify_pasted", height=180)
        asked = st.form_submit_button("Classify all", type="primary", key="classify_lines_start")
    if asked:
        lines = pasted.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        job = jobs.submit_classification(workspace, model.id, lines)
        state.choose(state.JOB, job.id)


def _from_file(workspace: Workspace, model: Model) -> None:
    uploaded = st.file_uploader(
        "File with a column of texts",
        type=FILE_TYPES,
        key="classify_file",
        max_upload_size=workspace.settings.max_file_bytes // (1024 * 1024),
    )
    if uploaded is None:
        return
    path = kept_upload(workspace, uploaded)
    table = read_upload(workspace, path, uploaded.name)
    column = _text_column(table)
    _preview(table)
    if st.button(f"Classify {counted(table.rows, 'text')}", type="primary", key="classify_start"):
        job = jobs.submit_classification(
            workspace, model.id, path, file_name=uploaded.name, reading=table.reading, text_column=column
        )
        state.choose(state.JOB, job.id)


def _text_column(table: Table) -> int:
    from core.data.table import suggest_columns

    guessed, _ = suggest_columns(table)
    picked = st.selectbox(
        "Column with the texts",
        range(len(table.columns)),
        index=guessed or 0,
        format_func=lambda i: table.columns[i] or f"(column {i + 1})",
        key="classify_column",
    )
    return int(picked or 0)


def _preview(table: Table) -> None:
    head = table.data.slice(0, PREVIEW_ROWS)
    shown = {f"{i + 1}": head.column(i).to_pylist() for i in range(len(table.columns))}
    config = {
        f"{i + 1}": st.column_config.TextColumn(label=name or " ") for i, name in enumerate(table.columns)
    }
    st.dataframe(
        pd.DataFrame(shown),
        hide_index=True,
        column_config=config,
        key="classify_preview",
        alt="The first rows",
    )
    parts.notes(table.notes)


# ------------------------------------------------------------------------------------- their progress and results


def _classifications(workspace: Workspace) -> None:
    """The newest classifications; the open one moves."""
    recent = workspace.recent_jobs("classify", 8)
    if not recent:
        return
    parts.section("Classifications")
    is_open = any(not job.state.ended for job in recent)
    st.fragment(_list, run_every=1.0 if is_open else None)(workspace, is_open)


def _list(workspace: Workspace, was_open: bool) -> None:
    jobs.recover(workspace)
    recent = workspace.recent_jobs("classify", 8)
    if was_open and all(job.state.ended for job in recent):
        st.rerun()
    wanted = state.chosen(state.JOB)
    for number, job in enumerate(recent):
        with st.container(border=True, key=f"classification_{number}"):
            _one_classification(workspace, job, opened=job.id == wanted or (wanted is None and number == 0))


def _one_classification(workspace: Workspace, job: Job, opened: bool) -> None:
    name = str(job.payload.get("name", ""))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(width="content", gap="small"):
            st.markdown(f"**{escape_markdown(shorten(name, 80))}** · {when_words(job.created_at)}")
            parts.job_state_badge(job.state, job.reason)
        with st.container(horizontal=True, width="content"):
            _controls(workspace, job)
    if not job.state.ended:
        _bar(workspace, job)
    elif job.state is not JobState.FINISHED:
        st.caption(escape_markdown(job.reason))
    elif job.result is not None:
        _result(workspace, job, opened)


def _bar(workspace: Workspace, job: Job) -> None:
    done = [e.event for e in workspace.events_after(job.id) if isinstance(e.event, Progress)]
    if job.state is JobState.QUEUED:
        st.progress(
            0.0, text=f"Waiting: {counted(job.ahead, 'job')} before it." if job.ahead else "Starting."
        )
    elif not done:
        st.progress(0.0, text="Loading the model and reading the file.")
    else:
        last = done[-1]
        st.progress(
            min(1.0, last.done / max(1, last.total)),
            text=f"{last.done:,} of {last.total:,} texts, {number_words(last.texts_per_second)} a second, "
            f"{duration_words(last.remaining)} left",
        )


def _controls(workspace: Workspace, job: Job) -> None:
    if not job.state.ended:
        if st.button("Stop", key=f"stop_{job.id}", icon=":material/stop:"):
            jobs.request_stop(workspace, job.id)
            st.rerun()
        return
    output = workspace.job_folder(job.id) / "output.csv"
    if job.state is JobState.FINISHED and output.is_file():
        st.download_button(
            "Download CSV",
            data=lambda: output.open("rb"),
            file_name=f"{Path(str(job.payload.get('name', 'texts'))).stem}-classified.csv",
            mime="text/csv",
            on_click="ignore",
            key=f"download_{job.id}",
            icon=":material/download:",
        )
    if st.button("Delete", key=f"delete_{job.id}", type="tertiary"):
        workspace.delete_job(job.id)
        state.forget(job.id)
        st.rerun()


def _result(workspace: Workspace, job: Job, opened: bool) -> None:
    result = job.result or {}
    words = f"{counted(int(result['rows']), 'row')} in {elapsed_words(result['seconds'])}"
    if result.get("without_text"):
        words += f" · {counted(int(result['without_text']), 'row')} without text left blank"
    if result.get("guarded"):
        words += (
            f" · {counted(int(result['guarded']), 'cell')} that a spreadsheet would take for a formula "
            "got a leading apostrophe"
        )
    st.caption(escape_markdown(words))
    output = workspace.job_folder(job.id) / "output.csv"
    if not output.is_file():
        return
    with st.expander("The first rows", expanded=opened):
        frame = pd.read_csv(output, dtype=str, keep_default_na=False, nrows=RESULT_ROWS)
        st.dataframe(frame, hide_index=True, key=f"rows_{job.id}", alt="The first classified rows")


main()
