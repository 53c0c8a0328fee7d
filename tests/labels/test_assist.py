"""The model in the loop: the assist job in this process, with a tiny encoder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.desk import Desk
from core.errors import BadData
from core.jobs import assist_job, assist_texts, request_stop, submit_assist, supervise
from core.labels.nouns import Answer, AnswerState, Label, Plan, Scheme, Sent
from core.labels.pool import Pool
from core.records import Dataset, JobState, Progress
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from tests.tiny import LABELS, tiny_bert, toy_texts


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def ws(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(assist_texts, "BUNDLED", str(base))
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)  # the job is done in this process
    monkeypatch.setattr(assist_job, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(assist_job, "REST_SECONDS", 0.0)
    opened = homes.open_home(tmp_path / "home")
    yield opened
    opened.close()


def labelled_by(dataset: Dataset, names: tuple[str, ...] = LABELS) -> Scheme:
    labels = tuple(Label(f"label-{i}", name) for i, name in enumerate(names))
    return Scheme("scheme-1", dataset.id, 1, 0.0, "Ann", False, labels)


def begin(ws: Workspace, n: int = 90) -> Dataset:
    dataset = homes.add_data(ws, n=n)
    schemes.add(ws.db, labelled_by(dataset))
    label_rows.set_plan(ws.db, Plan(dataset.id, evaluation_share=0.2))
    return dataset


def say(ws: Workspace, dataset: Dataset, rows: list[int], session: str = "one") -> None:
    """The right label, by Ann."""
    person = label_rows.annotator(ws.db, "Ann")
    _, truth = toy_texts(dataset.rows)
    sent = [
        Sent(
            session, at + 1, Answer(row, person.id, (f"label-{truth[row]}",), AnswerState.LABELLED, 1000 + at)
        )
        for at, row in enumerate(rows)
    ]
    label_rows.save(ws.db, dataset.id, person.id, sent)


def while_it_works(ws: Workspace, dataset: Dataset, act: Callable[[Desk], None]) -> JobState:
    """Do the assist job in a thread, `act` beside it, and stop it."""
    job = submit_assist(ws, dataset.id)
    worker = threading.Thread(target=homes.work, args=(ws, "assist"))
    worker.start()
    try:
        act(Desk.open(ws, dataset.id))
    finally:
        request_stop(ws, job.id)
        worker.join(30)
    return ws.job(job.id).state


def until(found: Callable[[], bool], seconds: float = 30) -> None:
    for _ in range(int(seconds / 0.02)):
        if found():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def test_a_data_set_without_labels_gets_no_assistance(ws: Workspace) -> None:
    dataset = homes.add_data(ws)
    with pytest.raises(BadData, match="no labels"):
        submit_assist(ws, dataset.id)


def test_there_is_one_assistance_for_each_data_set(ws: Workspace) -> None:
    dataset = begin(ws)
    first, second = submit_assist(ws, dataset.id), submit_assist(ws, dataset.id)
    assert first.id == second.id
    assert not ws.open_jobs("train")


def test_it_guesses_from_names_and_then_learns_from_answers(ws: Workspace) -> None:
    dataset = begin(ws)
    desk = Desk.open(ws, dataset.id)
    outside = np.flatnonzero(~desk.evaluation)
    asked, rest = outside[:45].tolist(), outside[45:]
    held = np.flatnonzero(desk.evaluation).tolist()

    def act(desk: Desk) -> None:
        until(lambda: desk.pool() is not None)
        first = desk.pool()
        assert first is not None
        assert first.by == "names"
        assert first.suggestion(0) is not None
        assert np.allclose(np.asarray(first.probabilities, np.float32).sum(axis=1), 1, atol=0.01)
        assert not set(first.auto.tolist()) & set(held)
        say(ws, dataset, asked + held)
        until(lambda: (pool := desk.pool()) is not None and pool.trained_on > 0 and pool.curve is not None)

    assert while_it_works(ws, dataset, act) is JobState.STOPPED
    pool = Pool.open(desk.folder)
    assert pool is not None
    assert pool.by == "model"
    assert pool.trained_on == label_rows.last_number(ws.db, dataset.id)
    assert pool.labelled == len(asked), "the evaluation part teaches nothing"
    assert pool.evaluation is not None
    assert pool.evaluation["n"] == len(held)
    _, truth = toy_texts(dataset.rows)
    assert (np.asarray(pool.predicted)[rest] == np.asarray(truth)[rest]).mean() > 0.8
    assert not set(pool.auto.tolist()) & set(asked + held), "what is answered is not asked again"
    assert pool.curve is not None
    assert pool.curve["sentence"]


def test_what_was_embedded_is_kept_for_the_next_time(ws: Workspace) -> None:
    dataset = begin(ws)

    def act(desk: Desk) -> None:
        until(lambda: desk.pool() is not None)

    while_it_works(ws, dataset, act)
    first = next(job for job in ws.recent_jobs("assist"))
    assert isinstance(ws.last_event(first.id, Progress.kind), Progress)
    generation = Desk.open(ws, dataset.id).pool()
    assert generation is not None

    def newer(desk: Desk) -> None:
        until(lambda: (pool := desk.pool()) is not None and pool.generation > generation.generation)

    while_it_works(ws, dataset, newer)
    second = next(job for job in ws.recent_jobs("assist"))
    assert second.id != first.id
    assert ws.last_event(second.id, Progress.kind) is None, "nothing was embedded again"


def test_it_ends_by_itself_when_nobody_needs_it(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assist_job, "IDLE_SECONDS", 0.1)
    dataset = begin(ws, 30)
    submit_assist(ws, dataset.id)
    job = homes.work(ws, "assist")
    assert job.state is JobState.FINISHED
    assert "Nobody" in job.reason


def test_it_ends_when_the_data_set_is_deleted(ws: Workspace) -> None:
    dataset = begin(ws, 30)
    folder = Desk.open(ws, dataset.id).folder
    job = submit_assist(ws, dataset.id)
    ws.delete_dataset(dataset.id)
    assert homes.work(ws, "assist").state is JobState.STOPPED
    assert "deleted" in ws.job(job.id).reason
    assert not folder.exists()


def test_an_answer_that_arrives_while_it_reads_is_read_the_next_time(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.jobs.assist_state import Assistant

    dataset = begin(ws, 30)
    desk = Desk.open(ws, dataset.id)
    texts = assist_texts.Distinct.of(desk.pool_texts)
    vectors = assist_texts.Vectors(desk.folder, ws.settings.cache)
    list(vectors.learn(texts.hashes, lambda rows: desk.texts(texts.first[rows]), lambda: False))
    assistant = Assistant(desk, texts, vectors)
    say(ws, dataset, [3])
    read = label_rows.answers

    def slowly(*asked: Any, **more: Any) -> Any:
        found = read(*asked, **more)
        monkeypatch.setattr(label_rows, "answers", read)
        say(ws, dataset, [4], session="two")
        return found

    monkeypatch.setattr(label_rows, "answers", slowly)
    assert assistant.look()
    assert {row for row, _ in assistant._answers} == {3}
    assert assistant.look()
    assert {row for row, _ in assistant._answers} == {3, 4}
