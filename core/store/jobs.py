"""Queries on jobs and their events: the queue, the lease, the heartbeat.

A worker holds a job by a lease: a token that it must show with each write. Who takes the lease away
(because the worker fell silent) changes the token, and from then on the old worker cannot write.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from core.errors import LeaseLost, NotFound
from core.records import Event, Job, JobState, event_from_json
from core.store import schema
from core.store.engine import Database
from core.store.ids import new_id

T = schema.jobs
E = schema.events
ACTIVE = [JobState.RUNNING.value, JobState.STOPPING.value]
OPEN = [JobState.QUEUED.value, *ACTIVE]


@dataclass(frozen=True)
class Lease:
    job_id: str
    token: str


@dataclass(frozen=True)
class Holder:
    """Who holds an active job: enough to tell whether the process still lives."""

    job: Job
    host: str
    pid: int
    process_started: float
    lease_until: float


@dataclass(frozen=True)
class StoredEvent:
    seq: int
    at: float
    event: Event


# --------------------------------------------------------------------------- the queue


def insert_job(
    connection: Connection, kind: str, lane: str, payload: dict[str, Any], job_id: str | None = None
) -> str:
    """Append to the lane's queue, within the caller's transaction. Returns the job's id."""
    job_id = job_id or new_id("job")
    connection.execute(
        insert(T).values(
            id=job_id,
            kind=kind,
            lane=lane,
            state=JobState.QUEUED.value,
            reason="Waiting for its turn.",
            payload=payload,
            created_at=time.time(),
        )
    )
    return job_id


def get(db: Database, job_id: str) -> Job:
    with db.read() as connection:
        row = connection.execute(select(T).where(T.c.id == job_id)).first()
        if row is None:
            raise NotFound("This job was deleted.")
        return _record(row, _ahead(connection, row))


def open_jobs(db: Database, kind: str | None = None) -> list[Job]:
    """Queued and active jobs in the order of the queue."""
    query = select(T).where(T.c.state.in_(OPEN)).order_by(T.c.number)
    if kind is not None:
        query = query.where(T.c.kind == kind)
    with db.read() as connection:
        return [_record(row, _ahead(connection, row)) for row in connection.execute(query).all()]


def recent_jobs(db: Database, kind: str, limit: int = 20) -> list[Job]:
    """The newest jobs of a kind, whatever their state, newest first."""
    query = select(T).where(T.c.kind == kind).order_by(T.c.number.desc()).limit(limit)
    with db.read() as connection:
        return [_record(row, _ahead(connection, row)) for row in connection.execute(query).all()]


def remove(db: Database, job_id: str) -> None:
    """Delete an ended job and its events."""
    with db.write() as connection:
        connection.execute(delete(T).where(T.c.id == job_id).where(T.c.state.not_in(OPEN)))


# --------------------------------------------------------------------------- the lease


def claim(
    db: Database, lane: str, slot: str, lease_seconds: float, host: str, pid: int, process_started: float
) -> tuple[Job, Lease] | None:
    """Take the lane's oldest queued job into `slot`. None: nothing waits, or the slot is taken.

    The partial unique index on `slot` lets exactly one of several claimants win."""
    now = time.time()
    token = secrets.token_hex(16)
    try:
        with db.write() as connection:
            row = connection.execute(
                select(T)
                .where(T.c.lane == lane, T.c.state == JobState.QUEUED.value)
                .order_by(T.c.number)
                .limit(1)
                .with_for_update(skip_locked=True)
            ).first()
            if row is None:
                return None
            taken = connection.execute(
                update(T)
                .where(T.c.id == row.id, T.c.state == JobState.QUEUED.value)
                .values(
                    state=JobState.RUNNING.value,
                    reason="Running.",
                    started_at=now,
                    heartbeat_at=now,
                    slot=slot,
                    lease=token,
                    lease_until=now + lease_seconds,
                    worker_host=host,
                    worker_pid=pid,
                    worker_started=process_started,
                )
            )
            if taken.rowcount == 0:
                return None
    except IntegrityError:
        return None
    return get(db, row.id), Lease(row.id, token)


