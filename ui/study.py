"""A question to a model that takes a while: its button, its progress with an estimate and a stop, its findings.

Knows studies as jobs. Does not know what any of them finds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.explain.nouns import Findings
from core.records import Job, JobState, Progress
from core.workspace import Workspace
from ui import parts
from ui.words import duration_words, elapsed_words, escape_markdown


def study(
    workspace: Workspace,
    question: str,
    asked: dict[str, Any],
    *,
    key: str,
    button: str,
    sentence: str,
    draw: Callable[[Findings], None],
    name: str = "",
    page: str = "attention",
) -> None:
    """Draws the study of exactly `asked`: where there is none, `sentence` and a `button` that starts it; while it is
    under way, its progress and a stop; when it is done, `draw(findings)`, and a way to do it again."""
    job = jobs.find_study(workspace, question, asked)
    if job is not None and not job.state.ended:
        st.fragment(_wait, run_every=1.0)(workspace, job.id, key)
        return
    if job is not None and job.state is JobState.FINISHED:
        try:
            found = jobs.findings(workspace, job)
        except FinesiftError as error:
            parts.fault(error)
        else:
            draw(found)
            seconds = float((job.result or {}).get("seconds", 0.0))
            with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_again_row"):
                st.caption(f"Took {elapsed_words(seconds)}.")
                if st.button("Do it again", key=f"{key}_again", type="tertiary", icon=":material/refresh:"):
                    _start(workspace, question, asked, name, page)
            return
    elif job is not None:
        if job.state is JobState.STOPPED:
            parts.hint(job.reason)
        else:
            parts.fault(job.reason)
    st.caption(escape_markdown(sentence))
    if st.button(escape_markdown(button), key=f"{key}_start", icon=":material/play_arrow:"):
        _start(workspace, question, asked, name, page)


def _start(workspace: Workspace, question: str, asked: dict[str, Any], name: str, page: str) -> None:
    try:
        jobs.submit_study(workspace, question, asked, name=name, page=page)
    except FinesiftError as error:
        parts.fault(error)
    else:
        st.rerun()


def _wait(workspace: Workspace, job_id: str, key: str) -> None:
    jobs.recover(workspace)
    job = workspace.job(job_id)
    if job.state.ended:
        st.rerun()
    share, words = _progress(workspace, job)
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_wait"):
        st.progress(share, text=escape_markdown(words))
        if st.button("Stop", key=f"{key}_stop", disabled=job.state is JobState.STOPPING):
            jobs.request_stop(workspace, job_id)
            st.rerun(scope="fragment")


def _progress(workspace: Workspace, job: Job) -> tuple[float, str]:
    if job.state is JobState.QUEUED:
        return 0.0, "Waiting for its turn." if job.ahead else "Its worker is starting."
    if job.state is JobState.STOPPING:
        return 0.0, "Stopping."
    progress = workspace.last_event(job.id, Progress.kind)
    if not isinstance(progress, Progress) or not progress.total:
        return 0.0, "Getting ready."
    left = f", {duration_words(progress.remaining)} left" if progress.done < progress.total else ""
    return min(1.0, progress.done / progress.total), f"{progress.done:,} of {progress.total:,}{left}"
