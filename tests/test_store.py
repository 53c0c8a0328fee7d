"""The store: schema and migrations agree, one winner per slot, a lost lease cannot write."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from core.errors import FinesiftError, InUse, LeaseLost, NotFound
from core.records import Dataset, JobState, Note, Step
from core.settings import read_settings
from core.store import Database, datasets, open_database, schema
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.store.engine import sqlite_driver, wal_is_safe
from core.store.migrate import HEAD, MIGRATIONS, current_revision, migrate

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def db(tmp_path: Path):
    database = open_database(f"sqlite:///{(tmp_path / 'x.db').as_posix()}")
    migrate(database, tmp_path / "lock")
    yield database
    database.close()


def queue(db: Database, kind: str = "train", lane: str = "train", **payload: object) -> str:
    with db.write() as connection:
        return job_rows.insert_job(connection, kind, lane, payload)


def take(db: Database, slot: str = "here:train:0", lease_seconds: float = 30.0):
    return job_rows.claim(db, "train", slot, lease_seconds, "here", os.getpid(), 0.0)


def dataset(name: str = "mail", dataset_id: str = "data-1") -> Dataset:
    return Dataset(
        dataset_id,
        name,
        time.time(),
        ("text", "label"),
        0,
        1,
        4,
        0,
        0,
        0,
        {"b": 3, "a": 1},
        {"train": 4},
        "f" * 64,
    )


def test_migrations_build_exactly_the_schema(db: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with db.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_head_is_the_newest_migration(db: Database) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD == current_revision(db)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(db: Database, tmp_path: Path) -> None:
    with db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num='9999'"))
    with pytest.raises(FinesiftError, match="newer Finesift"):
        migrate(db, tmp_path / "lock")
    assert current_revision(db) == "9999"


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'x.db').as_posix()}"
    code = (
        "from pathlib import Path; from core.store import open_database; from core.store.migrate import migrate\n"
        f"db = open_database({url!r}); migrate(db, Path({str(tmp_path / 'lock')!r})); print('ok')"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    assert [p.communicate()[0].strip() for p in started] == [b"ok"] * 4


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((3, 50, 7), True),
        ((3, 44, 6), True),
        ((3, 51, 2), False),
        ((3, 50, 6), False),
        ((3, 49, 9), False),
        ((3, 44, 5), False),
        ((3, 40, 1), False),
        ((3, 6, 23), True),
    ],
)
def test_wal_only_on_versions_without_the_reset_fault(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_the_journal_fits_the_sqlite_that_is_used(db: Database) -> None:
    expected = "wal" if wal_is_safe(sqlite_driver().sqlite_version_info) else "delete"
    with db.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == expected
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_faulty_sqlite_never_gets_a_write_ahead_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.engine.wal_is_safe", lambda _version: False)
    path = tmp_path / "old.db"
    database = open_database(f"sqlite:///{path.as_posix()}")
    migrate(database, tmp_path / "lock")
    job_id = queue(database)
    assert job_rows.get(database, job_id).state == JobState.QUEUED
    assert not Path(f"{path}-wal").exists()
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
    database.close()


def test_one_of_many_claimants_wins(db: Database) -> None:
    for _ in range(8):
        queue(db)
    with ThreadPoolExecutor(8) as pool:
        won = [c for c in pool.map(lambda _: take(db), range(8)) if c is not None]
    assert len(won) == 1
    assert sum(j.state == JobState.RUNNING for j in job_rows.open_jobs(db)) == 1


def test_the_queue_keeps_its_order_and_says_who_is_ahead(db: Database) -> None:
    first, second, third = queue(db), queue(db), queue(db)
    taken = take(db)
    assert taken is not None
    assert taken[0].id == first
    assert [j.ahead for j in job_rows.open_jobs(db)] == [0, 1, 2]
    with job_rows.ending(db, taken[1], JobState.FINISHED, "Done.", {}):
        pass
    assert job_rows.get(db, third).ahead == 1
    again = take(db)
    assert again is not None
    assert again[0].id == second


def test_a_lost_lease_cannot_write(db: Database) -> None:
    queue(db)
    taken = take(db)
    assert taken is not None
    job, lease = taken
    assert job_rows.append_events(db, lease, 0, [(time.time(), Note("alive"))]) == 1
    (holder,) = job_rows.holders(db)
    assert job_rows.interrupt(db, holder, "It fell silent.")
    for write in (
        lambda: job_rows.append_events(db, lease, 1, [(time.time(), Note("ghost"))]),
        lambda: job_rows.beat(db, lease, 30),
        lambda: job_rows.stop_requested(db, lease),
    ):
        with pytest.raises(LeaseLost):
            write()
    with pytest.raises(LeaseLost), job_rows.ending(db, lease, JobState.FINISHED, "Done.", {}):
        pass
    assert job_rows.get(db, job.id).state == JobState.INTERRUPTED
    assert len(job_rows.events_after(db, job.id)) == 1


def test_an_interruption_misses_a_worker_that_has_moved(db: Database) -> None:
    queue(db)
    taken = take(db)
    assert taken is not None
    (holder,) = job_rows.holders(db)
    job_rows.beat(db, taken[1], 60)
    assert not job_rows.interrupt(db, holder, "It fell silent.")
    assert job_rows.get(db, taken[0].id).state == JobState.RUNNING


def test_stop_ends_a_queued_job_and_asks_a_running_one(db: Database) -> None:
    first, second = queue(db), queue(db)
    taken = take(db)
    assert taken is not None
    assert job_rows.request_stop(db, second) == JobState.STOPPED
    assert job_rows.request_stop(db, first) == JobState.STOPPING
    assert job_rows.stop_requested(db, taken[1])
    assert job_rows.beat(db, taken[1], 30)
    with job_rows.ending(db, taken[1], JobState.STOPPED, "Stopped.", {}):
        pass
    assert job_rows.request_stop(db, first) == JobState.STOPPED  # asking again changes nothing


def test_events_come_back_as_they_were_written(db: Database) -> None:
    queue(db)
    taken = take(db)
    assert taken is not None
    step = Step(1, 0.5, 1.25, 1e-4, 0.7, 32, 100.0, 1 << 30, 2.0, 8.0)
    events = [Note("Ünïcode ✓ <b>"), step]
    job_rows.append_events(db, taken[1], 0, [(1.0, e) for e in events])
    assert [e.event for e in job_rows.events_after(db, taken[0].id)] == events
    assert [e.event for e in job_rows.events_after(db, taken[0].id, 0)] == [step]
    assert job_rows.last_event(db, taken[0].id, "step") == step


def test_names_are_unique_and_renaming_reaches_the_runs(db: Database) -> None:
    first = datasets.add(db, dataset())
    second = datasets.add(db, dataset(dataset_id="data-2"))
    assert (first.name, second.name) == ("mail", "mail (2)")
    assert list(first.labels) == ["b", "a"]
    assert datasets.rename(db, "data-2", "mail") == "mail (2)"
    assert datasets.rename(db, "data-2", "  letters ") == "letters"
    assert datasets.get(db, "letters").id == "data-2"
    with pytest.raises(NotFound, match="no data set"):
        datasets.get(db, "nothing")


def test_a_data_set_in_use_cannot_be_deleted(db: Database) -> None:
    datasets.add(db, dataset())
    with db.write() as connection:
        job_id = job_rows.insert_job(connection, "train", "train", {})
        run_rows.insert_run(
            connection,
            {
                "id": "run-1",
                "name": "r",
                "job_id": job_id,
                "dataset_id": "data-1",
                "dataset_name": "mail",
                "base_model": "b",
                "recipe": {},
                "created_at": 1.0,
            },
        )
    with pytest.raises(InUse):
        datasets.remove(db, "data-1")
    with pytest.raises(InUse):
        run_rows.remove(db, "run-1")
    job_rows.request_stop(db, job_id)
    datasets.remove(db, "data-1")
    run = run_rows.get(db, "run-1")
    assert (run.dataset_id, run.dataset_name) == (None, "mail")
    run_rows.remove(db, "run-1")
    with db.read() as connection:
        assert connection.execute(select(schema.jobs)).all() == []


def _write_many(url: str, count: int) -> None:
    database = open_database(url)
    for i in range(count):
        with database.write() as connection:
            connection.execute(
                insert(schema.jobs).values(
                    id=f"job-{os.getpid()}-{i}",
                    kind="x",
                    lane="x",
                    state="queued",
                    reason="",
                    payload={},
                    created_at=0.0,
                )
            )
    database.close()


def test_writers_in_several_processes_lose_nothing(db: Database) -> None:
    url = str(db.engine.url)
    code = f"from tests.test_store import _write_many; _write_many({url!r}, 40)"
    writers = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    with db.read() as connection:
        assert len(connection.execute(select(schema.jobs.c.id)).all()) == 160
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_settings_name_the_variable_that_is_off() -> None:
    with pytest.raises(FinesiftError, match="FINESIFT_MAX_FILE_MB"):
        read_settings({"FINESIFT_MAX_FILE_MB": "lots"})


def test_settings_survive_the_way_to_a_child_process(tmp_path: Path) -> None:
    settings = read_settings({"FINESIFT_HOME": str(tmp_path), "FINESIFT_TRAININGS": "2"})
    assert read_settings(settings.environment()) == settings
    assert settings.with_home(tmp_path / "b").database_url.endswith("/b/finesift.db")