def beat(db: Database, lease: Lease, lease_seconds: float) -> bool:
    """Renew the lease. Returns True when a stop was asked for. Raises LeaseLost."""
    now = time.time()
    with db.write() as connection:
        _held(connection, lease, heartbeat_at=now, lease_until=now + lease_seconds)
        state = connection.execute(select(T.c.state).where(T.c.id == lease.job_id)).scalar_one()
    return bool(state == JobState.STOPPING.value)


def stop_requested(db: Database, lease: Lease) -> bool:
    """A look without a write. Raises LeaseLost."""
    with db.read() as connection:
        row = connection.execute(select(T.c.state, T.c.lease).where(T.c.id == lease.job_id)).first()
    if row is None or row.lease != lease.token:
        raise LeaseLost("This job was taken away from its worker, which had been silent for too long.")
    return bool(row.state == JobState.STOPPING.value)


def request_stop(db: Database, job_id: str) -> JobState:
    """Ask a job to stop: a queued one ends at once, an active one when its worker sees the request."""
    with db.write() as connection:
        connection.execute(
            update(T)
            .where(T.c.id == job_id, T.c.state == JobState.QUEUED.value)
            .values(
                state=JobState.STOPPED.value,
                reason="Taken out of the queue before it began.",
                ended_at=time.time(),
            )
        )
        connection.execute(
            update(T)
            .where(T.c.id == job_id, T.c.state == JobState.RUNNING.value)
            .values(state=JobState.STOPPING.value, reason="Stopping: the best so far is being kept.")
        )
        state = connection.execute(select(T.c.state).where(T.c.id == job_id)).scalar()
    if state is None:
        raise NotFound("This job was deleted.")
    return JobState(state)


def requeue(db: Database, job_id: str, lane: str) -> None:
    """An ended job that was broken off waits for its turn again, at its old place in the queue of the lane."""
    broken_off = [JobState.INTERRUPTED.value, JobState.FAILED.value, JobState.STOPPED.value]
    with db.write() as connection:
        connection.execute(
            update(T)
            .where(T.c.id == job_id, T.c.state.in_(broken_off))
            .values(
                state=JobState.QUEUED.value,
                lane=lane,
                reason="Waiting to go on from its checkpoint.",
                result=None,
                ended_at=None,
                slot=None,
                lease=None,
                lease_until=None,
            )
        )


def fail_next(db: Database, lane: str, reason: str) -> None:
    """The lane's oldest queued job fails, because no worker can be started for it."""
    with db.write() as connection:
        next_up = select(func.min(T.c.number)).where(T.c.lane == lane, T.c.state == JobState.QUEUED.value)
        connection.execute(
            update(T)
            .where(T.c.number == next_up.scalar_subquery(), T.c.state == JobState.QUEUED.value)
            .values(state=JobState.FAILED.value, reason=reason, ended_at=time.time())
        )


def holders(db: Database) -> list[Holder]:
    """The active jobs with the processes that hold them."""
    with db.read() as connection:
        rows = connection.execute(select(T).where(T.c.state.in_(ACTIVE))).all()
    return [
        Holder(
            _record(r, 0),
            r.worker_host or "",
            r.worker_pid or 0,
            r.worker_started or 0.0,
            r.lease_until or 0.0,
        )
        for r in rows
    ]


def has_worked(db: Database, host: str, pid: int) -> bool:
    """Whether a process of this machine has had a job, as far as the last worker of each job tells."""
    with db.read() as connection:
        found = connection.execute(
            select(T.c.id).where(T.c.worker_host == host, T.c.worker_pid == pid).limit(1)
        ).first()
    return found is not None


