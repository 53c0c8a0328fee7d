"""The baseline ladder: simple methods on the same texts, each with its interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.records import Interval, Rung
from core.training import ladder
from core.training.ladder import simple_rungs, table
from core.training.task import TrainingData
from tests.tiny import LABELS
from tests.training.support import toy_data


def rungs_of(data: TrainingData) -> dict[str, Rung]:
    return {rung.name: rung for rung in simple_rungs(data)}


def test_majority_is_right_as_often_as_its_class_occurs() -> None:
    data = TrainingData(["a b", "c d", "e f"], [1, 1, 0], ["g", "h", "i", "j"], [1, 0, 0, 2], LABELS)
    rung = rungs_of(data)["majority"]
    assert rung.accuracy.value == 0.25
    assert rung.macro_f1.value == pytest.approx((2 * 1 / 5) / 3)  # F1 of its class, 0 for the two others
    assert "“payment”" in rung.note


def test_word_counts_learn_an_easy_task_that_majority_cannot() -> None:
    found = rungs_of(toy_data())
    assert list(found) == ["majority", "tfidf"]
    assert found["majority"].accuracy.value == pytest.approx(1 / 3)
    assert found["tfidf"].accuracy.value > 0.9
    for rung in found.values():
        for figure in (rung.accuracy, rung.macro_f1):
            assert 0 <= figure.low <= figure.value <= figure.high <= 1
        assert rung.seconds > 0
        assert rung.note.endswith(".")


def test_word_counts_are_measured_on_texts_they_did_not_learn_from() -> None:
    data = toy_data()
    wrong = [(label + 1) % len(LABELS) for label in data.validation_labels]
    assert rungs_of(replace(data, validation_labels=wrong))["tfidf"].accuracy.value < 0.1


def test_the_same_data_give_the_same_figures() -> None:
    first, second = (rungs_of(toy_data()) for _ in range(2))
    for name, rung in first.items():
        assert replace(rung, seconds=0) == replace(second[name], seconds=0)


@pytest.mark.parametrize(
    ("texts", "held"),
    [
        (["今天天气很好", "今天下雨了", "我喜欢吃苹果", "我喜欢吃香蕉"], ["天气很好", "喜欢吃梨"]),
        (["😀 😀", "😀 🙂", "😡 😡", "😡 😠"], ["😀", "😡"]),
    ],
)
def test_texts_without_spaces_or_words_are_counted_by_their_characters(
    texts: list[str], held: list[str]
) -> None:
    data = TrainingData(texts, [0, 0, 1, 1], held, [0, 1], ("one", "two"))
    assert rungs_of(data)["tfidf"].accuracy.value == 1


def test_a_single_class_leaves_word_counts_out() -> None:
    data = TrainingData(["a b", "c d"], [0, 0], ["e"], [0], ("one", "two"))
    assert list(rungs_of(data)) == ["majority"]


def test_large_data_are_sampled_with_every_class_and_the_note_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = toy_data(300, 60)
    rare = replace(data, train_texts=[*data.train_texts, "zebra"], train_labels=[*data.train_labels, 3])
    rare = replace(rare, labels=(*LABELS, "animals"))
    monkeypatch.setattr(ladder, "_CHARACTERS", 1500)
    rung = rungs_of(rare)["tfidf"]
    assert "of the 301 texts" in rung.note
    assert "of the 60 validation texts" in rung.note
    order = ladder._mixed(rare.train_labels, 301, np.random.default_rng(0))
    assert {rare.train_labels[i] for i in order[:4]} == {0, 1, 2, 3}


def test_work_beyond_the_limit_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "_WORK", 6000)
    rung = rungs_of(toy_data(300, 30))["tfidf"]
    assert "it learnt from" in rung.note
    assert "parts of words" not in rung.note
    assert rung.accuracy.value > 0.8


# --------------------------------------------------------------------------- several labels


def several_data(n: int = 200) -> TrainingData:
    """Texts whose words name their labels; the third label is rare."""
    rng = np.random.default_rng(0)
    names = ("sweet", "sour", "salty")

    def part(size: int) -> tuple[list[str], list[tuple[int, ...]]]:
        rows = rng.random((size, 3)) < [0.6, 0.3, 0.08]
        labels = [tuple(np.flatnonzero(row).tolist()) for row in rows]
        filler = rng.choice(["the", "dish", "was", "very", "nice"], size=(size, 4))
        return [
            " ".join([*words, *(names[c] for c in row)]) for words, row in zip(filler, labels, strict=True)
        ], labels

    train, truth = part(n)
    held, held_truth = part(60)
    return TrainingData(train, truth, held, held_truth, names, several=True)


def test_several_labels_a_text_climb_the_same_ladder() -> None:
    found = rungs_of(several_data())
    assert found["tfidf"].macro_f1.value > 0.9 > found["majority"].macro_f1.value


def test_labels_that_all_or_no_texts_have_are_no_stumbling_block() -> None:
    data = several_data()
    always = replace(
        data,
        labels=(*data.labels, "always", "never"),
        train_labels=[(*row, 3) for row in data.train_labels],
        validation_labels=[(*row, 3) for row in data.validation_labels],
    )
    assert rungs_of(always)["tfidf"].macro_f1.value > 0.8


# --------------------------------------------------------------------------- the table


def rung(name: str, f1: float, kept: bool = False) -> Rung:
    return Rung(name, Interval(f1, f1, f1), Interval(f1, f1, f1), 1.0, kept)


def test_table_goes_from_simple_to_elaborate_and_shows_what_each_step_buys() -> None:
    rows = table(
        [rung("full", 0.94, kept=True), rung("tfidf", 0.89), rung("majority", 0.01), rung("quick", 0.93)]
    )
    assert [row["name"] for row in rows] == ["majority", "tfidf", "quick", "full"]
    assert rows[0]["gain"] is None
    assert [row["gain"] for row in rows[1:]] == pytest.approx([0.88, 0.04, 0.01])
    assert [row["title"] for row in rows] == [ladder.TITLES[row["name"]] for row in rows]
    assert [row["kept"] for row in rows] == [False, False, False, True]


def test_table_takes_the_later_of_two_rungs_and_keeps_unknown_ones() -> None:
    rows = table([rung("other", 0.5), rung("tfidf", 0.1), rung("tfidf", 0.2)])
    assert [(row["title"], row["macro_f1"].value) for row in rows] == [
        (ladder.TITLES["tfidf"], 0.2),
        ("other", 0.5),
    ]
