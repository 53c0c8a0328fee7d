"""Several labels a text: import, split, thresholds, scores, and a tiny model whose head is set by hand."""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from core import verbs
from core.data.intake import read_table
from core.data.labels import (
    check_separator,
    count_labels,
    fitting_separator,
    guess_separator,
    list_items,
    split_labels,
)
from core.data.prepare import prepare
from core.data.splits import normalise, split_counted
from core.data.table import Table
from core.errors import BadData, BadModel
from core.evaluation.multilabel import choose, mean_f1, score_several, tune_thresholds
from core.inference.classifier import Classifier
from core.inference.files import classify_table
from core.jobs import supervise
from core.jobs.train_job import gather, measure
from core.models.forward import logits
from core.models.loading import load_classifier, load_for_training, load_tokenizer
from core.models.saving import save_model
from core.records import Reading, Scores
from core.workspace import Workspace
from tests import homes
from tests.tiny import LABELS, tiny_bert, toy_texts

PARTS = ("train", "validation", "test")
THRESHOLDS = (0.4, 0.5, 0.7)


def cells(n: int, seed: int = 0, names: str = "abcde") -> list[str]:
    """n label cells: one to three of the names, the first ones more often."""
    rng = np.random.default_rng(seed)
    share = np.arange(len(names), 0, -1) / sum(range(len(names) + 1))
    return [
        "|".join(rng.choice(list(names), int(rng.integers(1, 4)), replace=False, p=share)) for _ in range(n)
    ]


def table(labels: list[str | None], texts: list[str] | None = None) -> Table:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    columns = {"c0": pa.array(texts, pa.large_string()), "c1": pa.array(labels, pa.large_string())}
    return Table(("text", "labels"), pa.table(columns), Reading("csv"))


# --------------------------------------------------------------------------- cells


def test_labels_are_stripped_and_empty_and_repeated_ones_dropped() -> None:
    assert split_labels(" b | a||b| ", "|") == ("b", "a")
    assert split_labels(" | ", "|") == split_labels("  ", "|") == split_labels(None, "|") == ()
    assert split_labels(" b | a ", None) == (" b | a ",)
    assert split_labels("a, b", ",") == ("a", "b")


def test_lists_as_json_python_and_numpy_write_them_are_labels() -> None:
    written = ['["it\'s", "b"]', "['it\\'s', 'b']", "['it\\'s' 'b']", "[ \"it's\" , 'b' ]"]
    assert {split_labels(cell, "|") for cell in written} == {("it's", "b")}
    assert split_labels("[1, 2]", "|") == ("1", "2")
    assert split_labels("[]", "|") == ()
    assert list_items("[a, b]") is None
    assert list_items('[["a"], "b"]') is None


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"a": 9, "b": 9, "a|b": 4}, "|"),
        ({"a": 9, "b": 9, "c": 2, "a; b": 4, "b; c": 1}, ";"),
        ({"a": 9, "b": 9, "c": 2, "a, b": 4, "b, c": 1}, ","),
        ({"1,2": 9, "1": 9, "2": 9, "1,2,3": 4, "3": 5}, ","),
        ({'["a","b"]': 3, '["a"]': 5}, "|"),
        ({'["a|x","b"]': 3, '["a|x"]': 5}, ";"),  # a bar belongs to an item
        ({"Yes, please": 30, "No, thanks": 30, "Maybe": 10}, None),
        ({"Yes, please": 30, "Yes, thanks": 30, "Yes": 30, "No": 20}, None),
        ({"Billing, card": 9, "Billing, cash": 9, "Support, card": 9, "Support, cash": 9}, None),
        ({"3,5": 20, "4,5": 20, "3": 10, "4": 10, "5": 10}, None),  # decimal commas
        ({"shop|phones": 20, "shop|cars": 20, "shop": 10, "news|sport": 10, "news": 5}, None),  # paths
        ({f"the {i}, and a {i % 7}": 1 for i in range(200)}, None),  # sentences
        ({"a": 500, "b": 500, "a|b": 1}, None),  # too rare to be sure
        ({"[1]": 5, "[2]": 5}, None),
        ({}, None),
    ],
)
def test_a_separator_is_guessed_only_where_it_is_clear(values: dict[str, int], found: str | None) -> None:
    assert guess_separator(values) == found


