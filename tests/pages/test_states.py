"""Every page in every state of a home folder: it draws, says where things stand, offers the next step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.records import JobState
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import (
    PAGES,
    ROOT,
    buttons,
    drawn,
    errors,
    go,
    keys,
    press,
    start,
    words,
)


def test_each_page_of_an_empty_home_offers_the_next_step(enter: Callable[..., Workspace]) -> None:
    enter()
    at = start()
    assert {"home_bring", "home_sample"} <= buttons(at)
    assert "data_file_0" in {f.key for f in go(at, "data").file_uploader}
    assert "No texts yet" in words(go(at, "train"))
    press(at, "train_bring", then="data")
    assert "No runs yet" in words(go(at, "runs"))
    press(at, "runs_train", then="train")
    assert "No trained model yet" in words(go(at, "classify"))
    press(at, "classify_train", then="train")
    go(at, "attention")
    assert errors(at) == ""
    assert at.selectbox(key="attention_model").value == "all-MiniLM-L6-v2"
    assert "attention_view" in keys(at)


def test_each_page_of_a_home_with_data_offers_training(enter: Callable[..., Workspace]) -> None:
    dataset = homes.add_data(enter())
    at = start()
    assert "“toy” is ready: 60 labelled texts in 3 classes." in words(at)
    press(at, "home_train", then="train")
    assert at.selectbox(key="train_dataset").value == dataset.id
    assert "start_training" in buttons(at)
    assert "Rows 1–50 of 60" in words(go(at, "data"))
    press(at, "data_train", then="train")
    assert "runs_train" in buttons(go(at, "runs"))
    assert "classify_train" in buttons(go(at, "classify"))
    go(at, "attention")
    assert errors(at) == ""


def test_each_page_of_a_home_with_a_model_offers_its_use(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    at = start()
    assert "“toy” is trained and knows 3 classes." in words(at)
    assert list(at.dataframe[0].value["State"]) == ["Finished"]
    press(at, "home_classify", then="classify")
    assert at.selectbox(key="classify_model").value == run.model_id
    press(go(at, "home"), "home_attention", then="attention")
    assert at.selectbox(key="attention_model").value == run.model_id
    assert errors(at) == ""
    assert {"run_classify", "run_again", "run_rename", "run_delete"} <= buttons(go(at, "runs"))
    assert {"run_curves", "validation_confusion", "validation_classes", "run_download"} <= keys(at)
    assert "start_training" in buttons(go(at, "train"))
    go(at, "train", job=run.job_id)
    assert {"to_classify", "to_attention", "to_run", "new_run"} <= buttons(at)
    assert "live_curves" in keys(at)
    assert "data_train" in buttons(go(at, "data"))


def test_a_queued_run_is_found_on_each_page_and_can_leave_the_queue(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    first = homes.submit(workspace, homes.add_data(workspace), name="first")
    second = homes.submit(workspace, workspace.datasets()[0], name="second")
    at = start()
    assert "A training waits for its turn" in words(at)
    assert "2 jobs waiting." in words(at)
    press(at, "home_watch", then="train")
    assert "Waiting: its worker is starting." in words(at)
    assert "Waiting: 1 job before it." in words(go(at, "runs", run=second.id))
    for page in PAGES:
        go(at, page)
    go(at, "train", job=first.job_id)
    press(at, "leave_queue")
    assert workspace.run(first.id).state == JobState.STOPPED
    assert "Taken out of the queue" in words(at)


def test_a_running_run_shows_its_figures_and_can_be_stopped(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = homes.submit(workspace, homes.add_data(workspace), name="mine")
    homes.begin(workspace)
    at = start()
    assert "A model is learning" in words(at)
    assert "30 % · less than 5 s left · CPU, 2 threads" in words(at)
    for page in PAGES:
        go(at, page)
    for page in ("train", "runs"):
        go(at, page)
        figures = {m.label: m.value for m in at.metric}
        assert figures["Accuracy"] == "50.0 % (25.0–75.0)"
        assert figures["Macro-F1"] == "40.0 %"
        assert "step 3 of 10" in words(at)
        assert "live_curves" in keys(at)
        assert "30 % done, less than 5 s left" in words(at)
    press(at, "stop_training")
    assert workspace.run(run.id).state == JobState.STOPPING
    assert "Stopping; the best so far is being kept." in words(at)


@pytest.mark.parametrize("how", [JobState.FAILED, JobState.STOPPED, JobState.INTERRUPTED])
def test_a_run_that_did_not_finish_says_why_and_offers_another_try(
    enter: Callable[..., Workspace], how: JobState
) -> None:
    workspace = enter()
    run = homes.ended(workspace, homes.add_data(workspace), how, "The reason in *words*.")
    at = start()
    assert list(at.dataframe[0].value["State"]) == [how.value.capitalize()]
    for page in PAGES:
        go(at, page)
    go(at, "train", job=run.job_id)
    assert "The reason in *words*." in words(at)
    assert "to_classify" not in buttons(at)
    assert "The reason in *words*." in words(go(at, "runs", run=run.id))
    assert "run_classify" not in buttons(at)
    press(at, "run_again", then="train")
    again = workspace.runs()[0]
    assert (again.state, again.recipe, again.dataset_id) == (JobState.QUEUED, run.recipe, run.dataset_id)
    assert again.id != run.id


def test_the_best_model_of_an_interrupted_run_can_be_measured_and_used(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    """Such a run has a model and no figures yet."""
    from core.store import runs, schema

    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    with workspace.db.write() as connection:
        connection.execute(schema.runs.update().values(validation=None, summary={}))
        connection.execute(schema.jobs.update().values(state="interrupted", reason="It was killed."))
    at = start("train", job=run.job_id)
    assert {"to_classify", "run_again"} <= buttons(at)
    assert "It was killed." in words(at)
    press(go(at, "runs"), "measure_validation")
    job = homes.only(workspace.open_jobs("evaluate"))
    assert job.payload["part"] == "validation"
    homes.work(workspace, "use")
    drawn(at.run(), "runs")
    measured = runs.get(workspace.db, run.id).validation
    assert measured == run.validation
    assert "validation_confusion" in keys(at)


# ------------------------------------------------------------------------------------- torch stays out


def test_pages_that_ask_no_model_load_no_torch(tmp_path: Path, finished_home: Path) -> None:
    home = homes.copy_home(finished_home, tmp_path / "home")
    pages = [str(ROOT / "pages" / f"{name}.py") for name in ("home", "data", "train", "runs", "classify")]
    code = (
        "import os, sys\n"
        f"os.environ['FINESIFT_HOME'] = {str(home)!r}\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"at = AppTest.from_file({str(ROOT / 'ui' / 'main.py')!r}, default_timeout=60).run()\n"
        f"for page in {pages!r}:\n"
        "    at.switch_page(page).run()\n"
        "    assert not at.exception, page\n"
        "    heavy = {'torch', 'transformers'} & set(sys.modules)\n"
        "    assert not heavy, (page, heavy)\n"
        "print('titles:', at.title[0].value)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "titles: Classify" in done.stdout
