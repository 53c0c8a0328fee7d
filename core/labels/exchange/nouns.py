"""What a file of labels holds, whatever its format: texts, and what was said of them by whom.

Labels are names here, not ids. Knows the small things that formats share: times, names of columns, labels of a cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.data.labels import list_items, split_labels
from core.labels.nouns import AnswerState

OWN = "finesift_"  # begins the names of our columns and keys, so that they differ from the user's
SEPARATORS = ("|", ";", ",", " / ", "\t")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """What one person said of a text, or what all agreed on (`annotator` empty)."""

    labels: tuple[str, ...]
    state: AnswerState
    annotator: str = ""
    flagged: bool = False
    note: str = ""
    stamp: int | None = None  # microseconds since 1970
    seconds: float | None = None
    source: str = ""  # how a label came about (nouns.Source)
    by: str = ""  # how it was agreed on: "decision", "majority", "dawid-skene", a person's name
    people: int = 0  # who labelled the text
    share: float | None = None  # how sure the agreement is, 0 to 1


@dataclass(frozen=True)
class Item:
    """One text on its way into a file."""

    row: int
    text: str | None
    original: tuple[str | None, ...]  # K cells
    said: tuple[Said, ...]  # with one line a text: one or none


@dataclass(frozen=True)
class Header:
    """What a whole file shares."""

    columns: tuple[str, ...]  # K original names, to the letter
    text_column: int
    labels: tuple[str, ...]  # names of the scheme, in its order
    several: bool  # a text may have several labels
    per: str  # "text" | "annotation"
    guard: bool = True  # CSV: cells that a spreadsheet would run as formulas get an apostrophe


@dataclass(frozen=True)
class Want:
    """What the user said about a file that is read. None: found out."""

    text: str | None = None  # a column, or in Label Studio's tasks a key of `data`
    label: str | None = None  # a column, or in Label Studio's tasks the name of the choices
    annotator: str | None = None  # a column
    item: str | None = None  # a column that tells which text is meant
    separator: str | None = None  # between several labels of a cell
    known: frozenset[str] = frozenset()  # labels that are taken as they are, whatever they contain
    several: bool = False  # the scheme allows several labels a text
    guard: bool = True  # apostrophes that our own CSV files put before formulas are taken off again


@dataclass(frozen=True)
class Found:
    """One line of a file that was read. `labels` None: nothing was said of the text."""

    line: int  # from 1: the row of the file, or the task
    row: int | None  # of the data set, where the file names one
    text: str | None
    labels: tuple[str, ...] | None
    state: AnswerState = AnswerState.LABELLED
    annotator: str = ""
    flagged: bool = False
    note: str = ""
    stamp: int | None = None
    seconds: float | None = None
    item: str | None = None
    fault: str = field(default="")  # why the line cannot be used, for counting


# --------------------------------------------------------------------------- columns


def distinct(columns: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """Names for keys of an object, where each must differ: `name`, `name#2`, … as `column_index` reads them."""
    names: list[str] = []
    used = set(taken)
    for column in columns:
        name, number = column, 1
        while name in used:
            number += 1
            name = f"{column}#{number}"
        used.add(name)
        names.append(name)
    return names


def last(columns: Sequence[str], name: str) -> int | None:
    """Where the last column of that name stands: ours come behind all original ones."""
    return next((at for at in range(len(columns) - 1, -1, -1) if columns[at] == name), None)


# --------------------------------------------------------------------------- labels in a cell


def separator_for(labels: Collection[str]) -> str | None:
    """What joins several of these labels in one cell; None: each separator stands in one of them, so a cell is a
    JSON list."""
    return next((s for s in SEPARATORS if not any(s in name for name in labels)), None)


def join_labels(labels: Sequence[str], separator: str | None) -> str:
    return json.dumps(list(labels), ensure_ascii=False) if separator is None else separator.join(labels)


def labels_of(cell: str | None, want: Want) -> tuple[str, ...] | None:
    """The labels of a cell: one, a list as JSON, or several with a separator. None: the cell is blank."""
    if cell is None or not cell.strip():
        return None
    if cell in want.known:
        return (cell,)
    items = list_items(cell)
    if items is None and cell.lstrip().startswith("{"):
        choices = parsed(cell)  # as Label Studio's small JSON and CSV exports hold several of them
        items = (
            [str(c) for c in choices["choices"]]
            if isinstance(choices, dict) and "choices" in choices
            else None
        )
    if items is not None:
        return tuple(dict.fromkeys(item for item in items if item.strip()))
    return split_labels(cell, want.separator) if want.separator else (cell.strip(),)


# --------------------------------------------------------------------------- values


def parsed(cell: str | None) -> Any:
    """The JSON value that a cell holds as text; None where it holds none."""
    try:
        return None if cell is None else json.loads(cell)
    except (ValueError, RecursionError):
        return None


def truth(cell: str | None) -> bool:
    return cell is not None and cell.strip().casefold() in ("true", "1", "yes")


def number(cell: str | None) -> float | None:
    try:
        value = None if cell is None or not cell.strip() else float(cell)
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None


def whole(cell: str | None) -> int | None:
    value = number(cell)
    return int(value) if value is not None and value == int(value) and value >= 0 else None


def time_words(stamp: int | None) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC, to the microsecond."""
    if stamp is None:
        return ""
    moment = _EPOCH + timedelta(microseconds=stamp)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_of(words: str | None) -> int | None:
    """The stamp of an ISO 8601 time; without a time zone it is taken as UTC. None: it is no time."""
    try:
        moment = datetime.fromisoformat((words or "").strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def state_of(cell: str | None) -> AnswerState:
    return AnswerState.SKIPPED if (cell or "").strip() == AnswerState.SKIPPED else AnswerState.LABELLED
