"""Queries on trained models. Folders are stored relative to the home folder."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from core.records import Model
from core.store import schema
from core.store.engine import Database

T = schema.models


def insert_model(connection: Connection, model: Model) -> None:
    """Within the caller's transaction: a model appears together with the end of its run; the one that an attempt
    left which was broken off gives way."""
    connection.execute(delete(T).where(T.c.id == model.id))
    connection.execute(
        insert(T).values(
            id=model.id,
            name=model.name,
            run_id=model.run_id,
            folder=model.folder,
            base_model=model.base_model,
            labels=list(model.labels),
            created_at=model.created_at,
            info=model.info,
        )
    )


def all_models(db: Database) -> list[Model]:
    """Newest first."""
    with db.read() as connection:
        return [_record(r) for r in connection.execute(select(T).order_by(T.c.created_at.desc()))]


def find(db: Database, id_or_name: str) -> Model | None:
    """By its id, its run's id, or its name (the newest of that name)."""
    with db.read() as connection:
        found = connection.execute(
            select(T)
            .where(or_(T.c.id == id_or_name, T.c.run_id == id_or_name, T.c.name == id_or_name))
            .order_by(T.c.id != id_or_name, T.c.created_at.desc())
        ).first()
    return None if found is None else _record(found)


def _record(row: Row[Any]) -> Model:
    values = dict(row._mapping)
    values["labels"] = tuple(values["labels"])
    return Model(**values)
