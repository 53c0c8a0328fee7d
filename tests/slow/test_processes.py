"""Training in several processes from the command line, as a person and as `accelerate launch` start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core import jobs
from core.records import Checkpointed, JobState, Run
from core.store import jobs as job_rows
from core.workspace import Workspace
from tests.homes import add_data, open_home
from tests.test_cli import ROOT
from tests.tiny import tiny_bert

pytestmark = pytest.mark.slow
RECIPE = ("--method", "full", "--batch-size", 8, "--precision", "fp32")
PATIENCE = 300.0  # seconds


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    workspace = open_home(tmp_path / "home")
    add_data(workspace, n=240)
    tiny_bert(tmp_path / "tiny")
    yield workspace
    workspace.close()


def line(ws: Workspace, *arguments: object) -> subprocess.Popen[str]:
    """The command line, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-m", "core", "--home", str(ws.settings.home), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "FINESIFT_CHECKPOINT_SECONDS": "0.2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def worker_at_work(
    ws: Workspace, started: subprocess.Popen[str], beyond: int = 0
) -> tuple[psutil.Process, int]:
    """The process that holds the job, once it has written a checkpoint after more than `beyond` steps; and after
    how many.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and started.poll() is None:
        for holder in job_rows.holders(ws.db):
            event = ws.last_event(holder.job.id, "checkpointed")
            if isinstance(event, Checkpointed) and event.step > beyond:
                return psutil.Process(holder.pid), event.step
        time.sleep(0.1)
    raise AssertionError("no checkpoint in time")


def the_run(ws: Workspace) -> Run:
    (run,) = ws.runs()
    return run


def test_a_run_in_two_processes_survives_the_death_of_either(ws: Workspace, tmp_path: Path) -> None:
    long = ("--epochs", 300, "--early-stopping", 0, "--name", "long", "--processes", 2)
    started = line(ws, "train", "toy", "--model", tmp_path / "tiny", *RECIPE, *long)
    worker, step = worker_at_work(ws, started)
    (other,) = worker.children()
    worker.kill()
    other.wait(timeout=PATIENCE)  # it ends with its worker
    assert started.wait(PATIENCE) == 1
    assert the_run(ws).state is JobState.INTERRUPTED

    resumed = line(ws, "resume", "long")
    worker, _ = worker_at_work(ws, resumed, beyond=step)
    (other,) = worker.children()
    other.kill()
    assert resumed.wait(PATIENCE) == 1
    assert the_run(ws).state is JobState.FAILED
    assert the_run(ws).reason.startswith("Process 2 of 2 was killed")

    again = line(ws, "resume", "long")
    worker, _ = worker_at_work(ws, again, beyond=step)
    jobs.request_stop(ws, the_run(ws).job_id)
    assert again.wait(PATIENCE) == 0
    assert the_run(ws).state is JobState.STOPPED
    assert the_run(ws).summary["device"].startswith("2 × ")


def test_accelerate_launch_trains_with_the_same_line(ws: Workspace, tmp_path: Path) -> None:
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"]
    launcher += ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command = ["-m", "core", "--home", ws.settings.home, "train"]
    command += ["toy", "--model", tmp_path / "tiny", "--epochs", 2, *RECIPE]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert the_run(ws).state is JobState.FINISHED
    assert the_run(ws).summary["device"].startswith("2 × ")
    assert '"model": "model-' in done.stdout
