"""What a file brings: matched, counted and shown first, refused whole where it does not fit, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from core import exchange
from core.errors import BadColumn, BadData
from core.exchange import Proposal, Wish
from core.labels import scheme as schemes_of
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from tests.labels_exchange.support import add_scheme, add_texts, said

TEXTS = ("a cat", "a dog", "a cat", "no\nanimal", None)
LABELS = ("cat", "dog")
LONG = (
    "item,words,who,what\n"
    "0,a cat,Ana,cat\n0,a cat,Bo,cat\n1,a dog,Ana,dog\n1,a dog,Bo,cat\n3,no animal,Ana,other\n3,no animal,Bo,\n"
)


def add(ws: Workspace, labels: Iterable[str] | None = LABELS, several: bool = False) -> Dataset:
    dataset = add_texts(ws, "animals", TEXTS)
    if labels is not None:
        add_scheme(ws, dataset, several, tuple(labels))
    return dataset


def look(
    ws: Workspace, dataset: Dataset, folder: Path, content: str, name: str = "labels.csv", **wish: str
) -> Proposal:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return exchange.propose(ws, dataset, path, name, Wish(**wish))  # type: ignore[arg-type]


def short(ws: Workspace, dataset: Dataset) -> list[tuple[object, ...]]:
    return [one[:4] for one in said(ws, dataset)]


def test_one_row_an_annotation_is_matched_by_text_and_shown_before_anything_is_written(
    ws: Workspace, tmp_path: Path
) -> None:
    dataset = add(ws)
    proposal = look(ws, dataset, tmp_path, LONG, text="words", annotator="who", label="what")
    assert dict(proposal.matched) == {"text": 4, "words": 1}  # the file has a space for the line break
    assert (proposal.lines, proposal.silent, proposal.missing) == (6, 1, 0)
    assert dict(proposal.people) == {"Ana": 3, "Bo": 2}
    assert dict(proposal.labels) == {"cat": 3, "dog": 1, "other": 1}
    assert proposal.new_labels == ("other",)
    assert short(ws, dataset) == []
    done = exchange.bring_in(ws, proposal, author="Cem")
    # “a cat” stands in two rows
    assert short(ws, dataset) == [
        (0, "Ana", ("cat",), "labelled"),
        (0, "Bo", ("cat",), "labelled"),
        (1, "Ana", ("dog",), "labelled"),
        (1, "Bo", ("cat",), "labelled"),
        (2, "Ana", ("cat",), "labelled"),
        (2, "Bo", ("cat",), "labelled"),
        (3, "Ana", ("other",), "labelled"),
    ]
    assert (done.answers, done.new) == (7, 7)
    versions = schemes.versions(ws.db, dataset.id)
    assert [v.version for v in versions] == [2, 1]
    assert versions[0].author == "Cem"
    trail = label_rows.trail(ws.db, dataset.id)
    assert {entry.sent.answer.source.value for entry in trail} == {"imported"}


def test_the_same_file_twice_changes_nothing(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    columns = {"text": "words", "annotator": "who", "label": "what"}
    exchange.bring_in(ws, look(ws, dataset, tmp_path, LONG, **columns), author="Cem")
    before, last = said(ws, dataset), label_rows.last_number(ws.db, dataset.id)
    again = exchange.bring_in(ws, look(ws, dataset, tmp_path, LONG, **columns), author="Cem")
    assert again.new == 0
    assert said(ws, dataset) == before
    assert label_rows.last_number(ws.db, dataset.id) == last
    assert len(schemes.versions(ws.db, dataset.id)) == 2


def test_a_file_of_other_texts_is_refused_with_counts_and_nothing_is_written(
    ws: Workspace, tmp_path: Path
) -> None:
    dataset = add(ws)
    content = "text,label,annotator\na cat,cat,Ana\nsomething else,newlabel,Newcomer\n"
    proposal = look(ws, dataset, tmp_path, content, annotator="annotator")
    assert (proposal.found, proposal.missing) == (1, 1)
    assert proposal.examples == [(2, "something else")]
    with pytest.raises(BadData, match=r"of 2 lines, 1 speak .* 1 do not match .*line 2: “something else”"):
        exchange.bring_in(ws, proposal, author="Cem")
    assert short(ws, dataset) == []
    assert len(schemes.versions(ws.db, dataset.id)) == 1
    assert "Newcomer" not in {one.name for one in label_rows.annotators(ws.db)}
    exchange.bring_in(ws, proposal, author="Cem", partly=True)
    assert short(ws, dataset) == [
        (0, "Ana", ("cat",), "labelled"),
        (2, "Ana", ("cat",), "labelled"),
    ]


def test_a_row_number_counts_only_where_its_text_agrees(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    lines = [
        {"row": 0, "text": "a cat", "labels": ["cat"], "state": "labelled", "columns": {}},
        {"row": 3, "text": "a dog", "labels": ["dog"], "state": "labelled", "columns": {}},
        {"row": 77, "text": "a dog", "labels": ["dog"], "state": "labelled", "columns": {}},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    proposal = look(ws, dataset, tmp_path, content, "labels.jsonl", who="Ana")
    assert dict(proposal.matched) == {"row": 1, "text": 2}
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [
        (0, "Ana", ("cat",), "labelled"),  # and not row 2, which has the same text
        (1, "Ana", ("dog",), "labelled"),
    ]


def test_a_column_that_tells_identical_texts_apart_is_used_by_itself(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)  # its column “id” is unique
    content = "id,text,label,who\n0,a cat,cat,Ana\n2,a cat,dog,Ana\n1,a dog,dog,Ana\n"
    proposal = look(ws, dataset, tmp_path, content, text="text", label="label", annotator="who")
    assert dict(proposal.matched) == {"item": 3}
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [
        (0, "Ana", ("cat",), "labelled"),
        (1, "Ana", ("dog",), "labelled"),
        (2, "Ana", ("dog",), "labelled"),
    ]


def test_an_item_alone_is_enough_and_one_with_another_text_is_refused(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    proposal = look(ws, dataset, tmp_path, "id,label\n1,dog\n", item="id", label="label", who="Ana")
    assert dict(proposal.matched) == {"item": 1}
    content = "id,text,label\n1,a cat,dog\n2,a cat,cat\n"
    proposal = look(ws, dataset, tmp_path, content, item="id", text="text", label="label", who="Ana")
    assert dict(proposal.unmatched) == {"another text": 1}


def test_whoever_says_two_things_of_one_text_is_counted_and_the_last_word_stands(
    ws: Workspace, tmp_path: Path
) -> None:
    dataset = add(ws)
    content = "text,label,who\na dog,cat,Ana\na dog,dog,Ana\n"
    proposal = look(ws, dataset, tmp_path, content, annotator="who")
    assert proposal.contradicted == 1
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [(1, "Ana", ("dog",), "labelled")]


def test_several_labels_are_refused_where_a_text_has_one_and_split_where_it_may_have_more(
    ws: Workspace, tmp_path: Path
) -> None:
    content = "text,label\na dog,cat;dog\na cat,cat\n"
    single = add(ws)
    proposal = look(ws, single, tmp_path, content, separator=";", who="Ana")
    with pytest.raises(BadData, match="1 line gives a text several labels"):
        exchange.bring_in(ws, proposal, author="Ana")
    several = add(ws, several=True)
    proposal = look(ws, several, tmp_path, content, who="Ana")
    exchange.bring_in(ws, proposal, author="Ana")
    assert (1, "Ana", ("cat", "dog"), "labelled") in short(ws, several)


def test_nobody_is_made_up_where_the_file_does_not_say_who(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    proposal = look(ws, dataset, tmp_path, "text,label\na dog,dog\n")
    with pytest.raises(BadData, match="does not say who"):
        exchange.bring_in(ws, proposal, author="Ana")


def test_a_column_that_holds_no_names_is_refused_before_anything_is_written(
    ws: Workspace, tmp_path: Path
) -> None:
    dataset = add(ws)
    content = f"text,label,who\na dog,fresh,{'long ' * 30}\n"
    proposal = look(ws, dataset, tmp_path, content, annotator="who")
    with pytest.raises(BadData, match="is no name of a person"):
        exchange.bring_in(ws, proposal, author="Ana")
    assert len(schemes.versions(ws.db, dataset.id)) == 1


def test_a_missing_column_is_named_with_those_there_are(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    with pytest.raises(BadColumn, match=r"no column “tag”.*“text”, “label”"):
        look(ws, dataset, tmp_path, "text,label\na dog,dog\n", label="tag")


def test_a_name_that_a_label_had_before_means_what_the_label_is_now(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    scheme = schemes.newest(ws.db, dataset.id)
    assert scheme is not None
    renamed = schemes_of.rename(scheme, scheme.labels[1].id, "hound", author="Ana")
    schemes.add(ws.db, renamed)
    proposal = look(ws, dataset, tmp_path, "text,label\na dog,dog\n", who="Ana")
    assert (proposal.new_labels, proposal.renamed) == ((), {"dog": "hound"})
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [(1, "Ana", ("hound",), "labelled")]


def test_an_older_answer_of_a_file_does_not_replace_a_newer_one(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    exchange.bring_in(ws, look(ws, dataset, tmp_path, "text,label\na dog,dog\n", who="Ana"), author="Ana")
    line = {"row": 1, "text": "a dog", "labels": ["cat"], "state": "labelled", "annotator": "Ana"}
    line |= {"at": "2020-01-01T00:00:00Z", "columns": {}}
    proposal = look(ws, dataset, tmp_path, json.dumps(line), "old.jsonl")
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [(1, "Ana", ("dog",), "labelled")]


# --------------------------------------------------------------------------- files of the others

STUDIO = [
    {
        "id": 12,
        "data": {"text": "a dog", "source": "x"},
        "annotations": [
            {
                "id": 1,
                "completed_by": 7,
                "was_cancelled": False,
                "lead_time": 4.288,
                "updated_at": "2021-03-09T22:16:08.728378Z",
                "result": [
                    {
                        "from_name": "animal",
                        "to_name": "text",
                        "type": "choices",
                        "value": {"choices": ["dog"]},
                    }
                ],
            },
            {
                "completed_by": {"id": 8, "email": "bo@example.org", "first_name": "Bo"},
                "was_cancelled": True,
                "result": [],
            },
        ],
    },
    {"id": 13, "data": {"text": "a cat"}, "annotations": []},
]
DOCCANO = [
    {"id": 4, "text": "a dog", "label": ["dog"], "Comments": ["sure", "quite"], "source": "x"},
    {"id": 5, "text": "a cat", "label": [], "Comments": []},
]
PRODIGY = [
    {
        "text": "a dog",
        "options": [{"id": 1, "text": "cat"}, {"id": 2, "text": "dog"}],
        "accept": [2],
        "answer": "accept",
        "_annotator_id": "animals-ana",
        "_timestamp": 1_650_000_000,
        "_input_hash": -5,
        "_task_hash": 9,
        "_view_id": "choice",
    },
    {"text": "a cat", "options": [], "accept": [], "answer": "ignore", "_annotator_id": "animals-bo"},
    {"text": "a cat", "label": "dog", "answer": "reject", "_annotator_id": "animals-ana"},
]


def test_tasks_as_label_studio_writes_them(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    proposal = look(ws, dataset, tmp_path, json.dumps(STUDIO), "project-1.json")
    assert (proposal.format, proposal.silent) == ("Label Studio", 1)
    exchange.bring_in(ws, proposal, author="Ana")
    (first, second) = said(ws, dataset)
    assert first[:4] == (1, "Label Studio 7", ("dog",), "labelled")
    assert first[6:] == (1615328168728378, 4.288)
    assert second[:4] == (1, "bo@example.org", (), "skipped")


def test_lines_as_doccano_writes_them(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    content = "\n".join(map(json.dumps, DOCCANO))
    proposal = look(ws, dataset, tmp_path, content, "admin.jsonl", who="admin")
    assert (proposal.format, proposal.silent) == ("doccano", 1)
    exchange.bring_in(ws, proposal, author="Ana")
    assert [one[:6] for one in said(ws, dataset)] == [
        (1, "admin", ("dog",), "labelled", False, "sure\nquite")
    ]


def test_lines_as_prodigy_writes_them(ws: Workspace, tmp_path: Path) -> None:
    dataset = add(ws)
    content = "\n".join(map(json.dumps, PRODIGY))
    proposal = look(ws, dataset, tmp_path, content, "annotations.jsonl")
    assert proposal.format == "Prodigy"
    assert dict(proposal.left_out) == {"a label that was rejected": 1}
    exchange.bring_in(ws, proposal, author="Ana")
    assert [(*one[:4], one[6]) for one in said(ws, dataset)][1] == (
        1,
        "animals-ana",
        ("dog",),
        "labelled",
        1_650_000_000_000_000,
    )
    assert short(ws, dataset)[0] == (0, "animals-bo", (), "skipped")


def test_a_foreign_row_column_means_nothing(ws: Workspace, tmp_path: Path) -> None:
    """Only our own names are row numbers."""
    dataset = homes.add_rows(ws, [("x", None), ("y", None)], "two")
    add_scheme(ws, dataset, False, ("p", "q"))
    proposal = look(ws, dataset, tmp_path, "row,text,label\n1,x,p\n", who="Ana")
    assert dict(proposal.matched) == {"text": 1}
    exchange.bring_in(ws, proposal, author="Ana")
    assert short(ws, dataset) == [(0, "Ana", ("p",), "labelled")]
