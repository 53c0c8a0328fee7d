"""Studies: questions to a model that take longer than a page may wait, such as what each head does over 500 texts.

A study is submitted like any job and finds its answer kept: the same question to the same model is not worked out
twice. Knows which module answers which question; imports it only in the worker. Does not know what the answers mean.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.data.whole import disk_full_in_words
from core.errors import NotFound
from core.explain.nouns import Findings, Study
from core.jobs.link import Link
from core.jobs.supervise import ensure_workers, lane_of
from core.records import Job, JobState
from core.store import jobs as job_rows
from core.workspace import Workspace

KIND = "study"
KEPT = 200  # studies that are looked through for an answer
ARRAYS = "findings.npz"

# question -> module with run(ws, asked) -> Study
QUESTIONS = {
    "change": "core.jobs.study_change",
    "roles": "core.jobs.study_roles",
    "importance": "core.jobs.study_importance",
    "search": "core.jobs.study_search",
    "faithfulness": "core.jobs.study_faithfulness",
    "words": "core.jobs.study_words",
    "neighbours": "core.jobs.study_neighbours",
    "race": "core.jobs.study_race",
}


def submit_study(
    ws: Workspace, question: str, asked: dict[str, Any], *, name: str = "", page: str = "attention"
) -> Job:
    """Queue a study, or find the one that is already under way. `asked`: what exactly, as JSON; `name` and `page`:
    for the status, whose study it is and where it is watched."""
    if question not in QUESTIONS:
        raise ValueError(f"no study answers {question!r}")
    known = find_study(ws, question, asked)
    if known is not None and not known.state.ended:
        return known
    payload = {"question": question, "asked": asked, "name": name, "page": page}
    with ws.db.write() as connection:
        job_id = job_rows.insert_job(connection, KIND, lane_of(KIND), payload)
    ensure_workers(ws)
    return ws.job(job_id)


def find_study(ws: Workspace, question: str, asked: dict[str, Any]) -> Job | None:
    """The newest study of exactly this question, whatever its state."""
    for job in ws.recent_jobs(KIND, KEPT):
        if job.payload.get("question") == question and job.payload.get("asked") == asked:
            return job
    return None


def findings(ws: Workspace, job: Job) -> Findings:
    """What a finished study came to. Raises NotFound when its files are gone."""
    if job.result is None:
        raise NotFound("This study has no findings. Start it again.")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    if job.result.get("arrays"):
        try:
            with np.load(ws.job_folder(job.id) / ARRAYS, allow_pickle=False) as kept:
                arrays = {key: kept[key] for key in kept.files}
        except (OSError, ValueError) as error:
            raise NotFound(
                "The findings of this study are gone from the home folder. Start it again."
            ) from error
    return Findings(job.result["summary"], arrays)


def run_study(ws: Workspace, job: Job, link: Link) -> None:
    """The worker's part: ask for events until the findings are there, or a stop is asked for."""
    question = str(job.payload["question"])
    run: Callable[[Workspace, dict[str, Any]], Study] = importlib.import_module(QUESTIONS[question]).run
    begun = time.monotonic()
    study = run(ws, job.payload["asked"])
    try:
        while True:
            link.emit(next(study))
            if link.should_stop():
                study.close()
                with job_rows.ending(
                    ws.db, link.lease, JobState.STOPPED, "Stopped. Nothing was kept; start it again.", None
                ):
                    return
    except StopIteration as ended:
        found: Findings = ended.value
    _keep(found, ws.job_folder(job.id))
    link.flush()
    result = {
        "summary": found.summary,
        "arrays": bool(found.arrays),
        "seconds": time.monotonic() - begun,
    }
    with job_rows.ending(ws.db, link.lease, JobState.FINISHED, "Done.", result):
        pass


def _keep(found: Findings, folder: Path) -> None:
    """The arrays beside the job, before the row says that they are there. Raises DiskFull."""
    if not found.arrays:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with disk_full_in_words(folder / ARRAYS), (folder / ARRAYS).open("wb") as file:
        np.savez_compressed(file, **found.arrays)  # type: ignore[arg-type]
