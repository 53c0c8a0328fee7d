"""The Explain view: an answer, the words that it hangs on, what would change it, the texts it was learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.inference.classifier import Classifier
from core.models.saving import read_sidecar
from core.records import JobState
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import NASTY, component_items, drawn, errors, keys, nodes, press, start, words
from tests.pages.test_several_labels import finished
from tests.tiny import toy_texts

TEXT = "my card was charged twice"


@pytest.fixture
def workspace(enter: Callable[..., Workspace], finished_home: Path) -> Workspace:
    return enter(finished_home)


def explain(view: str = "Words", text: str = TEXT, **query: str) -> AppTest:
    return start("attention", attention_page="Explain", explain_view=view, text=text, **query)


def data(at: AppTest, key: str) -> dict[str, Any]:
    """What was handed to the component of that key."""
    proto = homes.only([node.proto for node in nodes(at) if getattr(node, "key", None) == key])
    found: dict[str, Any] = json.loads(proto.json)
    return found


def test_an_answer_is_told_with_the_words_it_hangs_on(workspace: Workspace) -> None:
    at = explain()
    classifier = Classifier.load(workspace.model_folder(homes.only(workspace.models())))
    answer = homes.only(classifier.predict([TEXT])[0])
    assert component_items(at, "explain_answer")[0]["text"] == answer
    shown = data(at, "explain_words")
    assert [row["title"] for row in shown["rows"]] == [
        "Integrated gradients",
        "Leave one out (masked)",
        "Attention (rollout)",
    ]
    assert shown["texts"][0]["words"] == TEXT.split()
    assert all(max(map(abs, row["steps"])) == shown["zero"] for row in shown["rows"])
    assert min(shown["rows"][2]["steps"]) >= 0
    assert shown["legend"] == [f"speaks against {answer}", f"speaks for {answer}"]
    assert "it is not by itself an explanation" in words(at)
    assert errors(at) == ""


def test_another_class_and_a_contrast_score_the_words_anew(workspace: Workspace) -> None:
    at = explain()
    before = data(at, "explain_words")["rows"][0]["figures"]
    first, second = at.selectbox(key="explain_class").options[:2]
    at.selectbox(key="explain_against").set_value(second).run()
    contrast = data(drawn(at, "attention"), "explain_words")
    assert contrast["legend"] == [f"speaks for {second}", f"speaks for {first}"]
    assert contrast["rows"][0]["figures"] != before
    at.selectbox(key="explain_against").set_value("").run()
    at.selectbox(key="explain_class").set_value(second).run()
    assert data(drawn(at, "attention"), "explain_words")["rows"][0]["figures"] != before
    assert errors(at) == ""


def test_another_text_is_explained_for_its_own_answer(workspace: Workspace) -> None:
    classifier = Classifier.load(workspace.model_folder(homes.only(workspace.models())))
    texts = toy_texts(20)[0]
    answers = [homes.only(labels) for labels in classifier.predict(texts)]
    other = next(n for n, label in enumerate(answers) if label != answers[0])
    at = explain(text=texts[0])
    assert at.selectbox(key="explain_class").value == answers[0]
    at.text_area(key="attention_text").set_value(texts[other]).run()
    assert drawn(at, "attention").selectbox(key="explain_class").value == answers[other]


def test_a_pair_is_coloured_as_two_texts(workspace: Workspace) -> None:
    shown = data(explain(pair="please refund"), "explain_words")
    assert [text["words"] for text in shown["texts"]] == [TEXT.split(), ["please", "refund"]]
    assert len(shown["rows"][0]["steps"]) == 7


@pytest.mark.parametrize("text", ["👍", "卡片", "שלום עולם", ".", "my card was late " * 500])
def test_any_text_is_explained_or_told_why_not(workspace: Workspace, text: str) -> None:
    at = explain(text=text)
    assert errors(at) == ""
    assert data(at, "explain_words")["texts"][0]["words"]
    assert ("were left out" in words(at)) == (len(text) > 1000)


def test_a_base_model_has_no_answer_to_explain(workspace: Workspace) -> None:
    at = explain(model="all-MiniLM-L6-v2")
    assert "No answer to explain" in words(at)
    assert "explain_words" not in keys(at)


def test_changed_texts_get_the_answer_that_is_told(workspace: Workspace) -> None:
    text = toy_texts(3)[0][0]
    at = press(explain("What would change it", text), "explain_search")
    at = explain("What would change it", text)
    classifier = Classifier.load(workspace.model_folder(homes.only(workspace.models())))
    edits = data(at, "explain_replaced_0")
    (changed,) = edits["edits"]
    said = edits["texts"][0]["words"]
    new = " ".join(changed.get(str(at), word) for at, word in enumerate(said))
    told = component_items(at, "explain_replaced_answer_0")[0]["text"]
    assert classifier.predict([new])[0] == (told,)
    assert classifier.predict([text])[0] != (told,)
    assert errors(at) == ""


def study(workspace: Workspace, at: AppTest, key: str) -> None:
    press(at, key)
    job = homes.work(workspace, "study")
    assert job.state == JobState.FINISHED, job.reason


def test_the_nearest_training_texts_carry_their_labels(workspace: Workspace) -> None:
    dataset = homes.only(workspace.datasets())
    _, texts, labels = workspace.part_texts(dataset.id, "train")
    view = "Learned from these"
    study(workspace, explain(view, texts[4]), "explain_neighbours_start")
    at = explain(view, texts[4])
    assert component_items(at, "explain_near_0")[0]["text"] == texts[4]
    assert component_items(at, "explain_near_label_0")[0]["text"] == labels[4]
    assert "this very text" in words(at)
    near = [component_items(at, f"explain_near_{n}")[0]["text"] for n in range(8)]
    if read_sidecar(workspace.model_folder(homes.only(workspace.models()))).get("learnt_from_validation"):
        texts += workspace.part_texts(dataset.id, "validation")[1]
    assert set(near) <= set(texts)
    assert errors(at) == ""


def test_words_of_a_class_are_measured_and_told(workspace: Workspace) -> None:
    view = "Words of a class"
    study(workspace, explain(view), "explain_words_study_start")
    at = explain(view)
    table = homes.only([frame.value for frame in at.dataframe])
    assert (table["Low"] <= table["Mean effect"]).all()
    assert table["Texts"].min() >= 3
    assert "95 % intervals over texts" in words(at)
    assert errors(at) == ""


def test_faithfulness_is_measured_against_random_words(workspace: Workspace) -> None:
    view = "Can it be trusted?"
    study(workspace, explain(view), "explain_trust_100_start")
    at = explain(view)
    assert {"explain_gains", "explain_falls"} <= keys(at)
    table = homes.only([frame.value for frame in at.dataframe])
    assert table["Method"].tolist()[-1] == "Random words"
    assert "Attention (rollout)" in table["Method"].tolist()
    assert errors(at) == ""


def test_a_deleted_data_set_is_told(workspace: Workspace) -> None:
    workspace.delete_dataset(homes.only(workspace.datasets()).id)
    for view in ("Learned from these", "Can it be trusted?", "Words of a class"):
        assert "is not here" in words(explain(view))
    at = press(explain("What would change it", toy_texts(3)[0][1]), "explain_search")
    assert errors(at) == ""


def test_labels_of_several_are_explained_and_switched(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    classifier = finished(enter(), tmp_path)
    text = toy_texts(60)[0][0]
    at = explain(text=text)
    chips = component_items(at, "explain_answer") if "explain_answer" in keys(at) else []
    assert {chip["text"] for chip in chips} == set(classifier.predict([text])[0])
    assert errors(at) == ""
    at = press(explain("What would change it", text), "explain_search")
    assert errors(at) == ""


def test_names_of_classes_are_never_markup(enter: Callable[..., Workspace], nasty_home: Path) -> None:
    enter(nasty_home)
    at = explain(text=NASTY)
    assert errors(at) == ""
    assert not [
        m for m in (*at.markdown, *at.caption) if "<img" in str(m.value) and "\\<" not in str(m.value)
    ]
