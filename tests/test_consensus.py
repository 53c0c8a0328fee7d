"""One label a text: a tie is a tie, Dawid-Skene is crowd-kit's, a decision has the last word."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene, MajorityVote

from core import verbs_labels
from core.errors import BadColumn, BadData, BadFile
from core.labels import consensus
from core.labels.nouns import Decision
from core.labels.votes import MISSING, Votes, votes_from_names
from tests.test_agreement import crowd, scheme, several


def frame(votes: Votes, codes: np.ndarray) -> pd.DataFrame:
    text, person = np.nonzero(codes != MISSING)
    return pd.DataFrame({"task": text, "worker": person, "label": codes[text, person]})


# --------------------------------------------------------------------------- majority


def test_shares_are_those_of_crowd_kit_and_rows_sum_to_one() -> None:
    votes = votes_from_names(crowd(80, 5))
    found = consensus.majority(votes)
    expected = (
        MajorityVote().fit_predict_proba(frame(votes, votes.codes)).fillna(0).sort_index()[[0, 1, 2, 3]]
    )
    assert found.soft == pytest.approx(expected.to_numpy(), abs=1e-6)
    assert found.soft.dtype == np.float32
    assert found.soft.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


TIED = [("1", "x", ("a",)), ("1", "y", ("b",)), ("2", "x", ("a",)), ("2", "y", ("a",)), ("2", "z", ("b",))]


def test_a_tie_is_named_and_has_no_label() -> None:
    found = consensus.majority(votes_from_names(TIED))
    assert found.chosen == (None, ("a",))
    assert found.tied == (("a", "b"), ())
    assert found.ties == 1
    assert found.certainty() == pytest.approx([1 / 2, 2 / 3])


def test_chance_decides_ties_only_when_asked_and_by_its_seed() -> None:
    said = [(str(item), person, (label,)) for item in range(60) for person, label in (("x", "a"), ("y", "b"))]
    votes = votes_from_names(said)
    found = consensus.majority(votes, ties="random", seed=1)
    assert found.ties == 0
    assert {"a", "b"} == {labels[0] for labels in found.chosen if labels is not None}
    assert found == found
    assert consensus.majority(votes, ties="random", seed=1).chosen == found.chosen
    assert consensus.majority(votes, ties="random", seed=2).chosen != found.chosen


def test_a_person_is_relied_on_as_far_as_he_says_what_the_others_say() -> None:
    said = [(str(t), person, ("a" if t % 2 else "b",)) for t in range(40) for person in "uvw"]
    said += [(str(t), "liar", ("b" if t % 2 else "a",)) for t in range(40)]
    said.append(("only his", "liar", ("a",)))
    by = {one.person: one for one in consensus.majority(votes_from_names(said)).reliability}
    assert (by["liar"].value, by["liar"].answers) == (0.0, 40)
    assert by["u"].value == 1.0
    assert by["u"].low < 0.95


def test_a_person_whom_nobody_can_be_compared_with_has_no_reliability() -> None:
    (alone,) = consensus.majority(votes_from_names([("1", "x", ("a",))])).reliability
    assert np.isnan(alone.value)
    assert (alone.low, alone.high, alone.answers) == (0.0, 1.0, 0)


def test_several_labels_are_voted_on_one_by_one() -> None:
    said = [("1", "x", ("a", "b")), ("1", "y", ("a",)), ("2", "x", ()), ("2", "y", ()), ("2", "z", ("b",))]
    found = consensus.majority(votes_from_names(said, several=True))
    assert found.chosen == (None, ())
    assert found.tied == (("b",), ())
    assert found.soft == pytest.approx(np.array([[1, 0.5], [0, 1 / 3]]), abs=1e-6)


# --------------------------------------------------------------------------- Dawid-Skene


def test_probabilities_are_those_of_crowd_kit() -> None:
    votes = votes_from_names(crowd(80, 4))
    found = consensus.dawid_skene(votes, iterations=8)
    model = DawidSkene(n_iter=8)
    expected = model.fit_predict_proba(frame(votes, votes.codes)).sort_index()[[0, 1, 2, 3]]
    assert found.soft == pytest.approx(expected.to_numpy(), abs=1e-6)
    assert found.soft.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    labels = model.labels_.sort_index()
    assert list(found.chosen) == [(votes.labels[code],) for code in labels]


def test_the_one_who_errs_is_found_out_and_outvoted_by_the_better_one() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(2, size=200)
    said = []
    for person, right in (("good", 0.97), ("fine", 0.9), ("fair", 0.75), ("poor", 0.65), ("coin", 0.5)):
        for t, c in enumerate(truth):
            said.append((str(t), person, ("ab"[c if rng.random() < right else 1 - c],)))
    votes = votes_from_names(said)
    found = consensus.dawid_skene(votes)
    by = {one.person: one for one in found.reliability}
    assert by["good"].value > by["fair"].value > by["coin"].value
    assert by["coin"].low < 0.5 < by["coin"].high
    accuracy = [
        np.mean([one == ("ab"[c],) for one, c in zip(each.chosen, truth, strict=True)])
        for each in (found, consensus.majority(votes))
    ]
    assert accuracy[0] > accuracy[1]


def test_several_labels_are_estimated_one_by_one() -> None:
    votes = votes_from_names(several(60, 3), several=True)
    found = consensus.dawid_skene(votes, iterations=5)
    for label in range(4):
        expected = DawidSkene(n_iter=5).fit_predict_proba(frame(votes, votes.presence(label))).sort_index()
        assert found.soft[:, label] == pytest.approx(expected[1].to_numpy(), abs=1e-6)


def test_without_answers_and_with_an_unknown_method_there_is_a_sentence() -> None:
    with pytest.raises(BadData, match="no answers yet"):
        consensus.aggregate(votes_from_names([]), "majority")
    with pytest.raises(BadData, match="dawid-skene"):
        consensus.aggregate(votes_from_names(TIED), "mean")


# --------------------------------------------------------------------------- decisions


def test_a_decision_takes_the_place_of_what_was_computed() -> None:
    votes = votes_from_names([("1", "x", ("label-a",)), ("1", "y", ("label-b",)), ("2", "x", ("label-a",))])
    votes = Votes((4, 9), *list(vars(votes).values())[1:])
    found = consensus.majority(votes)
    now = scheme("a", "b", merged={"label-old": "label-b"}, removed=("label-gone",))

    def with_word(*labels: str) -> consensus.Consensus:
        return consensus.decided(found, {4: Decision(4, labels, "me", "", 0.0)}, now)

    settled = with_word("label-old")
    assert settled.chosen == (("label-b",), ("label-a",))
    assert settled.tied == ((), ())
    assert settled.soft.tolist() == [[0, 1], [1, 0]]
    assert found.chosen[0] is None
    assert with_word("label-gone").chosen == found.chosen


# --------------------------------------------------------------------------- the command line


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(rows)
    return path


def aggregate(file: Path, out: Path, *flags: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    verbs_labels.add_aggregate_flags(parser)
    columns = ("--item", "item_id", "--annotator", "who", "--label", "says")
    result = verbs_labels.aggregate(None, parser.parse_args([str(file), *columns, "--out", str(out), *flags]))
    json.dumps(result)
    return result


ROWS = [("item_id", "who", "says"), *((item, person, labels[0]) for item, person, labels in TIED)]


def test_a_file_of_answers_becomes_one_row_an_item(tmp_path: Path) -> None:
    rows = [*ROWS, ("3", "x", "=1+1"), ("3", "", "a"), ("4", "x", " "), ("2", "z", "c")]
    result = aggregate(write(tmp_path / "in.csv", rows), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines() == [
        "item_id,says,share,answers,tie",
        "1,,0.500000,2,a|b",
        "2,a,0.666667,3,",
        "3,'=1+1,1.000000,1,",
    ]
    assert (result["items"], result["annotators"], result["answers"]) == (3, 3, 6)
    assert (result["ties"], result["left_out"], result["answered_twice"], result["guarded"]) == (1, 2, 1, 1)
    assert result["labels"] == {"=1+1": 1, "a": 1, "b": 0, "c": 0}
    assert set(result["reliability"]) == {"x", "y", "z"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_dawid_skene_writes_probabilities(tmp_path: Path) -> None:
    rows = [("item_id", "who", "says"), *((i, p, label[0]) for i, p, label in crowd(15, 3))]
    result = aggregate(write(tmp_path / "in.csv", rows), tmp_path / "out.csv", "--method", "dawid-skene")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
        written = list(csv.DictReader(lines))
    assert result["method"] == "dawid-skene"
    assert result["items"] == len(written)
    votes = votes_from_names(crowd(15, 3))
    found = consensus.dawid_skene(votes)
    assert [row["item_id"] for row in written] == list(votes.rows)
    assert [float(row["probability"]) for row in written] == pytest.approx(found.certainty(), abs=1e-6)


def test_faults_of_aggregate_are_sentences_and_leave_no_file(tmp_path: Path) -> None:
    file = write(tmp_path / "in.csv", ROWS)
    with pytest.raises(BadColumn, match="three different"):
        aggregate(file, tmp_path / "out.csv", "--item", "who")
    with pytest.raises(BadFile, match="no file"):
        aggregate(tmp_path / "none.csv", tmp_path / "out.csv")
    with pytest.raises(BadFile, match="folder"):
        aggregate(file, tmp_path / "none" / "out.csv")
    assert not (tmp_path / "out.csv").exists()
