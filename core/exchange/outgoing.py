"""From a data set and its answers to a file: streamed by some thousand rows, whole or not at all.

Knows which texts and answers go into a file. Does not know how a format writes them (`core.labels.exchange`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from core import harvest
from core.data import shelf
from core.data.formulas import Guard, quoted
from core.data.whole import whole_file
from core.errors import BadData
from core.labels import exchange as formats
from core.labels.exchange.nouns import (
    Header,
    Item,
    Said,
    join_labels,
    separator_for,
    time_words,
)
from core.labels.nouns import Answer, AnswerState, Decision, Scheme
from core.records import Dataset
from core.store import answer_rows, schemes
from core.store import labels as label_rows
from core.workspace import Workspace

PER = ("text", "annotation")
_CHUNK = 2_000  # rows, or entries of the trail, at once
TRAIL = (
    "number", "received", "answered", "annotator", "row", "text", "labels", "label_ids", "state", "flagged", "note",
    "key", "source", "suggested", "suggestion_probability", "suggested_by", "seconds", "spread_from", "session", "seq",
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What to take along."""

    format: str = "csv"  # a name of core.labels.exchange.FORMATS
    per: str = "text"  # one line for each text, with the label that was agreed on, or one for each annotation
    who: str | None = None  # annotator id: only this person's answers
    aggregate: str = "majority"  # or “dawid-skene”: how one label comes out of several answers
    guard: bool = True  # CSV: an apostrophe before what a spreadsheet would run as a formula


@dataclass(frozen=True)
class Written:
    texts: int  # that stand in the file
    annotations: int  # labels and skips in it
    ties: int = 0  # texts that have no label, because the answers are tied
    guarded: int = 0  # cells that got an apostrophe


def export(ws: Workspace, dataset: Dataset, out: Path, choice: Choice) -> Written:
    """Writes the file; it appears when it is complete. With one line a text every text is in it, labelled or not;
    with one line an annotation only those that somebody answered.

    Raises BadData without a scheme or for an unknown format, BadFile where the folder is missing, DiskFull.
    """
    form = formats.named(choice.format)
    if choice.per not in PER:
        raise BadData(f"There is one line per text or per annotation, not per “{choice.per}”.")
    scheme = _scheme(ws, dataset)
    lines = _Lines(ws, dataset, scheme, choice)
    header = header_of(dataset, scheme, choice)
    with whole_file(out) as stream:
        guarded = form.write(stream, header, lines.items())
    return Written(lines.texts, lines.annotations, lines.ties, guarded)


def header_of(dataset: Dataset, scheme: Scheme, choice: Choice) -> Header:
    names = tuple(label.name for label in scheme.labels)
    return Header(dataset.columns, dataset.text_column, names, scheme.several, choice.per, choice.guard)


def file_name(dataset: Dataset, choice: Choice | None) -> str:
    """A name for the download; None: the audit trail."""
    safe = "".join(c if c.isalnum() or c in " -_." else "-" for c in dataset.name).strip(" .")[:80] or "data"
    if choice is None:
        return f"{safe}-trail.csv"
    form = formats.named(choice.format)
    what = "labels" if choice.per == "text" else "annotations"
    return f"{safe}-{what}{'' if form.name in ('csv', 'jsonl') else '-' + form.name}{form.suffix}"


