"""Answers by the rows that they are about, for what goes through a whole data set in constant memory.

Knows rows of `answers`. Does not know the trail, or what a label id means today.
"""

from __future__ import annotations

from sqlalchemy import select

from core.labels.nouns import Answer, AnswerState
from core.store import schema
from core.store.engine import Database
from core.store.standing import as_answer

N = schema.answers


def between(
    db: Database, dataset_id: str, start: int, stop: int, annotator_id: str | None = None
) -> list[Answer]:
    """The answers that stand for the rows from `start` to `stop` - 1, by row and person; what was undone is left
    out."""
    query = (
        select(N)
        .where(N.c.dataset_id == dataset_id, N.c.row >= start, N.c.row < stop)
        .where(N.c.state != AnswerState.CLEARED.value)
        .order_by(N.c.row, N.c.annotator_id)
    )
    if annotator_id is not None:
        query = query.where(N.c.annotator_id == annotator_id)
    with db.read() as connection:
        return [as_answer(found._mapping) for found in connection.execute(query)]
