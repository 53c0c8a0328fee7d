"""Home: where do I stand, and what is next. One primary button, whatever the state."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.records import Dataset, Job, JobState, Model, Run
from core.workspace import Workspace
from ui import parts, state, status
from ui.bring import bring_sample
from ui.words import counted, escape_markdown, interval_words, percent, shorten, state_words, when_words

RECENT = 8  # runs in the table


@dataclass(frozen=True)
class Standing:
    """What there is in the home folder."""

    datasets: list[Dataset]
    runs: list[Run]
    models: list[Model]
    jobs: list[Job]  # queued or active
    classified: bool  # a file or lines were classified at least once


def main() -> None:
    workspace = state.workspace()
    standing = read(workspace)
    parts.page_header(
        "Home", "Turn a pile of texts into a classifier you can trust: where you stand, and what is next."
    )
    draw_tour(standing)
    draw_next_step(workspace, standing)
    if standing.datasets or standing.runs:
        draw_figures(standing)
        draw_recent_runs(standing.runs)


def read(workspace: Workspace) -> Standing:
    return Standing(
        workspace.datasets(),
        workspace.runs(),
        workspace.models(),
        workspace.open_jobs(),
        bool(workspace.recent_jobs("classify", 1)),
    )


def draw_tour(standing: Standing) -> None:
    """The way through the app as a thin line: what is done is ticked."""
    visited = st.session_state.get(state.VISITED, set())
    steps = (
        ("data", "1 Data", bool(standing.datasets)),
        ("train", "2 Train", bool(standing.models)),
        ("classify", "3 Classify", standing.classified or ("classify" in visited and bool(standing.models))),
        ("attention", "4 Attention", "attention" in visited and bool(standing.models)),
    )
    following = next((name for name, _, done in steps if not done), None)
    with st.container(horizontal=True, gap="medium", key="tour"):
        for name, label, done in steps:
            icon = "check_circle" if done else "arrow_circle_right" if name == following else "circle"
            st.page_link(state.page(name), label=label, icon=f":material/{icon}:")


def draw_next_step(workspace: Workspace, standing: Standing) -> None:
    """One primary button; what else is possible stays secondary."""
    with st.container(border=True, key="next_step", gap="small"):
        training = [job for job in standing.jobs if job.kind == "train"]
        if training:
            draw_running(workspace, training[0], waiting=len(training) - 1)
        elif not standing.datasets:
            offer_texts(workspace)
        elif not standing.models:
            offer_training(standing.datasets[0])
        else:
            offer_classification(standing.models[0])


def offer_texts(workspace: Workspace) -> None:
    parts.section("Begin with your texts")
    st.markdown("A spreadsheet or a file with one text a row, and a label beside it where you have one.")
    with st.container(horizontal=True):
        if st.button("Bring your texts", type="primary", icon=":material/upload_file:", key="home_bring"):
            state.go("data")
        if st.button("Try it with sample data", key="home_sample", icon=":material/science:"):
            try_sample(workspace)
    st.caption("The sample: 400 short customer messages in a handful of classes, made for trying things out.")


def try_sample(workspace: Workspace) -> None:
    try:
        with st.spinner("Adding the sample …"):
            dataset = bring_sample(workspace)
    except FinesiftError as error:
        parts.fault(error)
        return
    state.go("train", data=dataset.id)


def offer_training(dataset: Dataset) -> None:
    parts.section("Train a model")
    if dataset.labelled:
        about = f"{counted(dataset.labelled, 'labelled text')} in {counted(len(dataset.labels), 'class', 'classes')}"
        st.markdown(f"“{escape_markdown(shorten(dataset.name, 80))}” is ready: {about}.")
        if st.button("Train a model", type="primary", icon=":material/model_training:", key="home_train"):
            state.go("train", data=dataset.id)
        return
    st.markdown(
        f"“{escape_markdown(shorten(dataset.name, 80))}” has no labelled texts yet. "
        "Label some here, or bring a file that has a column of labels."
    )
    with st.container(horizontal=True):
        if st.button("Label texts", type="primary", icon=":material/edit_note:", key="home_annotate"):
            state.go("annotate", data=dataset.id)
        if st.button("Bring labelled texts", icon=":material/upload_file:", key="home_bring"):
            state.go("data")


def offer_classification(model: Model) -> None:
    parts.section("Classify texts")
    classes = counted(len(model.labels), "class", "classes")
    st.markdown(f"“{escape_markdown(shorten(model.name, 80))}” is trained and knows {classes}.")
    with st.container(horizontal=True):
        if st.button("Classify texts", type="primary", icon=":material/category:", key="home_classify"):
            state.go("classify", model=model.id)
        if st.button("See its attention", icon=":material/visibility:", key="home_attention"):
            state.go("attention", model=model.id)


def draw_running(workspace: Workspace, job: Job, waiting: int) -> None:
    parts.section("A model is learning" if job.state.active else "A training waits for its turn")
    st.fragment(draw_progress, run_every=1.5)(workspace, job.id)
    if waiting:
        st.caption(f"{counted(waiting, 'more training')} waiting.")
    if st.button("Watch it learn", type="primary", icon=":material/monitoring:", key="home_watch"):
        state.go("train", job=job.id)


def draw_progress(workspace: Workspace, job_id: str) -> None:
    """Polled; the sidebar's status reruns the page when the job ends."""
    job = workspace.job(job_id)
    beat = status.pulse(workspace, job)
    st.markdown(f"**{escape_markdown(shorten(beat.name, 80))}**")
    st.progress(beat.share)
    if job.state is JobState.QUEUED:
        st.caption(f"{counted(job.ahead, 'job')} before it." if job.ahead else "Starts in a moment.")
    else:
        st.caption(" · ".join([percent(beat.share, 0), *status.time_and_device(beat)]))


def draw_figures(standing: Standing) -> None:
    labelled = sum(dataset.labelled for dataset in standing.datasets)
    parts.figures(
        (
            ("Data sets", f"{len(standing.datasets):,}"),
            (
                "Labelled texts",
                f"{labelled:,}",
                "Texts with a label that can be trained on or measured with.",
            ),
            ("Training runs", f"{len(standing.runs):,}"),
            ("Models", f"{len(standing.models):,}"),
        ),
        key="home",
    )


def draw_recent_runs(runs: list[Run]) -> None:
    if not runs:
        return
    parts.section("Recent runs")
    shown = runs[:RECENT]
    frame = pd.DataFrame(
        {
            "Run": [run.name for run in shown],
            "Data set": [run.dataset_name for run in shown],
            "State": [state_words(run.state) for run in shown],
            "Accuracy": [interval_words(run.validation.accuracy) if run.validation else "–" for run in shown],
            "Macro-F1": [interval_words(run.validation.macro_f1) if run.validation else "–" for run in shown],
            "Started": [when_words(run.created_at) for run in shown],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        key="home_runs",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Accuracy": st.column_config.TextColumn(help="On the validation part, with its 95 % interval."),
            "Macro-F1": st.column_config.TextColumn(help="On the validation part, with its 95 % interval."),
        },
        alt="The most recent training runs with their figures on the validation part",
    )
    rows = event["selection"]["rows"]
    if rows and rows[0] < len(shown):
        state.go("runs", run=shown[rows[0]].id)
    st.caption("Select a row to open the run.")


main()
