"""The Heads view: roles, switches, importance and search, with studies that a worker really does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core import jobs
from core.errors import BadData
from core.explain import ablation
from core.explain.subject import Subject
from core.records import JobState
from core.workspace import Workspace
from tests import homes
from tests.pages import screen
from ui import engines

Enter = Callable[..., Workspace]


@pytest.fixture
def ws(enter: Enter, finished_home: Path) -> Workspace:
    engines._subject.clear()
    return enter(finished_home)


def heads(ws: Workspace, part: str, **state: Any) -> AppTest:
    """A tab that opens that part of the Heads view, for the trained model."""
    at = AppTest.from_file(str(screen.ROOT / "ui" / "main.py"), default_timeout=60).run()
    text = "my card was charged twice"
    wanted = {"attention_page": "Heads", "heads_part": part, "attention_asked": (text, ""), **state}
    for name, value in wanted.items():
        at.session_state[name] = value
    return screen.go(at, "attention", model=homes.only(ws.models()).id)


def answered(ws: Workspace, at: AppTest, button: str) -> AppTest:
    """Press the button of a study, and do it as its worker would."""
    at = screen.press(at, button)
    job = homes.work(ws, "study")
    assert job.state is JobState.FINISHED, job.reason
    return screen.drawn(at.run(), "attention")


def grid(at: AppTest, key: str) -> Any:
    """What was handed to the grid of heads."""
    proto = homes.only([n.proto for n in screen.nodes(at) if getattr(n, "key", None) == key])
    return json.loads(proto.json)


def test_roles_of_all_heads_are_measured_and_one_is_told(ws: Workspace) -> None:
    at = answered(ws, heads(ws, "What they do"), "heads_roles_start")
    cells = grid(at, "heads_roles_grid")["cells"]
    assert (len(cells), len(cells[0])) == (3, 4)
    assert cells[2][0][0] == "mean", "the layer that Finesift added is named as what it is"
    assert cells[0][0][3].startswith("Layer 1, head 1: ")
    assert homes.only(grid(at, "heads_roles_grid")["chosen"]) is not None
    figures = homes.only(list(at.dataframe)).value
    assert {"the token before", "[CLS]", "[SEP]", "Reach (mean distance)"} <= set(figures["Attention to"])
    assert figures["This head (95 % interval)"].str.contains(r"\(.*–.*\)").all()
    before = screen.words(at)
    at.session_state["heads_role_place"] = (1, 2)
    assert "Layer 2, head 3" in screen.words(at.run())
    assert "Layer 2, head 3" not in before


def test_an_example_leads_to_the_look_view_with_its_head(ws: Workspace) -> None:
    at = answered(ws, heads(ws, "What they do"), "heads_roles_start")
    at.session_state["heads_role_place"] = (1, 2)
    at = at.run()
    example = homes.only(screen.component_items(at, "heads_roles_example"))["text"]
    at = at.button(key="heads_roles_look").click().run()
    assert at.session_state["attention_page"] == "Look"
    assert at.session_state["attention_text"] == example
    assert at.session_state["attention_look"].look.layer == 1
    assert at.session_state["attention_look"].look.head == 2


def test_switching_heads_off_changes_the_answer(ws: Workspace) -> None:
    model = homes.only(ws.models())
    subject = Subject.load(ws.model_folder(model))
    piece = subject.read("my card was charged twice")
    off = ablation.whole_layer(subject, 0)
    whole = subject.probabilities(subject.logits([piece]))[0]
    less = subject.probabilities(ablation.answer_without(subject, piece, off)[None])[0]
    assert abs(whole.max() - less.max()) > 0.001

    at = heads(ws, "Switch off")
    assert f"{subject.labels[int(whole.argmax())]}, {100 * whole.max():.1f} %" in screen.words(at).replace(
        "*", ""
    )
    assert "Switch a head off above first." in screen.words(at)
    told = grid(at, "heads_off_grid")["cells"][0][1][3]
    alone = subject.probabilities(ablation.answer_without(subject, piece, [(0, 1)])[None])[0]
    assert f"{100 * alone[int(whole.argmax())]:.1f} % instead of {100 * whole.max():.1f} %" in told

    at.session_state["heads_off"] = (model.id, off)
    words = screen.words(at.run()).replace("*", "")
    assert f"Without 4 heads: {subject.labels[int(less.argmax())]}, {100 * less.max():.1f} %" in words
    assert "Off: all of layer 1." in words
    screen.press(at, "heads_off_clear")
    assert "Without 4 heads" not in screen.words(at.run())


def test_heads_that_are_off_are_measured_on_the_validation_texts(ws: Workspace) -> None:
    model = homes.only(ws.models())
    off = [(layer, head) for layer in range(2) for head in range(4)]
    at = answered(ws, heads(ws, "Switch off", heads_off=(model.id, off)), "heads_off_study_start")
    metrics = {m.label: m.value for m in at.metric}
    own, without = metrics["With all heads, accuracy"], metrics["Without these heads"]
    assert own != without
    assert "–" in own, "a share stands with its interval"
    turned = int(metrics["Answers that turned"].split(" of ")[0])
    assert turned > 0
    table = at.dataframe[-1].value
    assert len(table) == turned
    assert (table["With all heads"] != table["Without these"]).all()
    job = jobs.find_study(ws, "importance", ws.recent_jobs("study", 1)[0].payload["asked"])
    assert job is not None
    summary = jobs.findings(ws, job).summary
    assert np.isclose(
        summary["accuracy"][0] - summary["without"]["accuracy"][0], -summary["difference"]["accuracy"][0]
    )


def test_importance_by_gradient_and_by_switching_off_and_whether_they_agree(ws: Workspace) -> None:
    at = answered(ws, heads(ws, "Importance"), "heads_importance_gradient_start")
    assert len(grid(at, "heads_importance_grid")["cells"]) == 2
    assert "Michel et al. 2019" in screen.words(at)
    assert "Spearman" not in screen.words(at)
    at.session_state["heads_importance_by"] = "By switching off"
    at = answered(ws, at.run(), "heads_importance_ablation_start")
    assert "Spearman correlation of" in screen.words(at)
    assert "Whole layers" in screen.words(at)
    at.session_state["heads_importance_measure"] = "Accuracy"
    assert "by how many points accuracy falls" in screen.words(screen.drawn(at.run(), "attention"))
    at.number_input(key="heads_importance_number").set_value(3)
    at = at.run().button(key="heads_importance_off").click().run()
    assert at.session_state["heads_part"] == "Switch off"
    assert "Without 3 heads" in screen.words(at)


def test_a_search_lists_texts_with_both_words(ws: Workspace) -> None:
    at = heads(
        ws, "Search", heads_search_from="card", heads_search_to="charged, twice", heads_search_part="all"
    )
    at = answered(ws, at, "heads_search_start")
    table = at.dataframe[-1].value
    assert len(table) > 0
    assert set(table["From"]) == {"card"}
    assert set(table["To"]) <= {"charged", "twice"}
    assert table["Text"].str.contains("card").all()
    assert table["Attention"].is_monotonic_decreasing
    assert "Name at least one word" in screen.words(heads(ws, "Search"))


def test_words_that_no_text_has_are_told(ws: Workspace) -> None:
    at = heads(ws, "Search", heads_search_from="zebra")
    screen.press(at, "heads_search_start")
    with pytest.raises(BadData, match="holds both “zebra” and “any word”"):
        homes.work(ws, "study")


def test_a_base_model_has_roles_but_nothing_to_switch_off(ws: Workspace) -> None:
    def base(part: str) -> AppTest:
        at = AppTest.from_file(str(screen.ROOT / "ui" / "main.py"), default_timeout=60).run()
        for name, value in {"attention_page": "Heads", "heads_part": part}.items():
            at.session_state[name] = value
        return screen.go(at, "attention", model="all-MiniLM-L6-v2")

    assert "heads_roles_start" in screen.buttons(base("What they do"))
    assert "base model" in screen.errors(base("Switch off"))
    assert "base model" in screen.words(base("Importance"))


def test_nasty_names_are_shown_to_the_letter(enter: Enter, nasty_home: Path) -> None:
    engines._subject.clear()
    ws = enter(nasty_home)
    model = homes.only(ws.models())
    at = heads(ws, "Switch off", heads_off=(model.id, [(0, 0)]))
    assert screen.NASTY in screen.words(at)
    at = answered(ws, at, "heads_off_study_start")
    at = answered(ws, heads(ws, "What they do"), "heads_roles_start")
    assert not at.exception