def test_labels_are_counted_one_by_one() -> None:
    found = count_labels({"a|b": 3, "a": 2, "|": 4}, "|")
    assert (found.counts, found.rows, found.several) == ({"a": 5, "b": 3}, 5, 3)
    assert found.per_text == pytest.approx(1.6)


def test_the_separator_of_another_file_is_the_one_that_gives_known_labels() -> None:
    assert fitting_separator(["a; b", "b"], ("a", "b"), "|") == ";"
    assert fitting_separator(["a", "b"], ("a", "b"), "/") == "/"
    assert fitting_separator(["Yes, please", "no"], ("Yes, please", "no"), "|") == "|"
    assert split_labels("p|q", fitting_separator(["p|q", "r"], ("p|q", "r"), "|")) == ("p|q",)


def test_a_separator_can_be_named_refused_or_impossible() -> None:
    assert check_separator("/") == "/"
    assert check_separator("None") is check_separator("") is check_separator(None) is None
    with pytest.raises(BadData, match="cannot stand between labels"):
        check_separator("a\nb")


# --------------------------------------------------------------------------- a data set


def test_prepare_counts_single_labels_and_keeps_the_cells() -> None:
    found = prepare(table(["a|b", "b", " b|a ", "|", None, "a", "c|a", "c"]), 0, 1)
    assert found.separator == "|"
    assert found.label_counts == {"a": 4, "b": 3, "c": 2}
    assert found.labels == ["a|b", "b", " b|a ", None, None, "a", "c|a", "c"]
    assert found.without_label == 2
    assert any("3 labels, 1.5 per text" in note for note in found.notes)
    refused = prepare(table(["a|b", "b", " b|a ", "|", None, "a", "c|a", "c"]), 0, 1, label_separator=None)
    assert refused.separator is None
    assert refused.label_counts["a|b"] == 1
    assert refused.fingerprint != found.fingerprint
    given = prepare(table(["a/b", "b"]), 0, 1, label_separator="/")
    assert given.label_counts == {"b": 2, "a": 1}


def test_single_labels_have_the_split_and_fingerprint_that_they_always_had() -> None:
    labels: list[str | None] = ["Yes, please", "no"] * 20
    auto, single = (prepare(table(labels), 0, 1, label_separator=s) for s in ("auto", None))
    assert auto.separator is None
    assert (auto.parts, auto.fingerprint) == (single.parts, single.fingerprint)
    # of a version without several labels
    assert auto.fingerprint == "ad0b4e2edf518b8226f7f93608ff725c1a0d2bf421fde9904c948002cedff6f7"


def test_lists_of_files_become_labels_and_class_numbers_in_them_names(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "labels": names} for i, names in enumerate([["a", "b"], ["a"], [], ["b", "a"]])]
    path = tmp_path / "lists.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    found = prepare(read_table(path, path.name, homes.read_settings({"FINESIFT_HOME": str(tmp_path)})), 0, 1)
    assert found.labels == ["a|b", "a", None, "b|a"]
    assert found.data.column(1).to_pylist()[0] == '["a","b"]'
    of_classes = {"feature": {"names": ["joy", "fear"], "_type": "ClassLabel"}, "_type": "List"}
    features = json.dumps({"info": {"features": {"labels": of_classes}}})
    arrays = pa.table({"text": ["t", "u"], "labels": pa.array([[0, 1], [1]], pa.list_(pa.int64()))})
    place = tmp_path / "lists.parquet"
    pq.write_table(arrays.replace_schema_metadata({"huggingface": features}), place)
    read = read_table(place, place.name, homes.read_settings({"FINESIFT_HOME": str(tmp_path)}))
    assert read.data.column(1).to_pylist() == ['["joy","fear"]', '["fear"]']
    assert any("“labels” were turned into the class names" in note for note in read.notes)
    assert prepare(read, 0, 1).labels == ["joy|fear", "fear"]


def test_rows_are_found_by_one_of_their_labels(tmp_path: Path) -> None:
    ws = homes.open_home(tmp_path / "home")
    dataset = ws.add_dataset(
        table(["a|b", "b", "a", "ab", "b|a"]), name="s", text_column=0, label_column=1, label_separator="|"
    )
    assert dataset.separator == "|"
    assert dataset.labels == {"a": 3, "b": 3, "ab": 1}
    found = ws.find_rows(dataset.id, label="a", separator=dataset.separator)[1]
    assert [row.row for row in found] == [0, 2, 4]
    ws.close()


