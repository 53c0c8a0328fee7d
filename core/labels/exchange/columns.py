"""Any table whose columns say which text has which label, one row for each text or for each annotation.

Knows columns. Does not know formats: each says here which of its columns means what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.data.table import Table, column_index, suggest_columns
from core.errors import BadColumn
from core.labels.exchange.nouns import Found, Want, labels_of, number, state_of, time_of, truth, whole
from core.labels.nouns import AnswerState


@dataclass(frozen=True)
class Places:
    """Which column is what; None: the file has none."""

    text: int | None
    label: int | None
    annotator: int | None = None
    item: int | None = None
    row: int | None = None
    state: int | None = None
    flagged: int | None = None
    note: int | None = None
    at: int | None = None
    seconds: int | None = None


def read(table: Table, want: Want) -> Iterator[Found]:
    """A file that is nobody's format: its columns are named by the user, text and label else guessed.

    Raises BadColumn where a column is not there or the label cannot be guessed.
    """
    text, label = suggest_columns(table)
    names = table.columns
    if want.text is not None:
        text = column_index(names, want.text)
    elif want.item:
        text = None
    label = column_index(names, want.label) if want.label else label
    if label is None or label == text:
        raise BadColumn(f"Which column holds the labels? Name it with --label: {', '.join(names)}.")
    places = Places(
        text,
        label,
        annotator=column_index(names, want.annotator) if want.annotator else None,
        item=column_index(names, want.item) if want.item else None,
    )
    return lines(table, places, want)


def lines(
    table: Table, places: Places, want: Want, clean: Callable[[str], str] | None = None
) -> Iterator[Found]:
    """Every row of the table. `clean` undoes what was done to a cell when it was written."""
    line = 0
    for batch in table.data.to_batches(max_chunksize=5_000):
        cells = batch.columns
        wanted = {name: at for name, at in vars(places).items() if at is not None}
        values = {name: cells[at].to_pylist() for name, at in wanted.items()}
        for i in range(batch.num_rows):
            line += 1
            yield _found(line, {name: column[i] for name, column in values.items()}, want, clean)


def _found(line: int, cells: dict[str, str | None], want: Want, clean: Callable[[str], str] | None) -> Found:
    if clean is not None:
        cells = {name: clean(cell) if cell else cell for name, cell in cells.items()}
    labels = labels_of(cells.get("label"), want)
    state = state_of(cells.get("state"))
    if state is AnswerState.SKIPPED:
        labels = ()
    elif not labels:  # blank, or an empty list: of several labels none applies, if the file says so
        labels = () if want.several and cells.get("state") == AnswerState.LABELLED else None
    return Found(
        line=line,
        row=whole(cells.get("row")),
        text=cells.get("text"),
        labels=labels,
        state=state,
        annotator=(cells.get("annotator") or "").strip(),
        flagged=truth(cells.get("flagged")),
        note=cells.get("note") or "",
        stamp=time_of(cells.get("at")),
        seconds=number(cells.get("seconds")),
        item=cells.get("item"),
    )
