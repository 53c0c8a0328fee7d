"""What the classifier says is what transformers says, and files keep all they had."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.data.table import Table
from core.errors import BadModel
from core.inference import files
from core.inference.classifier import Classifier
from core.inference.files import Progress, classify_table
from core.models.catalogue import bundled_folder
from core.models.loading import load_for_training, load_tokenizer
from core.models.saving import save_model
from core.records import Reading
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import TrainingData
from tests.tiny import FAMILIES, LABELS, POSITIONS, tiny_bert, tiny_encoder, toy_texts


def trained_folder(base: Path, out: Path, **recipe: Any) -> Path:
    texts, labels = toy_texts(60, seed=1)
    held_out, truth = toy_texts(12, seed=2)
    settings = {"epochs": 1, "batch_size": 16, "learning_rate": 2e-3, "precision": "fp32", **recipe}
    list(
        train(
            TrainingData(texts, labels, held_out, truth, LABELS), Recipe(**settings), base, out, base_name="t"
        )
    )
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("inference")
    return trained_folder(tiny_bert(place / "base"), place / "model", max_length=16)


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Classifier:
    return Classifier.load(folder)


def by_pipeline(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, C) as anybody gets it who has transformers and the folder, and nothing of ours."""
    from transformers import pipeline

    answers = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")(list(texts))
    order = {label: c for c, label in enumerate(LABELS)}
    found = np.zeros((len(texts), len(LABELS)))
    for row, answer in enumerate(answers):
        for entry in answer:
            found[row, order[entry["label"]]] = entry["score"]
    return found


# --------------------------------------------------------------------------- answers


def test_probabilities_sum_to_one(classifier: Classifier) -> None:
    found = classifier.predict_proba([*toy_texts(50)[0], "", "🙂 مرحبا", "parcel " * 300])
    assert found.shape == (53, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(classifier: Classifier) -> None:
    assert classifier.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_pipeline_gives_the_same_for_every_family(family: str, tmp_path: Path) -> None:
    # texts far beyond the maximum length in training, up to what the model reads
    folder = trained_folder(tiny_encoder(tmp_path / "base", family), tmp_path / "model", max_length=16)
    texts = [*toy_texts(12)[0], " ".join(toy_texts(3, seed=9)[0]), "late " * 25, "Ünïcode 🙂", "x"]
    found = Classifier.load(folder).predict_proba(texts)
    np.testing.assert_allclose(found, by_pipeline(folder, texts), atol=1e-4)


def test_pipeline_gives_the_same_on_the_bundled_encoder_with_long_texts(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(load_for_training(bundled_folder(), LABELS), load_tokenizer(bundled_folder()), folder, {})
    texts = ["Where is my parcel?", "My card was charged twice. " * 40, "word " * 500]
    classifier = Classifier.load(folder)
    assert len(classifier.tokens(texts[1])) > 200
    np.testing.assert_allclose(classifier.predict_proba(texts), by_pipeline(folder, texts), atol=1e-4)


def test_labels_are_in_the_order_of_the_logits(classifier: Classifier, folder: Path) -> None:
    assert classifier.labels == LABELS
    text = toy_texts(1)[0][0]
    best = int(classifier.logits([text])[0].argmax())
    assert by_pipeline(folder, [text])[0].argmax() == best


def test_tokens_are_shown_as_the_model_sees_them(classifier: Classifier) -> None:
    assert classifier.tokens("My parcel") == ["[CLS]", "my", "parcel", "[SEP]"]
    assert len(classifier.tokens("parcel " * 500)) == POSITIONS == classifier.max_length


def test_cut_counts_the_tokens_that_do_not_fit(classifier: Classifier) -> None:
    assert classifier.cut("my parcel") == 0
    assert classifier.cut("parcel " * (POSITIONS - 2)) == 0
    assert classifier.cut("parcel " * (POSITIONS + 8)) == 10


def test_what_is_cut_does_not_count(classifier: Classifier) -> None:
    long = "parcel " * (POSITIONS - 2)
    np.testing.assert_array_equal(classifier.logits([long]), classifier.logits([long + "card " * 50]))


def test_base_model_does_not_classify() -> None:
    with pytest.raises(BadModel, match="has not learnt any classes"):
        Classifier.load(bundled_folder())


def test_threads_may_share_a_classifier(classifier: Classifier) -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [*toy_texts(40)[0], "parcel " * 300]
    wanted = classifier.logits(texts)

    def ask(number: int) -> np.ndarray:
        classifier.tokens("parcel " * (number * 40))
        return classifier.logits(texts)

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(ask, range(12)):
            np.testing.assert_allclose(found, wanted, atol=1e-5)


# --------------------------------------------------------------------------- files


def table_of(columns: Sequence[str], *cells: Sequence[str | None]) -> Table:
    """Cells by column; the names may repeat."""
    data = pa.table({f"c{i}": pa.array(list(column), pa.large_string()) for i, column in enumerate(cells)})
    return Table(tuple(columns), data, Reading("csv"))


def classified(
    classifier: Classifier, table: Table, text_column: int, out: Path, guard: bool = True
) -> tuple[list[list[str]], list[Progress]]:
    progress = list(classify_table(classifier, table, text_column, out, guard=guard))
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream)), progress


