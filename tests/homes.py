"""Home folders with something in them: a small data set, a finished run with its model, runs in every state.

Rows come into the store through the product's own functions, and a model by really training a tiny one in this
process. A home is built once and copied for each test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from core import jobs
from core.data.table import Table
from core.jobs import supervise, worker
from core.jobs.link import Link
from core.records import Dataset, Evaluated, Event, Job, JobState, Note, Reading, Run, Started, Step
from core.settings import Settings, read_settings
from core.store import jobs as job_rows
from core.training.recipe import Recipe
from core.workspace import Workspace
from tests.tiny import LABELS, tiny_bert, toy_texts

QUICK = Recipe(epochs=3, batch_size=8, learning_rate=1e-3, early_stopping=2)


class NoWorker:
    """Stands for a worker process that has ended at once: jobs stay in the queue."""

    returncode = 0

    def __init__(self, _settings: Settings, lane: str, number: int) -> None:
        self.slot = (lane, number)

    def poll(self) -> int:
        return self.returncode


def open_home(home: Path) -> Workspace:
    return Workspace.open(read_settings({"FINESIFT_HOME": str(home)}))


def add_data(
    ws: Workspace, *, name: str = "toy", labels: Sequence[str | None] = LABELS, n: int = 60, rename: str = ""
) -> Dataset:
    """n toy texts. `labels` are the names of the classes in turn, `rename` the header of the text column."""
    texts, indices = toy_texts(n)
    return add_rows(
        ws, [(t, labels[i % len(labels)]) for t, i in zip(texts, indices, strict=True)], name, rename
    )


def add_rows(
    ws: Workspace, rows: Sequence[tuple[str | None, str | None]], name: str = "rows", text_header: str = ""
) -> Dataset:
    cells = {f"c{i}": pa.array([row[i] for row in rows], pa.large_string()) for i in range(2)}
    reading = Reading(format="csv", encoding="utf-8", delimiter=",", quoting=True, header=True)
    table = Table((text_header or "text", "label"), pa.table(cells), reading)
    return ws.add_dataset(table, name=name, text_column=0, label_column=1, source={"file": f"{name}.csv"})


def work(ws: Workspace, lane: str) -> Job:
    """Do the lane's next job in this process, as its worker would."""
    job, lease = claim(ws, lane)
    with Link(ws.db, lease, ws.settings.lease_seconds) as link:
        worker.handler(job.kind)(ws, job, link)
    return ws.job(job.id)


def claim(ws: Workspace, lane: str) -> tuple[Job, job_rows.Lease]:
    """Hold the lane's next job in the name of this process, which lives."""
    me = psutil.Process()
    claimed = job_rows.claim(
        ws.db, lane, f"test:{lane}", 3600.0, supervise.machine(), os.getpid(), me.create_time()
    )
    assert claimed is not None, "nothing waits in this lane"
    return claimed


def begin(ws: Workspace, steps: int = 4) -> tuple[Job, job_rows.Lease]:
    """Take the next training and write what its worker would write in the first steps."""
    job, lease = claim(ws, "train")
    events: list[Event] = [
        Note("Gathering the texts."),
        Started("CPU, 2 threads", "fp32", 1000, 1000, 42, 9, 0, 2.0, 10),
    ]
    events += [
        Step(n, n / 5, 1.1 / n, 1e-3, 0.5, 8 * n, 100.0, 2**28, n / 10, (10 - n) / 10)
        for n in range(1, steps)
    ]
    events.append(Evaluated(steps - 1, 0.6, 0.9, 0.5, 0.25, 0.75, 0.4, True, 0.5))
    job_rows.append_events(ws.db, lease, 0, [(job.created_at, event) for event in events])
    return ws.job(job.id), lease


def submit(ws: Workspace, dataset: Dataset, base: str = "all-MiniLM-L6-v2", name: str = "") -> Run:
    """Queue a training. Only where no worker is started: see NoWorker."""
    return jobs.submit_training(ws, dataset, base, QUICK, name=name)


def ended(ws: Workspace, dataset: Dataset, state: JobState, reason: str, name: str = "") -> Run:
    """A run that ended that way after its first steps, with no model."""
    run = submit(ws, dataset, name=name or state.value)
    job, lease = begin(ws)
    if state == JobState.INTERRUPTED:
        holder = next(h for h in job_rows.holders(ws.db) if h.job.id == job.id)
        assert job_rows.interrupt(ws.db, holder, reason)
    else:
        with job_rows.ending(ws.db, lease, state, reason, None):
            pass
    return ws.run(run.id)


def build_finished(folder: Path, *, name: str = "toy", labels: Sequence[str] = LABELS) -> Path:
    """A home with a data set and a finished run of a tiny BERT on it. Returns the home folder."""
    base = tiny_bert(folder / "tiny")
    ws = open_home(folder / "home")
    try:
        submit(ws, add_data(ws, name=name, labels=labels), str(base), name=name)
        job = work(ws, "train")
        assert job.state == JobState.FINISHED, job.reason
    finally:
        ws.close()
    return folder / "home"


def copy_home(home: Path, to: Path) -> Path:
    """A home of its own for one test."""
    return Path(shutil.copytree(home, to, ignore=shutil.ignore_patterns("*.lock")))


def only(items: Sequence[Any]) -> Any:
    """The one item."""
    (item,) = items
    return item
