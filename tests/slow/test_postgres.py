"""The store on PostgreSQL: the same promises as on SQLite. Starts a server of its own (make test-slow)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.store import Database, open_database
from core.store.migrate import migrate
from tests import test_store
from tests.browser.conftest import free_port

pytestmark = pytest.mark.slow
PORTABLE = [
    test_store.test_migrations_build_exactly_the_schema,
    test_store.test_head_is_the_newest_migration,
    test_store.test_one_of_many_claimants_wins,
    test_store.test_the_queue_keeps_its_order_and_says_who_is_ahead,
    test_store.test_a_lost_lease_cannot_write,
    test_store.test_an_interruption_misses_a_worker_that_has_moved,
    test_store.test_stop_ends_a_queued_job_and_asks_a_running_one,
    test_store.test_events_come_back_as_they_were_written,
    test_store.test_names_are_unique_and_renaming_reaches_the_runs,
    test_store.test_a_data_set_in_use_cannot_be_deleted,
]


def programs() -> Path:
    """Where initdb and pg_ctl lie."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "These tests need PostgreSQL's server programs. Install them (apt-get install postgresql)."
    return found[-1].parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("pg")
    port = free_port()
    as_root = os.geteuid() == 0  # PostgreSQL refuses to run as root
    if as_root:
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:3]:
            parent.chmod(0o755)

    def run(*command: str) -> None:
        line = [str(programs() / command[0]), *command[1:]]
        subprocess.run(
            ["runuser", "-u", "postgres", "--", *line] if as_root else line, check=True, cwd=folder
        )

    run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres")
    run(
        "pg_ctl", "-D", str(folder / "data"), "-o", f"-p {port} -k {folder} -h 127.0.0.1", "-l", str(folder / "log"),
        "-w", "start",
    )  # fmt: skip
    yield f"postgresql://postgres@127.0.0.1:{port}"
    run("pg_ctl", "-D", str(folder / "data"), "-m", "fast", "stop")


@pytest.fixture
def db(server: str, tmp_path: Path) -> Iterator[Database]:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS finesift WITH (FORCE)")
        connection.execute("CREATE DATABASE finesift")
    database = open_database(f"{server}/finesift")
    migrate(database, tmp_path / "lock")
    yield database
    database.close()


@pytest.mark.parametrize("promise", PORTABLE, ids=lambda test: test.__name__.removeprefix("test_"))
def test_postgresql_keeps_the_promise(db: Database, promise: object) -> None:
    promise(db)  # type: ignore[operator]
