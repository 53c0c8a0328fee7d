"""Starts workers and notices dead ones. Knows processes, nothing of models."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from core.errors import WorkerFailed
from core.jobs import adopt
from core.records import JobState
from core.settings import Settings
from core.store import jobs as job_rows
from core.training.group import ENVIRONMENT
from core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
LANE_NAMES = ("train", "use", "assist", "study")
ASSISTANTS = 3  # data sets whose labelling a model follows at once; an idle one gives way to one that waits
RESTART_SECONDS = 3.0  # a started worker gets this long before another one is tried
SPIN_SHARED, SPIN_IDLE = "1000", "10000"  # turns that a thread waits awake (docs/decisions/0006)
STARTS_TRIED = 3  # workers that may end with a fault before they have a job, until that job fails
_started: dict[str, tuple[float, subprocess.Popen[bytes]]] = {}
_faults: dict[str, int] = {}
_started_lock = threading.Lock()


def recover(ws: Workspace) -> None:
    """Mark jobs of dead workers as interrupted, keep their best model, and go on with the queue.

    Cheap enough to call at each look at the jobs."""
    now = time.time()
    for holder in job_rows.holders(ws.db):
        if _gone(holder, now, ws.settings.lease_seconds) and job_rows.interrupt(
            ws.db, holder, _INTERRUPTED[holder.job.kind != "train"]
        ):
            adopt.keep_best(ws, holder.job)
    ensure_workers(ws)


def request_stop(ws: Workspace, job_id: str) -> JobState:
    """Ask a job to stop; a training keeps the best so far."""
    return job_rows.request_stop(ws.db, job_id)


def ensure_workers(ws: Workspace) -> None:
    """Start a worker for each free slot of each lane in which jobs wait."""
    waiting = [job for job in job_rows.open_jobs(ws.db) if job.state == JobState.QUEUED]
    for lane in LANE_NAMES:
        queued = sum(lane_of(job.kind) == lane for job in waiting)
        for number in range(slots(ws.settings, lane)):
            if queued > 0:
                queued -= _start_worker(ws, lane, number)


def lane_of(kind: str) -> str:
    return kind if kind in ("train", "assist", "study") else "use"


def launch_lane(job_id: str) -> str:
    """The lane of a training that `accelerate launch` started itself: no worker looks for work there."""
    return f"launch-{job_id.removeprefix('job-')}"


def slots(settings: Settings, lane: str) -> int:
    """How many jobs of a lane may work at once on this machine."""
    return {"train": settings.trainings, "assist": ASSISTANTS}.get(lane, 1)


def slot_lock(settings: Settings, lane: str, number: int) -> FileLock:
    """Held by the worker of a slot for as long as its process lives."""
    return FileLock(settings.home / "locks" / f"worker-{lane}-{number}.lock")


def log_file(settings: Settings, lane: str, number: int) -> Path:
    return settings.home / "locks" / f"worker-{lane}-{number}.log"


def machine() -> str:
    return socket.gethostname()


_INTERRUPTED = {
    False: (
        "The training process ended without a word: it was killed, ran out of memory, or the machine went off."
    ),
    True: "The process ended without a word: it was killed, ran out of memory, or the machine went off. Start it again.",
}


def _gone(holder: job_rows.Holder, now: float, lease_seconds: float) -> bool:
    """True when the worker can be taken for dead.

    On this machine the process table tells at once. A process that is there but silent is given four
    leases (a machine that slept wakes all its processes together) unless it stands still."""
    if holder.host != machine():
        return now > holder.lease_until
    try:
        process = psutil.Process(holder.pid)
        if abs(process.create_time() - holder.process_started) > 2.0:
            return True
        status = process.status()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return now > holder.lease_until
    if status == psutil.STATUS_ZOMBIE:
        return True
    if status == psutil.STATUS_STOPPED:
        return now > holder.lease_until
    return now > holder.lease_until + 3 * lease_seconds


def _start_worker(ws: Workspace, lane: str, number: int) -> bool:
    """Start one unless the slot's worker lives or was started a moment ago. Whether one is on its way to a job."""
    settings = ws.settings
    key = f"{settings.home}:{lane}:{number}"
    with _started_lock:
        started, process = _started.get(key, (0.0, None))
        if process is not None:
            process.poll()  # reaps it when it has ended
            if process.returncode is None and time.monotonic() - started < RESTART_SECONDS:
                return True
            idle = process.returncode and not job_rows.has_worked(ws.db, machine(), process.pid)
            _faults[key] = _faults.get(key, 0) + 1 if idle else 0
            if _faults[key] >= STARTS_TRIED:
                _faults[key] = 0
                del _started[key]
                job_rows.fail_next(ws.db, lane, _start_fault(log_file(settings, lane, number)))
                return True
        lock = slot_lock(settings, lane, number)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        _started[key] = (time.monotonic(), _spawn(settings, lane, number))
        return True


def _start_fault(log: Path) -> str:
    last = ""
    try:
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
        last = f" Its last words: {lines[-1].strip()[:200]}" if lines else ""
    except OSError:
        pass
    return (
        f"The worker process cannot be started on this machine; {STARTS_TRIED} tries failed.{last} "
        f"The file {log.name} in the home folder's “locks” has the details."
    )


def _spinning() -> dict[str, str]:
    """On a machine that has nothing else to do, a worker's threads may wait for each other awake for longer."""
    asked = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ)
    given = os.environ.get("GOMP_SPINCOUNT") == SPIN_SHARED and "OMP_WAIT_POLICY" not in os.environ
    if asked and not given:
        return {}
    return {"GOMP_SPINCOUNT": SPIN_IDLE if psutil.cpu_percent(interval=0.2) < 50.0 else SPIN_SHARED}


def _spawn(settings: Settings, lane: str, number: int) -> subprocess.Popen[bytes]:
    """A detached process: it outlives the page, the server and the terminal."""
    command = [sys.executable, "-m", "core", "worker", "--lane", lane, "--slot", str(number)]
    log = log_file(settings, lane, number)
    inherited = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**inherited, **_spinning(), **settings.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        raise WorkerFailed(
            f"The worker process could not be started ({error.strerror}). The job waits in the queue; "
            "free some memory and open the page again."
        ) from error
