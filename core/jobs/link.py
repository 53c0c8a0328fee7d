"""A worker's line to the store: events out, heartbeat out, requests to stop in.

Knows nothing of what the job does. Step events are thinned to two a second (with the mean loss of the
steps between), so that the store's cost does not grow with the speed of the machine.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import TracebackType

from core.errors import LeaseLost
from core.records import Event, Progress, Started, Step
from core.store import Database
from core.store import jobs as job_rows

LOOK_SECONDS = 0.5  # between looks for a request to stop
FLUSH_SECONDS = 0.5  # between writes of step events


class Link:
    """`with Link(...) as link:` keeps the lease alive until the block ends."""

    def __init__(self, db: Database, lease: job_rows.Lease, lease_seconds: float) -> None:
        self.db = db
        self.lease = lease
        self.lease_seconds = lease_seconds
        self.stop_reason = ""
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._done = threading.Event()
        self._seq = job_rows.next_seq(db, lease.job_id)
        self._losses: list[float] = []
        self._pending: Step | Progress | None = None
        self._flushed = 0.0
        self._thread = threading.Thread(target=self._keep_alive, name="heartbeat", daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(timeout=5)

    def should_stop(self) -> bool:
        return self._stop.is_set() or self._lost.is_set()

    def ask_to_stop(self, reason: str) -> None:
        """From a signal handler: as if the user had asked."""
        self.stop_reason = reason
        self._stop.set()

    def emit(self, event: Event) -> None:
        """Write an event; frequent kinds are thinned. Raises LeaseLost."""
        if self._lost.is_set():
            raise LeaseLost("This job was taken away from its worker.")
        if isinstance(event, Started) and event.resumed_from:
            job_rows.forget_after(self.db, self.lease, event.resumed_from)
        if isinstance(event, Step | Progress):
            if isinstance(event, Step):
                self._losses.append(event.loss)
            self._pending = event
            if time.monotonic() - self._flushed < FLUSH_SECONDS:
                return
            self.flush()
        else:
            self.flush(event)

    def flush(self, *more: Event) -> None:
        """Write what waits, then `more`, in one transaction."""
        events: list[Event] = []
        if self._pending is not None:
            pending = self._pending
            if isinstance(pending, Step):
                pending = replace(pending, loss=sum(self._losses) / len(self._losses))
            events.append(pending)
        events.extend(more)
        now = time.time()
        self._seq = job_rows.append_events(self.db, self.lease, self._seq, [(now, e) for e in events])
        self._pending, self._losses, self._flushed = None, [], time.monotonic()

    def _keep_alive(self) -> None:
        beaten = time.monotonic()
        while not self._done.wait(LOOK_SECONDS):
            try:
                if time.monotonic() - beaten >= self.lease_seconds / 6:
                    beaten = time.monotonic()
                    stopping = job_rows.beat(self.db, self.lease, self.lease_seconds)
                else:
                    stopping = job_rows.stop_requested(self.db, self.lease)
            except LeaseLost:
                self._lost.set()
                return
            except Exception as error:  # noqa: BLE001  a busy database must not end the heartbeat
                print(f"heartbeat: {error}", flush=True)  # noqa: T201  the worker's log
                continue
            if stopping:
                self._stop.set()
