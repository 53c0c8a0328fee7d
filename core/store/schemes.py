"""Queries on label schemes. A version is only ever added: what was once valid stays readable.

Knows versions and which label ids the answers hold. Does not know what an answer means today: that is
`Scheme.now`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import Row, Text, cast, insert, select

from core.errors import InUse, NotFound
from core.labels.nouns import AnswerState, Scheme
from core.store import schema
from core.store.engine import Database

T = schema.schemes
A = schema.answers


def newest(db: Database, dataset_id: str) -> Scheme | None:
    """The version that counts. None: this data set has no labels of its own yet."""
    with db.read() as connection:
        found = connection.execute(
            select(T).where(T.c.dataset_id == dataset_id).order_by(T.c.version.desc()).limit(1)
        ).first()
    return None if found is None else _record(found)


def versions(db: Database, dataset_id: str) -> list[Scheme]:
    """All of them, newest first."""
    with db.read() as connection:
        found = connection.execute(select(T).where(T.c.dataset_id == dataset_id).order_by(T.c.version.desc()))
        return [_record(row) for row in found]


def add(db: Database, scheme: Scheme) -> Scheme:
    """Make it the newest version.

    Raises InUse where it does not follow the newest one, because somebody else changed the labels in between, and
    NotFound where the data set is gone."""
    with db.write() as connection:
        kept = select(schema.datasets.c.id).where(schema.datasets.c.id == scheme.dataset_id)
        if connection.execute(kept).first() is None:
            raise NotFound("This data set was deleted in the meantime, so its labels were not saved.")
        last = connection.execute(
            select(T).where(T.c.dataset_id == scheme.dataset_id).order_by(T.c.version.desc()).limit(1)
        ).first()
        if scheme.version != (0 if last is None else last.version) + 1:
            between = "" if last is None else f" {last.author} made version {last.version}: {last.change}"
            raise InUse(
                f"The labels were changed in the meantime, so nothing was saved.{between} "
                "Look at them as they are now, then make your change again."
            )
        values = scheme.to_json()
        values["labels"] = list(values["labels"])
        values["removed"] = list(values["removed"])
        connection.execute(insert(T).values(**values))
    return scheme


def given(db: Database, dataset_id: str, annotator_id: str | None = None) -> dict[tuple[str, ...], list[int]]:
    """Label ids -> the rows of the newest answers that hold exactly these ids; a row comes once for each person
    who says so (or who is asked for). Skipped and cleared ones are left out; the ids are as they were given."""
    # As text: one look-up for each row instead of a parsed list, which 100,000 answers feel.
    ids = cast(A.c.labels, Text).label("ids")
    query = (
        select(ids, A.c.row)
        .where(A.c.dataset_id == dataset_id)
        .where(A.c.state == AnswerState.LABELLED.value)
    )
    if annotator_id is not None:
        query = query.where(A.c.annotator_id == annotator_id)
    with db.read() as connection:
        found = connection.execute(query).all()
    rows: dict[str, list[int]] = defaultdict(list)
    for held, row in found:
        rows[held].append(row)
    return {tuple(json.loads(held)): places for held, places in rows.items()}


def _record(row: Row[Any]) -> Scheme:
    return Scheme.from_json(dict(row._mapping))
