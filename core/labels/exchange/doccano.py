"""doccano's JSONL for text classification: `text`, a list `label`, the comments, and any further keys as metadata.

doccano exports one file for each person, without a name in it; our lines carry the name as metadata, so that one file
can hold several people and comes back whole. What doccano has no word for stands there too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from core.data.table import Table, column_index
from core.labels.exchange.columns import Places, lines
from core.labels.exchange.nouns import (
    OWN,
    Found,
    Header,
    Item,
    Said,
    Want,
    distinct,
    last,
    parsed,
    time_words,
)

_COMMENTS = "Comments"
_KEPT = ("annotator", "state", "flagged", "at", "seconds", "by", "people", "share")


def write(stream: TextIO, header: Header, items: Iterable[Item]) -> int:
    others = [i for i, name in enumerate(header.columns) if not (i == header.text_column and name == "text")]
    own = (f"{OWN}{name}" for name in ("row", *_KEPT))
    names = distinct([header.columns[i] for i in others], ("id", "text", "label", _COMMENTS, *own))
    for item in items:
        original = dict(zip(names, (item.original[i] for i in others), strict=True))
        for said in item.said or (None,):
            line = {"id": item.row + 1, "text": item.text or "", **_said(said), f"{OWN}row": item.row}
            stream.write(json.dumps({**line, **original}, ensure_ascii=False) + "\n")
    return 0


def _said(said: Said | None) -> dict[str, Any]:
    if said is None:
        return {"label": [], _COMMENTS: []}
    kept = {
        "annotator": said.annotator,
        "state": said.state.value,
        "flagged": said.flagged,
        "at": time_words(said.stamp),
        "seconds": said.seconds,
        "by": said.by,
        "people": said.people,
        "share": said.share,
    }
    return {
        "label": list(said.labels),
        _COMMENTS: [said.note] if said.note else [],
        **{f"{OWN}{name}": value for name, value in kept.items() if value not in ("", None, 0, False)},
    }


def fits(table: Table) -> bool:
    """A text beside a list of labels. A list of spans, which doccano writes for other tasks, is none."""
    if table.reading.format not in ("json", "jsonl") or "label" not in table.columns:
        return False
    if not {"text", "data"} & set(table.columns):
        return False
    head = table.data.slice(0, 100).column(table.columns.index("label")).to_pylist()
    lists = [parsed(cell) for cell in head if cell is not None]
    return bool(lists) and all(
        isinstance(one, list) and all(isinstance(label, str) for label in one) for one in lists
    )


def read(table: Table, want: Want) -> Iterator[Found]:
    names = list(table.columns)

    def ours(name: str) -> int | None:
        return last(names, OWN + name)

    places = Places(
        text=last(names, "text") if "text" in names else last(names, "data"),
        label=last(names, "label"),
        annotator=column_index(names, want.annotator) if want.annotator else ours("annotator"),
        item=column_index(names, want.item) if want.item else None,
        note=last(names, _COMMENTS),
        **{name: ours(name) for name in ("row", "state", "flagged", "at", "seconds")},
    )
    for found in lines(table, places, want):
        comments = parsed(found.note)
        if isinstance(comments, list):
            found = Found(**{**vars(found), "note": "\n".join(str(one) for one in comments)})
        yield found
