"""Queries on annotators, plans, answers with their trail, and decisions. Slots: core.store.slots.

Knows rows and people. Does not know texts (which rows are identical is told by the caller) or what a label id means
today (`Scheme.now`). Nothing is ever rewritten: each arrival is a row of the trail, and `answers` holds of each
person and text the one that stands (core.store.standing).
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from core.errors import BadData, NotFound
from core.labels.nouns import Annotator, Answer, AnswerState, Decision, Plan, Sent, Source
from core.store import schema
from core.store.engine import Database
from core.store.ids import new_id
from core.store.slots import LEASE_SECONDS, chunks, claim, lock, mark, release
from core.store.standing import append, as_answer, settle, unknown

A = schema.annotators
T = schema.answer_trail
N = schema.answers
P = schema.label_plans
D = schema.decisions


@dataclass(frozen=True)
class TrailEntry:
    """One arrival, as it came. `spread_from`: the row whose answer was copied to this one."""

    number: int
    sent: Sent
    annotator: str  # name
    spread_from: int | None


# --------------------------------------------------------------------------- people and plan


def annotator(db: Database, name: str) -> Annotator:
    """The person of that name, made where there is none. Raises BadData for an empty or too long name."""
    name = _clean_name(name)
    query = select(A).where(A.c.name == name)
    with db.read() as connection:
        found = connection.execute(query).first()
    if found is None:
        person = Annotator(new_id("person"), name, time.time())
        try:
            with db.write() as connection:
                found = connection.execute(query).first()
                if found is None:
                    connection.execute(insert(A).values(**asdict(person)))
                    return person
        except IntegrityError:  # somebody else made that name at the same moment (PostgreSQL)
            with db.read() as connection:
                found = connection.execute(query).one()
    return Annotator(**found._mapping)


def annotators(db: Database, dataset_id: str | None = None) -> list[Annotator]:
    """All of them by name, or those with an answer to this data set."""
    query = select(A).order_by(A.c.name)
    if dataset_id is not None:
        query = query.where(A.c.id.in_(select(N.c.annotator_id).where(N.c.dataset_id == dataset_id)))
    with db.read() as connection:
        return [Annotator(**row._mapping) for row in connection.execute(query)]


def plan(db: Database, dataset_id: str) -> Plan:
    """How the data set is labelled; the defaults where nothing was set."""
    with db.read() as connection:
        found = connection.execute(select(P).where(P.c.dataset_id == dataset_id)).first()
    return Plan(dataset_id) if found is None else Plan(**found._mapping)


def set_plan(db: Database, plan: Plan) -> None:
    """Raises BadData for a plan that cannot be, NotFound without its data set."""
    if not 1 <= plan.people <= 50:
        raise BadData("Each text goes to at least 1 and at most 50 people. Choose a number in between.")
    if not 0 <= plan.evaluation_share <= 0.9:
        raise BadData("The evaluation part is between 0 and 90 % of the texts. Choose a share in between.")
    with db.write() as connection:
        lock(connection, plan.dataset_id)
        connection.execute(delete(P).where(P.c.dataset_id == plan.dataset_id))
        connection.execute(insert(P).values(**asdict(plan)))


# --------------------------------------------------------------------------- answers


def save(
    db: Database,
    dataset_id: str,
    annotator_id: str,
    sent: Sequence[Sent],
    twins: Callable[[int], Sequence[int]] | None = None,
) -> list[int]:
    """Take answers of one person, in one transaction. Returns the numbers that are committed now.

    An answer that came before (same session, number and row) changes nothing. Of several to one text the newest by
    stamp stands. `twins(row)`: the rows with the identical text, itself included or not; they get the answer too
    (source “spread”), unless the person has answered them himself.
    Raises NotFound without the data set or the person, BadData for a number used for two different answers.
    """
    now = time.time()
    with db.write() as connection:
        lock(connection, dataset_id)
        if connection.execute(select(A.c.id).where(A.c.id == annotator_id)).first() is None:
            raise NotFound("This person is not known here. Choose your name again.")
        fresh = unknown(connection, dataset_id, annotator_id, sent)
        groups = {one.answer.row: _group(one.answer.row, twins) for one in fresh}
        arrivals = append(connection, dataset_id, annotator_id, fresh, groups, now)
        stands = settle(connection, dataset_id, annotator_id, arrivals, groups)
        undone = [row for row, answer in stands.items() if answer.state == AnswerState.CLEARED]
        answered = sorted(set(stands).difference(undone))
        mark(connection, dataset_id, annotator_id, answered, None, now)
        # What was undone stays with the person who undid it, for as long as any other text on the desk.
        mark(connection, dataset_id, annotator_id, undone, now + LEASE_SECONDS, now)
    return sorted({one.seq for one in sent})


def answers(
    db: Database, dataset_id: str, *, annotator_id: str | None = None, after: int = 0
) -> list[tuple[int, Answer]]:
    """(trail number, the answer that stands) of every person and text, by number; only numbers above `after`.

    What was undone is among them, as CLEARED.
    """
    query = select(N).where(N.c.dataset_id == dataset_id, N.c.number > after).order_by(N.c.number)
    if annotator_id is not None:
        query = query.where(N.c.annotator_id == annotator_id)
    with db.read() as connection:
        return [(row.number, as_answer(row._mapping)) for row in connection.execute(query)]


def own(db: Database, dataset_id: str, annotator_id: str, rows: Sequence[int]) -> dict[int, Answer]:
    """The person's answers to these rows; what was undone is left out, unless a flag or a note stayed with it."""
    query = select(N).where(
        N.c.dataset_id == dataset_id,
        N.c.annotator_id == annotator_id,
        or_(N.c.state != AnswerState.CLEARED.value, N.c.flagged, N.c.note != ""),
    )
    found = {}
    with db.read() as connection:
        for some in chunks([int(row) for row in rows]):
            for row in connection.execute(query.where(N.c.row.in_(some))):
                found[row.row] = as_answer(row._mapping)
    return found


