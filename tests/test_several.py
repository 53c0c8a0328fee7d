"""Several labels a text: cells, data sets and their split."""

from __future__ import annotations

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
from core.errors import BadData
from core.records import Reading
from tests import homes

PARTS = ("train", "validation", "test")


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
