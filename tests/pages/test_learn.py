"""The Learn page: its fields, what it says of the numbers, and what it says where a model cannot be followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests import homes, tiny
from tests.pages.screen import buttons, drawn, errors, keys, press, start, words

Enter = Callable[..., Workspace]


def test_a_newcomer_follows_a_sentence_through_the_bundled_model(enter: Enter) -> None:
    enter()
    at = start("learn", step="4", layer="2", head="3")
    assert "learn_view" in keys(at)
    assert "no state that it computes differs" in words(at)
    assert {name: at.query_params[name] for name in ("step", "layer", "head")} == {
        "step": "4",
        "layer": "2",
        "head": "3",
    }
    assert any("def multi_head_attention" in str(block.value) for block in at.code)


def test_an_address_beyond_the_model_leads_to_what_there_is(enter: Enter) -> None:
    enter()
    at = start("learn", step="99", layer="77", head="x")
    assert {name: at.query_params[name] for name in ("step", "layer", "head")} == {
        "step": "11",
        "layer": "6",
        "head": "1",
    }


def test_without_a_sentence_the_page_asks_for_one_and_a_long_one_is_cut(
    enter: Enter, finished_home: Path
) -> None:
    enter(finished_home)
    at = start("learn")
    assert "and no logit by more than" in words(at)
    drawn(at.text_input(key="learn_text").set_value("  ").run(), "learn")
    assert "There is no sentence yet" in words(at)
    drawn(at.text_input(key="learn_text").set_value("my card " * 6).run(), "learn")
    assert "learn_view" in keys(at)


def test_a_model_of_another_kind_is_told_why_and_the_bundled_one_is_offered(
    enter: Enter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = enter()
    base = tiny.tiny_classifier(tmp_path / "other", "modernbert")
    found = ws.find_model
    monkeypatch.setattr(
        Workspace,
        "find_model",
        lambda self, name: found(str(base) if name == "roberta-base" else name),
    )
    at = start("learn", model="roberta-base")
    assert "cannot be followed step by step" in errors(at)
    assert "learn_bundled" in buttons(at)
    at = press(at, "learn_bundled").run()
    assert errors(at) == ""
    assert "learn_view" in keys(at)


def test_a_pasted_sentence_never_becomes_markup(enter: Enter) -> None:
    enter()
    at = start("learn")
    drawn(at.text_input(key="learn_text").set_value("**x** <img src=x> $a$").run(), "learn")
    assert "<img" not in words(at)
    assert homes.only([1 for key in keys(at) if key == "learn_view"]) == 1
