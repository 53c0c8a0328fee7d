"""The measurements measure what they say: same texts for all, whole epochs, bars that can be missed."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench import accuracy, cards, common, cost, kills, peers, train
from core.evaluation.metrics import score
from tests.tiny import LABELS, tiny_bert, toy_texts


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"))


def rows(n: int, seed: int = 0, words: int = 8) -> list[tuple[str, str]]:
    texts, labels = toy_texts(n, seed, words)
    return [(text, LABELS[label]) for text, label in zip(texts, labels, strict=True)]


# --------------------------------------------------------------------------- common


def test_rows_come_back_from_their_file_whatever_is_in_them(tmp_path: Path) -> None:
    written = [('a "quoted", text\nin two lines', "x"), ("=1+1", "y")]
    assert common.read_rows(common.write_rows(tmp_path / "a" / "rows.csv", written)) == written


def test_the_training_file_is_found_in_its_own_folder_and_in_the_one_above(tmp_path: Path) -> None:
    path = common.write_rows(tmp_path / "banking77" / "train.csv", [("a", "b")])
    assert common.train_file(tmp_path) == common.train_file(tmp_path / "banking77") == path


def test_contenders_take_turns_and_none_is_always_first() -> None:
    assert common.in_turn(["a", "b", "c"], 3) == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]


def test_the_last_line_that_is_an_object_is_the_result() -> None:
    assert common.last_json('{"a": 1}\nwords\n{"b": 2}\nmore words\n') == {"b": 2}
    assert common.last_json("words\n") is None


def test_a_table_lines_up() -> None:
    lines = common.table(["what", "n"], [["long name", "7"], ["x", "1,000"]]).splitlines()
    assert lines[1] == "| --------- | ----: |"
    assert len({len(line) for line in lines}) == 1


# --------------------------------------------------------------------------- throughput


def test_contenders_get_full_batches_and_a_validation_part_of_other_texts(base: Path) -> None:
    job = train.draw(rows(400), base, 8, 5, 0, "cpu")
    assert (len(job.texts), job.steps, len(job.held_texts)) == (40, 5, 10)
    named = dict(rows(400))
    assert all(named[text] == job.names[label] for text, label in zip(job.texts, job.labels, strict=True))
    with pytest.raises(SystemExit, match="fewer --steps"):
        train.draw(rows(40), base, 8, 5, 0, "cpu")


def test_joined_texts_fill_the_tokens_exactly(base: Path) -> None:
    job = train.draw(rows(30), base, 4, 10, 24, "cpu")
    _, items = peers.tokens(base, job.texts, job.tokens)
    assert len(items) == 40
    assert {len(item["input_ids"]) for item in items} == {24}


@pytest.mark.parametrize("contender", list(train.CONTENDERS))
def test_each_contender_is_timed_over_one_epoch(
    base: Path, monkeypatch: pytest.MonkeyPatch, contender: str
) -> None:
    monkeypatch.setattr(train, "WARM", 1)
    job = replace(train.draw(rows(100), base, 8, 2, 0, "cpu"), contender=contender)
    found = train.contend(job)
    assert found["texts"] == 16
    assert found["seconds"] > 0
    _, items = peers.tokens(base, job.texts)
    assert found["operations"] == cards.operations(base, [len(item["input_ids"]) for item in items])
    assert contender == "ours" or found["precision"] == ("bf16" if contender == "best" else "fp32")


def test_the_stopwatch_leaves_out_warming_up_and_what_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(train, "WARM", 2)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    watch = train.Stopwatch(3, "cpu")
    for seconds in (50.0, 50.0, 1.0, 1.0):
        now[0] += seconds
        watch.mark()
    now[0] += 7.0
    watch.leave_out(7.0)
    now[0] += 1.0
    watch.mark()
    assert watch.seconds == pytest.approx(3.0)


def test_operations_are_six_per_weight_and_token_and_what_attention_adds(base: Path) -> None:
    width, between, layers = 32, 64, 2
    weights = layers * (4 * (width * width + width) + 2 * width * between + between + width + 4 * width)
    assert cards.operations(base, [10, 3]) == pytest.approx(
        sum(n * (6 * weights + 12 * layers * width * n) for n in (10, 3))
    )


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-40GB", 312e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA T400", None),
    ],
)
def test_a_card_is_known_by_its_name(card: str, peak: float | None) -> None:
    assert cards.peak(card) == peak


def test_the_report_divides_medians_and_says_what_is_missed(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = train.draw(rows(100), base, 8, 2, 0, "cuda")

    def turns(*rates: float) -> list[dict[str, object]]:
        return [
            {"texts": 100, "seconds": 100 / r, "operations": 100 * 9.89e12, "precision": "bf16",
             "card": "NVIDIA H100 80GB HBM3", "threads": 1}
            for r in rates
        ]  # fmt: skip

    assert not train.report(job, {"best": turns(10, 1, 20), "ours": turns(16, 17, 1)})
    said = capsys.readouterr().out
    assert "Trainer, bf16, grouped by length: 1.60 (bar 1.5)" in said
    assert "16.0 %" in said  # 16 texts a second of 9.89e12 operations on a card of 989e12
    assert train.report(job, {"best": turns(10), "ours": turns(14)})
    assert "1.40 (bar 1.5, missed)" in capsys.readouterr().out


# --------------------------------------------------------------------------- accuracy


def result(right: int, of: int = 100, seconds: float = 1.0) -> accuracy.Result:
    truth = [i % 2 for i in range(of)]
    guessed = [t if i < right else 1 - t for i, t in enumerate(truth)]
    return accuracy.Result(score(truth, guessed, ("no", "yes")), seconds, seconds)


def test_test_texts_that_also_stand_in_training_are_left_out() -> None:
    train_rows, test_rows = [("One  Text", "a"), ("two", "b")], [("one text", "a"), ("three", "b")]
    assert accuracy.unseen(train_rows, test_rows) == [("three", "b")]


def test_parts_that_belong_together_become_one_file(tmp_path: Path) -> None:
    for name, seed in (("train", 0), ("validation", 1), ("test", 2)):
        common.write_rows(tmp_path / "spam_assassin" / f"{name}.csv", rows(6, seed))
    train_file, test_file = accuracy.files(accuracy.TASKS["spam"], tmp_path, tmp_path / "place")
    assert common.read_rows(train_file) == rows(6, 0) + rows(6, 1)
    assert common.read_rows(test_file) == rows(6, 2)


def test_a_missed_bar_of_accuracy_or_time_is_an_exit_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    good = {"banking77": [result(95, seconds=7)], "trainer": [result(60, seconds=10)]}
    assert accuracy.report(good, {}) == 0
    assert "0.700 of the Trainer's time to learn (bar 0.8)" in capsys.readouterr().out
    assert accuracy.report({**good, "banking77": [result(95, seconds=9)]}, {}) == 1
    assert "Missed: Banking77, default button, time" in capsys.readouterr().out
    assert accuracy.report({**good, "banking77": [result(95, seconds=7), result(94, seconds=7)]}, {}) == 1
    assert accuracy.report({"cooking": [result(83)]}, {"TF-IDF, one-vs-rest": result(81).scores}) == 1
    assert accuracy.report({"cooking": [result(85)]}, {"TF-IDF, one-vs-rest": result(81).scores}) == 0


def test_the_tasks_that_are_compared_by_time_take_turns() -> None:
    assert accuracy._order(["banking77", "spam", "trainer"], 2) == [
        "banking77", "trainer", "trainer", "banking77", "spam"
    ]  # fmt: skip


def test_the_peer_for_several_labels_learns_them_from_words(tmp_path: Path) -> None:
    folder = tmp_path / "cooking_multilabel"
    several = [(f"{text} {i % 7}", f"{label}|other") for i, (text, label) in enumerate(rows(120))]
    common.write_rows(folder / "train.csv", several)
    fresh = [(f"{text} anew", f"{label}|other") for text, label in rows(30, 5)]
    common.write_rows(folder / "test.csv", fresh + several[:4])
    found = accuracy.tfidf(tmp_path)
    assert len(found) == 2
    for scores in found.values():
        assert scores.n == 30
        assert scores.labels == tuple(sorted((*LABELS, "other")))
        assert scores.macro_f1.value > 0.9


def test_the_trainers_predictions_come_with_their_own_labels(base: Path, tmp_path: Path) -> None:
    """It groups by length what it predicts too, so their order is not that of the test file."""
    job = {"model": str(base), "train": rows(240), "test": rows(30, 9), "output": str(tmp_path), "epochs": 1}
    found = peers.trainer_run({**job, "spawned": time.time()})
    names = [found["labels"][c] for c in found["truth"]]
    assert sorted(names) == sorted(label for _, label in rows(30, 9))
    assert len(found["predicted"]) == 30
    assert found["seconds"] > 0


# --------------------------------------------------------------------------- cost


def test_a_training_as_a_job_and_a_bare_one_end_with_the_same_weights(base: Path, tmp_path: Path) -> None:
    common.write_rows(tmp_path / "train.csv", rows(60))
    job = {**cost.made(tmp_path, base, 60), "epochs": 2.0, "precision": "fp32"}
    assert not {*job["texts"]} & {*job["held_texts"]}
    found = {way: cost.turn({**job, "way": way}) for way in cost.TITLES}
    assert found["job"]["weights"] == found["bare"]["weights"]
    assert found["job"]["steps"] == found["bare"]["steps"] > 0
    assert found["job"]["writing"] > found["bare"]["writing"]


def test_the_sample_data_can_be_learnt_from_without_a_folder(base: Path) -> None:
    job = cost.made(None, base, 1000)
    assert len(job["names"]) > 1
    assert all(job["texts"] + job["held_texts"])


def test_too_high_a_cost_or_other_weights_are_an_exit_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    def turn(seconds: float, weights: str = "a") -> list[dict[str, object]]:
        return [{"seconds": seconds, "steps": 9, "events": 9, "writing": 0.1, "checkpoints": 1, "saving": 0.4,
                 "weights": weights}]  # fmt: skip

    assert cost.report({"bare": turn(100.0), "job": turn(101.5)}) == 0
    assert "1.50 %" in capsys.readouterr().out
    assert cost.report({"bare": turn(100.0), "job": turn(102.5)}) == 1
    assert cost.report({"bare": turn(100.0), "job": turn(101.5, "b")}) == 1


# --------------------------------------------------------------------------- kills


def test_a_run_without_a_checkpoint_is_not_killed_while_resuming() -> None:
    chance = random.Random(0)
    assert {kills.draw_moment(chance, first=True) for _ in range(300)} == {"training", "writing", "early"}
    assert {kills.draw_moment(chance, first=False) for _ in range(300)} == {"training", "writing", "loading"}


def test_one_run_with_other_weights_is_an_exit_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    tally = kills.Tally(resumes=2, restarts=1, identical=2)
    tally.kills.update(training=2, early=1)
    assert kills.report(tally, 2) == 0
    assert "2 of 2" in capsys.readouterr().out
    assert kills.report(tally, 3) == 1
    tally.different.append("run 3, job-1")
    assert kills.report(tally, 2) == 1
    assert "Not so: run 3, job-1" in capsys.readouterr().out
