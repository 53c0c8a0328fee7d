"""What is done on the pages: training started, runs managed, texts classified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import jobs
from core.data.sample import SAMPLE_NAME
from core.records import JobState
from core.training.recipe import Recipe, suggest
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import (
    PAGES,
    buttons,
    component_items,
    drawn,
    errors,
    go,
    keys,
    press,
    start,
    tab,
    words,
)

# ------------------------------------------------------------------------------------- training


def test_the_sample_leads_to_train_where_one_button_queues_the_default_recipe(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    at = press(start(), "home_sample", then="train")
    dataset = homes.only(workspace.datasets())
    assert (dataset.name, dataset.rows) == (SAMPLE_NAME, 400)
    assert at.selectbox(key="train_dataset").value == dataset.id
    assert workspace.runs() == []
    press(at, "start_training")
    run = homes.only(workspace.runs())
    assert run.state == JobState.QUEUED
    assert (run.dataset_id, run.base_model) == (dataset.id, "all-MiniLM-L6-v2")
    assert Recipe.from_json(run.recipe) == suggest(dataset.parts["train"], len(dataset.labels))
    assert "live_run" in keys(at)
    assert at.query_params["job"] == run.job_id


def test_changed_settings_reach_the_recipe_of_the_run(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    dataset = homes.add_data(workspace)
    at = start("train")
    at.segmented_control(key="method").set_value("full").run()
    numbers = {
        "epochs": 2.5, "batch_size": 4, "learning_rate": 1e-3, "seed": 7, "warmup": 0.25, "weight_decay": 0.1,
        "max_length": 64, "early_stopping": 3, "gradient_clip": 2.0,
    }  # fmt: skip
    for key, value in numbers.items():
        at.number_input(key=key).set_value(value)
    at.checkbox(key="class_weights").check()
    at.selectbox(key="precision").set_value("fp32")
    at.selectbox(key="layers_kind").set_value("last").run()
    at.number_input(key="layers_count").set_value(1)
    at.text_input(key="run_name").set_value("my own name")
    base = at.selectbox(key="train_base")
    base.options.append("someone/some-model")  # as if it were typed
    base.set_value("someone/some-model")
    press(at, "start_training")
    run = homes.only(workspace.runs())
    assert (run.name, run.base_model, run.dataset_id) == ("my own name", "someone/some-model", dataset.id)
    suggested = suggest(dataset.parts["train"], len(dataset.labels))
    assert Recipe.from_json(run.recipe) == replace(
        suggested, method="full", epochs=2.5, batch_size=4, learning_rate=1e-3, seed=7, warmup_share=0.25, weight_decay=0.1,
        max_length=64, early_stopping=3, gradient_clip=2.0, class_weights=True, precision="fp32",
        layers="last:1",
    )  # fmt: skip


def test_a_fault_in_the_recipe_is_a_sentence_and_nothing_is_queued(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = start("train")
    at.number_input(key="max_length").set_value(3)
    drawn(at.run(), "train")
    assert "The maximum length has to be 0 (automatic) or at least 8 tokens." in errors(at)
    press(at, "start_training")
    assert "The maximum length has to be 0" in errors(at)
    assert workspace.runs() == []
    at.number_input(key="max_length").set_value(8)
    press(at, "start_training")
    assert errors(at) == ""
    assert len(workspace.runs()) == 1


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["only"] * 6, "A classifier needs at least two classes"),
        (list("abcdef"), "has only one text"),
        ([None] * 6, "has a label, so there is nothing to learn from"),
        ([None, "a", None, "b"], "has only one text"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_explained_before_training(
    enter: Callable[..., Workspace], labels: list[str | None], sentence: str
) -> None:
    workspace = enter()
    dataset = homes.add_rows(workspace, [(f"text number {i}", label) for i, label in enumerate(labels)])
    start()
    at = start("train")
    assert sentence in errors(at)
    assert "start_training" not in buttons(at)
    press(at, "train_to_data", then="data")
    assert at.selectbox(key="data_pick").value == dataset.id
    assert workspace.runs() == []


# ------------------------------------------------------------------------------------- runs


def test_the_run_and_its_name_are_in_the_dialogs_and_nothing_happens_yet(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    at = press(start("runs"), "run_rename")
    assert at.text_input(key="run_rename_name").value == "toy"
    press(at, "run_delete")
    assert "The run goes with its curves and figures and its model." in words(at)
    assert {"run_delete_keep", "run_delete_confirm"} <= buttons(at)
    assert homes.only(workspace.runs()).name == "toy"


# A dialog is a fragment, which AppTest cannot run by itself: here it is open in each run of a small script.
RENAME = """
from ui import parts, state
run = state.workspace().runs()[0]
parts.rename_dialog(run.name, lambda name: state.workspace().rename_run(run.id, name), key="ask", noun="run")
"""
DELETE = """
from ui import parts, state
for message in state.messages():
    parts.hint(message)
for run in state.workspace().runs():
    parts.confirm_delete(run.name, "It goes.", lambda: state.workspace().delete_run(run.id), key="ask")
