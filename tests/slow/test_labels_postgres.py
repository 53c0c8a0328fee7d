"""The promises of labelling on PostgreSQL: the same as on SQLite (make test-slow)."""

from __future__ import annotations

import pytest

from core.store import Database
from core.store import datasets as dataset_rows
from tests import test_labels_store as promises
from tests.slow.test_postgres import db, server
from tests.test_store import dataset

__all__ = ["db", "server"]  # fixtures
pytestmark = pytest.mark.slow
PROMISES = [getattr(promises, name) for name in dir(promises) if name.startswith("test_")]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda test: test.__name__.removeprefix("test_"))
def test_postgresql_keeps_the_promise(db: Database, promise: object) -> None:
    dataset_rows.add(db, dataset(dataset_id=promises.DATA))
    promise(db)  # type: ignore[operator]
