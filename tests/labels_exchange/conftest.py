from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.data import intake, reader_process
from core.settings import Settings
from core.workspace import Workspace
from tests import homes


@pytest.fixture(scope="package")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One home for all: each test brings data sets of its own."""
    workspace = homes.open_home(tmp_path_factory.mktemp("exchange"))
    yield workspace
    workspace.close()


@pytest.fixture(autouse=True)
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in this process, which saves the start of a new one for each of many small files. The command
    line's tests read them as the product does."""

    def ask(_module: str, request: dict[str, Any], _settings: Settings, **_words: object) -> dict[str, Any]:
        return reader_process.answer({**request, "max_bytes": 2**30, "max_seconds": 60.0})

    monkeypatch.setattr(intake, "ask", ask)