"""


def test_a_run_is_renamed_with_its_model(enter: Callable[..., Workspace], finished_home: Path) -> None:
    workspace = enter(finished_home)
    at = AppTest.from_string(RENAME).run()
    at.text_input(key="ask_name").set_value("  a *better* name ")
    at.button(key="ask_confirm").click().run()
    assert not at.exception
    assert homes.only(workspace.runs()).name == "a *better* name"
    assert homes.only(workspace.models()).name == "a *better* name"
    assert "a *better* name" in words(start("runs"))
    at.text_input(key="ask_name").set_value("   ")
    at.button(key="ask_confirm").click().run()
    assert homes.only(workspace.runs()).name.strip() != ""


def test_a_run_is_deleted_only_when_it_is_confirmed(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    folder = workspace.model_folder(workspace.models()[0])
    at = AppTest.from_string(DELETE).run()
    at.button(key="ask_keep").click().run()
    assert len(workspace.runs()) == 1
    at.button(key="ask_confirm").click().run()
    assert not at.exception
    assert workspace.runs() == []
    assert not folder.exists()
    assert "Deleted “toy”." in words(at)
    assert len(workspace.datasets()) == 1


def test_a_dialog_says_what_stands_in_the_way_of_a_deletion(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    homes.submit(workspace, homes.add_data(workspace))
    at = AppTest.from_string(DELETE).run()
    at.button(key="ask_confirm").click().run()
    assert "This run has not ended. Stop it first." in errors(at)
    assert len(workspace.runs()) == 1


def test_two_runs_are_compared_by_their_curves_and_by_what_differs(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    old = homes.only(workspace.runs())
    other = Recipe.from_json({**old.recipe, "batch_size": 4, "seed": 9})
    jobs.submit_training(workspace, workspace.datasets()[0], old.base_model, other, name="other")
    homes.work(workspace, "train")
    at = start("runs")
    table = at.dataframe[0]
    assert list(table.value["Run"]) == ["other", "toy"]
    at.session_state[table.key] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    drawn(at.run(), "runs")
    assert "compare_curves" in keys(at)
    shown = {row[0]: tuple(row[1:]) for row in at.dataframe[1].value.to_numpy().tolist()}
    assert (shown["batch size"], shown["seed"]) == (("4", "8"), ("9", "0"))
    assert "epochs" not in shown
    at.segmented_control(key="compare_figure").set_value("loss")
    drawn(at.run(), "runs")


def test_the_test_part_is_measured_only_when_asked(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    at = start("runs")
    assert "test_confusion" not in keys(at)
    assert list(at.dataframe[0].value["Test accuracy"]) == ["–"]
    assert workspace.open_jobs() == []
    press(at, "measure_test")
    job = homes.only(workspace.open_jobs("evaluate"))
    assert (job.payload["run_id"], job.payload["part"]) == (run.id, "test")
    assert "Measuring" in words(at)
    assert "measure_test" not in buttons(at)
    for page in PAGES:
        go(at, page)
    homes.work(workspace, "use")
    go(at, "runs")
    assert "test_confusion" in keys(at)
    measured = homes.only(workspace.runs()).test
    assert f"{measured.n} texts. Looked at 1 time" in words(at)


# ------------------------------------------------------------------------------------- classify


def test_one_text_gets_the_probabilities_of_the_classifier(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    from core.inference.classifier import Classifier

    workspace = enter(finished_home)
    text = "my card was charged twice"
    at = start("classify")
    at.text_area(key="classify_text").set_value(text)
    press(at, "classify_ask")
    classifier = Classifier.load(workspace.model_folder(workspace.models()[0]))
    logits, expected = classifier.logits([text])[0], classifier.predict_proba([text])[0]
    table = at.dataframe[0].value
    assert tuple(table["Class"]) == classifier.labels
    assert [float(p) for p in table["Probability"]] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [float(v) for v in table["Logit"]] == pytest.approx(logits.tolist(), abs=1e-4)
    (chip,) = component_items(at, "answer")
    assert chip["text"] == classifier.labels[int(expected.argmax())]
    assert chip["note"] == f"{100 * expected.max():.1f} %"
    assert [item["text"] for item in component_items(at, "answer_tokens")] == classifier.tokens(text)


def test_no_text_is_said_and_asks_no_model(enter: Callable[..., Workspace], finished_home: Path) -> None:
    enter(finished_home)
    at = start("classify")
    at.text_area(key="classify_text").set_value("  \n ")
    press(at, "classify_ask")
    assert "There is no text yet." in words(at)
    assert "answer" not in keys(at)


def test_pasted_lines_become_a_job_and_its_rows_are_shown(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    at = tab(start("classify"), "classify_tabs", "Many texts")
    at.segmented_control(key="classify_way").set_value("lines").run()
    at.text_area(key="classify_pasted").set_value(" \n\n")
    press(at, "classify_lines_start")
    assert "There is no text to classify." in errors(at)
    assert workspace.open_jobs() == []
    at.text_area(key="classify_pasted").set_value("my card was charged\n\n=1+1\n")
    press(at, "classify_lines_start")
    job = homes.only(workspace.open_jobs("classify"))
    assert job.payload["model_id"] == workspace.models()[0].id
    assert "Starting." in words(at)
    for page in PAGES:
        go(at, page)
    homes.work(workspace, "use")
    tab(go(at, "classify"), "classify_tabs", "Many texts")
    drawn(at, "classify")
    assert "2 rows in" in words(at)
    assert list(at.dataframe[0].value["text"]) == ["my card was charged", "'=1+1"]
    press(at, f"delete_{job.id}")
    assert workspace.recent_jobs("classify") == []
    assert not workspace.job_folder(job.id).exists()
