"""The People view: how many people, who did what, how far they agree, and settling what they disagree on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import verbs_labels
from core.errors import BadData
from core.labels.nouns import Annotator, Answer, AnswerState, Label, Plan, Scheme, Sent, Source
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from tests.pages import screen
from tests.pages.screen import NASTY

TEXTS = [f"text number {n} speaks of something" for n in range(24)]
Open = Callable[..., Workspace]


def data(ws: Workspace, names: Sequence[str] = ("red", "green", "blue"), *, several: bool = False) -> Dataset:
    """24 texts, the first of which stands twice, and a scheme."""
    dataset = homes.add_rows(ws, [(text, None) for text in [*TEXTS, TEXTS[0]]], name="rows")
    labels = tuple(Label(f"label-{at}", name) for at, name in enumerate(names))
    schemes.add(ws.db, Scheme("scheme-1", dataset.id, 1, 0.0, "Ann", several, labels))
    return dataset


def answer(
    ws: Workspace, dataset: Dataset, name: str, said: Mapping[int, Sequence[int]], **more: Any
) -> Annotator:
    """A person gives these labels, by number, to these rows."""
    person = label_rows.annotator(ws.db, name)
    sent = [
        Sent(
            f"session-{name}", row + 1,
            Answer(row, person.id, tuple(f"label-{c}" for c in labels), AnswerState.LABELLED, row + 1, seconds=6.0, **more),
        )
        for row, labels in said.items()
    ]  # fmt: skip
    label_rows.save(ws.db, dataset.id, person.id, sent)
    return person


def crowd(ws: Workspace, dataset: Dataset) -> tuple[Annotator, Annotator]:
    """Two people on all texts, of one mind but for rows 0 and 5."""
    first = {row: [row % 3] for row in range(24)}
    ann = answer(ws, dataset, "Ann", first, source=Source.ALONE)
    ben = answer(ws, dataset, "Ben", {**first, 0: [1], 5: [0]}, note="not sure", source=Source.ACCEPTED)
    label_rows.set_plan(ws.db, Plan(dataset.id, people=2))
    return ann, ben


def people(dataset: Dataset, me: Annotator, tab: str | None = None) -> AppTest:
    at = screen.start("annotate", data=dataset.id, who=me.id, annotate_view="People")
    return at if tab is None else screen.tab(at, "people_tabs", tab)


def table(at: AppTest, column: str) -> Any:
    """The data frame with that column."""
    return homes.only([frame.value for frame in at.dataframe if column in frame.value])


@pytest.fixture
def home(enter: Open) -> tuple[Workspace, Dataset]:
    ws = enter()
    return ws, data(ws)


# --------------------------------------------------------------------------- how many, and who


def test_the_number_of_people_is_kept_and_can_be_changed(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    at = people(dataset, label_rows.annotator(ws.db, "Ann"))
    assert "agreement cannot be measured" in screen.words(at)
    at.number_input(key="people_k").set_value(3).run()
    assert label_rows.plan(ws.db, dataset.id).people == 3
    label_rows.set_plan(ws.db, Plan(dataset.id, people=2))
    assert at.run().number_input(key="people_k").value == 2


def test_evaluation_part_suggestions_and_copies_are_set_for_everybody(
    home: tuple[Workspace, Dataset],
) -> None:
    ws, dataset = home
    at = people(dataset, label_rows.annotator(ws.db, "Ann"))
    at.select_slider(key="people_share").set_value(20).run()
    at.toggle(key="people_suggest").set_value(False).run()
    at.toggle(key="people_spread").set_value(False).run()
    plan = label_rows.plan(ws.db, dataset.id)
    assert (plan.people, plan.evaluation_share, plan.suggestions, plan.spread) == (1, 0.2, False, False)
    assert at.select_slider(key="people_share").value == 20


def test_who_did_what_tells_accepted_from_alone(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann)
    lines = table(at, "Person").set_index("Person")
    assert lines.loc["Ann", ["Labelled", "Alone", "Accepted"]].tolist() == [24, 24, 0]
    assert lines.loc["Ben", ["Labelled", "Alone", "Accepted"]].tolist() == [24, 0, 24]
    assert lines.loc["Ben", "Suggestions taken"].startswith("100.0 % (86")
    assert lines.loc["Ann", "Texts an hour"] == "600"
    assert "24 of 25 texts answered by 2 people" in screen.words(at)


# --------------------------------------------------------------------------- agreement


def test_without_two_answers_to_a_text_the_view_says_what_to_do(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann = answer(ws, dataset, "Ann", {0: [0]})
    at = people(dataset, ann, "Agreement")
    assert "two or more" in screen.words(at)
    assert "Nobody disagrees yet" in screen.words(screen.tab(at, "people_tabs", "Settle disagreements"))


def test_agreement_shows_figures_with_intervals_and_what_they_mean(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann, "Agreement")
    figures = {metric.label: metric.value for metric in at.metric}
    assert figures["Same answer"].startswith("91.7 % (")
    assert figures["Krippendorff's alpha"].startswith("0.88 (0.")
    assert "probably reliable" in screen.words(at)
    assert table(at, "Cohen's kappa")["Texts"].tolist() == [24]
    assert {"people_labels", "people_confusion", "people_drift", "people_reliability"} <= screen.keys(at)


def test_reliability_by_dawid_skene_is_computed_when_asked(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann, "Agreement")
    at.session_state["people_method"] = "dawid-skene"
    screen.drawn(at.run(), "annotate")
    assert "people_reliability" in screen.keys(at)


# --------------------------------------------------------------------------- settling


def test_a_disagreement_is_settled_with_a_click_and_a_note_also_for_identical_texts(
    home: tuple[Workspace, Dataset],
) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann, "Settle disagreements")
    assert "0 of 2 disagreements settled" in screen.words(at)
    assert screen.component_items(at, "settle_block")[0]["text"] == TEXTS[0]
    assert [screen.component_items(at, f"settle_chips_{n}")[0]["text"] for n in (0, 1)] == ["red", "green"]
    at.text_input(key="settle_note_0").input("the book says so").run()
    screen.press(at, "settle_as_label-1")
    kept = label_rows.decisions(ws.db, dataset.id)
    assert {row: (one.labels, one.note, one.annotator_id) for row, one in kept.items()} == dict.fromkeys(
        (0, 24), (("label-1",), "the book says so", ann.id)
    )
    at = screen.tab(at, "people_tabs", "Settle disagreements")
    assert "1 of 2 disagreements settled" in screen.words(at)
    assert screen.component_items(at, "settle_block")[0]["text"] == TEXTS[5]
    assert len([answer for _, answer in label_rows.answers(ws.db, dataset.id)]) == 48


def test_a_decision_can_be_withdrawn(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann, "Settle disagreements")
    screen.press(at, "settle_as_label-0")
    at = screen.tab(at, "people_tabs", "Settle disagreements")
    screen.press(at, "withdraw_0")
    assert label_rows.decisions(ws.db, dataset.id) == {}
    at = screen.tab(at, "people_tabs", "Settle disagreements")
    assert "0 of 2 disagreements settled" in screen.words(at)
    assert screen.component_items(at, "settle_block")[0]["text"] == TEXTS[0]


def test_later_goes_on_to_the_next_one(home: tuple[Workspace, Dataset]) -> None:
    ws, dataset = home
    ann, _ = crowd(ws, dataset)
    at = people(dataset, ann, "Settle disagreements")
    screen.press(at, "settle_later")
    at = screen.tab(at, "people_tabs", "Settle disagreements")
    assert screen.component_items(at, "settle_block")[0]["text"] == TEXTS[5]


def test_nobody_sees_the_answers_to_a_text_that_he_may_still_be_asked(
    home: tuple[Workspace, Dataset],
) -> None:
    ws, dataset = home
    crowd(ws, dataset)
    label_rows.set_plan(ws.db, Plan(dataset.id, people=3))
    eve = answer(ws, dataset, "Eve", {5: [2]})
    at = people(dataset, eve, "Settle disagreements")
    assert "0 of 1 disagreement settled" in screen.words(at)
    assert "1 more disagreement" in screen.words(at)
    assert screen.component_items(at, "settle_block")[0]["text"] == TEXTS[5]


def test_several_labels_are_settled_together(enter: Open) -> None:
    ws = enter()
    dataset = data(ws, several=True)
    ann = answer(ws, dataset, "Ann", {3: [0, 1], 4: []})
    answer(ws, dataset, "Ben", {3: [0], 4: []})
    label_rows.set_plan(ws.db, Plan(dataset.id, people=2))
    at = people(dataset, ann, "Agreement")
    assert "averaged" in screen.words(at)
    at = screen.tab(at, "people_tabs", "Settle disagreements")
    assert at.multiselect(key="settle_several_3").value == ["label-0"]
    at.multiselect(key="settle_several_3").set_value(["label-0", "label-2"])
    screen.press(at, "settle_decide")
    assert label_rows.decisions(ws.db, dataset.id)[3].labels == ("label-0", "label-2")


def test_names_of_labels_and_people_are_no_markup(enter: Open) -> None:
    ws = enter()
    dataset = data(ws, names=[f"{NASTY} {letter}" for letter in "abc"])
    nasty = "**x** <img src=x> $a$ :red[x]"
    first = {row: [row % 3] for row in range(12)}
    ann = answer(ws, dataset, nasty, first)
    answer(ws, dataset, "Ben", {**first, 0: [1]}, note=NASTY)
    label_rows.set_plan(ws.db, Plan(dataset.id, people=2))
    at = people(dataset, ann, "Settle disagreements")
    shown = " ".join(str(element.value) for element in at.markdown)
    assert nasty not in shown
    assert r"\*\*x\*\*" in shown
    assert screen.component_items(at, "settle_chips_0")[0]["text"].startswith("**x**")
    screen.drawn(screen.tab(at, "people_tabs", "Agreement"), "annotate")


# --------------------------------------------------------------------------- the same without a screen


def test_the_command_line_gives_the_same_figures(home: tuple[Workspace, Dataset], tmp_path: Path) -> None:
    import argparse
    import json

    ws, dataset = home
    parser = argparse.ArgumentParser()
    verbs_labels.add_agreement_flags(parser)
    options = parser.parse_args(["rows"])
    with pytest.raises(BadData, match="two people"):
        verbs_labels.agreement(ws, options)
    crowd(ws, dataset)
    found = json.loads(json.dumps(verbs_labels.agreement(ws, options)))
    assert found["percent"] == pytest.approx(22 / 24)
    assert list(found["cohen_kappa"]) == ["Ann / Ben"]
    assert found["cohen_kappa"]["Ann / Ben"] == pytest.approx(0.875, abs=0.01)
    alpha = found["krippendorff_alpha"]
    assert alpha["low"] < alpha["value"] < alpha["high"]
    assert set(found["labels"]) == {"red", "green", "blue"}
