"""The worker process: takes one job, does it, and writes how it ended. A fresh process per job, so that
memory (the GPU's above all) is given back for certain."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil
from filelock import Timeout

from core.errors import DiskFull, FinesiftError, LeaseLost, OutOfMemory
from core.jobs import adopt
from core.jobs.link import Link
from core.jobs.supervise import ensure_workers, lane_of, launch_lane, log_file, machine, recover, slot_lock
from core.records import Job, JobState
from core.store import jobs as job_rows
from core.workspace import Workspace


def work(ws: Workspace, lane: str, number: int) -> bool:
    """Do the next job of the lane. False: nothing waits, or another worker has the slot."""
    _lower_priority()
    lock = slot_lock(ws.settings, lane, number)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        done = _work_locked(ws, lane, number)
    finally:
        lock.release()
    if done:
        ensure_workers(ws)
    return done


def _work_locked(ws: Workspace, lane: str, number: int) -> bool:
    recover(ws)  # a dead predecessor's job may still hold the slot
    me = psutil.Process()
    claimed = job_rows.claim(
        ws.db,
        lane,
        f"{machine()}:{lane}:{number}",
        ws.settings.lease_seconds,
        machine(),
        me.pid,
        me.create_time(),
    )
    if claimed is None:
        return False
    _do(ws, *claimed)
    return True


def work_launched(ws: Workspace, job: Job) -> None:
    """Do a job that waits in a lane of its own for the processes that were launched for it; this is their first."""
    me = psutil.Process()
    lane = launch_lane(job.id)
    slot = f"{machine()}:{lane}:0"
    claimed = job_rows.claim(
        ws.db, lane, slot, ws.settings.lease_seconds, machine(), me.pid, me.create_time()
    )
    if claimed is not None:
        _do(ws, *claimed)


def _do(ws: Workspace, job: Job, lease: job_rows.Lease) -> None:
    with Link(ws.db, lease, ws.settings.lease_seconds) as link:
        _stop_on_signal(link)
        _run(ws, job, link)


def _run(ws: Workspace, job: Job, link: Link) -> None:
    """Do the job and end it in one of its named states."""
    try:
        handler(job.kind)(ws, job, link)
    except LeaseLost as error:
        print(f"{job.id}: {error}", flush=True)  # noqa: T201  the worker's log; the store is not ours any more
    except BaseException as error:  # noqa: BLE001  whatever it was, the run must say so
        traceback.print_exc()
        fail(ws, job, link, error)


def handler(kind: str) -> Callable[[Workspace, Job, Link], None]:
    if kind == "train":
        from core.jobs.train_job import run_training

        return run_training
    if kind == "assist":
        from core.jobs.assist_job import run_assist

        return run_assist
    if kind == "study":
        from core.jobs.studies import run_study

        return run_study
    from core.jobs.preflight_job import run_preflight
    from core.jobs.use_jobs import run_classification, run_evaluation

    return {"classify": run_classification, "evaluate": run_evaluation, "preflight": run_preflight}[kind]


def fail(ws: Workspace, job: Job, link: Link, error: BaseException) -> None:
    """Ends the job as failed, with the reason in words and whatever model was kept."""
    fault = _named(error, ws, job)
    kept = ""
    try:
        if adopt.keep_best(ws, job):
            kept = " The best model so far was kept."
    except Exception:  # noqa: BLE001  keeping is a bonus; the reason matters more
        traceback.print_exc()
    try:
        link.flush()
        with job_rows.ending(
            ws.db, link.lease, JobState.FAILED, f"{fault}{kept}", {"fault": type(fault).__name__}
        ):
            pass
    except Exception:  # noqa: BLE001  the next look at the jobs finds it interrupted
        traceback.print_exc()


def _named(error: BaseException, ws: Workspace, job: Job) -> FinesiftError:
    """The fault as a sentence for the user."""
    if isinstance(error, FinesiftError):
        return error
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DiskFull(
            "The disk that holds the home folder is full. Free some space, then run again with the same recipe."
        )
    if isinstance(error, MemoryError):
        return OutOfMemory("This machine's memory did not suffice. Take a smaller batch or shorter texts.")
    log = log_file(ws.settings, lane_of(job.kind), 0)
    return FinesiftError(
        f"Something went wrong that Finesift has no word for ({type(error).__name__}: {str(error)[:200]}). "
        f"The details are in {log.name} in the home folder's “locks”."
    )


def _stop_on_signal(link: Link) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        link.ask_to_stop("The system asked the worker to end.")

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)


def _lower_priority() -> None:
    """The screen comes first on a machine with few cores."""
    try:
        if sys.platform == "win32":
            psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        else:
            os.nice(max(0, 15 - os.nice(0)))
            # Linux weighs sessions against each other first, and a worker has a session of its own
            Path("/proc/self/autogroup").write_text("15")
    except (OSError, psutil.Error):
        pass
