"""The base model that the tests of training start from, a run on it, and a head that is fitted at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.records import Event
from core.training import head
from tests.tiny import tiny_bert
from tests.training.support import start


@pytest.fixture(scope="module", autouse=True)
def _one_strength() -> Iterator[None]:
    """The choice among penalties by cross-validation takes longer than all else in a run this small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "_choose", lambda *_: 0.1)
        yield


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Models this small only wait for a second thread, and on a busy machine for long."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("training") / "base")


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("run") / "model"
    return list(start(base, out, data_fingerprint="abc")), out
