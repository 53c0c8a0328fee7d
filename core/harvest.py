"""Answers to labels that one can train on: what all agreed on, or what one person says, and a new data set of it.

Knows answers, decisions and the evaluation part. Does not know files (`core.exchange`) or screens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from core.data import shelf
from core.data.splits import text_hash
from core.data.table import Table
from core.errors import BadData
from core.labels import consensus as agreements
from core.labels.nouns import Answer, AnswerState, Decision, Scheme
from core.labels.votes import votes_of
from core.records import Dataset, Part, Reading
from core.store import answer_rows, schemes
from core.store import labels as label_rows
from core.workspace import Workspace

PERSON, DECISION = "person", "decision"
METHODS = (*agreements.METHODS, PERSON)
SEPARATORS = ("|", ";", ",", " / ", "\t", "␟")  # the last one is no character of a name that anybody types
LABEL = "label"  # name of the new column; where it is taken, see `_free`
SOFT = "soft_labels"  # in a data set's `source`: class name -> column with its share or probability
_CHUNK = 5_000  # rows


@dataclass(frozen=True)
class How:
    """What becomes the label of a text."""

    method: str = "majority"  # one of METHODS; decisions come before a majority and Dawid-Skene
    who: str | None = None  # annotator id, for “person”
    soft: bool = False  # keep the share or probability of each class beside the label


@dataclass(frozen=True)
class Agreed:
    """The label of one text, and how it came about."""

    labels: tuple[str, ...] | None  # ids, as they are today; None: a tie
    by: str  # a method, or "decision"
    people: int  # who labelled the text
    share: float | None  # of the people who say so, or the probability; None: one person's word
    tied: tuple[str, ...] = ()  # ids between which a tie stands


@dataclass(frozen=True)
class Agreement:
    """Labels of all rows that anybody labelled."""

    rows: dict[int, Agreed]
    label_ids: tuple[str, ...]  # C
    soft: (
        np.ndarray[Any, Any] | None
    )  # (len(rows), C) float32, in the order of `rows`; None: one person's labels
    decided: int  # rows with an adjudicator's word

    @property
    def ties(self) -> int:
        return sum(one.labels is None for one in self.rows.values())


def agreed(ws: Workspace, dataset: Dataset, scheme: Scheme, how: How) -> Agreement:
    """What the answers of a data set come to. Rows are each taken for themselves, identical texts included.

    Raises BadData without any label, or for an unknown method.
    """
    answers = standing(ws, dataset, how.who if how.method == PERSON else None)
    if how.method == PERSON:
        return _of_person(answers, scheme)
    votes = votes_of(answers, scheme)
    computed = agreements.aggregate(votes, how.method)
    decisions = label_rows.decisions(ws.db, dataset.id)
    found = agreements.decided(computed, decisions, scheme)
    certain = found.certainty()
    rows = {}
    for at, row in enumerate(found.rows):
        decided = _decides(decisions.get(row), scheme)
        rows[row] = Agreed(
            found.chosen[at],
            DECISION if decided else how.method,
            found.answers[at],
            None if decided else float(certain[at]),
            found.tied[at],
        )
    return Agreement(rows, found.labels, found.soft, sum(one.by == DECISION for one in rows.values()))


def standing(ws: Workspace, dataset: Dataset, who: str | None = None) -> Iterator[Answer]:
    """The answers that stand, by row, some thousand rows at a time."""
    for start in range(0, dataset.rows, _CHUNK):
        yield from answer_rows.between(ws.db, dataset.id, start, start + _CHUNK, who)


def _of_person(answers: Iterator[Answer], scheme: Scheme) -> Agreement:
    rows = {}
    for answer in answers:
        labels = scheme.now(answer.labels)
        if answer.state is not AnswerState.LABELLED or (answer.labels and not labels):
            continue
        if scheme.several or len(labels) == 1:
            rows[answer.row] = Agreed(labels, PERSON, 1, None)
    return Agreement(rows, tuple(label.id for label in scheme.labels), None, 0)


def _decides(decision: Decision | None, scheme: Scheme) -> bool:
    """Whether a decision still says something (see `consensus.decided`)."""
    if decision is None or decision.labels is None:
        return False
    now = scheme.now(decision.labels)
    return (bool(now) or not decision.labels) and (scheme.several or len(now) == 1)


# --------------------------------------------------------------------------- a data set to train on


def harvest(ws: Workspace, dataset: Dataset, how: How, name: str) -> Dataset:
    """A new data set: all original columns and rows, a label column, and with `how.soft` a column for each class.

    The labelled texts of the evaluation part are its test part; the other labelled ones are split into training and
    validation as usual (and into test where the evaluation part has no label yet). Texts without a label, and ties,
    stay without.
    Raises BadData without a scheme, or without two labels to tell apart.
    """
    scheme = schemes.newest(ws.db, dataset.id)
    if scheme is None:
        raise BadData(f"“{dataset.name}” has no labels yet. Make its scheme on the Annotate page first.")
    if how.soft and how.method == PERSON:
        raise BadData("One person's labels are not soft. Choose a consensus, or hard labels.")
    found = agreed(ws, dataset, scheme, how)
    labelled = sum(bool(one.labels) for one in found.rows.values())
    if not labelled:
        raise BadData("No text has a label yet, so there is nothing to train on. Label some texts first.")
    table, separator = _table(ws, dataset, scheme, found, how)
    columns = len(dataset.columns)
    names = {label.id: label.name for label in scheme.labels}
    source: dict[str, Any] = {
        "labelled": {
            "dataset": dataset.id,
            "name": dataset.name,
            "scheme_version": scheme.version,
            "method": how.method,
            "people": _people(ws, dataset, how),
            "labels": labelled,
            "decisions": found.decided,
            "ties": found.ties,
        }
    }
    if how.soft:
        source[SOFT] = {names[one]: columns + 1 + at for at, one in enumerate(found.label_ids)}
    return ws.add_dataset(
        table,
        name=name,
        text_column=dataset.text_column,
        label_column=columns,
        source=source,
        label_separator=separator,
    )


def _table(
    ws: Workspace, dataset: Dataset, scheme: Scheme, found: Agreement, how: How
) -> tuple[Table, str | None]:
    """The table of the new data set, with the evaluation part given as test, and what separates labels in it."""
    names = {label.id: label.name for label in scheme.labels}
    separator = separator_for(names.values()) if scheme.several else None
    stored = shelf.arrow(ws.settings.datasets / dataset.id)
    plan = label_rows.plan(ws.db, dataset.id)
    cells: list[str | None] = [None] * dataset.rows
    parts: list[str | None] = [None] * dataset.rows
    texts = stored["text"]
    for row, one in found.rows.items():
        text = texts[row].as_py()
        if one.labels and text is not None:
            cells[row] = (separator or "").join(names[label] for label in one.labels)
            if plan.evaluates(text_hash(text)):
                parts[row] = Part.TEST.value
    columns = [LABEL if LABEL not in dataset.columns else _free("annotated label", dataset.columns)]
    data = [*(stored[f"c{i}"] for i in range(len(dataset.columns))), pa.array(cells, pa.large_string())]
    if how.soft and found.soft is not None:
        what = "share" if how.method == "majority" else "probability"
        shares = np.full((dataset.rows, len(found.label_ids)), np.nan, dtype=np.float32)
        shares[list(found.rows)] = found.soft
        for at, label in enumerate(found.label_ids):
            columns.append(_free(f"{what} of {names[label]}", [*dataset.columns, *columns]))
            column = [None if np.isnan(value) else f"{value:.6g}" for value in shares[:, at]]
            data.append(pa.array(column, pa.large_string()))
    whole = pa.table(data, names=[f"c{i}" for i in range(len(data))])
    notes = [
        f"Labels given to “{dataset.name}” on the Annotate page, version {scheme.version} of its scheme."
    ]
    if found.ties:
        notes.append(f"{found.ties:,} texts on which the answers are tied have no label.")
    given = tuple(parts) if any(parts) else None
    reading = Reading(format="labels given here")
    return Table((*dataset.columns, *columns), whole, reading, tuple(notes), given), separator


def separator_for(names: Any) -> str:
    return next((s for s in SEPARATORS if not any(s in name for name in names)), SEPARATORS[-1])


def _people(ws: Workspace, dataset: Dataset, how: How) -> list[str]:
    return [
        person.name
        for person in label_rows.annotators(ws.db, dataset.id)
        if how.method != PERSON or person.id == how.who
    ]


def _free(wanted: str, taken: Any) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted} ({number})"
    return name
