"""Going on with a run that broke off: one button where it has a checkpoint, and the way on where that is refused.

Knows what may be offered for a run; does not know how a checkpoint is checked or loaded.
"""

from __future__ import annotations

import streamlit as st

from core import jobs
from core.errors import FinesiftError, ResumeRefused
from core.records import JobState, Run
from core.training.recipe import Recipe
from core.workspace import Workspace
from ui import parts, state

BROKEN_OFF = (JobState.INTERRUPTED, JobState.FAILED, JobState.STOPPED)
_REFUSED = "resume_refused"  # session key: (run id, sentence) of the last refusal


def checkpoint_step(workspace: Workspace, run: Run) -> int | None:
    """The optimizer step that the run can go on from; None where there is none, no need, or it was refused."""
    if run.state not in BROKEN_OFF or _refused(run) or _refused_by_worker(workspace, run):
        return None
    return jobs.checkpoint_step(workspace, run.id)


def button(workspace: Workspace, run: Run, step: int | None, *, key: str) -> None:
    """The button, where there is a step to go on from. A refusal is told by `refusal` in the next run of the page."""
    if step is None:
        return
    if st.button(
        f"Resume from step {step:,}",
        type="primary",
        key=f"{key}_resume",
        icon=":material/resume:",
        help="Goes on from its newest checkpoint, and ends as if it had never been interrupted.",
    ):
        try:
            resumed = jobs.resume(workspace, run)
        except ResumeRefused as error:
            st.session_state[_REFUSED] = (run.id, str(error))
            st.rerun()
        except FinesiftError as error:
            parts.fault(error)
        else:
            state.go("train", job=resumed.job_id)


def refusal(workspace: Workspace, run: Run, *, key: str) -> None:
    """Why this run could not go on, and the offer of a new one that starts from its weights."""
    sentence = _refused(run)
    if sentence is not None:
        parts.fault(sentence)
    elif not _refused_by_worker(workspace, run):  # its sentence is the reason of the run, which stands there
        return
    if run.model_id is None or run.dataset_id is None:
        return
    if st.button("New run from these weights", type="primary", key=f"{key}_from_weights"):
        try:
            dataset = workspace.dataset(run.dataset_id)
            new = jobs.submit_training(workspace, dataset, run.model_id, Recipe.from_json(run.recipe))
        except FinesiftError as error:
            parts.fault(error)
        else:
            st.session_state.pop(_REFUSED, None)
            state.go("train", job=new.job_id)


def _refused(run: Run) -> str | None:
    run_id, sentence = st.session_state.get(_REFUSED, (None, None))
    return sentence if run_id == run.id else None


def _refused_by_worker(workspace: Workspace, run: Run) -> bool:
    """The training itself found that the checkpoint does not fit."""
    result = workspace.job(run.job_id).result or {}
    return run.state is JobState.FAILED and result.get("fault") == ResumeRefused.__name__
