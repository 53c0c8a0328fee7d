"""A training run while it works, and how it ended: progress, curves, figures, stop.

Reads rows of the store once a second while the job is open; knows nothing of how training is done. A
reload, another page or another browser finds the run again, because nothing here is remembered but the
events that were already read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.records import Evaluated, Event, Job, JobState, Note, Run, Started, Step
from core.workspace import Workspace
from ui import charts, parts, state
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


@dataclass
class EventLog:
    """The events of one run that were read so far; the next read asks for the rest only."""

    job_id: str
    seq: int = -1
    events: list[Event] = field(default_factory=list)

    def read(self, workspace: Workspace) -> None:
        for stored in workspace.events_after(self.job_id, self.seq):
            self.seq = stored.seq
            self.events.append(stored.event)

    @property
    def steps(self) -> list[Step]:
        return [e for e in self.events if isinstance(e, Step)]

    @property
    def evaluations(self) -> list[Evaluated]:
        return [e for e in self.events if isinstance(e, Evaluated)]

    @property
    def notes(self) -> list[str]:
        return [e.message for e in self.events if isinstance(e, Note)]

    @property
    def started(self) -> Started | None:
        return next((e for e in self.events if isinstance(e, Started)), None)


def event_log(workspace: Workspace, job_id: str) -> EventLog:
    """The log of a run, kept in the session so that a tick costs only what is new."""
    log = st.session_state.get("event_log")
    if not isinstance(log, EventLog) or log.job_id != job_id:
        log = EventLog(job_id)
        st.session_state["event_log"] = log
    log.read(workspace)
    return log


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
        if log.steps or log.evaluations:
            parts.chart(
                charts.learning_curves(
                    log.steps, log.evaluations, theme=state.current_theme(), revision=run.job_id
                ),
                key="live_curves",
                alt=_curves_in_words(log),
            )
        if log.notes:
            with st.expander("What was decided, and why", expanded=False):
                parts.notes(log.notes, limit=30)


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
    started, steps = log.started, log.steps
    if started is None or not steps:
        st.progress(0.0, text=escape_markdown(log.notes[-1]) if log.notes else "Loading the libraries.")
        return
    last = steps[-1]
    share = min(1.0, last.step / max(1, started.steps))
    st.progress(share, text=f"{percent(share, 0)} done, {duration_words(last.remaining)} left")


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
                percent(newest.macro_f1),
                f"Mean over the classes. Best so far: {percent(best.macro_f1)}.",
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
    ]


def _machine(started: Started) -> list[str]:
    words = [
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