def recent(db: Database, dataset_id: str, annotator_id: str, n: int) -> list[Answer]:
    """What the person answered last with his own hands, newest first, at most n; what was undone left out."""
    query = (
        select(N)
        .where(
            N.c.dataset_id == dataset_id,
            N.c.annotator_id == annotator_id,
            N.c.state != AnswerState.CLEARED.value,
            N.c.source.not_in([Source.SPREAD.value, Source.IMPORTED.value]),
        )
        .order_by(N.c.number.desc())
        .limit(n)
    )
    with db.read() as connection:
        found = [as_answer(row._mapping) for row in connection.execute(query)]
    return sorted(found, key=lambda answer: answer.stamp, reverse=True)


def count(db: Database, dataset_id: str) -> int:
    """Texts that were answered, each once per person; what was undone left out."""
    query = select(func.count()).where(N.c.dataset_id == dataset_id, N.c.state != AnswerState.CLEARED.value)
    with db.read() as connection:
        return int(connection.execute(query).scalar_one())


def last_number(db: Database, dataset_id: str) -> int:
    """The newest number of the trail; 0 where nothing was answered yet."""
    with db.read() as connection:
        newest = connection.execute(select(func.max(T.c.number)).where(T.c.dataset_id == dataset_id)).scalar()
    return int(newest or 0)


def trail(db: Database, dataset_id: str, after: int = 0, limit: int = 10_000) -> list[TrailEntry]:
    """Arrivals with a number above `after`, oldest first, at most `limit`."""
    query = (
        select(T, A.c.name.label("annotator"))
        .join(A, A.c.id == T.c.annotator_id)
        .where(T.c.dataset_id == dataset_id, T.c.number > after)
        .order_by(T.c.number)
        .limit(limit)
    )
    with db.read() as connection:
        return [
            TrailEntry(
                row.number,
                Sent(row.session, row.seq, as_answer(row._mapping)),
                row.annotator,
                row.spread_from,
            )
            for row in connection.execute(query)
        ]


# --------------------------------------------------------------------------- decisions


def decide(db: Database, dataset_id: str, decision: Decision) -> None:
    """Keep an adjudicator's word. The newest counts; `labels` None withdraws it."""
    values = {**asdict(decision), "labels": None if decision.labels is None else list(decision.labels)}
    with db.write() as connection:
        lock(connection, dataset_id)
        connection.execute(insert(D).values(dataset_id=dataset_id, **values))


def decisions(db: Database, dataset_id: str) -> dict[int, Decision]:
    """The newest decision on each row; those that were withdrawn are left out."""
    query = select(D).where(D.c.dataset_id == dataset_id).order_by(D.c.number)
    found: dict[int, Decision] = {}
    with db.read() as connection:
        for row in connection.execute(query):
            labels = None if row.labels is None else tuple(row.labels)
            found[row.row] = Decision(row.row, labels, row.annotator_id, row.note, row.at)
    return {row: decision for row, decision in found.items() if decision.labels is not None}


def _group(row: int, twins: Callable[[int], Sequence[int]] | None) -> list[int]:
    return sorted({row, *(int(other) for other in (twins(row) if twins is not None else ()))})


def _clean_name(name: str) -> str:
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not clean or len(clean) > 80 or not clean.isprintable():
        raise BadData("A name has 1 to 80 characters that can be printed. Write yours again.")
    return clean


__all__ = [
    "LEASE_SECONDS",
    "TrailEntry",
    "annotator",
    "annotators",
    "answers",
    "claim",
    "decide",
    "decisions",
    "last_number",
    "own",
    "plan",
    "recent",
    "release",
    "save",
    "set_plan",
    "trail",
]