def test_file_keeps_columns_rows_and_order_and_gains_predictions(
    classifier: Classifier, tmp_path: Path
) -> None:
    texts, _ = toy_texts(30)
    notes = ["NA", "00123", 'say "hi"', "a,b", "line\nbreak", "ünï 🙂", *[""] * 24]
    rows, progress = classified(
        classifier, table_of(("id", "text", "id"), range_text(30), texts, notes), 1, tmp_path / "o.csv"
    )
    assert rows[0] == ["id", "text", "id", "predicted_label", "probability", *LABELS]
    assert [r[:3] for r in rows[1:]] == [list(t) for t in zip(range_text(30), texts, notes, strict=True)]
    wanted = classifier.predict_proba(texts)
    for row, probabilities in zip(rows[1:], wanted, strict=True):
        assert row[3] == LABELS[int(probabilities.argmax())]
        np.testing.assert_allclose([float(p) for p in row[5:]], probabilities, atol=2e-6)
        assert row[4] == max(row[5:], key=float)
    assert (progress[-1].done, progress[-1].total, progress[-1].without_text, progress[-1].guarded) == (
        30,
        30,
        0,
        0,
    )


def range_text(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_rows_without_text_keep_their_place_and_stay_blank(classifier: Classifier, tmp_path: Path) -> None:
    table = table_of(("text", "n"), ["my parcel", None, "  \n", "my card"], ["1", None, "3", "4"])
    rows, progress = classified(classifier, table, 0, tmp_path / "o.csv")
    assert [r[1] for r in rows[1:]] == ["1", "", "3", "4"]
    for blank in (rows[2], rows[3]):
        assert blank[2:] == [""] * 5
    assert rows[1][2]
    assert rows[4][2]
    assert rows[3][0] == "  \n"
    assert progress[-1].without_text == 2
    assert progress[-1].done == 4


def test_names_that_are_taken_are_never_overwritten(classifier: Classifier, tmp_path: Path) -> None:
    columns = ("text", "predicted_label", "delivery", "delivery (probability)", "probability")
    table = table_of(columns, ["my parcel"], ["mine"], ["d"], ["dp"], ["p"])
    rows, _ = classified(classifier, table, 0, tmp_path / "o.csv")
    assert rows[0][:5] == list(columns)
    assert rows[0][5:] == [
        "predicted_label (model)",
        "probability (model)",
        "delivery (probability 2)",
        "payment",
        "account",
    ]
    assert rows[1][:5] == ["my parcel", "mine", "d", "dp", "p"]


def test_cells_that_a_spreadsheet_would_run_are_guarded_and_counted(
    classifier: Classifier, tmp_path: Path
) -> None:
    cells = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\tx", "\rx", "-5", "+3.5", "-1e-3", "1,5", "a=b", "-", ""]
    guarded = [0, 1, 2, 3, 4, 5, 11]
    table = table_of(("text", "=head"), ["my parcel"] * len(cells), cells)
    rows, progress = classified(classifier, table, 0, tmp_path / "o.csv")
    assert rows[0][1] == "'=head"
    for i, cell in enumerate(cells):
        assert rows[1 + i][1] == ("'" + cell if i in guarded else cell)
    assert progress[-1].guarded == len(guarded) + 1
    rows, progress = classified(classifier, table, 0, tmp_path / "plain.csv", guard=False)
    assert [r[1] for r in rows] == ["=head", *cells]
    assert progress[-1].guarded == 0


def test_long_files_are_classified_in_chunks(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, _ = toy_texts(100)
    table = table_of(("text",), texts)
    whole, _ = classified(classifier, table, 0, tmp_path / "whole.csv")
    monkeypatch.setattr(files, "CHUNK", 9)
    parts, progress = classified(classifier, table, 0, tmp_path / "parts.csv")
    assert [r[:2] for r in parts] == [r[:2] for r in whole]
    done = [p.done for p in progress]
    assert done == sorted(done)
    assert len(done) > 11
    assert done[-1] == 100


def test_a_stopped_file_leaves_nothing_behind(classifier: Classifier, tmp_path: Path) -> None:
    progress = classify_table(classifier, table_of(("text",), toy_texts(200)[0]), 0, tmp_path / "o.csv")
    next(progress)
    assert not (tmp_path / "o.csv").exists()
    progress.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_gives_the_header(classifier: Classifier, tmp_path: Path) -> None:
    rows, progress = classified(classifier, table_of(("text",), []), 0, tmp_path / "o.csv")
    assert rows == [["text", "predicted_label", "probability", *LABELS]]
    assert progress[-1].total == 0
