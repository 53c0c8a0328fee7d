"""Which of one person's arrivals for a text stands, and how it gets into the tables.

The rule is a function of the set of arrivals, so they may come in any order: the newest of his own answers; where
there is none, or he took it back, the newest of all, copies from identical texts included. Newest is by the sender's
stamp; session and number settle a tie. Used within the transaction of core.store.labels.save.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, delete, insert, select

from core.errors import BadData
from core.labels.nouns import Answer, AnswerState, Sent, Source
from core.store import schema
from core.store.slots import chunks

T = schema.answer_trail
N = schema.answers
_ANSWER = ("labels", "state", "stamp", "flagged", "note", "at", "seconds", "key", "source", "suggestion")
_BULK = 5000  # rows of one INSERT

Columns = Mapping[str, Any] | RowMapping  # of a row of the trail or of the answers


@dataclass(frozen=True)
class Arrival:
    """An answer with its number in the trail."""

    number: int
    key: tuple[int, str, int]  # stamp, session, seq: the greater, the newer
    own: bool  # not copied from an identical text
    answer: Answer

    @property
    def row(self) -> int:
        return self.answer.row


def standing(arrivals: Iterable[Arrival]) -> Arrival:
    """Of one person's arrivals for one text (at least one) the one that stands."""
    known = list(arrivals)
    own = max((one for one in known if one.own), key=_newness, default=None)
    if own is not None and own.answer.state != AnswerState.CLEARED:
        return own
    return max(known, key=_newness)


def unknown(connection: Connection, dataset_id: str, annotator_id: str, sent: Sequence[Sent]) -> list[Sent]:
    """Those that did not come before, each once. Raises BadData for a number that another answer used."""
    there: dict[tuple[str, int, int], Row[Any]] = {}
    for session in sorted({one.session for one in sent}):
        for some in chunks(sorted({one.seq for one in sent if one.session == session})):
            query = select(T).where(T.c.session == session, T.c.seq.in_(some))
            there |= {(row.session, row.seq, row.row): row for row in connection.execute(query)}
    fresh: dict[tuple[str, int, int], Sent] = {}
    for one in sent:
        found = there.get((one.session, one.seq, one.answer.row))
        if found is None:
            fresh.setdefault((one.session, one.seq, one.answer.row), one)
            continue
        copied = found.spread_from is not None and tuple(found.labels) != one.answer.labels
        if copied or (found.dataset_id, found.annotator_id) != (dataset_id, annotator_id):
            raise BadData("This desk's numbers were used by another one. Reload the page and answer again.")
    return list(fresh.values())


def append(
    connection: Connection,
    dataset_id: str,
    annotator_id: str,
    fresh: Sequence[Sent],
    groups: Mapping[int, Sequence[int]],
    now: float,
) -> list[Arrival]:
    """Put answers and their copies for identical texts (`groups`: row -> its whole group) into the trail."""
    whose = {"dataset_id": dataset_id, "annotator_id": annotator_id, "at": now}
    rows = [{**whose, **_values(one, one.answer.row, None)} for one in fresh]
    taken = {(one.session, one.seq, one.answer.row) for one in fresh}
    for one in fresh:
        for row in groups[one.answer.row]:
            if (one.session, one.seq, row) not in taken:
                taken.add((one.session, one.seq, row))
                rows.append({**whose, **_values(one, row, one.answer.row)})
    statement = insert(T).returning(T.c.number, sort_by_parameter_order=True)
    arrivals = []
    for some in chunks(rows, _BULK):
        numbers = connection.execute(statement, list(some)).scalars()
        arrivals += [_arrival({"number": n, **row}) for n, row in zip(numbers, some, strict=True)]
    return arrivals


