"""Splits: what must hold for every data set, and a few data sets where it is hard."""

from __future__ import annotations

import random
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.prepare import fingerprint, prepare
from core.data.splits import group_keys, normalise, split, split_counted, text_hash
from core.data.table import Table
from core.errors import BadColumn, BadData
from core.records import Reading

PARTS = ("train", "validation", "test")


def classes(*sizes: int) -> tuple[list[str], list[str]]:
    """Distinct texts: as many of each class as said."""
    texts = [f"text {i} of {c}" for c, n in enumerate(sizes) for i in range(n)]
    return texts, [f"c{c}" for c, n in enumerate(sizes) for _ in range(n)]


def table(columns: dict[str, list[str | None]], **more: object) -> Table:
    arrays = [pa.array(cells, pa.large_string()) for cells in columns.values()]
    data = pa.table(arrays, names=[f"c{i}" for i in range(len(arrays))])
    return Table(tuple(columns), data, Reading("csv"), **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------ split

rows_of_texts = st.lists(
    st.tuples(
        st.sampled_from(["a", "A ", "b", "b\u00a0c", "B C", "ﬁ", "fi", "d", "e", "f", "g", "", " ", None]),
        st.sampled_from(["x", "y", "z", "", None]),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(rows=rows_of_texts, seed=st.integers(0, 5))
def test_split_never_leaks_and_keeps_every_label(rows, seed):
    texts, labels = [r[0] for r in rows], [r[1] for r in rows]
    parts = split(texts, labels, seed=seed)
    side: dict[str, set[str]] = {}
    for text, label, part in zip(texts, labels, parts, strict=True):
        usable = bool(text and text.strip() and label and label.strip())
        assert (part in PARTS) == usable
        if usable:
            side.setdefault(normalise(text), set()).add(part)
    assert all(len(parts_of_text) == 1 for parts_of_text in side.values())
    used = [(lab, p) for lab, p in zip(labels, parts, strict=True) if p]
    assert {lab for lab, _ in used} == {lab for lab, p in used if p == "train"}
    assert parts == split(texts, labels, seed=seed)


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=8), seed=st.integers(0, 3))
def test_split_is_stratified(sizes, seed):
    texts, labels = classes(*sizes)
    counts = Counter(zip(labels, split(texts, labels, seed=seed), strict=True))
    for c, n in enumerate(sizes):
        assert counts[f"c{c}", "train"] >= 1
        assert (counts[f"c{c}", "validation"] >= 1) == (n >= 2)
        assert (counts[f"c{c}", "test"] >= 1) == (n >= 3)
        if n >= 7:  # below, the texts that each part must have weigh more than the shares
            assert abs(counts[f"c{c}", "test"] - 0.15 * n) < 1
            assert abs(counts[f"c{c}", "validation"] - 0.15 * n) < 1


def test_split_totals_are_exact_with_distinct_texts():
    texts, labels = classes(100, 37, 55, 8)
    assert Counter(split(texts, labels)) == {"train": 140, "validation": 30, "test": 30}


def test_split_does_not_depend_on_the_order_of_rows():
    texts, labels = classes(40, 25, 3)
    first = dict(zip(texts, split(texts, labels, seed=4), strict=True))
    shuffled = list(zip(texts, labels, strict=True))
    random.Random(1).shuffle(shuffled)
    again = split([t for t, _ in shuffled], [lab for _, lab in shuffled], seed=4)
    assert dict(zip([t for t, _ in shuffled], again, strict=True)) == first


def test_split_does_not_touch_or_use_the_global_generator():
    texts, labels = classes(40, 25)
    random.seed(1)
    state = random.getstate()
    first = split(texts, labels)
    assert random.getstate() == state
    random.seed(2)
    assert split(texts, labels) == first


def test_another_seed_gives_another_split():
    texts, labels = classes(100, 100)
    assert split(texts, labels, seed=1) != split(texts, labels, seed=2)


def test_contradicting_labels_stay_on_one_side_and_no_class_is_lost():
    # "b" only has a text that also carries "a": it still has to be trained on.
    texts = ["same", "same", *[f"t{i}" for i in range(20)]]
    labels = ["a", "b", *["a"] * 20]
    for seed in range(20):
        parts = split(texts, labels, seed=seed)
        assert parts[:2] == ["train", "train"]


def test_duplicates_that_are_the_whole_class_train():
    assert split(["x"] * 9 + ["y"] * 9, ["a"] * 9 + ["b"] * 9) == ["train"] * 18


def test_shares_can_be_zero_but_must_leave_something():
    texts, labels = classes(20, 20)
    assert set(split(texts, labels, test_share=0)) == {"train", "validation"}
    assert set(split(texts, labels, test_share=0, validation_share=0)) == {"train"}
    with pytest.raises(BadData, match="leave a part for training"):
        split(texts, labels, test_share=0.5, validation_share=0.5)


def test_empty_data_splits_to_nothing():
    assert split([], []) == []
    assert split([None, " "], ["x", "y"]) == [None, None]


def test_a_given_test_part_stays_and_its_texts_are_left_out_of_training():
    texts, labels = classes(30, 30)
    texts += ["Text 3  of 0", "new one", "new two"]
    labels += ["c0", "c0", "c1"]
    given_parts = [*["train"] * 60, "test", "test", "test"]
    found = split_counted(texts, labels, given=given_parts)
    assert found.parts[60:] == ["test"] * 3
    assert found.parts[3] is None
    assert found.left_out == 1
    counts = Counter(found.parts)
    assert counts == {"test": 3, "validation": 9, "train": 50, None: 1}


def test_a_given_validation_part_stays_and_the_test_part_is_drawn():
    texts, labels = classes(40)
    found = split_counted(texts, labels, given=["train"] * 30 + ["validation"] * 10)
    assert found.parts[30:] == ["validation"] * 10
    assert Counter(found.parts[:30])["test"] in (4, 5)


def test_a_given_test_part_without_labels_is_drawn_instead():
    texts, labels = classes(40)
    labels[30:] = [None] * 10
    parts = split(texts, labels, given=["train"] * 30 + ["test"] * 10)
    assert set(parts[30:]) == {None}
    assert set(parts[:30]) == set(PARTS)


def test_normalised_texts_and_hashes():
    assert normalise("  Straße\u00a0ﬁn\n\tＡ ") == "strasse fin a"
    assert normalise("a  B") == "a b"
    assert text_hash("abc") == "ba7816bf8f01cfea"  # the published SHA-256 of "abc"
    assert group_keys(["A b", "a  B", "c", " ", None]).count(None) == 2
    assert len({k for k in group_keys(["A b", "a  B", "c"]) if k}) == 2


# ------------------------------------------------------------------ prepare


def test_prepare_counts_what_is_wrong_and_keeps_every_row():
    found = prepare(
        table(
            {
                "id": ["0", "1", "2", "3", "4", "5"],
                "text": ["a", "A", " ", None, "b", "c"],
                "label": ["x", "x", "y", "y", "", "x"],
            }
        ),
        1,
        2,
    )
    assert found.rows == 6
    assert found.texts == ["a", "A", None, None, "b", "c"]
    assert found.labels == ["x", "x", "y", "y", None, "x"]
    assert (found.without_text, found.without_label, found.duplicates) == (2, 1, 1)
    assert found.is_duplicate == [False, True, False, False, False, False]
    assert list(found.label_counts.items()) == [("x", 3), ("y", 2)]
    assert sum(found.part_counts.values()) == 3
    assert [p is None for p in found.parts] == [False, False, True, True, True, False]
    assert found.data.column(1).to_pylist() == ["a", "A", " ", None, "b", "c"]
    assert found.hashes[0] == text_hash("a")


def test_prepare_without_labels_has_no_parts():
    found = prepare(table({"text": ["a", "b"]}), 0, None)
    assert found.without_label == 2
    assert found.part_counts == {}
    assert found.parts == [None, None]


def test_fingerprint_changes_with_every_cell_and_the_order():
    base = fingerprint(["a", "b"], ["x", "y"], ["train", "test"])
    others = [
        fingerprint(["b", "a"], ["x", "y"], ["train", "test"]),
        fingerprint(["a", "b"], ["x", None], ["train", "test"]),
        fingerprint(["a", "b"], ["x", ""], ["train", "test"]),
        fingerprint(["a", "b"], ["x", "y"], ["train", "train"]),
        fingerprint(["ab", ""], ["x", "y"], ["train", "test"]),
    ]
    assert len({base, *others}) == 6
    assert base == fingerprint(["a", "b"], ["x", "y"], ["train", "test"])


def test_own_test_file_is_the_test_part_under_the_same_columns():
    texts, labels = classes(20, 20)
    train = table({"id": [str(i) for i in range(40)], "text": texts, "label": labels})
    test = table({"LABEL": ["c0", "c1"], "Text": ["new", texts[5]], "extra": ["p", "q"]})
    found = prepare(train, 1, 2, test_table=test)
    assert found.columns == ("id", "text", "label", "extra")
    assert found.texts[40:] == ["new", texts[5]]
    assert found.labels[40:] == ["c0", "c1"]
    assert found.parts[40:] == ["test", "test"]
    assert "test" not in found.parts[:40]
    assert found.parts[5] is None
    assert found.left_out == 1
    assert any("1 row is left out of training" in n for n in found.notes)
    assert found.data.column(3).to_pylist()[39:] == [None, "p", "q"]
    assert found.data.column(0).to_pylist()[39:] == ["39", None, None]


def test_own_test_file_without_the_text_column_is_refused():
    train = table({"text": ["a", "b"], "label": ["x", "y"]})
    with pytest.raises(BadColumn, match="test file has no text column"):
        prepare(train, 0, 1, test_table=table({"n": ["1", "2"]}))


def test_own_test_file_replaces_a_test_part_that_the_data_came_with():
    texts, labels = classes(20)
    train = table({"text": texts, "label": labels}, given_parts=("train",) * 10 + ("test",) * 10)
    found = prepare(train, 0, 1, test_table=table({"text": ["new"], "label": ["c0"]}))
    assert [i for i, p in enumerate(found.parts) if p == "test"] == [20]


def test_parts_that_the_data_came_with_are_kept():
    texts, labels = classes(20)
    found = prepare(
        table({"text": texts, "label": labels}, given_parts=("train",) * 15 + ("test",) * 5), 0, 1
    )
    assert found.parts[15:] == ["test"] * 5
    assert Counter(found.parts[:15])["validation"] == 2


def test_labels_that_differ_only_in_case_are_told():
    found = prepare(table({"text": ["a", "b", "c"], "label": ["Spam", "spam ", "ham"]}), 0, 1)
    assert set(found.label_counts) == {"Spam", "spam ", "ham"}
    assert any("“Spam”" in n and "differ only in case" in n for n in found.notes)


def test_a_column_that_is_not_there_is_refused():
    with pytest.raises(BadColumn, match="no column number 3"):
        prepare(table({"text": ["a"], "label": ["x"]}), 2, 1)
