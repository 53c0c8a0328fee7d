"""The audit trail as a file: every arrival, with key, suggestion and how long it took."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from core import exchange
from core.data.formulas import unquoted
from core.data.whole import whole_file
from core.errors import BadData, BadFile
from core.exchange import Choice
from core.exchange.outgoing import TRAIL
from core.labels import scheme as schemes_of
from core.labels.nouns import Answer, AnswerState, Sent, Source
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests.labels_exchange.support import PEOPLE, STAMP, TEXTS, add_scheme, add_texts, answer_all


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    return [dict(zip(header, map(unquoted, row), strict=True)) for row in rows]


def test_the_trail_tells_who_when_which_key_which_suggestion_and_how_long(
    ws: Workspace, tmp_path: Path
) -> None:
    dataset = add_texts(ws)
    scheme = add_scheme(ws, dataset)
    answer_all(ws, dataset, scheme)
    written = exchange.export_trail(ws, dataset, tmp_path / "trail.csv")
    found = lines(tmp_path / "trail.csv")
    assert tuple(found[0]) == TRAIL
    assert len(found) == written.annotations == len(label_rows.trail(ws.db, dataset.id))
    one = next(line for line in found if line["annotator"] == PEOPLE[2] and line["row"] == "3")
    assert one["answered"] == "2023-11-14T22:13:23.000012Z"
    assert one["text"] == TEXTS[3]
    assert (one["key"], one["source"], one["seconds"]) == ("1", "accepted", "3.850")
    assert (one["suggested"], one["suggestion_probability"], one["suggested_by"]) == (
        "delivery",
        "0.75",
        "model",
    )
    assert one["note"].startswith("=note of =Çelik")
    assert {line["source"] for line in found} == {"accepted", "alone"}


def test_the_trail_keeps_what_was_undone_and_labels_that_are_gone(ws: Workspace, tmp_path: Path) -> None:
    dataset = add_texts(ws)
    scheme = add_scheme(ws, dataset)
    me = label_rows.annotator(ws.db, "Ana")
    label = scheme.labels[0].id
    answers = [
        Answer(0, me.id, (label,), AnswerState.LABELLED, STAMP, source=Source.CHANGED),
        Answer(0, me.id, (), AnswerState.CLEARED, STAMP + 1),
    ]
    sent = [Sent(f"desk-{dataset.id}", seq, answer) for seq, answer in enumerate(answers, start=1)]
    label_rows.save(ws.db, dataset.id, me.id, sent)
    schemes.add(ws.db, schemes_of.remove(scheme, label, author="Ana"))
    exchange.export_trail(ws, dataset, tmp_path / "trail.csv")
    found = lines(tmp_path / "trail.csv")
    assert [(line["labels"], line["label_ids"], line["state"]) for line in found] == [
        ("delivery", label, "labelled"),
        ("", "", "cleared"),
    ]
    out = tmp_path / "labels.csv"
    assert exchange.export(ws, dataset, out, Choice(per="annotation")).annotations == 0


def test_nothing_is_left_behind_where_a_file_cannot_be_written(ws: Workspace, tmp_path: Path) -> None:
    dataset = add_texts(ws)
    with pytest.raises(BadData, match="no labels yet"):
        exchange.export(ws, dataset, tmp_path / "x.csv", Choice())
    add_scheme(ws, dataset)
    with pytest.raises(BadFile, match=r"folder of .* does not exist"):
        exchange.export(ws, dataset, tmp_path / "nowhere" / "x.csv", Choice())
    (tmp_path / "kept.csv").write_text("before")
    with pytest.raises(KeyError):
        break_off(tmp_path / "kept.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]
    assert (tmp_path / "kept.csv").read_text() == "before"


def break_off(path: Path) -> None:
    with whole_file(path) as stream:
        stream.write("half")
        raise KeyError