def interrupt(db: Database, holder: Holder, reason: str) -> bool:
    """Take the job from a silent worker. False when the worker has moved in the meantime."""
    with db.write() as connection:
        result = connection.execute(
            update(T)
            .where(T.c.id == holder.job.id, T.c.state.in_(ACTIVE), T.c.lease_until == holder.lease_until)
            .values(state=JobState.INTERRUPTED.value, reason=reason, ended_at=time.time(), lease=None)
        )
    return bool(result.rowcount)


# --------------------------------------------------------------------------- what the worker writes


def append_events(db: Database, lease: Lease, first_seq: int, events: Sequence[tuple[float, Event]]) -> int:
    """Write events in one transaction. Returns the next sequence number. Raises LeaseLost."""
    if not events:
        return first_seq
    with db.write() as connection:
        _held(connection, lease)
        connection.execute(
            insert(E),
            [
                {"job_id": lease.job_id, "seq": first_seq + i, "at": at, "kind": e.kind, "data": e.to_json()}
                for i, (at, e) in enumerate(events)
            ],
        )
    return first_seq + len(events)


def next_seq(db: Database, job_id: str) -> int:
    """The number of the next event: 0, or behind those of an attempt that was broken off."""
    with db.read() as connection:
        last = connection.execute(select(func.max(E.c.seq)).where(E.c.job_id == job_id)).scalar()
    return 0 if last is None else int(last) + 1


def forget_after(db: Database, lease: Lease, step: int) -> None:
    """Deletes what an attempt that was broken off did after a checkpoint: it is done again."""
    with db.write() as connection:
        _held(connection, lease)
        rows = connection.execute(select(E.c.seq, E.c.data).where(E.c.job_id == lease.job_id)).all()
        gone = [row.seq for row in rows if int(row.data.get("step", 0) or 0) > step]
        for start in range(0, len(gone), 500):
            connection.execute(
                delete(E).where(E.c.job_id == lease.job_id, E.c.seq.in_(gone[start : start + 500]))
            )


@contextmanager
def ending(db: Database, lease: Lease, state: JobState, reason: str, result: dict[str, Any] | None) -> Any:
    """End the job; what the caller writes on the yielded connection is in the same transaction."""
    with db.write() as connection:
        _held(connection, lease)
        yield connection
        connection.execute(
            update(T)
            .where(T.c.id == lease.job_id)
            .values(state=state.value, reason=reason, result=result, ended_at=time.time(), lease=None)
        )


def events_after(db: Database, job_id: str, seq: int = -1) -> list[StoredEvent]:
    """Events with a larger sequence number than `seq`, in order."""
    query = select(E).where(E.c.job_id == job_id, E.c.seq > seq).order_by(E.c.seq)
    with db.read() as connection:
        return [StoredEvent(r.seq, r.at, event_from_json(r.kind, r.data)) for r in connection.execute(query)]


def last_event(db: Database, job_id: str, kind: str) -> Event | None:
    query = select(E).where(E.c.job_id == job_id, E.c.kind == kind).order_by(E.c.seq.desc()).limit(1)
    with db.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else event_from_json(row.kind, row.data)


def _held(connection: Connection, lease: Lease, **values: Any) -> None:
    """Renew `values` under the lease, which also locks the row. Raises LeaseLost."""
    values = values or {"heartbeat_at": time.time()}
    held = connection.execute(
        update(T)
        .where(T.c.id == lease.job_id, T.c.lease == lease.token, T.c.state.in_(ACTIVE))
        .values(**values)
    )
    if held.rowcount == 0:
        raise LeaseLost("This job was taken away from its worker, which had been silent for too long.")


def _ahead(connection: Connection, row: Row[Any]) -> int:
    if row.state != JobState.QUEUED.value:
        return 0
    query = select(func.count()).where(T.c.lane == row.lane, T.c.state.in_(OPEN), T.c.number < row.number)
    return int(connection.execute(query).scalar_one())


def _record(row: Row[Any], ahead: int) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=JobState(row.state),
        reason=row.reason,
        payload=row.payload,
        result=row.result,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        heartbeat_at=row.heartbeat_at,
        ahead=ahead,
    )
