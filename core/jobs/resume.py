"""Going on with a training that was broken off: the same job, queued again, from its newest sound checkpoint.

Knows what has to be there before a worker is bothered. Whether the checkpoint fits recipe, data and tokenizer is
the training's own question (core.training.loop), asked before anything is computed.
"""

from __future__ import annotations

from pathlib import Path

from core.errors import InUse, NotFound, ResumeRefused
from core.jobs.supervise import ensure_workers, lane_of, launch_lane
from core.records import JobState, Run
from core.store import jobs as job_rows
from core.training import checkpoint
from core.workspace import Workspace


def checkpoints(ws: Workspace, run_id: str) -> Path:
    return ws.run_folder(run_id) / "checkpoints"


def checkpoint_step(ws: Workspace, run_id: str) -> int | None:
    """After how many optimizer steps the run's newest checkpoint was written; None where it has none."""
    found = checkpoint.steps(checkpoints(ws, run_id))
    return found[0] if found else None


def resume(ws: Workspace, run: Run, *, launched: bool = False) -> Run:
    """Queue an interrupted, failed or stopped run again; it goes on from its newest sound checkpoint.

    `launched`: the caller is the first of processes that were launched for it, and does it itself.

    Raises InUse while it waits or works, NotFound where there is nothing to go on from, ResumeRefused where its
    data set has changed since.
    """
    if not run.state.ended:
        raise InUse("This run is not over, so there is nothing to resume.")
    if run.state is JobState.FINISHED:
        raise NotFound("This run has finished. Start a new run to train further.")
    if run.dataset_id is None:
        raise NotFound(
            f"The data set “{run.dataset_name}” was deleted, so this run cannot go on. Its best model so far stays."
        )
    if checkpoint_step(ws, run.id) is None:
        raise NotFound(
            "This run was broken off before its first checkpoint, so there is nothing to go on from. "
            "Run it again with the same recipe."
        )
    then = ws.job(run.job_id).payload.get("fingerprint")
    if then and then != ws.dataset(run.dataset_id).fingerprint:
        raise ResumeRefused(
            f"The data set “{run.dataset_name}” has changed since this run began, so it cannot go on as if nothing "
            "had happened. Start a new run from these weights."
        )
    job_rows.requeue(ws.db, run.job_id, launch_lane(run.job_id) if launched else lane_of("train"))
    ensure_workers(ws)
    return ws.run(run.id)
