"""Homes for the pages, each built once and copied for a test, and the door into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs import supervise
from core.settings import read_settings
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import NASTY
from ui import state


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once: a data set and a finished run. Copied for each test."""
    return homes.build_finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def nasty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = [f"{NASTY} {letter}" for letter in "abc"]
    return homes.build_finished(tmp_path_factory.mktemp("nasty"), name=NASTY, labels=labels)


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workspace]]:
    """Make a home folder (a copy of one) that of the app. No worker is started in it."""
    opened: list[Workspace] = []
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)
    monkeypatch.delenv("FINESIFT_DATABASE_URL", raising=False)
    state._open.clear()

    def open_home(like: Path | None = None) -> Workspace:
        home = tmp_path / "home"
        if like is not None:
            homes.copy_home(like, home)
        monkeypatch.setenv("FINESIFT_HOME", str(home))
        opened.append(Workspace.open(read_settings()))
        return opened[-1]

    yield open_home
    for workspace in (*opened, state.workspace()):
        workspace.close()
    state._open.clear()