# --------------------------------------------------------------------------- split

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "A ", "b", "c", "d", "e", "f", "g", "h", "", None]),
        st.sampled_from(["x", "y", "x|y", "z|x", "w", "w|x|y|z", "|", "", None]),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 3))
def test_split_never_leaks_and_keeps_every_label_in_training(rows: list[Any], seed: int) -> None:
    texts, labels = [r[0] for r in rows], [r[1] for r in rows]
    parts = split_counted(texts, labels, seed=seed, separator="|").parts
    side: dict[str, set[str]] = {}
    known: dict[str, set[str]] = {}
    for text, cell, part in zip(texts, labels, parts, strict=True):
        found = split_labels(cell, "|")
        assert (part in PARTS) == bool(text and text.strip() and found)
        if part is not None:
            side.setdefault(normalise(text), set()).add(part)
            for label in found:
                known.setdefault(label, set()).add(part)
    assert all(len(found) == 1 for found in side.values())
    assert all("train" in found for found in known.values())


def test_split_gives_each_label_its_share_in_each_part() -> None:
    labels = cells(1000)
    parts = split_counted([f"t{i}" for i in range(1000)], list(labels), separator="|").parts
    totals = Counter(label for cell in labels for label in cell.split("|"))
    counts = Counter((label, p) for cell, p in zip(labels, parts, strict=True) for label in cell.split("|"))
    for label, n in totals.items():
        for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
            assert abs(counts[label, part] - share * n) <= max(3, 0.02 * n)
    sizes = Counter(parts)
    assert abs(sizes["test"] - 150) <= 8
    assert abs(sizes["validation"] - 150) <= 8


def test_split_of_several_labels_does_not_depend_on_the_order_of_rows() -> None:
    labels, texts = cells(200), [f"t{i}" for i in range(200)]
    parts = dict(zip(texts, split_counted(texts, list(labels), separator="|").parts, strict=True))
    turned = split_counted(texts[::-1], list(labels)[::-1], separator="|").parts
    assert dict(zip(texts[::-1], turned, strict=True)) == parts
    assert split_counted(texts, list(labels), seed=1, separator="|").parts != list(parts.values())


def test_rare_labels_have_texts_in_the_parts_they_suffice_for() -> None:
    labels = ["a"] * 40 + ["a|two"] * 2 + ["b|three"] * 3 + ["b"] * 40
    texts = [f"t{i}" for i in range(len(labels))]
    for seed in range(5):
        parts = split_counted(texts, labels, seed=seed, separator="|").parts
        assert sorted(map(str, parts[40:42])) == ["train", "validation"]
        assert sorted(map(str, parts[42:45])) == ["test", "train", "validation"]


def test_given_parts_stay_and_leak_nothing_with_several_labels() -> None:
    labels, texts = ["a|b", "a", "b"] * 20, [f"t{i}" for i in range(57)] + ["T3", "x", "y"]
    found = split_counted(texts, labels, given=["train"] * 57 + ["test"] * 3, separator="|")
    assert found.parts[57:] == ["test"] * 3
    assert found.parts[3] is None
    assert found.left_out == 1
    assert "validation" in found.parts


# --------------------------------------------------------------------------- thresholds and scores


