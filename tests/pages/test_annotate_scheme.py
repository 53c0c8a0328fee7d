"""The labels on the Annotate page: made, changed with the effect shown first, gone back on, taken over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.labels import codebook
from core.labels import scheme as steps
from core.labels.nouns import Answer, AnswerState, Scheme, Sent
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import NASTY, drawn, errors, start, words

ME = "Anna"
Enter = Callable[..., Workspace]


def add_data(workspace: Workspace, names: str = "aab", rows: int = 12) -> Dataset:
    cells = [(f"text {i}", names[i % len(names)] if i < rows else None) for i in range(rows + 2)]
    return homes.add_rows(workspace, cells)


def add_scheme(workspace: Workspace, dataset: Dataset, names: list[str], answers: str = "") -> Scheme:
    """`answers`: places of labels, for one text each."""
    scheme = schemes.add(workspace.db, steps.from_names(dataset.id, names, author=ME))
    person = label_rows.annotator(workspace.db, ME).id
    sent = [
        Sent("desk", at + 1, Answer(at, person, (scheme.labels[int(one)].id,), AnswerState.LABELLED, at + 1))
        for at, one in enumerate(answers)
    ]
    if sent:
        label_rows.save(workspace.db, dataset.id, person, sent)
    return scheme


def look(workspace: Workspace, dataset: Dataset) -> AppTest:
    who = label_rows.annotator(workspace.db, ME).id
    return start("annotate", data=dataset.id, who=who, annotate_view="Labels")


def press(at: AppTest, key: str) -> AppTest:
    return drawn(at.button(key=key).click().run(), "annotate")


def confirm(at: AppTest, opener: str, key: str) -> AppTest:
    """A click in an open dialog. AppTest runs no fragment alone, so the click that opened it comes with it."""
    at.button(key=opener).click()
    return press(at, key)


def newest(workspace: Workspace, dataset: Dataset) -> Scheme:
    found = schemes.newest(workspace.db, dataset.id)
    assert found is not None
    return found


def names(scheme: Scheme) -> list[str]:
    return [label.name for label in scheme.labels]


def field(scheme: Scheme, name: str, place: int = 0) -> str:
    return f"scheme_{name}_{scheme.id}_{scheme.labels[place].id}"


# --------------------------------------------------------------------------- made


@pytest.mark.parametrize("counts", [True, False])
def test_the_label_column_becomes_labels_and_answers_if_so_chosen(enter: Enter, counts: bool) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    at = look(workspace, dataset)
    assert "2 labels, the most frequent first" in words(at)
    at.checkbox(key="scheme_import").set_value(counts).run()
    assert f"{2 if counts else 14} texts left to label" in words(at)
    press(at, "scheme_start_column")
    scheme = newest(workspace, dataset)
    assert (names(scheme), scheme.several) == (["a", "b"], False)
    used = steps.counts(scheme, schemes.given(workspace.db, dataset.id))
    assert [used[label.id] for label in scheme.labels] == ([(8, 8), (4, 4)] if counts else [(0, 0)] * 2)
    assert [p.name for p in label_rows.annotators(workspace.db, dataset.id)] == (
        ["imported"] if counts else []
    )


def test_labels_can_be_typed_and_a_fault_stays_in_place(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    at = look(workspace, dataset)
    drawn(at.segmented_control(key=f"scheme_way_{dataset.id}").set_value("typed").run(), "annotate")
    at.text_area(key="scheme_names").set_value("x" * 201)
    press(at, "scheme_start_typed")
    assert "has 201 characters: 200 at most" in errors(at)
    assert schemes.newest(workspace.db, dataset.id) is None
    at.text_area(key="scheme_names").set_value(f"{NASTY}\n\n two \ntwo")
    at.checkbox(key="scheme_several").set_value(True)
    press(at, "scheme_start_typed")
    scheme = newest(workspace, dataset)
    assert (names(scheme), scheme.several) == ([NASTY, "two"], True)


def test_a_codebook_of_another_data_set_can_be_the_start(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    other = steps.from_names("data-other", ["x", NASTY], author=ME)
    at = look(workspace, dataset)
    at.segmented_control(key=f"scheme_way_{dataset.id}").set_value("file").run()
    uploader = at.file_uploader(key="scheme_file")
    drawn(
        uploader.upload("c.json", codebook.to_json(other, "t").encode(), "application/json").run(), "annotate"
    )
    press(at, "scheme_start_file")
    assert names(newest(workspace, dataset)) == ["x", NASTY]


# --------------------------------------------------------------------------- changed


def test_a_name_that_another_label_has_merges_after_both_counts_were_shown(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    first = add_scheme(workspace, dataset, ["a", NASTY, "c"], "00012")
    at = look(workspace, dataset)
    at.text_input(key=field(first, "name")).set_value(NASTY)
    save = f"scheme_save_{first.id}_{first.labels[0].id}"
    press(at, save)
    assert "“a” has 3 answers, " in words(at)
    assert "has 1. These 3 answers will count as " in words(at)
    assert newest(workspace, dataset) == first  # nothing is made before it is confirmed
    confirm(at, save, "scheme_edit_confirm")
    scheme = newest(workspace, dataset)
    assert (names(scheme), scheme.version, scheme.author) == ([NASTY, "c"], 2, ME)
    used = steps.counts(scheme, schemes.given(workspace.db, dataset.id))
    assert used[first.labels[1].id] == (4, 4)

    press(at, "scheme_back_1")
    assert "3 answers will mean another label than now." in words(at)
    confirm(at, "scheme_back_1", "scheme_undo_confirm")
    back = newest(workspace, dataset)
    assert (names(back), back.version) == (["a", NASTY, "c"], 3)
    assert steps.counts(back, schemes.given(workspace.db, dataset.id))[first.labels[0].id] == (3, 3)


def test_one_form_changes_everything_of_a_label_in_one_version(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    first = add_scheme(workspace, dataset, ["a", "b"], "01")
    at = look(workspace, dataset)
    save = f"scheme_save_{first.id}_{first.labels[0].id}"
    press(at, save)
    assert "Nothing was changed" in words(at)
    at.text_input(key=field(first, "key")).set_value("s")
    press(at, save)
    assert "The key s means something else at the desk" in errors(at)
    at.text_input(key=field(first, "key")).set_value("q")
    at.text_input(key=field(first, "name")).set_value(" new ")
    at.number_input(key=field(first, "place")).set_value(2)
    at.text_area(key=field(first, "definition")).set_value(NASTY)
    at.text_area(key=field(first, "examples")).set_value("one\n\ntwo")
    at.checkbox(key=field(first, "own")).set_value(True)
    at.color_picker(key=field(first, "color")).set_value("#123abc")
    press(at, save)
    assert "No answer changes its meaning." in words(at)
    confirm(at, save, "scheme_edit_confirm")
    label = newest(workspace, dataset).labels[1]
    assert (label.id, label.name, label.key, label.color) == (first.labels[0].id, "new", "q", "#123ABC")
    assert (label.definition, label.examples) == (NASTY, ("one", "two"))
    assert newest(workspace, dataset).version == 2


def test_deleting_tells_how_many_answers_are_lost_and_keeping_changes_nothing(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    first = add_scheme(workspace, dataset, ["a", "b"], "000")
    at = look(workspace, dataset)
    press(at, "scheme_delete")
    assert "3 answers will count as unlabelled" in words(at)
    confirm(at, "scheme_delete", "scheme_remove_keep")
    assert newest(workspace, dataset) == first
    press(at, "scheme_delete")
    confirm(at, "scheme_delete", "scheme_remove_confirm")
    assert names(newest(workspace, dataset)) == ["b"]
    press(at, "scheme_add")
    at.text_area(key="scheme_add_names_2").set_value("a\nnew")
    press(at, "scheme_add")
    assert "Its answers do not come back with a new label of that name, but with version 1." in words(at)
    confirm(at, "scheme_add", "scheme_add_confirm")
    assert names(newest(workspace, dataset)) == ["b", "a", "new"]


OPEN = """
from core.labels import scheme as steps
from core.store import schemes
from ui import scheme_change, state

