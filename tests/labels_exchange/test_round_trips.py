"""Out of one data set and into another one with the same texts: every format gives everything back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from core import exchange
from core.data.formulas import quoted, unquoted
from core.exchange import Choice, Wish
from core.labels.exchange import FORMATS
from core.labels.nouns import Annotator, Answer, AnswerState, Sent
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests.labels_exchange.support import (
    COLUMNS,
    LABELS,
    PEOPLE,
    TEXTS,
    add_scheme,
    add_texts,
    answer_all,
    said,
)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("form", list(FORMATS))
def test_answers_come_back_whole(ws: Workspace, tmp_path: Path, form: str, several: bool) -> None:
    first, second = add_texts(ws, "first"), add_texts(ws, "second")
    answer_all(ws, first, add_scheme(ws, first, several))
    if not several:
        add_scheme(ws, second)
    out = tmp_path / f"out{FORMATS[form].suffix}"
    written = exchange.export(ws, first, out, Choice(form, "annotation"))
    assert written.annotations == len(said(ws, first))
    proposal = exchange.propose(ws, second, out, out.name, Wish())
    assert proposal.format == FORMATS[form].title
    assert sum(proposal.matched.values()) == proposal.matched["row"]
    assert set(proposal.new_labels) == (set(LABELS) if several else set())
    exchange.bring_in(ws, proposal, author="Bo")
    assert said(ws, second) == said(ws, first)
    made = schemes.newest(ws.db, second.id)
    assert made is not None
    assert (made.version, made.several, made.author) == (1, several, "Bo" if several else "Ana")


@pytest.mark.parametrize("form", list(FORMATS))
def test_original_columns_are_kept_to_the_letter(ws: Workspace, tmp_path: Path, form: str) -> None:
    dataset = add_texts(ws)
    answer_all(ws, dataset, add_scheme(ws, dataset))
    out = tmp_path / "out"
    exchange.export(ws, dataset, out, Choice(form, "text"))
    rows = read_back(out, form)
    assert len(rows) == len(TEXTS)
    for row, cells in enumerate(rows):
        assert cells == {
            "id": str(row),
            "note": (f"first {row}" if row % 3 else ""),
            "text": TEXTS[row] or "",
            "note#2": "=2+3" if row % 2 else "",
            "label": "old" if row % 2 == 0 else "new",
        }


def read_back(path: Path, form: str) -> list[dict[str, str]]:
    """The original columns by a plain parse of the file, duplicate names numbered, nothing as empty."""
    content = path.read_bytes().decode()
    if form == "csv":
        with path.open(newline="", encoding="utf-8") as stream:
            header, *lines = list(csv.reader(stream))
        assert tuple(header[: len(COLUMNS)]) == COLUMNS
        names = ["id", "note", "text", "note#2", "label"]
        return [dict(zip(names, map(unquoted, line), strict=False)) for line in lines]
    if form == "label-studio":
        tasks = [one["data"] for one in json.loads(content)]
    else:
        tasks = [json.loads(line) for line in content.split("\n") if line]
    if form in ("jsonl", "prodigy"):
        tasks = [one["columns" if form == "jsonl" else "meta"] for one in tasks]
    renamed = {"id#2": "id", "label#2": "label"} if form == "doccano" else {}
    kept = ("id", "note", "text", "note#2", "label")
    back = {new: old for old, new in renamed.items()}
    return [{name: one[back.get(name, name)] or "" for name in kept} for one in tasks]


@pytest.mark.parametrize("form", ["csv", "label-studio", "prodigy"])
def test_one_line_a_text_comes_back_as_one_persons_labels(ws: Workspace, tmp_path: Path, form: str) -> None:
    first, second = add_texts(ws, "first"), add_texts(ws, "second")
    answer_all(ws, first, add_scheme(ws, first))
    add_scheme(ws, second)
    out = tmp_path / f"out{FORMATS[form].suffix}"
    written = exchange.export(ws, first, out, Choice(form, "text"))
    proposal = exchange.propose(ws, second, out, out.name, Wish(who="Everybody"))
    # Label Studio and Prodigy have no word for “nobody”: Label Studio gets how it was agreed on as its name.
    assert proposal.found == written.annotations > 5
    exchange.bring_in(ws, proposal, author="Ana")
    assert len(said(ws, second)) == written.annotations
    agreed = exchange.export(ws, second, tmp_path / "again.jsonl", Choice("jsonl", "text"))
    assert agreed.annotations == written.annotations


def test_one_persons_answers_can_be_taken_alone(ws: Workspace, tmp_path: Path) -> None:
    dataset = add_texts(ws)
    answer_all(ws, dataset, add_scheme(ws, dataset))
    bo = next(one for one in _people(ws) if one.name == PEOPLE[1])
    out = tmp_path / "out.jsonl"
    exchange.export(ws, dataset, out, Choice("jsonl", "annotation", bo.id))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {line["annotator"] for line in lines} == {PEOPLE[1]}
    assert len(lines) == sum(one[1] == PEOPLE[1] for one in said(ws, dataset))


def _people(ws: Workspace) -> list[Annotator]:
    return label_rows.annotators(ws.db)


@pytest.mark.parametrize(
    "cell",
    ["=1", "+x", "-x", "@x", "\tx", "\rx", "'=1", "''=1", "'x", "-5", "'-5", "+1.5e3", "x", "", "'"],
)
def test_an_apostrophe_keeps_a_cell_from_running_and_comes_off_again(cell: str) -> None:
    safe = quoted(cell)
    assert unquoted(safe) == cell
    number = cell in ("-5", "+1.5e3")
    assert number or not safe.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_the_guard_can_be_switched_off(ws: Workspace, tmp_path: Path) -> None:
    first, second = add_texts(ws, "first"), add_texts(ws, "second")
    answer_all(ws, first, add_scheme(ws, first))
    add_scheme(ws, second)
    out = tmp_path / "plain.csv"
    written = exchange.export(ws, first, out, Choice("csv", "annotation", guard=False))
    assert written.guarded == 0
    assert b"\n'" not in out.read_bytes()
    proposal = exchange.propose(ws, second, out, out.name, Wish(guard=False))
    exchange.bring_in(ws, proposal, author="Ana")
    assert said(ws, second) == said(ws, first)


def test_a_spreadsheet_with_semicolons_and_other_line_ends_still_matches(
    ws: Workspace, tmp_path: Path
) -> None:
    first, second = add_texts(ws, "first"), add_texts(ws, "second")
    answer_all(ws, first, add_scheme(ws, first))
    add_scheme(ws, second)
    out = tmp_path / "out.csv"
    written = exchange.export(ws, first, out, Choice("csv", "annotation"))
    with out.open(newline="", encoding="utf-8") as stream:
        lines = [[cell.replace("\r\n", "\n") for cell in line] for line in csv.reader(stream)]
    with out.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows(lines)
    proposal = exchange.propose(ws, second, out, out.name, Wish())
    assert proposal.found == written.annotations
    assert not proposal.new_labels


@pytest.mark.parametrize("form", ["jsonl", "prodigy"])
def test_a_file_with_a_single_line_is_a_file_with_one_text(ws: Workspace, tmp_path: Path, form: str) -> None:
    first, second = add_texts(ws, "first", ["one text"]), add_texts(ws, "second", ["one text"])
    scheme = add_scheme(ws, first)
    me = label_rows.annotator(ws.db, "Ana")
    answer = Answer(0, me.id, (scheme.labels[0].id,), AnswerState.LABELLED, 5, seconds=2.0)
    label_rows.save(ws.db, first.id, me.id, [Sent(f"desk-{first.id}", 1, answer)])
    out = tmp_path / f"one{FORMATS[form].suffix}"
    exchange.export(ws, first, out, Choice(form, "annotation"))
    proposal = exchange.propose(ws, second, out, out.name, Wish())
    assert proposal.format == FORMATS[form].title
    exchange.bring_in(ws, proposal, author="Ana")
    assert said(ws, second) == said(ws, first)
