"""Cells to an Arrow file, batch by batch: the one place where the reading process makes its output.

Knows Arrow IPC and lone surrogates. Does not know where the cells come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa

BATCH_ROWS = 10_000


def table_schema(width: int) -> pa.Schema:
    return pa.schema([pa.field(f"c{i}", pa.large_string()) for i in range(width)])


class TableWriter:
    """Writes rows of `width` cells. `mended` counts cells in which a lone surrogate became U+FFFD."""

    def __init__(self, path: Path, width: int) -> None:
        self.width = width
        self.rows = 0
        self.mended = 0
        self._schema = table_schema(width)
        self._file = pa.OSFile(str(path), "wb")
        self._out = pa.ipc.new_file(self._file, self._schema)
        self._waiting: list[Sequence[str | None]] = []

    def row(self, cells: Sequence[str | None]) -> None:
        """Adds one row; cells that it lacks are null. It must not be longer than `width`."""
        missing = self.width - len(cells)
        self._waiting.append([*cells, *[None] * missing] if missing else cells)
        if len(self._waiting) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            columns = list(zip(*self._waiting, strict=True))
            self._waiting = []
            self.arrays([self.strings(column) for column in columns])

    def arrays(self, columns: Sequence[pa.Array]) -> None:
        """Adds a batch of large_string arrays, one for each column."""
        self._out.write_batch(pa.RecordBatch.from_arrays(list(columns), schema=self._schema))
        self.rows += len(columns[0])

    def strings(self, cells: Sequence[str | None]) -> pa.Array:
        """A large_string array; what is no character becomes U+FFFD and is counted."""
        try:
            return pa.array(cells, pa.large_string())
        except UnicodeEncodeError:
            mended = [None if c is None else _without_surrogates(c) for c in cells]
            self.mended += sum(a != b for a, b in zip(cells, mended, strict=True))
            return pa.array(mended, pa.large_string())

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
            self._out.close()
        self._file.close()

    def notes(self) -> list[str]:
        if not self.mended:
            return []
        cells = "1 cell" if self.mended == 1 else f"{self.mended:,} cells"
        return [f"{cells} held half of a character (a lone surrogate); it became “\ufffd”."]


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
