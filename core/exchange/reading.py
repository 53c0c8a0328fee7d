"""A file of labels, opened: which format it has, which of its columns mean what, and its lines one by one.

Knows files and formats. Does not know which text a line means (`matching`) or what becomes of it (`incoming`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from core.data import shelf
from core.data.guarded import scratch_folder
from core.data.intake import read_table
from core.data.labels import AUTO, check_separator, fitting_separator, guess_separator
from core.data.table import Table, column_index, suggest_columns
from core.errors import BadColumn, BadData
from core.exchange import matching
from core.labels import exchange as formats
from core.labels.exchange import columns as any_columns
from core.labels.exchange.csv_file import ROW, separator_in
from core.labels.exchange.nouns import Found, Want, distinct, separator_for
from core.labels.nouns import Scheme
from core.records import Dataset, Reading
from core.workspace import Workspace

_WHOLE = 64 * 1024 * 1024  # bytes: a single JSON object of that size is no line of a file
_HEAD = 256 * 1024


@dataclass(frozen=True)
class Wish:
    """What the user says about a file. None, or “auto”: found out."""

    format: str = formats.AUTO  # a name of FORMATS, or “columns”: any table
    text: str | None = None
    label: str | None = None
    annotator: str | None = None  # a column with names
    item: str | None = None
    separator: str | None = AUTO  # between several labels of a cell; None: each cell is one label
    who: str = ""  # whose answers those without a name are
    guard: bool = True  # take off the apostrophes that our own CSV puts before formulas


@dataclass(frozen=True)
class Opened:
    title: str  # of the format
    notes: tuple[str, ...]  # sentences from reading it
    lines: Iterator[Found]
    stored: pa.Table  # the rows of the data set
    item: str | None  # the column of file and data set that tells which text is meant
    session: str  # follows from the content and the wish


def open_file(
    ws: Workspace, dataset: Dataset, scheme: Scheme | None, path: Path, name: str, wish: Wish
) -> Opened:
    """Raises BadFile, TooLarge, BadColumn, BadData."""
    table = _table(ws, path, name)
    form = _format(table, wish)
    stored = shelf.arrow(ws.settings.datasets / dataset.id)
    want = _want(dataset, scheme, stored, table, form, wish)
    lines = form.read(table, want) if form else any_columns.read(table, want)
    title = form.title if form else "Table"
    return Opened(title, table.notes, lines, stored, want.item, _session(path, dataset, wish))


def _table(ws: Workspace, path: Path, name: str) -> Table:
    """Read in a child process under limits. A file with a single JSON object is a file with one line, not a table
    of what that object holds; our own CSV is read exactly as it was written."""
    with path.open("rb") as stream:
        head = stream.read(256 * 1024)
    if ROW.encode() in head and not head.lstrip().startswith((b"{", b"[")):
        reading = Reading("csv", "utf-8", ",", quoting=True, header=True)
        found = read_table(path, name, ws.settings, reading)
        if ROW in found.columns:  # a spreadsheet may have saved it with semicolons
            return found
    if head.lstrip().startswith(b"{") and path.stat().st_size < _WHOLE:
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            pass
        else:
            with scratch_folder(ws.settings) as folder:
                copy = Path(folder) / "one.json"
                copy.write_bytes(b"[" + path.read_bytes().strip() + b"]")
                return read_table(copy, name, ws.settings)
    return read_table(path, name, ws.settings)


def _format(table: Table, wish: Wish) -> formats.Format | None:
    if wish.format == formats.COLUMNS:
        return None
    if wish.format != formats.AUTO:
        form = formats.named(wish.format)
        if form.fits(table) or form.name not in ("csv", "jsonl"):
            _require(form, table)
            return form
        return None  # somebody else's CSV or JSONL
    return formats.recognise(table)


def _require(form: formats.Format, table: Table) -> None:
    if not form.fits(table):
        listed = ", ".join(f"“{name}”" for name in table.columns[:12])
        raise BadData(
            f"This is no file of {form.title}: it holds {listed}. Leave the format open, and name text and label."
        )


def _want(
    dataset: Dataset,
    scheme: Scheme | None,
    stored: pa.Table,
    table: Table,
    form: formats.Format | None,
    wish: Wish,
) -> Want:
    """What the reader is told."""
    text = wish.text
    if text is None and form is not None and form.name == "csv":
        text = distinct(dataset.columns)[dataset.text_column]
    item = wish.item
    if item is not None:
        column_index(dataset.columns, item)
    elif form is None or form.name == "csv":
        taken = [name for name in (text, wish.label, wish.annotator) if name]
        item = matching.item_column(stored, dataset.columns, table, taken)
    known = [] if scheme is None else [label.name for label in scheme.labels]
    return Want(
        text=text,
        label=wish.label,
        annotator=wish.annotator,
        item=item,
        separator=_separator(table, known, scheme, form, wish),
        known=frozenset(known),
        several=scheme is None or scheme.several,
        guard=wish.guard,
    )


def _separator(
    table: Table, known: list[str], scheme: Scheme | None, form: formats.Format | None, wish: Wish
) -> str | None:
    if wish.separator != AUTO:
        return check_separator(wish.separator)
    if form is not None:  # they write lists, or say in the header what separates them
        return separator_in(table.columns)[1] if form.name == "csv" else None
    if scheme is not None and not scheme.several:
        return None
    at = column_index(table.columns, wish.label) if wish.label else suggest_columns(table)[1]
    if at is None:
        raise BadColumn(f"Which column holds the labels? Name it with --label: {', '.join(table.columns)}.")
    cells = Counter(cell for cell in table.column(at) if cell and cell.strip())
    if scheme is None:
        return guess_separator(cells)
    return fitting_separator(list(cells.elements()), known, separator_for(known) or "|")


def _session(path: Path, dataset: Dataset, wish: Wish) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    digest.update(json.dumps([dataset.id, asdict(wish)], sort_keys=True).encode())
    return f"file-{digest.hexdigest()[:32]}"
