"""A data set whose texts, columns and labels are as awkward as those of real files, and answers of three people."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from core.data.table import Table
from core.labels import scheme as schemes_of
from core.labels.nouns import Answer, AnswerState, Scheme, Sent, Source
from core.records import Dataset, Reading
from core.store import answer_rows, schemes
from core.store import labels as label_rows
from core.workspace import Workspace

COLUMNS = ("id", "note", "text", "note", "label")  # a name twice, and names that formats have uses for
TEXTS = (
    "plain words",
    "emoji 🙂👩‍👩‍👧 and a flag 🇩🇪",
    "שלום עולם, مرحبا",
    "two\nlines and a \"quote\", 'too'",
    "carriage\r\nreturn, tab\there; a | bar",
    "=SUM(A1:A2)",
    "'=already with an apostrophe",
    "-5",
    "@mention +1 -1",
    "\ttab first",
    None,
    "plain words",  # as the first
    '<b>bold</b> **stars** \\backslash \\"escaped',
)
LABELS = ("delivery", "=risky", "שלום", "a, b; c", "🙂")
PEOPLE = ("Ana", "bo@example.org", "=Çelik")
STAMP = 1_700_000_000_000_001


def add_texts(ws: Workspace, name: str = "texts", texts: Sequence[str | None] = TEXTS) -> Dataset:
    cells = [
        [str(i) for i in range(len(texts))],
        [f"first {i}" if i % 3 else None for i in range(len(texts))],
        list(texts),
        ["=2+3" if i % 2 else "" for i in range(len(texts))],
        ["old", "new"] * (len(texts) // 2) + ["old"] * (len(texts) % 2),
    ]
    data = pa.table({f"c{i}": pa.array(column, pa.large_string()) for i, column in enumerate(cells)})
    table = Table(COLUMNS, data, Reading(format="csv"))
    return ws.add_dataset(table, name=name, text_column=2, label_column=4, label_separator=None)


def add_scheme(
    ws: Workspace, dataset: Dataset, several: bool = False, labels: Sequence[str] = LABELS
) -> Scheme:
    return schemes.add(ws.db, schemes_of.from_names(dataset.id, labels, author="Ana", several=several))


def answer_all(ws: Workspace, dataset: Dataset, scheme: Scheme) -> None:
    """Each of the people answers most texts: labels, skips, notes, flags, an undone one."""
    ids = [label.id for label in scheme.labels]
    for number, name in enumerate(PEOPLE):
        person = label_rows.annotator(ws.db, name)
        sent = []
        for row, text in enumerate(TEXTS):
            if text is None or (row + number) % 5 == 4:
                continue
            labels: tuple[str, ...] = (ids[(row + number // 2) % len(ids)],)
            if scheme.several:
                labels = tuple(dict.fromkeys((*labels, ids[(row + 2) % len(ids)]))) if row % 4 else ()
            skipped = row % 6 == 5
            answer = Answer(
                row=row,
                annotator_id=person.id,
                labels=() if skipped else labels,
                state=AnswerState.SKIPPED if skipped else AnswerState.LABELLED,
                stamp=STAMP + 1_000_003 * row + number,
                flagged=row % 4 == 1,
                note=f"=note of {name}\nfor “{row}”" if row % 3 == 0 else "",
                seconds=1.25 * row + 0.1,
                key="1",
                source=Source.ACCEPTED if row % 2 else Source.ALONE,
                suggestion={"labels": [ids[0]], "probability": 0.75, "by": "model"} if row % 2 else None,
            )
            sent.append(Sent(f"desk-{dataset.id}-{number}", row + 1, answer))
        label_rows.save(ws.db, dataset.id, person.id, sent)


def said(ws: Workspace, dataset: Dataset) -> list[tuple[object, ...]]:
    """All that stands, names in place of ids."""
    scheme = schemes.newest(ws.db, dataset.id)
    assert scheme is not None
    names = {label.id: label.name for label in scheme.labels}
    people = {one.id: one.name for one in label_rows.annotators(ws.db)}
    return sorted(
        (
            one.row,
            people[one.annotator_id],
            tuple(sorted(names[label] for label in scheme.now(one.labels))),
            one.state.value,
            one.flagged,
            one.note,
            one.stamp,
            one.seconds,
        )
        for one in answer_rows.between(ws.db, dataset.id, 0, dataset.rows)
    )
