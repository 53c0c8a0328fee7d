"""Labels as files on the page: taken along, brought in after a look, made into a data set to train on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Selectbox

from core.labels import scheme as schemes_of
from core.labels.nouns import Answer, AnswerState, Sent
from core.records import Dataset
from core.store import answer_rows, schemes
from core.store import labels as label_rows
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import NASTY, drawn, errors, start, words

TABLE = "text,label,coder\n{0},spam,Bo\n{1},fresh,Bo\n"
OUT, INTO, TRAIN = "Take along", "Bring in", "Make a data set to train on"


@pytest.fixture
def workspace(enter: Callable[..., Workspace]) -> Workspace:
    return enter()


def labelled(workspace: Workspace, n: int = 40, name: str = "toy") -> Dataset:
    """Ana has labelled all of n texts with two labels in turn."""
    dataset = homes.add_data(workspace, n=n, name=name)
    scheme = schemes.add(workspace.db, schemes_of.from_names(dataset.id, ("ham", "spam"), author="Ana"))
    ana = label_rows.annotator(workspace.db, "Ana")
    sent = [
        Sent(
            "desk", row + 1, Answer(row, ana.id, (scheme.labels[row % 2].id,), AnswerState.LABELLED, row + 1)
        )
        for row in range(n)
    ]
    label_rows.save(workspace.db, dataset.id, ana.id, sent)
    return dataset


def files(dataset: Dataset, workspace: Workspace, tab: str) -> AppTest:
    who = label_rows.annotator(workspace.db, "Ana").id
    at = start("annotate", data=dataset.id, who=who, annotate_view="Files")
    at.session_state["annotate_files"] = tab
    return drawn(at.run(), "annotate")


def annotator(at: AppTest) -> Selectbox:  # type: ignore[type-arg]
    return next(box for box in at.selectbox if str(box.key).startswith("files_annotator_"))


def test_the_choices_of_an_export_say_what_they_mean(workspace: Workspace) -> None:
    at = files(labelled(workspace), workspace, OUT)
    titles = [option.content for option in at.segmented_control(key="files_format").proto.options]
    assert titles == ["CSV", "JSONL", "Label Studio", "doccano", "Prodigy"]
    assert at.selectbox(key="files_who").options == ["Everybody", "Ana"]
    at.segmented_control(key="files_format").set_value("label-studio").run()
    assert '<Choice value="spam"/>' in at.code[0].value
    assert not [box for box in at.checkbox if box.key == "files_guard"]
    assert errors(at) == ""


def test_a_file_is_shown_before_it_is_brought_in(workspace: Workspace) -> None:
    dataset = labelled(workspace)
    texts = workspace.part_texts(dataset.id, "train")[1]
    at = files(dataset, workspace, INTO)
    content = TABLE.format(texts[0], texts[1]).encode()
    at.file_uploader(key="files_upload").upload("labels.csv", content, "text/csv").run()
    assert annotator(at).value == 2
    drawn(at, "annotate")
    shown = words(at)
    assert "New people: “Bo”." in shown
    assert "New labels, added to the scheme in one new version: “fresh”." in shown
    assert {metric.label: metric.value for metric in at.metric}["Match a text"] == "2"
    assert len(answer_rows.between(workspace.db, dataset.id, 0, dataset.rows)) == 40
    at.button(key="files_bring").click().run()
    drawn(at, "annotate")
    assert len(answer_rows.between(workspace.db, dataset.id, 0, dataset.rows)) == 42
    newest = schemes.newest(workspace.db, dataset.id)
    assert newest is not None
    assert [label.name for label in newest.labels] == ["ham", "spam", "fresh"]
    at.button(key="files_bring").click().run()
    assert "brought in before, so nothing changed" in words(drawn(at, "annotate"))
    assert len(answer_rows.between(workspace.db, dataset.id, 0, dataset.rows)) == 42


def test_what_matches_no_text_has_to_be_agreed_to(workspace: Workspace) -> None:
    dataset = labelled(workspace)
    text = workspace.part_texts(dataset.id, "train")[1][0]
    at = files(dataset, workspace, INTO)
    content = TABLE.format(text, NASTY).encode()
    at.file_uploader(key="files_upload").upload("labels.csv", content, "text/csv").run()
    drawn(at, "annotate")
    assert "Line 2 matches no text here: “**x**" in words(at).replace("\u2060", "")
    assert annotator(at).value == 2
    assert at.button(key="files_bring").disabled
    at.checkbox(key="files_partly").check().run()
    assert not at.button(key="files_bring").disabled
    at.button(key="files_bring").click().run()
    drawn(at, "annotate")
    assert len(answer_rows.between(workspace.db, dataset.id, 0, dataset.rows)) == 41


def test_a_file_of_other_texts_says_so_and_has_no_button(workspace: Workspace) -> None:
    dataset = labelled(workspace)
    at = files(dataset, workspace, INTO)
    content = TABLE.format("never seen", "nor this").encode()
    at.file_uploader(key="files_upload").upload("labels.csv", content, "text/csv").run()
    drawn(at, "annotate")
    assert "Nothing of this file can be brought in: of 2 lines, 0 speak" in errors(at)
    assert "files_bring" not in {button.key for button in at.button}


def test_a_data_set_to_train_on_is_made_of_the_answers(workspace: Workspace) -> None:
    dataset = labelled(workspace)
    at = files(dataset, workspace, TRAIN)
    figures = {metric.label: metric.value for metric in at.metric}
    assert figures["Texts with a label"] == "40"
    at.text_input(key="files_name").set_value("made here").run()
    at.button(key="files_make").click().run()
    drawn(at, "annotate")
    made = next(one for one in workspace.datasets() if one.name == "made here")
    assert made.labels == {"ham": 20, "spam": 20}
    assert figures["For the test"] == str(made.parts["test"])
    assert "“made here” is ready. Texts: training " in words(at)
    assert errors(at) == ""


def test_nothing_to_train_on_is_said(workspace: Workspace) -> None:
    dataset = homes.add_data(workspace, n=6)
    schemes.add(workspace.db, schemes_of.from_names(dataset.id, ("ham", "spam"), author="Ana"))
    at = files(dataset, workspace, TRAIN)
    assert "no answers yet" in errors(at)
