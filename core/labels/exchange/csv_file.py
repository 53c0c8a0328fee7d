"""CSV (RFC 4180, UTF-8): all original columns to the letter, and ours behind them.

A cell that a spreadsheet would run as a formula (it begins with = + - @, tab or carriage return, and is not a plain
number) is written with an apostrophe before it, and so is a cell that already has apostrophes before such a beginning:
taking one off again gives every cell back unchanged. `Header.guard` and `Want.guard` switch both off.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from core.data.formulas import Guard, quoted, unquoted
from core.data.table import Table, column_index
from core.labels.exchange.columns import Places, lines
from core.labels.exchange.nouns import (
    OWN,
    SEPARATORS,
    Found,
    Header,
    Item,
    Said,
    Want,
    join_labels,
    last,
    separator_for,
    time_words,
)

ROW, LABEL = f"{OWN}row", f"{OWN}label"
# With several labels a text the column is named for what stands between them, so that a file explains itself.
SEPARATED, LISTED = f"{OWN}labels separated by ", f"{OWN}labels as a list"
OF_ANNOTATIONS = ("row", "annotator", "label", "state", "flagged", "note", "source", "at", "seconds")
OF_TEXTS = ("row", "label", "state", "by", "people", "share", "flagged", "note")


def write(stream: TextIO, header: Header, items: Iterable[Item]) -> int:
    guard = Guard(header.guard, quoted)
    out = csv.writer(stream)  # CR LF: with LF alone, csv would not quote a CR inside a cell
    own = OF_ANNOTATIONS if header.per == "annotation" else OF_TEXTS
    separator = separator_for(header.labels)
    label = label_column(separator) if header.several else LABEL
    out.writerow(guard.row([*header.columns, *(label if name == "label" else OWN + name for name in own)]))
    for item in items:
        for said in item.said or (None,):
            out.writerow(guard.row([*item.original, *_own(item.row, said, own, separator)]))
    return guard.count


def label_column(separator: str | None) -> str:
    """The name of the column with several labels."""
    return LISTED if separator is None else SEPARATED + {"\t": "tab"}.get(separator, separator.strip())


def separator_in(columns: Sequence[str]) -> tuple[bool, str | None]:
    """Whether a file of ours holds several labels a text, and what separates them; None: cells are lists."""
    for separator in SEPARATORS:
        if label_column(separator) in columns:
            return True, separator
    return LISTED in columns, None


def _own(row: int, said: Said | None, own: Sequence[str], separator: str | None) -> Iterator[str]:
    if said is None:
        yield from (str(row) if name == "row" else "" for name in own)
        return
    cells = {
        "row": str(row),
        "annotator": said.annotator,
        "label": join_labels(said.labels, separator) if said.labels else "",
        "state": said.state.value,
        "flagged": "true" if said.flagged else "",
        "note": said.note,
        "source": said.source,
        "at": time_words(said.stamp),
        "seconds": "" if said.seconds is None else repr(said.seconds),
        "by": said.by,
        "people": str(said.people),
        "share": "" if said.share is None else f"{said.share:.6g}",
    }
    yield from (cells[name] for name in own)


def fits(table: Table) -> bool:
    return ROW in table.columns and (LABEL in table.columns or separator_in(table.columns)[0])


def _label(names: Sequence[str]) -> int | None:
    several, separator = separator_in(names)
    return last(names, label_column(separator) if several else LABEL)


def read(table: Table, want: Want) -> Iterator[Found]:
    """Our own file. Raises BadColumn where the column that `want.text` names is not there."""
    names = [unquoted(name) for name in table.columns] if want.guard else list(table.columns)

    def ours(name: str) -> int | None:
        return last(names, OWN + name)

    places = Places(
        text=column_index(names, want.text) if want.text is not None else None,
        label=column_index(names, want.label) if want.label else _label(names),
        annotator=column_index(names, want.annotator) if want.annotator else ours("annotator"),
        item=column_index(names, want.item) if want.item else None,
        **{name: ours(name) for name in ("row", "state", "flagged", "note", "at", "seconds")},
    )
    return lines(table, places, want, unquoted if want.guard else None)
