"""Brings a database's schema up to date, by Alembic; safe when several processes start at once."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock
from sqlalchemy import Connection, inspect, text

from core.errors import FinesiftError
from core.store.engine import Database

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0002"  # the newest revision; a test holds it against the scripts
_ADVISORY_LOCK = 7_163_402  # any constant of our own


def migrate(database: Database, lock_file: Path) -> None:
    """Upgrade to `HEAD`. Raises FinesiftError for a database that a newer Finesift has written."""
    if current_revision(database) == HEAD:
        return
    with FileLock(lock_file, timeout=120):
        if database.engine.dialect.name == "sqlite":
            _upgrade(database)
        else:
            with database.engine.connect() as guard:
                guard.execute(text("SELECT pg_advisory_lock(:n)"), {"n": _ADVISORY_LOCK})
                try:
                    _upgrade(database)
                finally:
                    guard.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": _ADVISORY_LOCK})


def current_revision(database: Database) -> str | None:
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return None if row is None else str(row[0])


def _upgrade(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    current = current_revision(database)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise FinesiftError(
            "This home folder was written by a newer Finesift. Update Finesift, or choose another --home."
        )
    with database.write() as connection:
        _run(command, config, connection)


def _run(command: object, config: object, connection: Connection) -> None:
    config.attributes["connection"] = connection  # type: ignore[attr-defined]
    command.upgrade(config, "head")  # type: ignore[attr-defined]
