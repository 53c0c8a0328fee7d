"""Opens the database: SQLite by default, PostgreSQL where a URL names it.

Two rules make SQLite safe with several processes (docs/decisions/0001-sqlite-driver.md):
- writes begin with BEGIN IMMEDIATE, because a deferred transaction that turns into a writer
  ignores the busy timeout;
- write-ahead logging only on a SQLite without the WAL-reset fault (3.7.0 to 3.51.2, fixed in 3.51.3,
  3.50.7 and 3.44.6); elsewhere a rollback journal, which cannot meet the fault.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from core.errors import DiskFull, FinesiftError

BUSY_MILLISECONDS = 30_000


@dataclass(frozen=True)
class Database:
    """One engine with two doors: `read()` sees a snapshot, `write()` is one transaction."""

    engine: Engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _plain_faults(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with _plain_faults(), self.engine.connect() as connection:
            connection = connection.execution_options(finesift_write=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open the database at `url` (SQLAlchemy form). The schema is not touched: see `migrate`."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite_engine(url))
    if parsed.get_backend_name() == "postgresql":
        return Database(create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True))
    raise FinesiftError(
        f"FINESIFT_DATABASE_URL names “{parsed.get_backend_name()}”. Use sqlite:///… or postgresql://…"
    )


def sqlite_driver() -> Any:
    """pysqlite3 where it is installed (it carries its own SQLite), else the one Python came with."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return sqlite3
    return dbapi2


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """True for a SQLite version without the WAL-reset fault (sqlite.org/wal.html)."""
    if version >= (3, 51, 3) or version < (3, 7, 0):
        return True
    return version[:2] in ((3, 44), (3, 50)) and version >= {44: (3, 44, 6), 50: (3, 50, 7)}[version[1]]


def _sqlite_engine(url: str) -> Engine:
    driver = sqlite_driver()
    journal = "WAL" if wal_is_safe(driver.sqlite_version_info) else "DELETE"
    engine = create_engine(url, module=driver, connect_args={"timeout": BUSY_MILLISECONDS / 1000})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        cursor.execute(f"PRAGMA journal_mode={journal}")
        cursor.execute("PRAGMA synchronous=FULL")  # acknowledged means on disk
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("finesift_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _plain_faults() -> Iterator[None]:
    """Turn the two faults a user can do something about into sentences."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig).lower()
        if "disk is full" in said or "no space" in said:
            raise DiskFull(
                "The disk that holds Finesift's home folder is full, so nothing was saved. "
                "Free some space and do the last step again."
            ) from error
        if "unable to open database" in said or "readonly" in said or "read-only" in said:
            raise FinesiftError(
                "Finesift's database cannot be written. Check that its folder exists and belongs to you, "
                "or choose another one with --home."
            ) from error
        raise
