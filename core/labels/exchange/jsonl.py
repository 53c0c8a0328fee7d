"""Our own JSONL: one object a line, our keys outside, the original columns inside `columns`.

Columns of the same name become `name`, `name#2`, … there, as objects cannot repeat a key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from core.data.table import Table
from core.labels.exchange.columns import Places, lines
from core.labels.exchange.nouns import Found, Header, Item, Said, Want, distinct, last, time_words

_MARK = ("row", "text", "labels", "state", "columns")  # keys that together only this format has


def write(stream: TextIO, header: Header, items: Iterable[Item]) -> int:
    names = distinct(header.columns)
    for item in items:
        for said in item.said or (None,):
            line = _line(item, said, header.per)
            line["columns"] = dict(zip(names, item.original, strict=True))
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


def _line(item: Item, said: Said | None, per: str) -> dict[str, Any]:
    line: dict[str, Any] = {"row": item.row, "text": item.text}
    if said is None:
        return {**line, "labels": None, "state": None}
    line |= {"labels": list(said.labels), "state": said.state.value, "flagged": said.flagged}
    line["note"] = said.note
    if per == "annotation":
        line |= {
            "annotator": said.annotator,
            "source": said.source,
            "at": time_words(said.stamp) or None,
            "seconds": said.seconds,
        }
    else:
        line |= {"by": said.by, "people": said.people, "share": said.share}
    return line


def fits(table: Table) -> bool:
    return set(_MARK) <= set(table.columns)


def read(table: Table, want: Want) -> Iterator[Found]:
    names = list(table.columns)
    places = Places(
        text=last(names, "text"),
        label=last(names, "labels"),
        **{
            name: last(names, name)
            for name in ("row", "annotator", "state", "flagged", "note", "at", "seconds")
        },
    )
    return lines(table, places, want)