class _Lines:
    """The texts of a file on their way, counted as they go."""

    def __init__(self, ws: Workspace, dataset: Dataset, scheme: Scheme, choice: Choice) -> None:
        self.ws, self.dataset, self.scheme, self.choice = ws, dataset, scheme, choice
        self.texts = self.annotations = self.ties = 0
        self.names = {label.id: label.name for label in scheme.labels}
        self.people = {one.id: one.name for one in label_rows.annotators(ws.db)}
        self.agreed: dict[int, harvest.Agreed] = {}
        self.decisions: dict[int, Decision] = {}
        if choice.per == "text" and choice.who is None:
            if label_rows.last_number(ws.db, dataset.id):
                self.agreed = _agreed(ws, dataset, scheme, choice.aggregate)
            self.decisions = label_rows.decisions(ws.db, dataset.id)

    def items(self) -> Iterator[Item]:
        table = shelf.arrow(self.ws.settings.datasets / self.dataset.id)
        start = 0
        for batch in table.to_batches(max_chunksize=_CHUNK):
            answers = answer_rows.between(
                self.ws.db, self.dataset.id, start, start + batch.num_rows, self.choice.who
            )
            yield from self._batch(batch, start, answers)
            start += batch.num_rows

    def _batch(self, batch: pa.RecordBatch, start: int, answers: Sequence[Answer]) -> Iterator[Item]:
        by_row: dict[int, list[Answer]] = {}
        for answer in answers:
            by_row.setdefault(answer.row, []).append(answer)
        texts = batch.column("text").to_pylist()
        cells = [batch.column(f"c{i}").to_pylist() for i in range(len(self.dataset.columns))]
        for at in range(batch.num_rows):
            row = start + at
            own = by_row.get(row, [])
            if self.choice.per == "annotation":
                said = tuple(made for one in own if (made := self._of_person(one)) is not None)
                if not said:
                    continue
            else:
                said = self._of_text(row, own)
            self.texts += 1
            self.annotations += len(said)
            yield Item(row, texts[at], tuple(column[at] for column in cells), said)

    def _of_person(self, answer: Answer) -> Said | None:
        """None: its labels were all deleted, so that it says nothing any more."""
        labels = self.scheme.now(answer.labels)
        if answer.state is AnswerState.LABELLED and not labels and (answer.labels or not self.scheme.several):
            return None
        person = self.people.get(answer.annotator_id, answer.annotator_id)
        return Said(
            labels=tuple(self.names[one] for one in labels),
            state=answer.state,
            annotator=person,
            flagged=answer.flagged,
            note=answer.note,
            stamp=answer.stamp,
            seconds=answer.seconds,
            source=answer.source.value,
            by=person,
            people=1,
        )

    def _of_text(self, row: int, answers: Sequence[Answer]) -> tuple[Said, ...]:
        """What is agreed on, or this one person's word; empty: nothing."""
        if self.choice.who is not None:
            return tuple(made for one in answers if (made := self._of_person(one)) is not None)
        found = self.agreed.get(row)
        if found is None:
            return ()
        if found.labels is None:
            self.ties += 1
            return ()
        decision = self.decisions.get(row) if found.by == harvest.DECISION else None
        notes = [decision.note] if decision is not None and decision.note else []
        notes += [f"{self.people.get(one.annotator_id, '')}: {one.note}" for one in answers if one.note]
        return (
            Said(
                labels=tuple(self.names[one] for one in found.labels),
                state=AnswerState.LABELLED,
                flagged=any(one.flagged for one in answers),
                note="\n".join(notes),
                by=found.by,
                people=found.people,
                share=found.share,
            ),
        )


def _agreed(ws: Workspace, dataset: Dataset, scheme: Scheme, method: str) -> dict[int, harvest.Agreed]:
    if next(harvest.standing(ws, dataset), None) is None:
        return {}
    return harvest.agreed(ws, dataset, scheme, harvest.How(method)).rows


# --------------------------------------------------------------------------- the audit trail


def export_trail(ws: Workspace, dataset: Dataset, out: Path, *, guard: bool = True) -> Written:
    """Every answer that ever came, as CSV, oldest first: who, when, which key, which suggestion and its probability,
    how the label came about, how long the text stood on the screen.

    Labels have the name that they had last, also where they were merged or deleted since; `label_ids` stay the same
    through every rename. Raises BadData without a scheme, BadFile, DiskFull.
    """
    _scheme(ws, dataset)
    versions = schemes.versions(ws.db, dataset.id)
    names = {label.id: label.name for version in reversed(versions) for label in version.labels}
    texts = shelf.arrow(ws.settings.datasets / dataset.id)["text"]
    safe = Guard(guard, quoted)
    separator = separator_for(list(names.values()))
    count, after = 0, 0
    with whole_file(out) as stream:
        writer = csv.writer(stream)
        writer.writerow(TRAIL)
        while entries := label_rows.trail(ws.db, dataset.id, after, _CHUNK):
            for entry in entries:
                text = texts[entry.sent.answer.row].as_py()
                writer.writerow(safe.row(_entry(entry, text, names, separator)))
            count += len(entries)
            after = entries[-1].number
    return Written(0, count, 0, safe.count)


def _entry(
    entry: label_rows.TrailEntry, text: str | None, names: dict[str, str], separator: str | None
) -> list[str]:
    answer = entry.sent.answer
    suggestion = answer.suggestion or {}
    suggested = [names.get(one, one) for one in suggestion.get("labels", ())]
    probability = suggestion.get("probability")
    return [
        str(entry.number),
        time_words(round(answer.at * 1_000_000)),
        time_words(answer.stamp),
        entry.annotator,
        str(answer.row),
        text or "",
        join_labels([names.get(one, one) for one in answer.labels], separator) if answer.labels else "",
        " ".join(answer.labels),
        answer.state.value,
        "true" if answer.flagged else "",
        answer.note,
        answer.key,
        answer.source.value,
        join_labels(suggested, separator) if suggested else "",
        "" if probability is None else f"{float(probability):.6g}",
        str(suggestion.get("by", "")),
        "" if answer.seconds is None else f"{answer.seconds:.3f}",
        "" if entry.spread_from is None else str(entry.spread_from),
        entry.sent.session,
        str(entry.sent.seq),
    ]


# --------------------------------------------------------------------------- the details


def _scheme(ws: Workspace, dataset: Dataset) -> Scheme:
    scheme = schemes.newest(ws.db, dataset.id)
    if scheme is None:
        raise BadData(f"“{dataset.name}” has no labels yet. Make its scheme on the Annotate page first.")
    return scheme
