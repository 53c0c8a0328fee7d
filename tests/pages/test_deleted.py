"""Things that were deleted in another tab: a sentence, and no click reaches anything else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from core.records import JobState
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import (
    PAGES,
    buttons,
    drawn,
    errors,
    go,
    press,
    start,
    words,
)

STALE = {"data": "data-gone", "run": "run-gone", "model": "model-gone", "job": "job-gone"}


def test_an_address_of_something_deleted_draws_each_page_and_says_so(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    enter(finished_home)
    expected = {
        "data": "The data set that was chosen here is gone",
        "train": "The run that was chosen here is gone",
        "runs": "The run that was chosen here is gone",
        "classify": "The model that was chosen here is gone",
        "attention": "The model that was chosen here is gone",
    }
    for page in PAGES:
        at = start(page, **STALE)
        assert expected.get(page, "") in words(at), page


def test_stale_addresses_on_an_empty_home_draw_each_page(enter: Callable[..., Workspace]) -> None:
    enter()
    for page in PAGES:
        assert errors(start(page, **STALE, layer="999", head="x")) == ""


def test_a_click_meant_for_a_deleted_data_set_does_not_train_on_another(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    homes.add_data(workspace, name="one")
    other = homes.add_data(workspace, name="two")
    at = start("train", data=other.id)
    workspace.delete_dataset(other.id)
    press(at, "start_training")
    assert workspace.runs() == []
    assert "The data set that was chosen here is gone" in words(at)
    press(at, "start_training")
    assert homes.only(workspace.runs()).dataset_name == "one"


def test_a_click_meant_for_a_deleted_run_does_nothing_to_another(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    failed = homes.ended(workspace, workspace.datasets()[0], JobState.FAILED, "So it goes.")
    for key in ("run_again", "run_delete", "run_rename"):
        at = start("runs", run=failed.id)
        workspace.delete_run(failed.id)
        press(at, key)
        assert len(workspace.runs()) == 1
        assert not {"run_delete_confirm", "run_rename_confirm"} & buttons(at)
        assert "The run that was chosen here is gone" in words(at)
        failed = homes.ended(workspace, workspace.datasets()[0], JobState.FAILED, "So it goes.")


def test_a_click_meant_for_the_newest_run_does_not_reach_a_newer_one(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    dataset = homes.add_data(workspace)
    homes.ended(workspace, dataset, JobState.FAILED, "So it goes.")
    at = start("runs")
    newer = homes.ended(workspace, dataset, JobState.FAILED, "So it goes.", name="newer")
    press(at, "run_delete")
    assert "run_delete_confirm" not in buttons(at)
    assert newer.name in {heading.value for heading in at.subheader}
    press(at, "run_delete")
    assert "run_delete_confirm" in buttons(at)


def test_what_another_tab_deletes_is_missed_without_a_traceback(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run, dataset = homes.only(workspace.runs()), homes.only(workspace.datasets())
    tabs = {page: start(page, job=run.job_id) for page in PAGES}
    workspace.delete_dataset(dataset.id)
    for page, at in tabs.items():
        drawn(at.run(), page)
    assert "deleted, so it cannot be measured" in words(go(tabs["runs"], "runs"))
    press(tabs["runs"], "run_again")
    assert "was deleted, so this run cannot be repeated" in errors(tabs["runs"])
    workspace.delete_run(run.id)
    for page, at in tabs.items():
        drawn(at.run(), page)


def test_a_model_whose_files_are_gone_is_a_sentence(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    shutil.rmtree(workspace.model_folder(workspace.models()[0]))
    at = start("classify")
    at.text_area(key="classify_text").set_value("a text")
    press(at, "classify_ask")
    assert "are gone from the home folder" in errors(at)
    assert "are gone from the home folder" in errors(go(at, "attention"))
    assert "are gone from the home folder" in errors(go(at, "runs"))
    assert "run_delete" in buttons(at)
    shutil.rmtree(workspace.settings.datasets)
    assert "are gone or damaged" in errors(go(at, "data"))
    assert "data_delete" in buttons(at)
