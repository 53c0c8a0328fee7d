"""Texts on disk: a folder of Arrow files that `datasets` writes and opens, memory-mapped.

Knows folders and rows. Does not know the store, or how parts came to be.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.data.labels import split_labels
from core.data.prepare import Prepared
from core.data.whole import disk_full_in_words
from core.errors import BadData, NotFound
from core.records import Row

FAULTS = ("without_text", "without_label", "duplicate")
_OWN = ("row", "text", "label", "part", "text_hash", "duplicate")  # before c0..cK-1


def save(prepared: Prepared, folder: Path) -> None:
    """Writes the data set into `folder`, replacing what is there; a reader sees the old or the new one.

    Columns: row int64, text, label, part, text_hash, duplicate bool, then c0..cK-1 as in the file.
    Raises DiskFull and leaves nothing behind.
    """
    import datasets

    names = [*_OWN, *prepared.data.column_names]
    table = pa.table(
        [
            pa.array(range(prepared.rows), pa.int64()),
            *(pa.array(c, pa.large_string()) for c in (prepared.texts, prepared.labels, prepared.parts)),
            pa.array(prepared.hashes, pa.string()),
            pa.array(prepared.is_duplicate, pa.bool_()),
            *prepared.data.columns,
        ],
        names=names,
    )
    whole = datasets.Dataset(table, fingerprint=prepared.fingerprint[:16])
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(f"tmp-{folder.name}-{uuid.uuid4().hex[:8]}")
    with disk_full_in_words(folder), _quiet():
        try:
            whole.save_to_disk(str(scratch))
            for written in scratch.iterdir():
                _flush(written)
            _put_in_place(scratch, folder)
            _flush(folder.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def open_shelf(folder: Path) -> Any:
    """The `datasets.Dataset` in a folder, memory-mapped from there. Raises NotFound."""
    import datasets

    _files(folder)
    with _quiet():
        return datasets.load_from_disk(str(folder), keep_in_memory=False)


def find_rows(
    folder: Path,
    *,
    query: str | None = None,
    label: str | None = None,
    part: str | None = None,
    fault: str | None = None,
    offset: int = 0,
    limit: int = 50,
    separator: str | None = None,
) -> tuple[int, list[Row]]:
    """(how many rows match, the rows from `offset` on, at most `limit`), in the order of the file.

    `query` is looked for in the texts, as it is and regardless of case. `fault` is one of FAULTS. `separator`
    stands between several labels of a text: rows match that carry `label` among others.
    Raises NotFound, or BadData for an unknown fault.
    """
    table = arrow(folder)
    matches = _matches(table, query, label, part, fault, separator)
    if matches is None:
        return table.num_rows, _rows(table.slice(offset, limit))
    places = pc.indices_nonzero(matches)
    return len(places), _rows(table.take(places.slice(offset, limit)))


def part_texts(folder: Path, part: str) -> tuple[list[int], list[str], list[str]]:
    """Row numbers, texts and labels of a part, in the order of the file. Raises NotFound."""
    table = arrow(folder).select(["row", "text", "label", "part"])
    table = table.filter(pc.equal(table["part"], part))
    return table["row"].to_pylist(), table["text"].to_pylist(), table["label"].to_pylist()


def _files(folder: Path) -> list[Path]:
    """The Arrow files of a shelf, in order."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return [folder / entry["filename"] for entry in state["_data_files"]]
    except (OSError, ValueError, KeyError):
        raise NotFound(f"The texts in {folder} are gone or damaged. Import the data set again.") from None


def arrow(folder: Path) -> pa.Table:
    """All rows, memory-mapped: row, text, label, part, text_hash, duplicate, c0 … cK-1. Raises NotFound."""
    # Straight through Arrow: importing `datasets` takes most of a second, which a page does not have.
    try:
        return pa.concat_tables(pa.ipc.open_stream(pa.memory_map(str(f))).read_all() for f in _files(folder))
    except (OSError, pa.ArrowInvalid):
        raise NotFound(f"The texts in {folder} are gone or damaged. Import the data set again.") from None


def _matches(
    table: pa.Table,
    query: str | None,
    label: str | None,
    part: str | None,
    fault: str | None,
    separator: str | None,
) -> Any:
    """A boolean column, or None where every row matches."""
    conditions = []
    if query:
        conditions.append(pc.match_substring(table["text"], query, ignore_case=True))
    if label is not None:
        cells = [label]
        if separator is not None:
            found = table["label"].unique().to_pylist()
            cells = [cell for cell in found if label in split_labels(cell, separator)]
        conditions.append(pc.is_in(table["label"], pa.array(cells, pa.large_string())))
    if part is not None:
        conditions.append(pc.equal(table["part"], part))
    if fault == "without_text":
        conditions.append(pc.is_null(table["text"]))
    elif fault == "without_label":
        conditions.append(pc.is_null(table["label"]))
    elif fault == "duplicate":
        conditions.append(table["duplicate"])
    elif fault is not None:
        raise BadData(f"There is no fault “{fault}” to look for. There are: {', '.join(FAULTS)}.")
    together = None
    for condition in conditions:
        filled = pc.fill_null(condition, False)
        together = filled if together is None else pc.and_(together, filled)
    return together


def _rows(table: pa.Table) -> list[Row]:
    originals = [n for n in table.column_names if n not in _OWN]
    return [
        Row(
            row=row["row"],
            text=row["text"],
            label=row["label"],
            part=row["part"],
            text_hash=row["text_hash"],
            original=tuple(row[n] for n in originals),
        )
        for row in table.to_pylist()
    ]


def _put_in_place(scratch: Path, folder: Path) -> None:
    if not folder.exists():
        scratch.rename(folder)
        return
    old = folder.with_name(f"tmp-{folder.name}-old-{uuid.uuid4().hex[:8]}")
    folder.rename(old)
    scratch.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    """Forces a file, or on POSIX a folder's entries, to the disk."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars on stderr; whatever was set before is set again."""
    import datasets

    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