def draws(n: int, shares: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(truth, probabilities): calibrated for a sigmoid, a label's share as said."""
    rng = np.random.default_rng(seed)
    odds = np.log(np.array(shares) / (1 - np.array(shares))) + rng.normal(0, 1.5, (n, len(shares)))
    probabilities = 1 / (1 + np.exp(-odds))
    return rng.random(probabilities.shape) < probabilities, probabilities


def test_thresholds_of_frequent_labels_reach_the_best_f1() -> None:
    truth, probabilities = draws(4000, [0.3, 0.1, 0.5])
    found = tune_thresholds(truth, probabilities)
    assert found.shape == (3,)
    for c in range(3):
        best = max(f1_score(truth[:, c], probabilities[:, c] >= t) for t in np.linspace(0.02, 0.9, 200))
        assert f1_score(truth[:, c], probabilities[:, c] >= found[c]) > best - 0.005
        assert f1_score(truth[:, c], probabilities[:, c] >= 0.5) < best - 0.02 or found[c] > 0.3


def test_tuned_thresholds_beat_one_half_on_texts_that_were_not_seen() -> None:
    truth, probabilities = draws(300, [0.3, 0.1, 0.05, 0.05, 0.03])
    later, unseen = draws(5000, [0.3, 0.1, 0.05, 0.05, 0.03], seed=1)
    tuned = mean_f1(later, choose(unseen, tune_thresholds(truth, probabilities)))[0]
    assert tuned > mean_f1(later, unseen >= 0.5)[0] + 0.05


def test_a_label_with_few_positives_is_drawn_to_the_common_threshold_and_all_to_one_half() -> None:
    truth, probabilities = draws(2000, [0.2, 0.2, 0.2])
    truth[:, 2] = False
    found = tune_thresholds(truth, probabilities)
    assert min(found[:2]) - 0.1 < found[2] < max(found[:2]) + 0.1  # no positives: the common one
    truth[int(probabilities[:, 2].argmin()), 2] = True  # one odd text, whose own best is near 0
    assert abs(tune_thresholds(truth, probabilities)[2] - found[2]) < 0.15
    alone = np.array([[True], [False]])
    assert 0.35 < tune_thresholds(alone, np.array([[0.1], [0.01]]))[0] < 0.5
    assert tune_thresholds(np.zeros((3, 2), bool), np.full((3, 2), 0.1)).tolist() == [0.5, 0.5]
    assert tune_thresholds(np.zeros((0, 2), bool), np.zeros((0, 2))).tolist() == [0.5, 0.5]


def test_of_equal_thresholds_the_middle_is_taken() -> None:
    truth = np.array([[True]] * 200 + [[False]] * 200)
    apart = np.array([[0.9]] * 200 + [[0.1]] * 200)
    assert tune_thresholds(truth, apart)[0] == pytest.approx(0.5, abs=1e-9)
    tied = np.array([[0.3]] * 200 + [[0.3]] * 200)  # equal probabilities cannot be told apart
    assert 0 < tune_thresholds(truth, tied)[0] < 0.3
    extreme = np.array([[1.0]] * 200 + [[0.0]] * 200)
    assert tune_thresholds(truth, extreme)[0] == pytest.approx(0.5, abs=1e-9)


def test_scores_of_several_labels_are_those_of_scikit_learn() -> None:
    truth, probabilities = draws(500, [0.3, 0.1, 0.5, 0.2])
    predicted = probabilities >= 0.4
    found = score_several(truth, predicted, "abcd")
    assert found.several
    assert found.confusion == ()
    assert found.accuracy.value == pytest.approx((truth == predicted).all(axis=1).mean())
    assert found.macro_f1.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert found.micro_f1 is not None
    assert found.micro_f1.value == pytest.approx(f1_score(truth, predicted, average="micro"))
    assert [c.f1 for c in found.per_class] == pytest.approx(f1_score(truth, predicted, average=None).tolist())
    assert mean_f1(truth, predicted) == pytest.approx((found.macro_f1.value, found.micro_f1.value))
    assert Scores.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert set(found.brief()) == {"accuracy", "macro_f1", "micro_f1"}


def test_bootstrap_of_several_labels_agrees_with_resampled_texts() -> None:
    truth, probabilities = draws(300, [0.3, 0.1, 0.5])
    predicted = probabilities >= 0.4
    found = score_several(truth, predicted, "abc")
    rng = np.random.default_rng(1)
    drawn = [mean_f1(truth[rows], predicted[rows]) for rows in rng.integers(0, 300, (1000, 300))]
    for figure, values in ((found.macro_f1, [m for m, _ in drawn]), (found.micro_f1, [m for _, m in drawn])):
        assert figure is not None
        assert (figure.low, figure.high) == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.012)


def test_labels_that_do_not_occur_and_no_texts_are_scored() -> None:
    truth = np.array([[True, False], [False, False]])
    assert score_several(truth, truth, "ab").macro_f1.value == 1.0
    assert score_several(np.zeros((0, 2)), np.zeros((0, 2)), "ab").n == 0
    with pytest.raises(ValueError, match="2 labels"):
        score_several(truth, truth[:1], "ab")


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
