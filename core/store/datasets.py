"""Queries on data sets."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from core.errors import InUse, NotFound
from core.records import Dataset
from core.store import schema
from core.store.engine import Database
from core.store.ids import free_name

T = schema.datasets


def add(db: Database, dataset: Dataset) -> Dataset:
    """Insert it; the name gets a number where it is taken."""
    with db.write() as connection:
        dataset = replace(dataset, name=free_name(connection, T, T.c.name, dataset.name))
        values = asdict(dataset)
        values["columns"] = list(dataset.columns)
        connection.execute(insert(T).values(**values))
    return dataset


def all_datasets(db: Database) -> list[Dataset]:
    """Newest first."""
    with db.read() as connection:
        return [_record(r) for r in connection.execute(select(T).order_by(T.c.created_at.desc()))]


def get(db: Database, id_or_name: str) -> Dataset:
    with db.read() as connection:
        found = connection.execute(
            select(T).where(or_(T.c.id == id_or_name, T.c.name == id_or_name)).order_by(T.c.id != id_or_name)
        ).first()
    if found is None:
        raise NotFound(f"There is no data set “{id_or_name}”. It may have been deleted; choose another one.")
    return _record(found)


def rename(db: Database, dataset_id: str, name: str) -> str:
    """Returns the name it got."""
    with db.write() as connection:
        name = free_name(connection, T, T.c.name, name, own_id=dataset_id)
        if connection.execute(update(T).where(T.c.id == dataset_id).values(name=name)).rowcount == 0:
            raise NotFound("This data set was deleted in the meantime.")
        connection.execute(
            update(schema.runs).where(schema.runs.c.dataset_id == dataset_id).values(dataset_name=name)
        )
    return name


def remove(db: Database, dataset_id: str) -> None:
    """Runs keep their data set's name. Raises InUse while a queued or active job needs it."""
    with db.write() as connection:
        busy = connection.execute(
            select(schema.runs.c.name)
            .join(schema.jobs, schema.jobs.c.id == schema.runs.c.job_id)
            .where(schema.runs.c.dataset_id == dataset_id)
            .where(schema.jobs.c.state.in_(["queued", "running", "stopping"]))
        ).first()
        if busy is not None:
            raise InUse(
                f"The run “{busy[0]}” needs this data set. Stop it first, or wait until it has ended."
            )
        connection.execute(delete(T).where(T.c.id == dataset_id))


def _record(row: Row[Any]) -> Dataset:
    values = dict(row._mapping)
    values["columns"] = tuple(values["columns"])
    return Dataset(**values)
