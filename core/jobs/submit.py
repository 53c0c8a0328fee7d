"""Puts work into the queue, after checking everything that can be checked without loading a model."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data import shelf
from core.data.prepare import prepare
from core.errors import BadData, BadRecipe, NotFound
from core.jobs.supervise import ensure_workers, lane_of, launch_lane
from core.records import Dataset, Job, Part, Reading, Run
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.ids import new_id
from core.training.recipe import FEW_NEEDS_ONE, Recipe, problems
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.table import Table

LINE_LIMIT = 10_000  # pasted lines; more belong into a file
MOST_PROCESSES = 64  # that one training starts on this machine


@dataclass(frozen=True)
class TestFile:
    """The user's own test file; it takes the place of the held-out part."""

    __test__ = False  # not a test case, whatever pytest thinks of its name

    table: Table
    text_column: int
    label_column: int
    name: str


def submit_training(
    ws: Workspace,
    dataset: Dataset,
    base_model: str,
    recipe: Recipe,
    *,
    name: str = "",
    test: TestFile | None = None,
    processes: int = 1,
    launched: bool = False,
) -> Run:
    """Queue a training run. Raises BadRecipe or BadData before anything is written.

    `processes`: how many of this machine's train it together. `launched`: the caller is the first of processes
    that were launched for this training, and does it itself (`worker.work_launched`).
    """
    faults = problems(recipe)
    if not 1 <= processes <= MOST_PROCESSES:
        faults.append(f"The number of processes has to be between 1 and {MOST_PROCESSES}.")
    if faults:
        raise BadRecipe(" ".join(faults))
    if not base_model.strip():
        raise BadRecipe("No base model is named. Choose one from the list.")
    check_trainable(dataset)

    run_id = new_id("run")
    payload: dict[str, Any] = {"run_id": run_id, "processes": processes}
    if test is not None:
        payload["test_file"] = test.name
        _keep_test_file(test, ws.run_folder(run_id) / "test", dataset)
    wanted = name.strip() or f"{dataset.name}, {base_model.strip().rstrip('/').split('/')[-1]}"
    return _queue_run(ws, run_id, payload, dataset, base_model.strip(), recipe.to_json(), wanted, launched)


def run_again(ws: Workspace, run: Run, *, name: str = "") -> Run:
    """Queue a new run with the recipe, data set, base model and test file of another one."""
    if run.dataset_id is None:
        raise NotFound(
            f"The data set “{run.dataset_name}” was deleted, so this run cannot be repeated. "
            "Bring the file again and start a new run."
        )
    dataset = ws.dataset(run.dataset_id)
    check_trainable(dataset)
    run_id = new_id("run")
    then = ws.job(run.job_id).payload
    payload: dict[str, Any] = {"run_id": run_id, "processes": then.get("processes", 1)}
    own_test = ws.run_folder(run.id) / "test"
    if own_test.is_dir():
        payload["test_file"] = then.get("test_file")
        shutil.copytree(own_test, ws.run_folder(run_id) / "test")
    return _queue_run(ws, run_id, payload, dataset, run.base_model, run.recipe, name or run.name)


def _queue_run(
    ws: Workspace,
    run_id: str,
    payload: dict[str, Any],
    dataset: Dataset,
    base_model: str,
    recipe: dict[str, Any],
    wanted_name: str,
    launched: bool = False,
) -> Run:
    """The job and its run appear together."""
    payload["fingerprint"] = dataset.fingerprint  # a run that goes on later goes on with the same data
    with ws.db.write() as connection:
        payload["name"] = run_rows.free_run_name(connection, wanted_name)
        job_id = new_id("job")
        lane = launch_lane(job_id) if launched else lane_of("train")
        job_rows.insert_job(connection, "train", lane, payload, job_id)
        run_rows.insert_run(
            connection,
            {
                "id": run_id,
                "name": payload["name"],
                "job_id": job_id,
                "dataset_id": dataset.id,
                "dataset_name": dataset.name,
                "base_model": base_model,
                "recipe": recipe,
                "created_at": time.time(),
            },
        )
    ensure_workers(ws)
    return ws.run(run_id)