workspace = state.workspace()
first = schemes.versions(workspace.db, workspace.datasets()[0].id)[-1]
scheme_change.propose(workspace, first, steps.allow_several(first, True, author="Anna"), key="ask")
"""


def test_a_change_to_labels_that_somebody_else_changed_is_refused_in_the_dialog(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    first = add_scheme(workspace, dataset, ["a", "b"])
    at = AppTest.from_string(OPEN, default_timeout=60).run()
    theirs = schemes.add(workspace.db, steps.add(first, ["theirs"], author="Ben"))
    at.button(key="ask_confirm").click().run()
    assert "Ben made version 2: Added “theirs”." in errors(at)
    assert newest(workspace, dataset) == theirs


def test_a_codebook_is_taken_over_after_its_changes_were_counted(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    first = add_scheme(workspace, dataset, ["a", "b"], "001")
    edited = codebook.to_json(first, "t").replace('"name": "b"', '"name": "x"')
    at = look(workspace, dataset)
    uploader: Any = at.file_uploader(key=f"scheme_file_{first.id}")
    drawn(uploader.upload("c.json", edited.encode(), "application/json").run(), "annotate")
    press(at, "scheme_upload_show")
    assert "0 new, 1 changed, 0 deleted." in words(at)
    confirm(at, "scheme_upload_show", "scheme_take_confirm")
    assert names(newest(workspace, dataset)) == ["a", "x"]


def test_the_columns_labels_can_be_brought_in_later(enter: Enter) -> None:
    workspace = enter()
    dataset = add_data(workspace)
    scheme = add_scheme(workspace, dataset, ["a", "other"])
    at = look(workspace, dataset)
    press(at, "scheme_bring")
    assert "1 name of 2 in the column is a label here, with 8 mentions in 12 labelled texts." in words(at)
    confirm(at, "scheme_bring", "scheme_bring_confirm")
    assert steps.counts(scheme, schemes.given(workspace.db, dataset.id))[scheme.labels[0].id] == (8, 8)
    assert list(at.run().dataframe[0].value["Texts"]) == [8, 0]  # also where the counts were read before