def settle(
    connection: Connection,
    dataset_id: str,
    annotator_id: str,
    arrivals: Sequence[Arrival],
    groups: Mapping[int, Sequence[int]],
) -> dict[int, Answer]:
    """Write what stands now of every row that something arrived for. Returns row -> answer."""
    by_row: dict[int, list[Arrival]] = {}
    for one in arrivals:
        by_row.setdefault(one.row, []).append(one)
    late = _late(connection, dataset_id, annotator_id, by_row, groups)
    stands = {row: standing(known).answer for row, known in by_row.items() if row not in late}
    earlier: dict[int, list[Arrival]] = {}
    for one in _read(connection, select(T), T, dataset_id, annotator_id, sorted(late)):
        earlier.setdefault(one.row, []).append(one)
    stands |= {row: standing(known).answer for row, known in earlier.items()}
    # The number of what arrived last, also where something older stands again: who reads on sees the change.
    numbers = {row: max(one.number for one in known) for row, known in by_row.items()}
    for some in chunks(sorted(stands)):
        connection.execute(delete(N).where(*_whose(N, dataset_id, annotator_id, some)))
        values = [_plain(stands[row]) for row in some]
        connection.execute(
            insert(N), [{"dataset_id": dataset_id, "number": numbers[one["row"]], **one} for one in values]
        )
    return stands


def as_answer(row: Columns) -> Answer:
    """The record of a row of the trail or of the answers."""
    values = {name: row[name] for name in ("row", "annotator_id", *_ANSWER)}
    values["labels"] = tuple(values["labels"])
    values["state"] = AnswerState(values["state"])
    values["source"] = Source(values["source"])
    return Answer(**values)


def _late(
    connection: Connection,
    dataset_id: str,
    annotator_id: str,
    by_row: dict[int, list[Arrival]],
    groups: Mapping[int, Sequence[int]],
) -> set[int]:
    """Rows of which the trail has to tell what stands; to the others, adds what stood to `by_row`.

    Where all that arrived is newer than all that stood for a text and its twins, the two together decide. Else an
    earlier arrival that does not show may.
    """
    whole = {row: group for group in groups.values() for row in group}
    stood = _read(connection, select(N), N, dataset_id, annotator_id, sorted(by_row))
    newest = {one.row: one.answer.stamp for one in stood}
    late: set[int] = set()
    for row, known in by_row.items():
        oldest = min(one.answer.stamp for one in known)
        if any(newest.get(other, oldest - 1) >= oldest for other in whole[row]):
            late.update(other for other in whole[row] if other in by_row)
    for one in stood:
        if one.row not in late:
            by_row[one.row].append(one)
    return late


def _read(
    connection: Connection, query: Any, table: Any, dataset_id: str, annotator_id: str, rows: Sequence[int]
) -> list[Arrival]:
    found = []
    for some in chunks(rows):
        where = _whose(table, dataset_id, annotator_id, some)
        found += [_arrival(row._mapping) for row in connection.execute(query.where(*where))]
    return found


def _whose(table: Any, dataset_id: str, annotator_id: str, rows: Sequence[int]) -> tuple[Any, ...]:
    return (
        table.c.dataset_id == dataset_id,
        table.c.annotator_id == annotator_id,
        table.c.row.in_(rows),
    )


def _arrival(row: Columns) -> Arrival:
    """`answers` has no session and number; they are not asked where one stamp is greater than the other."""
    key = (row["stamp"], row.get("session", ""), row.get("seq", 0))
    answer = as_answer(row)
    return Arrival(row["number"], key, answer.source != Source.SPREAD, answer)


def _newness(one: Arrival) -> tuple[int, str, int]:
    return one.key


def _values(one: Sent, row: int, spread_from: int | None) -> dict[str, Any]:
    source = one.answer.source
    if spread_from is not None:
        source = Source.SPREAD
    elif source == Source.SPREAD:  # an answer from outside, which was a copy where it comes from
        source = Source.IMPORTED
    values = {**_plain(one.answer), "row": row, "source": source.value}
    del values["at"], values["annotator_id"]
    return {**values, "session": one.session, "seq": one.seq, "spread_from": spread_from}


def _plain(answer: Answer) -> dict[str, Any]:
    values = {**asdict(answer), "labels": list(answer.labels)}
    return values | {"state": answer.state.value, "source": answer.source.value}
