"""A training run while it works, and how it ended: progress, curves, figures, stop.

Reads rows of the store once a second while the job is open; knows nothing of how training is done. A
reload, another page or another browser finds the run again, because nothing here is remembered but the
events that were already read.
"""

from __future__ import annotations

import streamlit as st

from core import jobs
from core.errors import FinesiftError, NotFound
from core.records import Job, JobState, Run, Started, Step
from core.training.ladder import TITLES
from core.workspace import Workspace
from ui import curves, inside, parts, state
from ui.events import EventLog, class_names, event_log
from ui.words import (
    bytes_words,
    counted,
    duration_words,
    elapsed_words,
    escape_markdown,
    interval_words,
    number_words,
    percent,
)

POLL_SECONDS = 1.0
OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)


def show_run(workspace: Workspace, run: Run) -> None:
    """Draw a run; while it is open, a fragment draws it anew each second."""
    is_open = run.state in OPEN
    st.fragment(_draw, run_every=POLL_SECONDS if is_open else None)(workspace, run.id, is_open)


def _draw(workspace: Workspace, run_id: str, was_open: bool) -> None:
    jobs.recover(workspace)
    run = workspace.run(run_id)
    if was_open and run.state not in OPEN:
        st.rerun()  # once, so that the timer stops and the whole page knows
    job = workspace.job(run.job_id)
    log = event_log(workspace, run.job_id)
    with st.container(border=True, key="live_run"):
        _title(workspace, run, job)
        _progress(job, log)
        _figures(log)
        _safety(run, log)
        show_curves(workspace, run, log, key="live")


def show_curves(workspace: Workspace, run: Run, log: EventLog, *, key: str) -> None:
    """The learning curves, and below them the choice of a closer look."""
    if log.steps:
        parts.chart(
            curves.learning_curves(
                log.steps, log.evaluations, theme=state.current_theme(), revision=run.job_id
            ),
            key=f"{key}_curves",
            alt=_curves_in_words(log),
        )
    inside.look_closer(log, _names(workspace, run, log), key=key)


def _names(workspace: Workspace, run: Run, log: EventLog) -> list[str]:
    classes = max((len(e.classes) for e in log.evaluations), default=0)
    try:
        dataset = workspace.dataset(run.dataset_id) if run.dataset_id and classes else None
    except NotFound:
        dataset = None  # deleted a moment ago
    return class_names(run, dataset, classes)


def _title(workspace: Workspace, run: Run, job: Job) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(gap="small", width="content"):
            st.markdown(f"**{escape_markdown(run.name)}**")
            parts.job_state_badge(run.state, run.reason)
        if run.state is JobState.RUNNING:
            _stop_button(workspace, job, "Stop and keep the best so far", "stop_training")
        elif run.state is JobState.QUEUED:
            _stop_button(workspace, job, "Take out of the queue", "leave_queue")
        elif run.state is JobState.STOPPING:
            st.caption("Stopping; the best so far is being kept.")


def _stop_button(workspace: Workspace, job: Job, label: str, key: str) -> None:
    if st.button(label, key=key, icon=":material/stop:"):
        try:
            jobs.request_stop(workspace, job.id)
        except FinesiftError as error:
            parts.fault(error)
        else:
            st.rerun()  # of the page: a click may come with a run of the whole page


def _progress(job: Job, log: EventLog) -> None:
    if job.state is JobState.QUEUED:
        before = f"{counted(job.ahead, 'job')} before it" if job.ahead else "its worker is starting"
        st.progress(0.0, text=f"Waiting: {before}.")
        return
    if job.state.ended:
        if job.state is not JobState.FINISHED:
            (parts.fault if job.state is JobState.FAILED else parts.hint)(job.reason)
        else:
            st.caption(escape_markdown(job.reason))
        return
    started, steps, preparing = log.started, log.steps, log.preparing
    if preparing is not None:
        share = min(1.0, preparing.done / max(1, preparing.total))
        note = escape_markdown(log.notes[-1]) if log.notes else "Preparing."
        left = duration_words(preparing.remaining)
        st.progress(share, text=f"{note} {percent(share, 0)} done, {left} left")
        return
    if started is None or not steps:
        st.progress(0.0, text=escape_markdown(log.notes[-1]) if log.notes else "Loading the libraries.")
        return
    last = steps[-1]
    share = min(1.0, last.step / max(1, started.steps))
    st.progress(share, text=f"{percent(share, 0)} done, {duration_words(last.remaining)} left")


def _safety(run: Run, log: EventLog) -> None:
    """What a sudden end would cost, and what an earlier one has cost."""
    said = []
    if log.started is not None and log.started.resumed_from:
        verb = "Goes" if run.state in OPEN else "Went"
        said.append(f"{verb} on from the checkpoint after step {log.started.resumed_from:,}.")
    if log.checkpoint is not None and run.state.active:
        said.append(f"Safe up to step {log.checkpoint.step:,}: a run that is killed now goes on from there.")
    if said:
        st.caption(" ".join(said))


def _figures(log: EventLog) -> None:
    started, steps, evaluations = log.started, log.steps, log.evaluations
    if started is None:
        return
    last = steps[-1] if steps else None
    items: list[tuple[str, str, str | None]] = []
    if evaluations:
        newest = evaluations[-1]
        best = max(evaluations, key=lambda e: (e.best, e.step))
        items += [
            (
                "Accuracy",
                interval_words(newest.accuracy, newest.accuracy_low, newest.accuracy_high),
                "On the validation part, with its 95 % interval.",
            ),
            (
                "Macro-F1",
                interval_words(newest.macro_f1, newest.macro_f1_low, newest.macro_f1_high),
                f"Mean over the classes, with its 95 % interval. Best so far: {percent(best.macro_f1)}.",
            ),
        ]
    if last is not None:
        items += [
            ("Loss", number_words(last.loss), "Of the newest training steps."),
            ("Epoch", f"{last.epoch:.2f} of {started.epochs:g}", None),
        ]
    parts.figures(items, key="live")
    st.caption(escape_markdown(" · ".join([*_pace(started, last), *_machine(started)])))


def _pace(started: Started, last: Step | None) -> list[str]:
    if last is None:
        return []
    return [
        f"step {last.step:,} of {started.steps:,}",
        f"{number_words(last.texts_per_second)} texts a second",
        f"{elapsed_words(last.elapsed)} elapsed",
        f"{bytes_words(last.memory)} of memory",
        *([] if last.device_use is None else [f"GPU {percent(last.device_use, 0)} busy"]),
    ]


def _machine(started: Started) -> list[str]:
    words = [
        TITLES.get(started.method, started.method),
        f"{started.device}, {started.precision}",
        f"{counted(started.train_texts, 'training text')}, {counted(started.validation_texts, 'validation text')}",
        f"{started.trainable / 1e6:.3g} of {started.parameters / 1e6:.3g} million weights train",
    ]
    if started.cut_texts:
        words.append(f"{counted(started.cut_texts, 'text')} cut to the maximum length")
    return words


def _curves_in_words(log: EventLog) -> str:
    words = f"Training loss over {len(log.steps)} points"
    if log.evaluations:
        newest = log.evaluations[-1]
        words += f"; validation accuracy {percent(newest.accuracy)}, macro-F1 {percent(newest.macro_f1)}"
    return words + "."