def check_trainable(dataset: Dataset) -> None:
    """Raises BadData with a sentence when no classifier can be trained on it."""
    labels = dataset.labels
    if not labels:
        raise BadData(
            f"No row of “{dataset.name}” has a label, so there is nothing to learn from. "
            "Choose the column that holds the labels, or label some texts first."
        )
    if len(labels) == 1:
        only = next(iter(labels))
        raise BadData(
            f"All labelled rows of “{dataset.name}” are “{only}”. A classifier needs at least two classes: "
            "add texts of another class, or choose another label column."
        )
    if max(labels.values()) == 1:
        raise BadData(
            f"Each class of “{dataset.name}” has only one text, so none is left to check the model with. "
            "Add more texts per class (20 is a good start), or choose another label column."
        )
    if not dataset.parts.get(Part.VALIDATION.value):
        raise BadData(
            f"“{dataset.name}” has too few labelled texts to keep some aside for checking the model. "
            "Add a few texts to each class."
        )


def submit_evaluation(ws: Workspace, run: Run, part: Part) -> Job:
    """Queue the measuring of a run's model on a part of its data set. A look at the test part is counted."""
    if run.model_id is None:
        raise NotFound("This run has no model that could be measured.")
    if run.dataset_id is None:
        raise NotFound("The data set of this run was deleted, so its texts are gone.")
    payload = {"run_id": run.id, "model_id": run.model_id, "part": part.value, "name": run.name}
    with ws.db.write() as connection:
        job_id = job_rows.insert_job(connection, "evaluate", lane_of("evaluate"), payload)
    ensure_workers(ws)
    return ws.job(job_id)


def submit_preflight(ws: Workspace, dataset: Dataset, base_model: str, recipe: Recipe) -> Job:
    """Queue a pre-flight; the job's result will be a Preflight as JSON. Raises BadRecipe or BadData at once."""
    faults = problems(recipe) + ([FEW_NEEDS_ONE] if recipe.method == "few" and dataset.separator else [])
    if faults:
        raise BadRecipe(" ".join(faults))
    check_trainable(dataset)
    payload = {
        "dataset_id": dataset.id,
        "base_model": base_model.strip(),
        "recipe": recipe.to_json(),
        "name": dataset.name,
    }
    with ws.db.write() as connection:
        job_id = job_rows.insert_job(connection, "preflight", lane_of("preflight"), payload)
    ensure_workers(ws)
    return ws.job(job_id)


def submit_classification(
    ws: Workspace,
    model: str,
    source: Path | list[str],
    *,
    file_name: str = "pasted texts",
    reading: Reading | None = None,
    text_column: int = 0,
) -> Job:
    """Queue the classification of a file (copied into the job's folder) or of pasted lines."""
    job_id = new_id("job")
    folder = ws.job_folder(job_id)
    folder.mkdir(parents=True)
    try:
        if isinstance(source, list):
            reading = _keep_lines(source, folder / "input")
        else:
            shutil.copyfile(source, folder / "input")
        payload: dict[str, Any] = {
            "model_id": model,
            "name": file_name,
            "reading": None if reading is None else asdict(reading),
            "text_column": text_column,
        }
        with ws.db.write() as connection:
            job_rows.insert_job(connection, "classify", lane_of("classify"), payload, job_id)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    ensure_workers(ws)
    return ws.job(job_id)


def _keep_lines(lines: list[str], path: Path) -> Reading:
    import csv

    texts = [line for line in lines if line.strip()]
    if not texts:
        raise BadData("There is no text to classify. Paste one text a line.")
    if len(texts) > LINE_LIMIT:
        raise BadData(
            f"{len(texts):,} lines are more than {LINE_LIMIT:,}. Save them as a file and upload that."
        )
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(["text"])
        writer.writerows([text] for text in texts)
    return Reading(format="csv", encoding="utf-8", delimiter=",", quoting=True, header=True)


def _keep_test_file(test: TestFile, folder: Path, dataset: Dataset) -> None:
    """All labelled rows of the file, on a shelf of the run's own; labels separated as in the data set."""
    prepared = prepare(
        test.table,
        test.text_column,
        test.label_column,
        test_share=0.0,
        validation_share=0.0,
        label_separator=dataset.separator,
    )
    if not any(prepared.parts):
        raise BadData(
            f"No row of the test file “{test.name}” has both a text and a label. Check its columns."
        )
    shelf.save(prepared, folder)
