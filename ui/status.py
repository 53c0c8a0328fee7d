"""The quiet status in the sidebar: what runs, how far it is, on which device, what waits.

Polls the store only while something is open. Knows the store's rows, not how work is done.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.errors import NotFound
from core.jobs import recover
from core.records import Job, JobState, Progress, Started, Step
from core.workspace import Workspace
from ui import state
from ui.words import counted, duration_words, escape_markdown, shorten

# kind of job -> what it does, the page where it is watched
KINDS = {
    "train": ("Training", "train"),
    "classify": ("Classifying", "classify"),
    "evaluate": ("Measuring", "runs"),
    "preflight": ("Checking before training", "train"),
    "assist": ("Learning beside you", "annotate"),
    "study": ("Examining", "attention"),
}


@dataclass(frozen=True)
class Pulse:
    """How an open job is doing now."""

    job: Job
    title: str  # “Training”, “Classifying”
    name: str  # of the run or the file
    page: str  # where it is watched
    share: float  # done, 0 to 1
    remaining: float | None  # seconds; None: not known yet
    device: str | None


def pulse(workspace: Workspace, job: Job) -> Pulse:
    """Read the newest events of a job."""
    title, page = KINDS.get(job.kind, (job.kind.capitalize(), "home"))
    page = str(job.payload.get("page") or page)
    name = _name(workspace, job)
    if job.state is JobState.QUEUED:
        return Pulse(job, title, name, page, 0.0, None, None)
    started = workspace.last_event(job.id, Started.kind)
    device = started.device if isinstance(started, Started) else None
    share, remaining = 0.0, None
    if job.kind == "train":
        step = workspace.last_event(job.id, Step.kind)
        if isinstance(step, Step) and isinstance(started, Started) and started.steps:
            share, remaining = step.step / started.steps, step.remaining
    else:
        progress = workspace.last_event(job.id, Progress.kind)
        if isinstance(progress, Progress) and progress.total:
            share, remaining = progress.done / progress.total, progress.remaining
    return Pulse(job, title, name, page, min(1.0, max(0.0, share)), remaining, device)


def _name(workspace: Workspace, job: Job) -> str:
    """The run's name, or the file's."""
    try:
        if run_id := job.payload.get("run_id"):
            return workspace.run(str(run_id)).name
    except NotFound:
        return ""
    return str(job.payload.get("file_name") or job.payload.get("name") or "")


def show(workspace: Workspace, here: str) -> None:
    """Draw the status; a fragment that polls while a job is open, and notices workers that died.

    `here`: the page that is open, to which no link is needed."""
    running = bool(workspace.open_jobs())
    with st.container(key="sidebar_status", gap="small"):
        st.fragment(_draw, run_every=1.5 if running else None)(workspace, running, here)


def _draw(workspace: Workspace, was_running: bool, here: str) -> None:
    if was_running:
        recover(workspace)
    jobs = workspace.open_jobs()
    if was_running and not jobs:
        st.rerun()  # the timer stops, and the page under it shows the end
    active = [job for job in jobs if job.state.active]
    waiting = [job for job in jobs if job.state is JobState.QUEUED]
    if not jobs:
        st.caption("Nothing is running.")
        return
    for job in active:
        beat = pulse(workspace, job)
        st.markdown(f"**{beat.title}** {escape_markdown(shorten(beat.name, 40))}")
        st.progress(beat.share)
        st.caption(" · ".join(time_and_device(beat)))
    if waiting:
        st.caption(f"{counted(len(waiting), 'job')} waiting.")
    first = pulse(workspace, (active or waiting)[0])
    if first.page != here:
        st.page_link(
            state.page(first.page),
            label="Watch it",
            icon=":material/monitoring:",
            query_params={"data": first.job.payload["dataset_id"]}
            if first.job.kind == "assist"
            else {"job": first.job.id},
        )


def time_and_device(beat: Pulse) -> list[str]:
    """“about 2 min left”, “CPU, 2 threads”: what is known of them."""
    if beat.job.state is JobState.STOPPING:
        words = ["stopping"]
    elif beat.job.kind == "assist" and beat.share >= 1:
        words = ["from every answer"]
    elif beat.remaining is None:
        words = ["preparing"]
    else:
        words = [f"{duration_words(beat.remaining)} left"]
    return words + ([escape_markdown(beat.device)] if beat.device else [])
