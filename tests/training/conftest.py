"""The base model that the tests of training start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.records import Event
from tests.tiny import tiny_bert
from tests.training.support import start


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("training") / "base")


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("run") / "model"
    return list(start(base, out, data_fingerprint="abc")), out
