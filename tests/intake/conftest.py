"""What the tests of reading share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from core.data.intake import table_of
from core.data.reader_process import answer
from core.data.table import Table
from core.records import Reading
from core.settings import MIB, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url="sqlite://", max_parse_bytes=1024 * MIB)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Table]:
    """Reads without the child process, which would take half a second for each of these files. The child
    calls the same function; the tests of limits go through it."""
    number = itertools.count()

    def read(content: bytes | str, name: str = "data.csv", **reading: object) -> Table:
        path, out = tmp_path / "upload", tmp_path / f"table-{next(number)}.arrow"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = asdict(Reading(**{"format": "", **reading})) if reading else None  # type: ignore[arg-type]
        request = {"verb": "read", "path": path, "file_name": name, "out": out, "reading": given}
        found = answer({**request, "max_bytes": 1024 * MIB})
        return table_of(json.loads(json.dumps(found)), out)

    return read
