"""Several labels a text on the pages: brought, looked at, measured, classified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.inference.classifier import Classifier
from core.jobs import adopt
from core.jobs.train_job import measure
from core.records import JobState
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import component_items, drawn, errors, go, keys, press, start, words
from tests.test_several import cells
from tests.test_several_models import several_folder
from tests.tiny import LABELS, tiny_bert, toy_texts

SIDECAR = {"thresholds": [0.4, 0.5, 0.7], "label_separator": "|"}


def content(separator: str = "|") -> bytes:
    rows = zip(toy_texts(60)[0], cells(60), strict=True)
    lines = (f'"{text}","{separator.join(cell.split("|"))}"' for text, cell in rows)
    return "\n".join(["text,label", *lines]).encode()


def test_an_import_offers_the_separator_it_found_and_shows_single_labels(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    at = start("data")
    drawn(at.file_uploader(key="data_file_0").upload("tags.csv", content(), "text/csv").run(), "data")
    choice = next(box for box in at.selectbox if str(box.key).startswith("label_separator_"))
    assert choice.value == "|"
    assert f"5 labels, {sum(len(c.split('|')) for c in cells(60)) / 60:.1f} per text: a " in words(at)
    choice.set_value("").run()
    assert " classes: " in words(at)
    next(box for box in at.selectbox if box.key == choice.key).set_value("|").run()
    press(at, "add_dataset")
    dataset = homes.only(workspace.datasets())
    assert dataset.separator == "|"
    assert set(dataset.labels) == set("abcde")
    go(at, "data")
    assert "Texts per label" in words(at)
    at.selectbox(key=f"rows_label_{dataset.id}").set_value("e").run()
    drawn(at, "data")
    assert f"of {dataset.labels['e']}" in words(at)
    assert "5 labels of which a text may have several" in words(go(at, "train"))
    assert errors(at) == ""


@pytest.mark.parametrize(("chosen", "separator"), [(None, None), ("/", "/")])
def test_what_is_not_clear_is_one_label_and_any_separator_can_be_typed(
    enter: Callable[..., Workspace], chosen: str | None, separator: str | None
) -> None:
    workspace = enter()
    at = start("data")
    at.file_uploader(key="data_file_0").upload("tags.csv", content("/"), "text/csv").run()
    choice = next(box for box in at.selectbox if str(box.key).startswith("label_separator_"))
    assert choice.value == ""
    if chosen is not None:
        choice.options.append(chosen)  # as if it were typed
        choice.set_value(chosen)
    press(at, "add_dataset")
    dataset = homes.only(workspace.datasets())
    assert dataset.separator == separator
    assert (set(dataset.labels) == set("abcde")) == (separator is not None)


def finished(workspace: Workspace, tmp_path: Path) -> Classifier:
    """A run that has ended, with a model of several labels and its scores."""
    texts = toy_texts(60)[0]
    dataset = homes.add_rows(workspace, list(zip(texts, cells(60, names="xyz"), strict=True)))
    run = homes.submit(workspace, dataset)
    _, lease = homes.claim(workspace, "train")
    base = tiny_bert(tmp_path / "base")
    classifier = Classifier.load(several_folder(base, adopt.best_folder(workspace, run.id), **SIDECAR))
    pairs = list(zip(texts, classifier.predict(texts), strict=True))
    scores = measure(classifier, [(text, labels or (LABELS[0],)) for text, labels in pairs])
    model_id, folder = adopt.publish(workspace, run)
    with job_rows.ending(workspace.db, lease, JobState.FINISHED, "Done.", {"model": model_id}) as connection:
        adopt.insert(connection, run, model_id, folder, {})
        run_rows.set_scores(connection, run.id, validation=scores)
    return classifier


def test_a_text_gets_all_labels_over_their_thresholds_or_none_in_words(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    classifier = finished(enter(), tmp_path)
    answers = dict(zip(toy_texts(60)[0], classifier.predict(toy_texts(60)[0]), strict=True))
    several = next(text for text, labels in answers.items() if len(labels) == 2)
    none = next(text for text, labels in answers.items() if not labels)
    at = start("classify")
    at.text_area(key="classify_text").set_value(several)
    press(at, "classify_ask")
    assert {item["text"] for item in component_items(at, "answer")} == set(answers[several])
    assert [float(t) for t in at.dataframe[0].value["Threshold"]] == SIDECAR["thresholds"]
    at.text_area(key="classify_text").set_value(none)
    press(at, "classify_ask")
    assert "No label: none of the probabilities reaches its threshold." in words(at)
    assert "answer" not in keys(at)


def test_the_figures_of_a_run_have_no_confusion_matrix(
    enter: Callable[..., Workspace], tmp_path: Path
) -> None:
    finished(enter(), tmp_path)
    at = start("runs")
    assert "validation_classes" in keys(at)
    assert "validation_confusion" not in keys(at)
    assert "Micro-F1, all labels together: " in words(at)
    assert {"All labels right", "Micro-F1"} <= {metric.label for metric in at.metric}
    assert errors(at) == ""
