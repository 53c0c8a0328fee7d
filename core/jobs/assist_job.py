"""The model in the loop: a job that embeds the texts of a data set once, then learns from answers as they come.

Knows the store's answers, the quick head and the files that the desk reads (core.labels.pool). Does not know screens.
It never makes anyone wait: a new answer is learnt from within a second, and what takes longer is done in small steps
between two looks at the store.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.desk import Desk
from core.errors import BadData, NotFound
from core.jobs.link import Link
from core.jobs.supervise import ensure_workers, lane_of
from core.labels import pool as pools
from core.records import Job, JobState, Note
from core.store import jobs as job_rows
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.jobs.assist_texts import Distinct, Vectors

KIND = "assist"
LOOK_SECONDS = 0.25  # between two looks for new answers
REST_SECONDS = 0.5  # between two refits at least
IDLE_SECONDS = 600.0  # without a new answer and without anybody who asks: then it ends by itself
PATIENCE_SECONDS = 30.0  # the same where another data set waits for the place


def submit_assist(ws: Workspace, dataset_id: str) -> Job:
    """Queue the assistance of a data set, or find the one that is open: there is one for each.

    Raises NotFound for a data set that is gone, BadData for one without a scheme or without a text.
    """
    desk = Desk.open(ws, dataset_id)
    if desk.scheme() is None:
        raise BadData(
            "This data set has no labels yet, so there is nothing to suggest. Make its labels first."
        )
    if not desk.labelable.any():
        raise BadData("This data set has no text, so there is nothing to label.")
    payload = {"dataset_id": dataset_id, "name": desk.dataset.name}
    with ws.db.write() as connection:
        job_id = _open_job(ws, dataset_id) or job_rows.insert_job(connection, KIND, lane_of(KIND), payload)
    pools.ask(desk.folder)
    ensure_workers(ws)
    return ws.job(job_id)


def newest_assist(ws: Workspace, dataset_id: str) -> Job | None:
    """The newest one of a data set, open or ended."""
    recent = ws.recent_jobs(KIND, 50)
    return next((job for job in recent if job.payload.get("dataset_id") == dataset_id), None)


def _open_job(ws: Workspace, dataset_id: str) -> str | None:
    """Of those that have not been asked to stop."""
    for job in ws.open_jobs(KIND):
        if job.payload.get("dataset_id") == dataset_id and job.state is not JobState.STOPPING:
            return job.id
    return None


# --------------------------------------------------------------------------- the worker


def run_assist(ws: Workspace, job: Job, link: Link) -> None:
    """Embed, then follow the answers until nobody needs it any more."""
    from core.jobs.assist_texts import Distinct, Vectors

    dataset_id = str(job.payload["dataset_id"])
    try:
        desk = Desk.open(ws, dataset_id)
        texts = Distinct.of(desk.pool_texts)
        link.emit(Note("Looking for what is known of the texts."))
        vectors = Vectors(desk.folder, ws.settings.cache)
        _embed(desk, texts, vectors, link)
        state, reason = _follow(desk, texts, vectors, link)
    except NotFound:
        if any(dataset.id == dataset_id for dataset in ws.datasets()):
            raise
        shutil.rmtree(ws.settings.home / "labels" / dataset_id, ignore_errors=True)
        state, reason = JobState.STOPPED, "The data set was deleted."
    link.flush()
    with job_rows.ending(ws.db, link.lease, state, reason, None):
        pass


def _embed(desk: Desk, texts: Distinct, vectors: Vectors, link: Link) -> None:
    if vectors.knows(texts.hashes):
        return
    link.emit(Note("Embedding the texts."))
    progress = vectors.learn(texts.hashes, lambda rows: desk.texts(texts.first[rows]), link.should_stop)
    for step in progress:
        link.emit(step)
    link.flush()


def _follow(desk: Desk, texts: Distinct, vectors: Vectors, link: Link) -> tuple[JobState, str]:
    """Learn from answers as they come. Returns how it ended, with the reason."""
    from core.jobs.assist_state import Assistant, Gone

    if link.should_stop() or not vectors.knows(texts.hashes):
        return JobState.STOPPED, "Stopped. What was embedded by then is kept."
    assistant = Assistant(desk, texts, vectors)
    background: Iterator[None] | None = None
    active = written = time.monotonic()
    asked = pools.asked_at(desk.folder)
    while not link.should_stop():
        now = time.monotonic()
        try:
            news = assistant.look()
        except Gone:
            return JobState.FINISHED, "This data set has no labels any more."
        if (news and now - written >= REST_SECONDS) or not assistant.generation:
            assistant.learn()
            if not assistant.said_ready:
                link.emit(Note("Ready: it learns from each answer."))
                assistant.said_ready = True
            written, active, background = time.monotonic(), now, background or assistant.background()
            continue
        background = background or (assistant.background() if assistant.has_work() else None)
        if background is not None:
            if next(background, _DONE) is _DONE:
                background = None
            continue
        if pools.asked_at(desk.folder) != asked:
            asked, active = pools.asked_at(desk.folder), now
        if now - active > (PATIENCE_SECONDS if _others_wait(desk.ws) else IDLE_SECONDS):
            return (
                JobState.FINISHED,
                "Nobody labelled for some minutes, so the model rests. The next visit wakes it.",
            )
        time.sleep(LOOK_SECONDS)
    return JobState.STOPPED, "Stopped. The suggestions stay as they are until it is started again."


_DONE = object()


def _others_wait(ws: Workspace) -> bool:
    return any(job.state is JobState.QUEUED for job in ws.open_jobs(KIND))
