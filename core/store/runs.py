"""Queries on training runs. A run's state is its job's, so both are always read together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, delete, insert, or_, select, update

from core.errors import InUse, NotFound
from core.records import JobState, Run, Scores
from core.store import schema
from core.store.engine import Database
from core.store.ids import free_name

T = schema.runs
J = schema.jobs
M = schema.models


def free_run_name(connection: Connection, wanted: str) -> str:
    """`wanted`, with a number where another run has that name."""
    return free_name(connection, T, T.c.name, wanted)


def insert_run(connection: Connection, values: dict[str, Any]) -> None:
    """Within the caller's transaction: a run appears together with its job."""
    connection.execute(insert(T).values(test_looks=0, summary={}, **values))


def all_runs(db: Database) -> list[Run]:
    """Newest first."""
    with db.read() as connection:
        return [_record(r) for r in connection.execute(_query().order_by(J.c.number.desc()))]


def get(db: Database, id_or_name: str) -> Run:
    with db.read() as connection:
        found = connection.execute(
            _query()
            .where(or_(T.c.id == id_or_name, T.c.name == id_or_name, T.c.job_id == id_or_name))
            .order_by(T.c.id != id_or_name)
        ).first()
    if found is None:
        raise NotFound(f"There is no run “{id_or_name}”. It may have been deleted; choose another one.")
    return _record(found)


def rename(db: Database, run_id: str, name: str) -> str:
    """The run's model takes the name too. Returns the name it got."""
    with db.write() as connection:
        name = free_name(connection, T, T.c.name, name, own_id=run_id)
        if connection.execute(update(T).where(T.c.id == run_id).values(name=name)).rowcount == 0:
            raise NotFound("This run was deleted in the meantime.")
        connection.execute(update(M).where(M.c.run_id == run_id).values(name=name))
    return name


def remove(db: Database, run_id: str) -> list[str]:
    """Delete a run with its job, events and model row. Returns the model folders, relative to home.

    Raises InUse while it is queued or active, or while a job reads its model."""
    with db.write() as connection:
        found = connection.execute(_query().where(T.c.id == run_id)).first()
        if found is None:
            return []
        run = _record(found)
        if not run.state.ended:
            raise InUse("This run has not ended. Stop it first.")
        readers = connection.execute(
            select(J.c.payload)
            .where(J.c.state.in_(["queued", "running", "stopping"]))
            .where(J.c.kind != "train")
        ).scalars()
        if run.model_id is not None and any(run.model_id in payload.values() for payload in readers):
            raise InUse("This run's model is being used. Wait until that has ended, or stop it.")
        folders = list(connection.execute(select(M.c.folder).where(M.c.run_id == run_id)).scalars())
        connection.execute(delete(T).where(T.c.id == run_id))
        connection.execute(delete(J).where(J.c.id == run.job_id))
    return folders


def set_scores(
    connection: Connection,
    run_id: str,
    *,
    validation: Scores | None = None,
    test: Scores | None = None,
    test_source: str | None = None,
    looked: bool = False,
    summary: dict[str, Any] | None = None,
) -> None:
    """Write what was measured; what is None stays as it is. `looked` counts a look at the test part."""
    values: dict[Any, Any] = {}
    if validation is not None:
        values["validation"] = validation.to_json()
    if test is not None:
        values["test"] = test.to_json()
        values["test_source"] = test_source
    if looked:
        values["test_looks"] = T.c.test_looks + 1
    if summary is not None:
        values["summary"] = summary
    if values:
        connection.execute(update(T).where(T.c.id == run_id).values(**values))


def _query() -> Select[Any]:
    return (
        select(T, J.c.state, J.c.reason, M.c.id.label("model_id"))
        .join(J, J.c.id == T.c.job_id)
        .outerjoin(M, M.c.run_id == T.c.id)
    )


def _record(row: Row[Any]) -> Run:
    values = dict(row._mapping)
    values["state"] = JobState(values["state"])
    for name in ("validation", "test"):
        if values[name] is not None:
            values[name] = Scores.from_json(values[name])
    return Run(**values)
