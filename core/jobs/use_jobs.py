"""Using a model as a job: measuring it on a part, classifying a file."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from core.data.intake import read_table
from core.errors import BadData
from core.inference.classifier import Classifier
from core.inference.files import classify_table
from core.jobs.link import Link
from core.jobs.train_job import measure, pairs_of
from core.records import Job, JobState, Note, Part, Progress, Reading
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.workspace import Workspace


def run_evaluation(ws: Workspace, job: Job, link: Link) -> None:
    """Measure a run's model on one part of its data set; a look at the test part is counted."""
    run = run_rows.get(ws.db, job.payload["run_id"])
    part = Part(job.payload["part"])
    if run.dataset_id is None:
        raise BadData("The data set of this run was deleted, so its texts are gone.")
    link.emit(Note("Loading the model."))
    classifier = Classifier.load(ws.find_model(job.payload["model_id"]).folder)
    _, texts, labels = ws.part_texts(run.dataset_id, part.value)
    if not texts:
        raise BadData(f"The data set has no {part.value} part.")
    separator = ws.dataset(run.dataset_id).separator
    scores = measure(classifier, pairs_of(texts, labels, separator))
    with job_rows.ending(ws.db, link.lease, JobState.FINISHED, "Measured.", scores.brief()) as connection:
        if part == Part.TEST:
            run_rows.set_scores(connection, run.id, test=scores, test_source="part", looked=True)
        else:
            run_rows.set_scores(connection, run.id, validation=scores)


def run_classification(ws: Workspace, job: Job, link: Link) -> None:
    """Classify a file into a CSV beside it. Stopping leaves no half file behind."""
    folder = ws.job_folder(job.id)
    payload = job.payload
    link.emit(Note("Loading the model and reading the file."))
    classifier = Classifier.load(ws.find_model(payload["model_id"]).folder)
    table = read_table(folder / "input", payload["name"], ws.settings, _reading(payload["reading"]))
    begun = time.monotonic()
    result: dict[str, Any] = {"rows": table.data.num_rows, "output": "output.csv"}
    for progress in classify_table(classifier, table, payload["text_column"], folder / "output.csv"):
        elapsed = time.monotonic() - begun
        rate = progress.done / elapsed if elapsed > 0 else 0.0
        link.emit(
            Progress(
                done=progress.done,
                total=progress.total,
                texts_per_second=rate,
                elapsed=elapsed,
                remaining=(progress.total - progress.done) / rate if rate > 0 else 0.0,
            )
        )
        result["guarded"] = progress.guarded
        result["without_text"] = progress.without_text
        if link.should_stop() and progress.done < progress.total:
            reason = "Stopped. Nothing was kept; start it again for the whole file."
            with job_rows.ending(ws.db, link.lease, JobState.STOPPED, reason, None):
                return
    link.flush()
    result["seconds"] = time.monotonic() - begun
    with job_rows.ending(ws.db, link.lease, JobState.FINISHED, "Classified.", result):
        pass


def _reading(data: dict[str, Any] | None) -> Reading | None:
    if data is None:
        return None
    return replace(Reading(**data), sheets=tuple(data.get("sheets") or ()))
