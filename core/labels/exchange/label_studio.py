"""Label Studio's JSON: a list of tasks, each with its annotations (labelstud.io/guide/task_format).

Labels are the choices named `label`, a note is the text area named `note`, a flag the choice of `flag`; `SETUP` is
the labelling interface that shows them. Label Studio knows people by e-mail and refuses a file with an address that it
does not know, so a name goes into `completed_by` only where it is an address, and always into `created_username`,
which Label Studio writes and does not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, TextIO

from core.data.names import TEXT_NAMES
from core.data.table import Table
from core.errors import BadColumn
from core.labels.exchange.nouns import (
    OWN,
    Found,
    Header,
    Item,
    Said,
    Want,
    distinct,
    parsed,
    time_of,
    time_words,
    truth,
    whole,
)
from core.labels.nouns import AnswerState

_LABEL, _NOTE, _FLAG, _FLAGGED = "label", "note", "flag", "flagged"
_ROW = f"{OWN}row"


def setup(header: Header) -> str:
    """The labelling interface (XML) of a project that such a file can be imported into."""
    style = "multiple" if header.several else "single"
    choices = "\n".join(f'    <Choice value="{escape(name, quote=True)}"/>' for name in header.labels)
    return (
        '<View>\n  <Text name="text" value="$text"/>\n'
        f'  <Choices name="{_LABEL}" toName="text" choice="{style}">\n{choices}\n  </Choices>\n'
        f'  <Choices name="{_FLAG}" toName="text" choice="multiple">\n'
        f'    <Choice value="{_FLAGGED}"/>\n  </Choices>\n'
        f'  <TextArea name="{_NOTE}" toName="text" rows="1" maxSubmissions="1"/>\n</View>\n'
    )


def write(stream: TextIO, header: Header, items: Iterable[Item]) -> int:
    others = [i for i, name in enumerate(header.columns) if not (i == header.text_column and name == "text")]
    names = distinct([header.columns[i] for i in others], ("text", _ROW))
    stream.write("[")
    for number, item in enumerate(items):
        data = {"text": item.text or "", _ROW: item.row}
        data |= dict(zip(names, (item.original[i] for i in others), strict=True))
        task = {"data": data, "annotations": [_annotation(said) for said in item.said], "predictions": []}
        stream.write(("," if number else "") + "\n" + json.dumps(task, ensure_ascii=False))
    stream.write("\n]\n")
    return 0


def _annotation(said: Said) -> dict[str, Any]:
    result = []
    if said.state is AnswerState.LABELLED:
        result.append(_result(_LABEL, "choices", "choices", list(said.labels)))
    if said.flagged:
        result.append(_result(_FLAG, "choices", "choices", [_FLAGGED]))
    if said.note:
        result.append(_result(_NOTE, "textarea", "text", [said.note]))
    made: dict[str, Any] = {
        "result": result,
        "was_cancelled": said.state is AnswerState.SKIPPED,
        "ground_truth": not said.annotator,
        "created_username": said.annotator,
    }
    if "@" in said.annotator:
        made["completed_by"] = {"email": said.annotator}
    if said.stamp is not None:
        made["created_at"] = made["updated_at"] = time_words(said.stamp)
    if said.seconds is not None:
        made["lead_time"] = said.seconds
    return made


def _result(name: str, kind: str, key: str, value: list[str]) -> dict[str, Any]:
    return {"id": name, "from_name": name, "to_name": "text", "type": kind, "value": {key: value}}


def fits(table: Table) -> bool:
    if not {"data", "annotations"} <= set(table.columns):
        return False
    head = table.data.slice(0, 1).column(table.columns.index("annotations")).to_pylist()
    return isinstance(parsed(head[0]) if head else None, list)


def read(table: Table, want: Want) -> Iterator[Found]:
    """`want.text`: the key of `data` with the text. `want.label`: the name of the choices, where there are several.

    Raises BadColumn where it is not clear which choices are the labels.
    """
    at = {name: table.columns.index(name) for name in ("data", "annotations")}
    line = 0
    for batch in table.data.to_batches(max_chunksize=2_000):
        tasks = zip(*(batch.columns[i].to_pylist() for i in at.values()), strict=True)
        for data_cell, annotations_cell in tasks:
            line += 1
            data, annotations = parsed(data_cell), parsed(annotations_cell)
            data = data if isinstance(data, dict) else {}
            text, row = _text(data, want), data.get(_ROW)
            place = whole(None if row is None else str(row))
            item = None if not want.item or data.get(want.item) is None else str(data[want.item])
            made = [a for a in annotations or [] if isinstance(a, dict)]
            if not made:
                yield Found(line, place, text, None, item=item)
            for annotation in made:
                yield _found(line, place, text, item, annotation, want)


def _text(data: dict[str, Any], want: Want) -> str | None:
    names = [want.text] if want.text else ["text", *TEXT_NAMES]
    key = next((name for name in names if isinstance(data.get(name), str)), None)
    if key is None:
        key = max(
            (k for k, v in data.items() if isinstance(v, str)), key=lambda k: len(data[k]), default=None
        )
    return None if key is None else str(data[key])


def _found(
    line: int, row: int | None, text: str | None, item: str | None, annotation: dict[str, Any], want: Want
) -> Found:
    results = [r for r in annotation.get("result") or [] if isinstance(r, dict)]
    skipped = annotation.get("was_cancelled") is True
    labels = _choices(results, want)
    notes = [str(t) for r in results if r.get("type") == "textarea" for t in _values(r, "text")]
    flags = [v for r in results if r.get("from_name") == _FLAG for v in _values(r, "choices")]
    seconds = annotation.get("lead_time")
    return Found(
        line=line,
        row=row,
        text=text,
        labels=() if skipped else labels or (() if want.several and labels is not None else None),
        state=AnswerState.SKIPPED if skipped else AnswerState.LABELLED,
        annotator=_person(annotation),
        flagged=_FLAGGED in flags or any(truth(str(f)) for f in flags),
        note="\n".join(notes),
        stamp=time_of(str(annotation.get("updated_at") or annotation.get("created_at") or "")),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        item=item,
    )


def _choices(results: list[dict[str, Any]], want: Want) -> tuple[str, ...] | None:
    asked = [r for r in results if r.get("type") == "choices" and r.get("from_name") != _FLAG]
    names = list(dict.fromkeys(str(r.get("from_name")) for r in asked))
    wanted = want.label or (_LABEL if _LABEL in names else None)
    if wanted is None and len(names) > 1:
        listed = ", ".join(f"“{name}”" for name in names)
        raise BadColumn(f"These tasks have several choices: {listed}. Name the labels’ with --label.")
    chosen = [r for r in asked if wanted is None or r.get("from_name") == wanted]
    if not chosen:
        return None
    return tuple(dict.fromkeys(str(value) for r in chosen for value in _values(r, "choices")))


def _values(result: dict[str, Any], key: str) -> list[Any]:
    value = result.get("value")
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else [] if found is None else [found]


def _person(annotation: dict[str, Any]) -> str:
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        full = f"{who.get('first_name') or ''} {who.get('last_name') or ''}".strip()
        return str(who.get("email") or full or who.get("id") or "")
    name = str(annotation.get("created_username") or "").strip()
    return name or ("" if who is None else f"Label Studio {who}")
