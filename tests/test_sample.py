"""The sample data set holds what its documentation says, the faults left in on purpose included."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections import Counter
from difflib import SequenceMatcher

import pytest

from core.data.sample import SAMPLE_NAME, sample_path

COLUMNS = ["id", "text", "label", "channel", "date"]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with sample_path().open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        found = list(reader)
    assert reader.fieldnames == COLUMNS
    return found


@pytest.fixture(scope="module")
def by_id(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in rows}


def documented(section: str) -> list[list[str]]:
    """The table under one heading of sample.md, without its head."""
    page = sample_path().with_suffix(".md").read_text(encoding="utf-8")
    body = re.split(r"^## ", page, flags=re.MULTILINE)
    part = next(p for p in body if p.startswith(section + "\n"))
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def plain(text: str) -> str:
    return " ".join(text.lower().split())


def test_sample_has_four_hundred_rows_and_a_name(rows: list[dict[str, str]]) -> None:
    assert len(rows) == 400
    assert SAMPLE_NAME


def test_sample_ids_are_unique_and_keep_leading_zeros(rows: list[dict[str, str]]) -> None:
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"0\d{4}", i) for i in ids)
    assert ids == sorted(ids)


def test_sample_channels_and_dates_are_well_formed(rows: list[dict[str, str]]) -> None:
    assert {row["channel"] for row in rows} == {"chat", "email", "phone note", "review"}
    dates = [dt.date.fromisoformat(row["date"]) for row in rows]
    assert {d.year for d in dates} == {2026}
    assert dates == sorted(dates)


def test_sample_classes_are_as_documented_and_mildly_imbalanced(rows: list[dict[str, str]]) -> None:
    found = Counter(row["label"] for row in rows)
    told = {cells[0]: int(cells[1]) for cells in documented("Classes")}
    told[""] = told.pop("*(empty)*")
    assert found == told
    del found[""]
    assert len(found) == 8
    assert all(30 <= n <= 70 for n in found.values())


def test_sample_label_errors_are_in_the_file(by_id: dict[str, dict[str, str]]) -> None:
    errors = documented("Label errors")
    classes = {cells[0] for cells in documented("Classes")}
    assert len(errors) == len({e[0] for e in errors}) == 10
    for number, wrong, right in errors:
        assert by_id[number]["label"] == wrong
        assert right != wrong
        assert right in classes


def test_sample_duplicates_are_the_documented_ones_and_no_others(rows: list[dict[str, str]]) -> None:
    texts = {row["id"]: row["text"] for row in rows}
    told = documented("Duplicates")
    assert Counter(kind for _, _, kind in told) == {"exact": 6, "case": 3, "near": 3}
    for later, first, kind in told:
        assert later > first
        a, b = texts[later], texts[first]
        assert (a == b) == (kind == "exact")
        assert (plain(a) == plain(b)) == (kind != "near")
        assert SequenceMatcher(None, plain(a), plain(b)).ratio() > 0.8

    seen: dict[str, str] = {}
    repeated = set()
    for number, text in texts.items():
        if text and seen.setdefault(plain(text), number) != number:
            repeated.add(number)
    assert repeated == {later for later, _, kind in told if kind != "near"}


def test_sample_only_the_documented_duplicate_contradicts_its_first_label(
    by_id: dict[str, dict[str, str]],
) -> None:
    wrong = {e[0] for e in documented("Label errors")}
    differing = {
        later
        for later, first, _ in documented("Duplicates")
        if by_id[later]["label"] != by_id[first]["label"]
    }
    assert len(differing) == 1
    assert differing <= wrong


def test_sample_unlabelled_rows_are_the_documented_ones(rows: list[dict[str, str]]) -> None:
    told = documented("Unlabelled rows")
    assert [row["id"] for row in rows if not row["label"]] == [cells[0] for cells in told]
    assert len(told) == 20
    assert all(row["text"] for row in rows if not row["label"])
    assert {cells[1] for cells in told} <= {cells[0] for cells in documented("Classes")}


def test_sample_rows_without_text_are_the_documented_ones(rows: list[dict[str, str]]) -> None:
    found = [[row["id"], row["label"]] for row in rows if not row["text"].strip()]
    assert found == documented("Rows without text")
    assert len(found) == 2


def test_sample_texts_vary_in_length_and_form(rows: list[dict[str, str]]) -> None:
    texts = [row["text"] for row in rows if row["text"]]
    words = [len(text.split()) for text in texts]
    assert sum(n >= 80 for n in words) >= 8
    assert max(words) <= 150
    assert sum(n <= 6 for n in words) >= 30
    assert sum("\n" in text for text in texts) >= 5
    assert sum('"' in text for text in texts) >= 10
    assert sum("," in text for text in texts) >= 100
    openings = Counter(" ".join(plain(text).split()[:3]) for text in texts)
    assert max(openings.values()) <= 6  # no template behind them
