"""The events of a run as this tab has read them; each look at the store asks for the new ones only.

Knows which events of an earlier attempt still hold after a run went on from a checkpoint. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import streamlit as st

from core.records import (
    Checkpointed,
    Dataset,
    Evaluated,
    Event,
    FirstBatch,
    Note,
    Progress,
    Run,
    Rung,
    Started,
    Step,
)
from core.workspace import Workspace

_Kind = TypeVar("_Kind", bound=Event)


@dataclass
class EventLog:
    """The events of one run that were read so far, in their order."""

    job_id: str
    seq: int = -1
    events: list[Event] = field(default_factory=list)

    def read(self, workspace: Workspace) -> None:
        for stored in workspace.events_after(self.job_id, self.seq):
            self.seq = stored.seq
            self.add(stored.event)

    def add(self, event: Event) -> None:
        """A run that starts again takes its steps after the checkpoint once more: the first ones no longer hold."""
        if isinstance(event, Started):
            self.events = [e for e in self.events if not _undone(e, event.resumed_from)]
        self.events.append(event)

    @property
    def steps(self) -> list[Step]:
        return [e for e in self.events if isinstance(e, Step)]

    @property
    def evaluations(self) -> list[Evaluated]:
        return [e for e in self.events if isinstance(e, Evaluated)]

    @property
    def notes(self) -> list[str]:
        return [e.message for e in self.events if isinstance(e, Note)]

    @property
    def rungs(self) -> list[Rung]:
        return [e for e in self.events if isinstance(e, Rung)]

    @property
    def started(self) -> Started | None:
        return self._last(Started)

    @property
    def first_batch(self) -> FirstBatch | None:
        return self._last(FirstBatch)

    @property
    def checkpoint(self) -> Checkpointed | None:
        return self._last(Checkpointed)

    @property
    def preparing(self) -> Progress | None:
        """How far the work before or between the steps has come; None while steps are taken."""
        working = (e for e in reversed(self.events) if isinstance(e, Progress | Step))
        newest = next(working, None)
        return newest if isinstance(newest, Progress) else None

    def _last(self, kind: type[_Kind]) -> _Kind | None:
        return next((e for e in reversed(self.events) if isinstance(e, kind)), None)


def _undone(event: Event, resumed_from: int) -> bool:
    return isinstance(event, Step | Evaluated | Checkpointed) and event.step > resumed_from


def event_log(workspace: Workspace, job_id: str) -> EventLog:
    """The log of a run, kept in the session so that a tick costs only what is new."""
    log = st.session_state.get("event_log")
    if not isinstance(log, EventLog) or log.job_id != job_id:
        log = EventLog(job_id)
        st.session_state["event_log"] = log
    log.read(workspace)
    return log


def class_names(run: Run, dataset: Dataset | None, classes: int) -> list[str]:
    """The names of a run's `classes` classes in the order of its figures; numbers where nobody knows the names.

    A run sorts its classes by name, and each is a class of the data set: equal counts are equal classes."""
    candidates: list[Sequence[str]] = []
    if run.validation is not None:
        candidates.append(run.validation.labels)
    if dataset is not None:
        candidates.append(sorted(dataset.labels))
    numbers = [f"class {i + 1}" for i in range(classes)]
    return list(next((names for names in candidates if len(names) == classes), numbers))
