"""Several labels a text: a tiny model whose head is set by hand, in memory, in files, jobs and verbs."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import verbs
from core.errors import BadModel
from core.inference.classifier import Classifier
from core.inference.files import classify_table
from core.jobs import supervise
from core.jobs.train_job import gather, measure
from core.models.forward import logits
from core.models.loading import load_classifier, load_for_training, load_tokenizer
from core.models.saving import save_model
from core.workspace import Workspace
from tests import homes
from tests.test_several import cells, table
from tests.tiny import LABELS, tiny_bert, toy_texts

THRESHOLDS = (0.4, 0.5, 0.7)


# --------------------------------------------------------------------------- a model


def several_folder(base: Path, folder: Path, **sidecar: Any) -> Path:
    """A model of several labels whose head is a random one, centred on the toy texts: each label holds for about
    half of them."""
    import torch

    model, tokenizer = load_for_training(base, LABELS, several=True), load_tokenizer(base)
    with torch.no_grad():
        torch.manual_seed(3)
        model.classifier.weight.normal_()
        spread = torch.from_numpy(logits(model, tokenizer, toy_texts(40)[0]).std(axis=0))
        model.classifier.weight.div_(spread[:, None])
        middle = torch.from_numpy(logits(model, tokenizer, toy_texts(40)[0]).mean(axis=0))
        model.classifier.bias.sub_(middle)
    save_model(model, tokenizer, folder, sidecar)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("several")
    sidecar = {"thresholds": list(THRESHOLDS), "label_separator": ";"}
    return several_folder(tiny_bert(place / "base"), place / "model", **sidecar)


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Classifier:
    return Classifier.load(folder)


def test_probabilities_are_those_of_the_pipeline_and_labels_those_over_their_threshold(
    folder: Path, classifier: Classifier
) -> None:
    from transformers import pipeline

    texts = [*toy_texts(40)[0], ""]
    found = classifier.predict_proba(texts)
    answers = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")(texts)
    theirs = [[{e["label"]: e["score"] for e in answer}[label] for label in LABELS] for answer in answers]
    np.testing.assert_allclose(found, theirs, atol=1e-4)
    assert found.dtype == np.float32
    assert classifier.several
    assert classifier.thresholds is not None
    assert classifier.thresholds.tolist() == list(THRESHOLDS)
    expected = [
        tuple(label for label, p, t in zip(LABELS, row, THRESHOLDS, strict=True) if p >= t) for row in found
    ]
    assert classifier.predict(texts) == expected
    assert len({len(labels) for labels in expected}) > 1


def test_thresholds_are_one_half_where_the_sidecar_has_none_and_wrong_ones_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    base = tiny_bert(tmp_path / "base")
    plain = Classifier.load(several_folder(base, tmp_path / "plain"))
    assert plain.thresholds is not None
    assert plain.thresholds.tolist() == [0.5] * 3
    assert plain.separator == "|"
    for number, wrong in enumerate(([0.5, 0.5], [0.5, 0.5, 2.0], "0.5")):
        broken = several_folder(base, tmp_path / f"broken{number}", thresholds=wrong)
        with pytest.raises(BadModel, match="thresholds"):
            Classifier.load(broken)


def test_one_label_a_text_is_predicted_as_before(tmp_path: Path) -> None:
    base = tiny_bert(tmp_path / "base")
    save_model(load_for_training(base, LABELS), load_tokenizer(base), tmp_path / "m", {})
    single = Classifier.load(tmp_path / "m")
    texts = toy_texts(9)[0]
    found = single.predict_proba(texts)
    assert not single.several
    assert single.thresholds is None
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert single.predict(texts) == [(LABELS[c],) for c in found.argmax(axis=1)]


def test_a_head_for_one_label_is_not_kept_for_several(folder: Path) -> None:
    import torch

    trained = load_classifier(folder).classifier.bias
    assert torch.count_nonzero(trained) == 3
    assert torch.equal(load_for_training(folder, LABELS, several=True).classifier.bias, trained)
    fresh = load_for_training(folder, LABELS)
    assert fresh.config.problem_type == "single_label_classification"
    assert torch.count_nonzero(fresh.classifier.bias) == 0


def test_files_hold_all_labels_and_the_least_of_their_probabilities(
    classifier: Classifier, tmp_path: Path
) -> None:
    texts = toy_texts(30)[0]
    source = table(["x"] * 30 + [None], [*texts, " "])
    list(classify_table(classifier, source, 0, tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[-1]["predicted_label"], rows[-1]["probability"], rows[-1][LABELS[0]]) == ("", "", "")
    numbers = set()
    for row, labels in zip(rows, classifier.predict(texts), strict=False):
        assert row["predicted_label"] == ";".join(labels)
        least = min((row[label] for label in labels), default="")
        assert row["probability"] == least
        assert all(0 <= float(row[label]) <= 1 for label in LABELS)
        numbers.add(len(labels))
    assert len(numbers) > 1


# --------------------------------------------------------------------------- jobs and the command line


def labelled(classifier: Classifier, n: int = 30) -> list[tuple[str, tuple[str, ...]]]:
    """Texts with the labels that the model gives them, where it gives any."""
    texts = toy_texts(n, seed=5)[0]
    return [pair for pair in zip(texts, classifier.predict(texts), strict=True) if pair[1]]


def test_a_model_is_measured_by_the_labels_of_each_text(classifier: Classifier) -> None:
    pairs = labelled(classifier)
    assert measure(classifier, pairs).accuracy.value == 1.0
    unknown = [(text, (*labels, "new")) for text, labels in pairs]
    scores = measure(classifier, unknown)
    assert scores.accuracy.value == 0.0
    assert scores.labels == (*LABELS, "new")
    assert scores.per_class[-1].recall == 0.0
    assert scores.macro_f1.value == pytest.approx(np.mean([c.f1 for c in scores.per_class]))


def test_evaluate_splits_the_labels_of_a_file_by_whatever_separates_them(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    pairs = labelled(classifier)
    ws = homes.open_home(tmp_path / "home")
    for separator in (";", "|"):
        path = tmp_path / "labelled.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(
                [("text", "label"), *((t, separator.join(labels)) for t, labels in pairs), ("none", "")]
            )
        asked = argparse.Namespace(model=str(folder), file=str(path), text=None, label=None)
        found = verbs.evaluate(ws, asked)
        assert (found["accuracy"], found["macro_f1"], found["micro_f1"]) == (1.0, 1.0, 1.0)
        assert (found["rows"], found["skipped"]) == (len(pairs), 1)
        assert set(found["per_class"]) == set(LABELS)
    ws.close()


def test_import_takes_the_separator_and_a_run_gathers_tuples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)
    ws: Workspace = homes.open_home(tmp_path / "home")
    path = tmp_path / "data.csv"
    written = [(t, "/".join(c.split("|"))) for t, c in zip(toy_texts(40)[0], cells(40), strict=True)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *written])
    asked = {"file": str(path), "text": None, "label": "label", "name": None, "test": None}
    found = verbs.import_file(ws, argparse.Namespace(**asked, label_separator="/"))
    assert found["label_separator"] == "/"
    assert set(found["labels"]) == set("abcde")
    single = verbs.import_file(ws, argparse.Namespace(**asked, label_separator="none"))
    assert single["label_separator"] is None
    texts = gather(ws, homes.submit(ws, ws.dataset(found["dataset"])))
    assert texts.labels == tuple("abcde")
    assert texts.separator == "/"
    of_text = dict(written)
    for text, labels in texts.train + texts.validation:
        assert isinstance(labels, tuple)
        assert "/".join(labels) == of_text[text]
    ws.close()
