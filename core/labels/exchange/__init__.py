"""Labels as files, one small module for each format.

Knows how texts and what people said of them are written down and read back. Does not know files, matching or the
store: `core.exchange` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

from core.data.table import Table
from core.errors import BadData
from core.labels.exchange import csv_file, doccano, jsonl, label_studio, prodigy
from core.labels.exchange.nouns import Found, Header, Item, Want

AUTO, COLUMNS = "auto", "columns"


@dataclass(frozen=True)
class Format:
    """`write` returns how many cells got an apostrophe. `fits`: whether a table was read from a file of this
    format."""

    name: str
    title: str
    suffix: str
    write: Callable[[TextIO, Header, Iterable[Item]], int]
    fits: Callable[[Table], bool]
    read: Callable[[Table, Want], Iterator[Found]]


FORMATS = {
    made.name: made
    for made in (
        Format("csv", "CSV", ".csv", csv_file.write, csv_file.fits, csv_file.read),
        Format("jsonl", "JSONL", ".jsonl", jsonl.write, jsonl.fits, jsonl.read),
        Format(
            "label-studio",
            "Label Studio",
            ".json",
            label_studio.write,
            label_studio.fits,
            label_studio.read,
        ),
        Format("doccano", "doccano", ".jsonl", doccano.write, doccano.fits, doccano.read),
        Format("prodigy", "Prodigy", ".jsonl", prodigy.write, prodigy.fits, prodigy.read),
    )
}


def named(name: str) -> Format:
    if name not in FORMATS:
        raise BadData(f"There is no format “{name}”. There are: {', '.join(FORMATS)}.")
    return FORMATS[name]


def recognise(table: Table) -> Format | None:
    """The format that a table was read from; None: any other table, whose columns have to be named."""
    return next((one for one in FORMATS.values() if one.fits(table)), None)


__all__ = [
    "AUTO",
    "COLUMNS",
    "FORMATS",
    "Format",
    "Found",
    "Header",
    "Item",
    "Want",
    "named",
    "recognise",
]
