"""Prodigy's JSONL with the `choice` interface: `options`, what was taken of them in `accept`, and the `answer`.

Names of people stand in `_annotator_id` and `_session_id`, which Prodigy makes of the data set's name and the session.
A text that nobody has labelled is a task without an answer, as Prodigy takes them in. Tasks of the binary interface
(`label` with an answer) are read too; a rejected label says which one it is not, and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from core.data.table import Table
from core.labels.exchange.nouns import OWN, Found, Header, Item, Said, Want, distinct, number, parsed, truth
from core.labels.nouns import AnswerState

_OURS = OWN.rstrip("_")
REJECTED = "a label that was rejected"


def write(stream: TextIO, header: Header, items: Iterable[Item]) -> int:
    names = distinct(header.columns)
    options = [{"id": name, "text": name} for name in header.labels]
    config = {"choice_style": "multiple" if header.several else "single"}
    for item in items:
        for said in item.said or (None,):
            line = {
                "text": item.text or "",
                "meta": dict(zip(names, item.original, strict=True)),
                "options": options,
                "config": config,
                _OURS: {"row": item.row},
                **({} if said is None else _said(item.row, said)),
            }
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


def _said(row: int, said: Said) -> dict[str, Any]:
    ours = {
        "row": row,
        "stamp": said.stamp,
        "seconds": said.seconds,
        "by": said.by,
        "people": said.people,
        "share": said.share,
    }
    made: dict[str, Any] = {
        "accept": list(said.labels),
        "answer": "ignore" if said.state is AnswerState.SKIPPED else "accept",
        "_view_id": "choice",
        _OURS: {name: value for name, value in ours.items() if value not in ("", None)},
    }
    if said.annotator:
        made |= {"_annotator_id": said.annotator, "_session_id": said.annotator}
    if said.stamp is not None:
        made["_timestamp"] = said.stamp // 1_000_000
    if said.flagged:
        made["flagged"] = True
    if said.note:
        made["user_input"] = said.note
    return made


def fits(table: Table) -> bool:
    names = set(table.columns)
    return (
        table.reading.format in ("json", "jsonl")
        and "text" in names
        and "answer" in names
        and bool({"accept", "label"} & names)
    )


def read(table: Table, want: Want) -> Iterator[Found]:
    line = 0
    for batch in table.data.to_batches(max_chunksize=2_000):
        for cells in batch.to_pylist():
            line += 1
            yield _found(line, dict(zip(table.columns, cells.values(), strict=True)), want)


def _found(line: int, cells: dict[str, str | None], want: Want) -> Found:
    answer, ours = cells.get("answer"), parsed(cells.get(_OURS))
    ours = ours if isinstance(ours, dict) else {}
    fault, labels = "", _labels(cells, want)
    skipped = answer == "ignore" or (answer == "reject" and cells.get("accept") is not None)
    if answer == "reject" and not skipped:
        labels, fault = None, REJECTED
    elif answer not in ("accept", "ignore", "reject"):
        labels = None
    stamp, seconds = ours.get("stamp"), number(cells.get("_timestamp"))
    if not isinstance(stamp, int):
        stamp = None if seconds is None else int(seconds * 1_000_000)
    row, spent = ours.get("row"), ours.get("seconds")
    return Found(
        line=line,
        row=row if isinstance(row, int) else None,
        text=cells.get("text"),
        labels=() if skipped else labels,
        state=AnswerState.SKIPPED if skipped else AnswerState.LABELLED,
        annotator=(cells.get(want.annotator or "_annotator_id") or cells.get("_session_id") or "").strip(),
        flagged=truth(cells.get("flagged")),
        note=cells.get("user_input") or "",
        stamp=stamp,
        seconds=float(spent) if isinstance(spent, int | float) else None,
        item=cells.get(want.item) if want.item else None,
        fault=fault,
    )


def _labels(cells: dict[str, str | None], want: Want) -> tuple[str, ...] | None:
    """The ids of the options that were taken; their words where an id is only a number."""
    taken = parsed(cells.get("accept"))
    if not isinstance(taken, list):
        label = cells.get("label")
        return (label,) if label and label.strip() else None
    options = parsed(cells.get("options"))
    words = {
        one["id"]: str(one.get("text", one["id"]))
        for one in (options if isinstance(options, list) else [])
        if isinstance(one, dict) and isinstance(one.get("id"), int)
    }
    labels = tuple(dict.fromkeys(words.get(one, str(one)) for one in taken))
    return labels if labels or want.several else None
