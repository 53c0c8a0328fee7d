"""The pre-flight as a job, so that the server itself never loads torch."""

from __future__ import annotations

from dataclasses import replace

from core.errors import BadData
from core.jobs.link import Link
from core.jobs.train_job import as_data, label_names, pairs_of
from core.records import Dataset, Job, JobState, Note, Part, Preflight
from core.store import jobs as job_rows
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.workspace import Workspace


def run_preflight(ws: Workspace, job: Job, link: Link) -> None:
    """Measure a run before it starts. The job's result is the Preflight as JSON."""
    payload = job.payload
    link.emit(Note("Loading the base model and reading the texts."))
    found = measure(
        ws, ws.dataset(payload["dataset_id"]), payload["base_model"], Recipe.from_json(payload["recipe"])
    )
    if link.should_stop():
        with job_rows.ending(ws.db, link.lease, JobState.STOPPED, "Stopped before it was done.", None):
            return
    with job_rows.ending(ws.db, link.lease, JobState.FINISHED, "Measured.", found.to_json()):
        pass


def measure(ws: Workspace, dataset: Dataset, base_model: str, recipe: Recipe) -> Preflight:
    """The pre-flight of a run on a data set, here and now. Raises what `training.preflight` and
    `Workspace.find_model` raise.
    """
    from core.training.preflight import preflight

    found = preflight(training_data(ws, dataset), recipe, ws.find_model(base_model).folder)
    if any(job.state.active for job in ws.open_jobs("train")):
        busy = (
            "A training runs on this machine at this moment, so the time and the free memory are those of a busy "
            "machine. Measure again when it is done."
        )
        found = replace(found, advice=(busy, *found.advice))
    return found


def training_data(ws: Workspace, dataset: Dataset) -> TrainingData:
    """The training and the validation part of a data set. Raises BadData where nothing is labelled."""
    separator = dataset.separator
    parts = [
        pairs_of(texts, labels, separator)
        for part in (Part.TRAIN, Part.VALIDATION)
        for _, texts, labels in [ws.part_texts(dataset.id, part.value)]
    ]
    names = label_names(*parts)
    if not names:
        raise BadData(f"No row of “{dataset.name}” has a label, so there is nothing to learn from.")
    return as_data(parts[0], parts[1], names, separator is not None)
