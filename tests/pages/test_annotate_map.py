"""The map: colours by what was asked for, and selections labelled in bulk and taken back."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.desk import Desk
from core.errors import DiskFull
from core.labels.nouns import Answer, AnswerState, Sent, Source
from core.store import labels as label_rows
from core.workspace import Workspace
from tests import homes, map_home
from tests.pages.screen import errors, keys, nodes, words
from ui import map_bulk
from ui.components.map import Entry, Points, _selection
from ui.map_points import SHEET

SCRIPT = """
from core.store import labels as label_rows
from ui import annotate_map, state

workspace = state.workspace()
dataset = workspace.datasets()[0]
annotate_map.show(workspace, dataset, label_rows.annotator(workspace.db, "ann"))
"""


class Screen:
    """The map's view in a tab of its own, over a home with 240 texts in three clouds."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.dataset, self.scheme, self.me = map_home.find(workspace)
        self.desk = Desk.open(workspace, self.dataset.id)
        self.ids = {label.name: label.id for label in self.scheme.labels}
        self.at = AppTest.from_string(SCRIPT, default_timeout=60)

    def run(self) -> Screen:
        self.at.run()
        assert [str(e.value) for e in self.at.exception] == []
        return self

    def select(self, rows: Any) -> Screen:
        """What the component's callback does with a lasso."""
        self.at.session_state["map_place"].selected = np.asarray(rows)
        return self.run()

    def give(self, name: str) -> Screen:
        self.at.selectbox(key="map_label").set_value(self.ids[name]).run()
        self.at.button(key="map_give").click()
        return self.run()

    def colour(self, kind: str) -> dict[str, set[int]]:
        """Name in the legend -> rows of that colour."""
        self.at.segmented_control(key="map_kind").set_value(kind)
        self.run()
        return self.legend()

    def legend(self) -> dict[str, set[int]]:
        packet = homes.only([n.proto.bytes for n in nodes(self.at) if getattr(n, "key", None) == "map"])
        (length,) = struct.unpack("<I", packet[:4])
        header = json.loads(packet[4 : 4 + length])
        n, at = header["points"], 4 + length + -length % 4
        rows = np.frombuffer(packet, "<u4", n, at + 8 * n)
        hues = np.frombuffer(packet, "<u2", n, at + 12 * n)
        found = {one["name"]: set(rows[hues == k].tolist()) for k, one in enumerate(header["palette"])}
        assert {one["name"]: one["count"] for one in header["palette"]} == {
            k: len(v) for k, v in found.items()
        }
        return found

    def answers(self) -> dict[int, Answer]:
        found = label_rows.answers(self.workspace.db, self.dataset.id, annotator_id=self.me.id)
        return {answer.row: answer for _, answer in found if answer.state != AnswerState.CLEARED}

    def by_hand(self, person: str, rows: list[int], name: str) -> None:
        who = label_rows.annotator(self.workspace.db, person)
        sent = [
            Sent(
                f"{person}-{name}", n + 1, Answer(row, who.id, (self.ids[name],), AnswerState.LABELLED, n + 1)
            )
            for n, row in enumerate(rows)
        ]
        self.desk.take(who.id, sent)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, copied for each test."""
    folder = tmp_path_factory.mktemp("map") / "home"
    workspace = homes.open_home(folder)
    map_home.build(workspace)
    workspace.close()
    return folder


@pytest.fixture
def screen(enter: Callable[..., Workspace], home: Path) -> Screen:
    return Screen(enter(home)).run()


def test_a_selection_is_labelled_in_bulk_without_the_evaluation_part_and_undo_clears_exactly_that(
    screen: Screen,
) -> None:
    screen.by_hand("ann", [0, 1], "refund")
    cloud = np.arange(0, 240, 3)
    kept = set(np.flatnonzero(screen.desk.evaluation).tolist()) & set(cloud.tolist())
    assert kept
    screen.select(cloud)
    assert (
        f"Left out: 1 text that you have answered already and {len(kept)} texts of the evaluation part."
        in words(screen.at)
    )
    screen.give("billing")
    given = {row: answer for row, answer in screen.answers().items() if answer.source == Source.BULK}
    assert set(given) == set(cloud.tolist()) - kept - {0}
    assert {answer.labels for answer in given.values()} == {(screen.ids["billing"],)}
    assert f"Labelled {len(given)} texts as “billing”." in words(screen.at)
    assert "map_selection" not in keys(screen.at)
    screen.at.button(key="map_undo").click()
    screen.run()
    assert set(screen.answers()) == {0, 1}
    assert f"Taken back: {len(given)} texts." in words(screen.at)
    assert "map_undo" not in keys(screen.at)


def test_answers_that_stood_before_are_changed_only_when_asked_and_come_back_by_undo(screen: Screen) -> None:
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:4]]
    screen.by_hand("ann", free[:2], "refund")
    screen.select(free)
    screen.at.checkbox(key="map_again").check()
    screen.run().give("delivery")
    assert {answer.labels for answer in screen.answers().values()} == {(screen.ids["delivery"],)}
    screen.at.button(key="map_undo").click()
    screen.run()
    assert {row: answer.labels for row, answer in screen.answers().items()} == dict.fromkeys(
        free[:2], (screen.ids["refund"],)
    )


def test_undo_leaves_what_was_answered_again_by_hand(screen: Screen) -> None:
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:3]]
    screen.select(free).give("billing")
    later = screen.answers()[free[0]].stamp + 10
    answer = Answer(free[0], screen.me.id, (screen.ids["refund"],), AnswerState.LABELLED, later)
    screen.desk.take(screen.me.id, [Sent("desk", 1, answer)])
    screen.at.button(key="map_undo").click()
    screen.run()
    assert {row: a.labels for row, a in screen.answers().items()} == {free[0]: (screen.ids["refund"],)}
    assert "1 text stay, because you answered them again since." in words(screen.at)


def test_texts_that_others_have_are_left_to_them_and_undone_ones_are_free_again(screen: Screen) -> None:
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:6]]
    other = label_rows.annotator(screen.workspace.db, "bob")
    held = label_rows.claim(screen.workspace.db, screen.dataset.id, other.id, free[:2], 2, 1)
    screen.select(free).give("refund")
    assert set(screen.answers()) == set(free) - set(held)
    assert "2 texts left to the people who have them already." in words(screen.at)
    screen.at.button(key="map_undo").click()
    screen.run()
    assert label_rows.claim(screen.workspace.db, screen.dataset.id, other.id, free, 6, 1) == free


def test_a_sample_is_shown_first_and_what_is_unticked_there_gets_no_label(screen: Screen) -> None:
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:40]]
    screen.select(free)
    shown = [box for box in screen.at.checkbox if str(box.key).startswith("map_fits_")]
    rows = [int(str(box.key).removeprefix("map_fits_")) for box in shown]
    assert len(set(rows) & set(free)) == 12
    assert all(box.label.startswith(map_home.NAMES[row % 3]) for box, row in zip(shown, rows, strict=True))
    assert screen.at.button(key="map_give").disabled
    shown[0].uncheck()
    screen.run()
    assert "11 of 12 belong: 91.7 % (64.6–98.5)" in words(screen.at)
    screen.give("billing")
    assert set(screen.answers()) == set(free) - {rows[0]}


def test_what_was_unticked_stays_out_when_another_sample_is_looked_at(screen: Screen) -> None:
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:40]]
    screen.select(free)
    first, second = (set(map_bulk.sample(np.asarray(free), 12, draw).tolist()) for draw in (0, 1))
    out = min(first - second)
    screen.at.checkbox(key=f"map_fits_{out}").uncheck()
    screen.run()
    screen.at.button(key="map_another").click()
    screen.run()
    assert f"map_fits_{out}" not in keys(screen.at)
    screen.give("billing")
    assert set(screen.answers()) == set(free) - {out}


def test_colours_follow_own_labels_predictions_certainty_and_the_evaluation_part(screen: Screen) -> None:
    kept = set(np.flatnonzero(screen.desk.evaluation).tolist())
    screen.by_hand("ann", [2, 5], "refund")
    screen.by_hand("bob", [8], "billing")
    everything = set(range(240))
    assert screen.run().legend() == {"refund": {2, 5}, "Not labelled": everything - {2, 5}}
    predicted = screen.colour("prediction")
    assert predicted["Evaluation part, not shown"] == kept
    assert predicted["delivery"] == set(range(1, 240, 3)) - kept
    certain = screen.colour("uncertainty")
    assert certain["40 to 60 %"] == set(range(0, 240, 10)) - kept
    assert certain["95 % and more"] == everything - set(range(0, 240, 10)) - kept
    assert screen.colour("evaluation") == {"Evaluation part": kept, "All others": everything - kept}


def test_no_prediction_is_shown_where_suggestions_are_switched_off(screen: Screen) -> None:
    plan = label_rows.plan(screen.workspace.db, screen.dataset.id)
    label_rows.set_plan(screen.workspace.db, replace(plan, suggestions=False))
    screen.run()
    assert "Prediction" not in screen.at.segmented_control(key="map_kind").options


def test_without_a_sheet_the_page_says_what_it_waits_for(screen: Screen) -> None:
    (screen.desk.folder / SHEET).unlink()
    screen.run()
    assert "the model reads every text once" in words(screen.at)
    assert "map_kind" not in keys(screen.at)
    np.save(screen.desk.folder / SHEET, np.zeros((7, 2)))  # of other texts
    assert "map_kind" not in keys(screen.run().at)


def test_a_fault_while_saving_is_told_and_leaves_nothing_behind(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_bulk, "CHUNK", 4)
    free = [int(row) for row in np.flatnonzero(~screen.desk.evaluation)[:10]]
    take = Desk.take

    def second_fails(desk: Desk, annotator_id: str, sent: Any) -> list[int]:
        if sent[0].seq == 5:
            raise DiskFull("The disk is full. Make room and try again.")
        return take(desk, annotator_id, sent)

    monkeypatch.setattr(Desk, "take", second_fails)
    screen.select(free).give("billing")
    assert "The disk is full" in errors(screen.at)
    assert screen.answers() == {}
    assert list(screen.at.session_state["map_place"].selected) == free


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        {"version": "other", "turn": 1, "rows": [3]},
        {"version": "v", "turn": -1, "rows": [3]},
        {"version": "v", "turn": 1, "rows": "3"},
        {"version": "v", "turn": 1, "rows": [3, "4"]},
        {"version": "v", "turn": 1, "rows": [3] * 9},
    ],
)
def test_a_selection_that_no_browser_of_ours_sends_is_dropped(sent: Any) -> None:
    points = Points("v", np.zeros((3, 2)), np.array([3, 4, 9]), np.zeros(3), (Entry("a", "", 3),), "Labels")
    assert _selection({"selection": sent}, points) is None


def test_of_a_selection_only_rows_of_the_map_are_taken() -> None:
    points = Points(
        "v", np.zeros((4, 2)), np.array([3, 4, 9, 12]), np.zeros(4), (Entry("a", "", 4),), "Labels"
    )
    found = _selection({"selection": {"version": "v", "turn": 2, "rows": [9, 3, 5, -1]}}, points)
    assert found is not None
    assert (found[0], list(found[1])) == (2, [3, 9])
