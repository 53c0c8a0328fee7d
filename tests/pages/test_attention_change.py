"""Before and after: a text in two models, heads ranked over many texts, and a head while it learnt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.records import JobState
from core.training import snapshots
from core.workspace import Workspace
from tests import homes
from tests.tiny import tiny_encoder
from tests.trained import QUICK, build_trained

from .screen import errors, go, keys, press, start, words

TEXT = "my card was charged twice"
VIEW = {"attention_page": "Before and after", "text": TEXT}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model that was really fine-tuned, and its states on the way."""
    return build_trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def ws(enter: Callable[..., Workspace], trained: Path) -> Workspace:
    return enter(trained)


def test_a_trained_model_is_set_against_what_it_was_trained_from(ws: Workspace) -> None:
    model, run = homes.only(ws.models()), homes.only(ws.runs())
    at = go(start(), "attention", model=model.id, **VIEW)
    assert errors(at) == ""
    assert at.selectbox(key="change_other").value == run.base_model
    assert {"change_picture", "change_most_0", "change_picture_look_html"} <= keys(at)
    first = at.button(key="change_most_0").label
    press(at, "change_most_1")
    assert "moved by" in words(at)
    assert at.button(key="change_most_1").label != first
    assert at.button(key="change_most_1").label.split(" · ")[0] in words(at)


def test_a_base_model_is_set_against_what_was_trained_from_it(ws: Workspace) -> None:
    model, run = homes.only(ws.models()), homes.only(ws.runs())
    at = go(start(), "attention", base=run.base_model, **VIEW)
    assert errors(at) == ""
    assert at.selectbox(key="change_other").value == model.id
    assert f"After: **{model.name}**" in words(at)


def test_a_model_whose_encoder_stayed_as_it_was_says_so(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    ws = enter(build_trained(tmp_path / "built", QUICK))
    at = go(start(), "attention", model=homes.only(ws.models()).id, **VIEW)
    assert errors(at) == ""
    assert "no head moved" in words(at)
    assert "change_picture" not in keys(at)


def test_without_a_trained_model_the_page_leads_to_training(enter: Callable[..., Workspace]) -> None:
    enter()
    at = go(start(), "attention", **VIEW)
    assert "Nothing has been trained yet" in words(at)
    press(at, "change_train", then="train")


def test_models_with_other_tokens_are_told_apart_and_not_compared(ws: Workspace, tmp_path: Path) -> None:
    other = tiny_encoder(tmp_path / "roberta", "roberta")
    at = go(start(), "attention", base=str(other), **VIEW)
    assert "do not come from the same base model" in words(at)
    assert "cannot be compared token by token" in errors(at)


def test_heads_are_ranked_and_a_text_of_one_opens_in_both_models(ws: Workspace) -> None:
    at = go(start(), "attention", model=homes.only(ws.models()).id, change_view="Over many texts", **VIEW)
    press(at, "change_study_start")
    assert homes.work(ws, "study").state is JobState.FINISHED
    at.run()
    assert errors(at) == ""
    dataset = homes.only(ws.datasets())
    assert f"Mean over {dataset.parts['validation']} validation texts" in words(at)
    table = at.dataframe[0].value
    assert len(table) == 8  # heads
    assert table["Distance"].is_monotonic_decreasing
    assert f"{table['Head'][0]}: the texts where it moved most" in words(at)
    texts = at.dataframe[1].value
    assert texts["Distance"].is_monotonic_decreasing
    assert at.button(key="change_look").disabled  # until a text is ticked


def test_a_head_is_watched_while_it_learnt(ws: Workspace) -> None:
    model, run = homes.only(ws.models()), homes.only(ws.runs())
    states = snapshots.kept(ws.run_folder(run.id) / "snapshots")
    assert len(states) >= 2
    at = go(start(), "attention", model=model.id, change_view="While it learnt", **VIEW)
    assert errors(at) == ""
    slider = at.select_slider(key="change_stage")
    assert len(slider.options) == len(states) + 2
    assert "before training: 0.000 from the start" in words(at)
    slider.set_value(1).run()
    assert f"step {states[0].step}" in words(at)
    assert "Validation accuracy of this state" in words(at)
    assert "0.000 from the start" not in words(at)


def test_a_run_without_states_says_so(enter: Callable[..., Workspace], finished_home: Path) -> None:
    ws = enter(finished_home)
    model = homes.only(ws.models())
    at = go(start(), "attention", model=model.id, change_view="While it learnt", **VIEW)
    assert "keeps no states on the way" in words(at)


def test_a_deleted_run_takes_its_states_along(ws: Workspace) -> None:
    run = homes.only(ws.runs())
    folder = ws.run_folder(run.id)
    assert (folder / "snapshots").is_dir()
    ws.delete_run(run.id)
    assert not folder.exists()
