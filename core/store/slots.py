"""Who has a text on the desk, or had it: slots with leases. Each text goes to k people, and k may change at any time.

A slot counts while its lease lives, and for good once it is answered (no lease). Taking slots is one writing
transaction that holds the data set's row, so two people never get the same one, on SQLite and on PostgreSQL alike.
Knows rows and people; the order in which texts are wanted comes from the caller.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from core.errors import NotFound
from core.store import schema
from core.store.engine import Database

S = schema.slots
LEASE_SECONDS = 900.0
_CHUNK = 500  # rows in one IN (…)

Item = TypeVar("Item")


def claim(
    db: Database,
    dataset_id: str,
    annotator_id: str,
    rows: Sequence[int],
    n: int,
    people: int,
    seconds: float = LEASE_SECONDS,
) -> list[int]:
    """The first n of the ranked `rows` that this person may have, leased for so many seconds.

    A row is his when fewer than `people` others have it (a lease that lives, or an answer) and he has not answered
    it; a lease of his own is renewed, one of somebody else that has ended is taken over.
    Raises NotFound without the data set.
    """
    now = time.time()
    taken: list[int] = []
    with db.write() as connection:
        lock(connection, dataset_id)
        for some in chunks(list(dict.fromkeys(int(row) for row in rows))):
            if len(taken) >= n:
                break
            there = _slots(connection, dataset_id, some)
            free = [row for row in some if _free(there.get(row, []), annotator_id, people, now)]
            free = free[: n - len(taken)]
            _lease(connection, dataset_id, annotator_id, free, there, now + seconds, now)
            taken += free
    return taken


def release(db: Database, dataset_id: str, annotator_id: str, rows: Sequence[int]) -> None:
    """Give back what is leased and not answered."""
    with db.write() as connection:
        for some in chunks([int(row) for row in rows]):
            connection.execute(
                delete(S).where(
                    S.c.dataset_id == dataset_id,
                    S.c.annotator_id == annotator_id,
                    S.c.row.in_(some),
                    S.c.lease_until.is_not(None),
                )
            )


def mark(
    connection: Connection,
    dataset_id: str,
    annotator_id: str,
    rows: Sequence[int],
    lease_until: float | None,
    now: float,
) -> None:
    """Within the caller's transaction: the person has answered these rows (None), or holds them until then.

    Who answers without a slot gets one, also beyond k: it was answered, so it counts.
    """
    for some in chunks(rows):
        there = _slots(connection, dataset_id, some)
        _lease(connection, dataset_id, annotator_id, some, there, lease_until, now)


def lock(connection: Connection, dataset_id: str) -> None:
    """Hold the data set's row until the transaction ends: on PostgreSQL, writers of one data set wait for each
    other, so that numbers of the trail become visible in their order; on SQLite they do anyhow. Raises NotFound.
    """
    T = schema.datasets  # noqa: N806
    query = select(T.c.id).where(T.c.id == dataset_id).with_for_update(key_share=True)
    if connection.execute(query).first() is None:
        raise NotFound("This data set was deleted in the meantime. Choose another one.")


def chunks(items: Sequence[Item], size: int = _CHUNK) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _slots(connection: Connection, dataset_id: str, rows: Sequence[int]) -> dict[int, list[Row[Any]]]:
    query = select(S).where(S.c.dataset_id == dataset_id, S.c.row.in_(rows)).order_by(S.c.slot)
    found: dict[int, list[Row[Any]]] = {}
    for slot in connection.execute(query):
        found.setdefault(slot.row, []).append(slot)
    return found


def _free(slots: Sequence[Row[Any]], annotator_id: str, people: int, now: float) -> bool:
    others = 0
    for slot in slots:
        if slot.annotator_id != annotator_id:
            others += slot.lease_until is None or slot.lease_until > now
        elif slot.lease_until is None:
            return False
    return others < people


def _lease(
    connection: Connection,
    dataset_id: str,
    annotator_id: str,
    rows: Sequence[int],
    there: dict[int, list[Row[Any]]],
    until: float | None,
    now: float,
) -> None:
    """One slot of this person for each row: his own, one whose lease has ended, or a new one."""
    new, over = [], []
    for row in rows:
        slots = there.get(row, [])
        mine = next((slot for slot in slots if slot.annotator_id == annotator_id), None)
        ended = next((s for s in slots if s.lease_until is not None and s.lease_until <= now), None)
        slot = mine or ended
        if slot is not None:
            over.append({"of_row": row, "of_slot": slot.slot})
        else:
            used = {slot.slot for slot in slots}
            number = next(n for n in range(len(slots) + 1) if n not in used)
            new.append({"row": row, "slot": number})
    values = {"annotator_id": annotator_id, "lease_until": until}
    if over:
        one = (S.c.dataset_id == dataset_id, S.c.row == bindparam("of_row"), S.c.slot == bindparam("of_slot"))
        connection.execute(update(S).where(*one).values(**values), over)
    if new:
        connection.execute(insert(S), [{"dataset_id": dataset_id, **values, **slot} for slot in new])
