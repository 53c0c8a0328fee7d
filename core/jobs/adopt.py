"""Turns what a training run has saved into a model, also after its worker has died."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from core.records import Evaluated, Job, Model, Run
from core.store import jobs as job_rows
from core.store import models as model_rows
from core.store import runs as run_rows
from core.workspace import Workspace

SIDECAR = "finesift.json"


def best_folder(ws: Workspace, run_id: str) -> Path:
    """Where the loop writes the best model so far."""
    return ws.run_folder(run_id) / "best"


def snapshots_folder(ws: Workspace, run_id: str) -> Path:
    """Where the loop keeps states on the way. They stay with the run when its model moves to the models."""
    return ws.run_folder(run_id) / "snapshots"


def publish(ws: Workspace, run: Run) -> tuple[str, Path]:
    """Move the best folder of a run to the models. The id follows from the run's, so that a crash between
    this and the database leaves nothing that could not be found again."""
    model_id = "model-" + run.id.removeprefix("run-")
    place = ws.settings.models / model_id
    source = best_folder(ws, run.id)
    if source.is_dir():
        if place.is_dir():  # of an attempt that was broken off
            old = place.with_name(f"old-{place.name}")
            shutil.rmtree(old, ignore_errors=True)
            place.replace(old)
            source.replace(place)
            shutil.rmtree(old, ignore_errors=True)
        else:
            source.replace(place)
    return model_id, place


def insert(connection: Connection, run: Run, model_id: str, folder: Path, info: dict[str, Any]) -> None:
    """The model's row, in the transaction that ends the run."""
    sidecar = read_sidecar(folder)
    model_rows.insert_model(
        connection,
        Model(
            id=model_id,
            name=run.name,
            run_id=run.id,
            folder=f"models/{model_id}",
            base_model=run.base_model,
            labels=tuple(sidecar["labels"]),
            created_at=time.time(),
            info=info,
        ),
    )


def read_sidecar(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / SIDECAR).read_text("utf-8")))


def extend_sidecar(folder: Path, **values: Any) -> None:
    """Add what became known after saving, atomically."""
    data = {**read_sidecar(folder), **values}
    temporary = folder / f"tmp-{SIDECAR}"
    temporary.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(folder / SIDECAR)


def keep_best(ws: Workspace, job: Job) -> bool:
    """After an interruption or a fault: whatever was saved becomes a model. False: nothing was."""
    if job.kind != "train":
        return False
    run = run_rows.get(ws.db, job.id)
    if run.model_id is not None:
        return True
    model_id, folder = publish(ws, run)
    if not (folder / SIDECAR).is_file() or not any(folder.glob("*.safetensors")):
        return False
    evaluations = [
        e.event
        for e in job_rows.events_after(ws.db, job.id)
        if isinstance(e.event, Evaluated) and e.event.best
    ]
    summary: dict[str, Any] = {"kept": "best so far"}
    if evaluations:
        best = evaluations[-1]
        summary.update(
            best_step=best.step, accuracy=best.accuracy, macro_f1=best.macro_f1, seconds=best.elapsed
        )
    with ws.db.write() as connection:
        insert(connection, run, model_id, folder, summary)
        run_rows.set_scores(connection, run.id, summary={**run.summary, **summary})
    return True
