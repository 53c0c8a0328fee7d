"""The Progress view: what is shown before, during and after the assist job, and when it is started by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from core.desk import Desk
from core.jobs.assist_job import newest_assist
from core.labels.nouns import Answer, AnswerState, Label, Scheme, Sent
from core.records import Dataset, JobState
from core.store import labels as label_rows
from core.store import schema, schemes
from core.workspace import Workspace
from tests import homes
from tests.labels.test_pool import write
from ui.annotate_progress import ensure_assist

Open = Callable[..., Workspace]
VIEW = """
import streamlit as st

from core.store import labels
from ui import annotate_progress, state

ws = state.workspace()
annotate_progress.show(ws, ws.datasets()[0], labels.annotator(ws.db, "Ann"))
"""


def begin(ws: Workspace) -> Dataset:
    """Twelve of thirty texts are labelled."""
    dataset = homes.add_data(ws, n=30)
    labels = (Label("label-a", "del*ivery*"), Label("label-b", "payment"))
    schemes.add(ws.db, Scheme("scheme-1", dataset.id, 1, 0.0, "Ann", False, labels))
    ann = label_rows.annotator(ws.db, "Ann")
    sent = [
        Sent("one", row + 1, Answer(row, ann.id, ("label-a",), AnswerState.LABELLED, row + 1))
        for row in range(12)
    ]
    label_rows.save(ws.db, dataset.id, ann.id, sent)
    return dataset


def shown(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def end(ws: Workspace, dataset: Dataset, state: JobState) -> None:
    job = newest_assist(ws, dataset.id)
    assert job is not None
    with ws.db.write() as connection:
        T = schema.jobs
        connection.execute(
            update(T).where(T.c.id == job.id).values(state=state.value, reason="So it ended.", ended_at=1.0)
        )


def test_the_view_counts_and_starts_the_model(enter: Open) -> None:
    ws = enter()
    dataset = begin(ws)
    app = AppTest.from_string(VIEW, default_timeout=60).run()
    assert not app.exception
    assert shown(app)["Answered"] == "12"
    assert shown(app)["Left"] == "18"
    job = newest_assist(ws, dataset.id)
    assert job is not None
    assert job.state is JobState.QUEUED


def test_the_model_is_shown_with_its_interval(enter: Open) -> None:
    ws = enter()
    dataset = begin(ws)
    folder = Desk.open(ws, dataset.id).folder
    folder.mkdir(parents=True)
    write(folder, 2, n=30)
    app = AppTest.from_string(VIEW, default_timeout=60).run()
    assert not app.exception
    assert shown(app)["Learnt from"] == "3 texts"
    assert any("cannot tell yet" in one.value for one in app.markdown)
    app.button(key="annotate_stop").click().run()
    job = newest_assist(ws, dataset.id)
    assert job is not None
    assert job.state is JobState.STOPPED
    app.run()
    assert newest_assist(ws, dataset.id) == job, "what a person stopped is not started by itself"
    app.button(key="annotate_start").click().run()
    again = newest_assist(ws, dataset.id)
    assert again is not None
    assert again.id != job.id


@pytest.mark.parametrize(
    ("state", "starts"),
    [
        (JobState.FINISHED, True),
        (JobState.INTERRUPTED, True),
        (JobState.FAILED, False),
        (JobState.STOPPED, False),
    ],
)
def test_it_starts_again_by_itself_unless_it_failed_or_was_stopped(
    enter: Open, state: JobState, starts: bool
) -> None:
    ws = enter()
    dataset = begin(ws)
    first = ensure_assist(ws, dataset.id)
    end(ws, dataset, state)
    second = ensure_assist(ws, dataset.id)
    assert first is not None
    assert second is not None
    assert (second.id != first.id) is starts


def test_a_model_that_the_machine_keeps_ending_waits_for_a_person(enter: Open) -> None:
    ws = enter()
    dataset = begin(ws)
    for _ in range(5):
        ensure_assist(ws, dataset.id)
        end(ws, dataset, JobState.INTERRUPTED)
    assert len(ws.recent_jobs("assist")) == 3


def test_a_data_set_without_labels_starts_nothing(enter: Open) -> None:
    ws = enter()
    dataset = homes.add_data(ws)
    assert ensure_assist(ws, dataset.id) is None
    assert not ws.open_jobs()
