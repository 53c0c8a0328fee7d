"""A table with texts in, the same table with predictions out: CSV, in constant memory, whole or not at all.

Knows CSV and what spreadsheets do to it. Does not know how the table was read or where the model came from.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.formulas import Guard
from core.data.table import Table
from core.data.whole import disk_full_in_words
from core.inference.classifier import Classifier
from core.models.forward import CHUNK

LABEL_COLUMN = "predicted_label"
PROBABILITY_COLUMN = "probability"


@dataclass(frozen=True)
class Progress:
    """How far a file is."""

    done: int  # rows that are classified, or need not be because they hold no text
    total: int
    seconds: float
    texts_per_second: float
    without_text: int = 0  # rows so far whose cells stay empty
    guarded: int = 0  # cells so far that got an apostrophe, so that no spreadsheet takes them for a formula


def classify_table(
    classifier: Classifier, table: Table, text_column: int, out_path: Path, *, guard: bool = True
) -> Iterator[Progress]:
    """Writes `table` to `out_path` (CSV, UTF-8) with all its columns and rows in order, and behind them the
    predicted label, its probability, and one column of probabilities per class.

    Where a text may have several labels, they are joined by the separator of the model's data set (“|” where it
    had none), in the order of the columns, and `probability` is the smallest of theirs: how sure the model is of
    all of them. A text to which no label applies has both cells empty and its probabilities behind them.

    Rows without text keep these cells empty. With `guard`, a cell that a spreadsheet would run as a formula
    (one that begins with = + - @, tab or carriage return and is not a plain number) gets a leading
    apostrophe; they are counted. Yields Progress after every batch; the last one comes when the file is
    complete. The file appears by a rename at the end: closing the generator earlier leaves nothing behind.
    Raises DiskFull, OutOfMemory.
    """
    out_path = Path(out_path)
    draft = out_path.with_name(f".{out_path.name}.{os.getpid()}.tmp")
    job = _Job(classifier, table, text_column, guard)
    try:
        with disk_full_in_words(out_path), draft.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)  # CR LF: with LF alone, csv would not quote a CR inside a cell
            writer.writerow(job.header())
            for chunk in table.data.to_batches(max_chunksize=CHUNK):
                columns = [column.to_pylist() for column in chunk.columns]
                found = yield from job.classify(columns[text_column] if columns else [])
                writer.writerows(job.rows(columns, found))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(out_path)
    finally:
        draft.unlink(missing_ok=True)
    yield job.progress()


class _Job:
    def __init__(self, classifier: Classifier, table: Table, text_column: int, guard: bool) -> None:
        self.classifier = classifier
        self.table = table
        self.text_column = text_column
        self._safe = Guard(guard)
        self.started = time.perf_counter()
        self.done = self.classified = self.without_text = 0

    def progress(self) -> Progress:
        seconds = time.perf_counter() - self.started
        return Progress(
            done=self.done,
            total=self.table.data.num_rows,
            seconds=seconds,
            texts_per_second=self.classified / seconds if seconds > 0 else 0.0,
            without_text=self.without_text,
            guarded=self._safe.count,
        )

    def header(self) -> list[str]:
        """The original names to the letter, then ours, which give way where a name is taken."""
        names = list(self.table.columns)
        for wanted, role in [
            (LABEL_COLUMN, "model"),
            (PROBABILITY_COLUMN, "model"),
            *((label, "probability") for label in self.classifier.labels),
        ]:
            names.append(_free(wanted, role, names))
        return [self._safe.cell(name) for name in names]

    def classify(self, texts: Sequence[str | None]) -> Generator[Progress, None, np.ndarray[Any, Any]]:
        """Yields progress; returns (n, C) probabilities, NaN in rows without text."""
        found = np.full((len(texts), len(self.classifier.labels)), np.nan, dtype=np.float32)
        filled = [(at, text) for at, text in enumerate(texts) if text is not None and text.strip()]
        places = np.asarray([at for at, _ in filled], dtype=np.int64)
        blank = len(texts) - len(filled)
        self.done += blank
        self.without_text += blank
        for rows, logits in self.classifier.stream([text for _, text in filled]):
            found[places[rows]] = self.classifier.probabilities(logits)
            self.done += len(rows)
            self.classified += len(rows)
            yield self.progress()
        return found

    def rows(
        self, columns: Sequence[Sequence[str | None]], found: np.ndarray[Any, Any]
    ) -> Iterator[list[str]]:
        empty = [""] * (2 + len(self.classifier.labels))
        chosen = self.classifier.chosen(found)  # NaN, in rows without text, reaches no threshold
        for at, probabilities in enumerate(found):
            original = [self._safe.cell(column[at]) for column in columns]
            if np.isnan(probabilities[0]):
                yield original + empty
                continue
            shares = [f"{p:.6f}" for p in probabilities]
            labels = [int(c) for c in np.flatnonzero(chosen[at])]
            names = self.classifier.separator.join(self.classifier.labels[c] for c in labels)
            least = min(labels, key=lambda c: float(probabilities[c]), default=None)
            yield [*original, self._safe.cell(names), "" if least is None else shares[least], *shares]


def _free(wanted: str, role: str, taken: Sequence[str]) -> str:
    """`wanted`, or with its role behind it, or with a number, whichever is free."""
    if wanted not in taken:
        return wanted
    name, number = f"{wanted} ({role})", 1
    while name in taken:
        number += 1
        name = f"{wanted} ({role} {number})"
    return name
