"""From a file of labels to answers: read, matched and counted first (`propose`), and only then saved (`bring_in`).

Knows which label, which person and which text a line means. Does not know screens.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data.table import column_index
from core.errors import BadData
from core.exchange.matching import Matcher
from core.exchange.reading import Wish, open_file
from core.labels import scheme as schemes_of
from core.labels.exchange.nouns import Found
from core.labels.nouns import Answer, AnswerState, Scheme, Sent, Source
from core.labels.rules import clean
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace

_BATCH = 2_000  # answers in one transaction
_LONGEST_NAME = 80  # as core.store.labels takes them
_SHOWN = 5  # lines that are named as examples


@dataclass(frozen=True)
class Said:
    """An answer of the file, labels by name."""

    labels: tuple[str, ...]
    state: AnswerState
    flagged: bool
    note: str
    stamp: int | None
    seconds: float | None


@dataclass
class Proposal:
    """What a file would bring. Nothing is written yet."""

    dataset: Dataset
    session: (
        str  # follows from the file's content and what was said about it: the same file changes nothing twice
    )
    format: str  # title
    lines: int = 0  # lines, or annotations
    silent: int = 0  # lines on which nobody says anything
    matched: Counter[str] = field(default_factory=Counter)  # by what -> lines
    unmatched: Counter[str] = field(default_factory=Counter)  # why -> lines
    examples: list[tuple[int, str]] = field(
        default_factory=list
    )  # lines without a text here: number and text
    people: Counter[str] = field(default_factory=Counter)  # name -> answers
    new_people: tuple[str, ...] = ()
    labels: Counter[str] = field(default_factory=Counter)  # name, as it is today -> answers
    new_labels: tuple[str, ...] = ()  # that the scheme does not have
    renamed: dict[str, str] = field(default_factory=dict)  # name in the file -> name today
    skipped: int = 0
    several: int = 0  # lines with more than one label
    contradicted: int = 0  # a person says different things of one text; the last one counts
    left_out: Counter[str] = field(default_factory=Counter)  # why -> lines
    answers: dict[tuple[str, int], Said] = field(default_factory=dict)  # (name, row)
    scheme: Scheme | None = None  # as it was when the file was read
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> int:
        return sum(self.matched.values())

    @property
    def missing(self) -> int:
        return sum(self.unmatched.values())

    @property
    def refusal(self) -> str | None:
        """Why this cannot be brought in at all; None: it can (perhaps only in part, see `missing`)."""
        if not self.answers:
            return f"Nothing of this file can be brought in: {matched_words(self)} Check the columns."
        if self.several and self.scheme is not None and not self.scheme.several:
            return (
                f"{_lines(self.several, 'gives', 'give')} a text several labels, and in this data set each text "
                "has one. Allow several labels a text in the scheme, or choose another file."
            )
        return None


@dataclass(frozen=True)
class Imported:
    answers: int  # that this file holds for texts here
    new: int  # arrivals that were not here before
    people: tuple[str, ...]
    added_labels: tuple[str, ...]


# --------------------------------------------------------------------------- look


def propose(ws: Workspace, dataset: Dataset, path: Path, name: str, wish: Wish) -> Proposal:
    """What the file at `path` (called `name`) would bring. Writes nothing.

    Raises BadFile, TooLarge, BadColumn, BadData.
    """
    scheme = schemes.newest(ws.db, dataset.id)
    opened = open_file(ws, dataset, scheme, path, name, wish)
    proposal = Proposal(dataset, opened.session, opened.title, scheme=scheme, notes=opened.notes)
    at = None if opened.item is None else column_index(dataset.columns, opened.item)
    _gather(proposal, opened.lines, Matcher(opened.stored, at), _Names(ws, scheme), wish.who)
    known = {person.name for person in label_rows.annotators(ws.db)}
    proposal.new_people = tuple(one for one in proposal.people if one not in known)
    return proposal


def _gather(proposal: Proposal, lines: Iterator[Found], matcher: Matcher, names: _Names, who: str) -> None:
    new: dict[str, None] = {}
    for found in lines:
        proposal.lines += 1
        if found.fault:
            proposal.left_out[found.fault] += 1
            continue
        if found.labels is None:
            proposal.silent += 1
            continue
        rows, how = matcher.match(found)
        if not rows:
            proposal.unmatched[how] += 1
            if len(proposal.examples) < _SHOWN:
                proposal.examples.append((found.line, found.text or found.item or ""))
            continue
        proposal.matched[how] += 1
        labels = tuple(dict.fromkeys(names.today(label) for label in found.labels))
        proposal.several += len(labels) > 1
        proposal.skipped += found.state is AnswerState.SKIPPED
        proposal.labels.update(labels)
        new.update(dict.fromkeys(label for label in labels if not names.known(label)))
        person = " ".join((found.annotator or who).split())
        proposal.people[person] += 1
        said = Said(labels, found.state, found.flagged, found.note, found.stamp, found.seconds)
        for row in rows:
            before = proposal.answers.get((person, row))
            if before is not None and (before.labels, before.state) != (said.labels, said.state):
                proposal.contradicted += 1
            if before is None or (said.stamp or 0) >= (before.stamp or 0):
                proposal.answers[person, row] = said
    proposal.new_labels = tuple(new)
    proposal.renamed = dict(names.renamed)


class _Names:
    """Labels of a file, read through the scheme: a name that a label had once means what the label is today."""

    def __init__(self, ws: Workspace, scheme: Scheme | None) -> None:
        self._today = {} if scheme is None else {label.name: label.name for label in scheme.labels}
        self.renamed: dict[str, str] = {}
        self._former: dict[str, str] = {}
        for version in [] if scheme is None else schemes.versions(ws.db, scheme.dataset_id):
            for label in version.labels:
                now = [scheme.label(one) for one in scheme.now((label.id,))] if scheme else []
                if label.name not in self._today and now and now[0] is not None:
                    self._former.setdefault(label.name, now[0].name)

    def today(self, name: str) -> str:
        name = clean(name).strip()
        if name in self._former:
            self.renamed[name] = self._former[name]
            return self._former[name]
        return name

    def known(self, name: str) -> bool:
        return name in self._today


# --------------------------------------------------------------------------- take over


def bring_in(ws: Workspace, proposal: Proposal, *, author: str, partly: bool = False) -> Imported:
    """Saves what was proposed: new labels in one new version of the scheme, people by name, then the answers.

    A second time it changes nothing, and what was broken off can be done again. `partly`: also where some lines
    speak of texts that are not here. Raises BadData, before anything is written, where it may not be; InUse where
    the labels were changed in the meantime.
    """
    if proposal.refusal:
        raise BadData(proposal.refusal)
    if proposal.missing and not partly:
        raise BadData(
            f"Nothing was brought in: {matched_words(proposal)} Choose the data set that this file belongs to, or say "
            "that the other lines are to be brought in all the same."
        )
    if "" in proposal.people:
        raise BadData(
            "The file does not say who labelled. Name a column with names, or whose labels these are."
        )
    for name in proposal.people:
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise BadData(
                f"“{name[:40]}” is no name of a person: it has more than {_LONGEST_NAME} characters, or some that "
                "cannot be printed. Choose another column for the annotator."
            )
    scheme = _scheme(ws, proposal, author)
    before = label_rows.last_number(ws.db, proposal.dataset.id)
    people = {name: label_rows.annotator(ws.db, name) for name in proposal.people}
    for name, person in people.items():
        for chunk in _chunks(_sent(proposal, name, person.id, scheme)):
            label_rows.save(ws.db, proposal.dataset.id, person.id, chunk)
    new = sum(
        entry.sent.session == proposal.session for entry in _trail_after(ws, proposal.dataset.id, before)
    )
    return Imported(len(proposal.answers), new, tuple(people), proposal.new_labels)


def _scheme(ws: Workspace, proposal: Proposal, author: str) -> Scheme:
    if proposal.scheme is None:
        made = schemes_of.from_names(
            proposal.dataset.id,
            list(proposal.new_labels),
            author=author,
            several=proposal.several > 0,
            change=f"Started with the {len(proposal.new_labels):,} labels of a file.",
        )
        return schemes.add(ws.db, made)
    if not proposal.new_labels:
        return proposal.scheme
    return schemes.add(ws.db, schemes_of.add(proposal.scheme, list(proposal.new_labels), author=author))


def _sent(proposal: Proposal, name: str, person: str, scheme: Scheme) -> Iterator[Sent]:
    """The numbers follow from the file alone, so that the same file gives the same ones."""
    ids = {label.name: label.id for label in scheme.labels}
    now = time.time_ns() // 1000
    for seq, ((who, row), said) in enumerate(proposal.answers.items(), start=1):
        if who != name:
            continue
        if said.state is AnswerState.LABELLED and not said.labels and not scheme.several:
            continue  # that none applies can only be said where several may
        labels = () if said.state is AnswerState.SKIPPED else tuple(ids[label] for label in said.labels)
        yield Sent(
            proposal.session,
            seq,
            Answer(
                row=row,
                annotator_id=person,
                labels=labels,
                state=said.state,
                stamp=now if said.stamp is None else said.stamp,
                flagged=said.flagged,
                note=clean(said.note),
                seconds=said.seconds,
                key="import",
                source=Source.IMPORTED,
            ),
        )


def _chunks(sent: Iterator[Sent]) -> Iterator[list[Sent]]:
    chunk: list[Sent] = []
    for one in sent:
        chunk.append(one)
        if len(chunk) == _BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _trail_after(ws: Workspace, dataset_id: str, number: int) -> Iterator[label_rows.TrailEntry]:
    while entries := label_rows.trail(ws.db, dataset_id, number, _BATCH):
        yield from entries
        number = entries[-1].number


# --------------------------------------------------------------------------- in words


def matched_words(proposal: Proposal) -> str:
    """“Of 12 lines 10 speak of texts of this data set; 2 do not: …” as a sentence."""
    words = f"of {_lines(proposal.lines)}, {proposal.found:,} speak of texts of this data set"
    if proposal.silent:
        words += f", {proposal.silent:,} say nothing"
    words += f", and {proposal.missing:,} do not match any text here"
    if proposal.examples:
        number, text = proposal.examples[0]
        shown = " ".join(text.split())
        words += f" (line {number:,}: “{shown[:60]}{'…' if len(shown) > 60 else ''}”)"
    return words + "."


def _lines(n: int, one: str = "", many: str = "") -> str:
    words = "1 line" if n == 1 else f"{n:,} lines"
    verb = one if n == 1 else many
    return f"{words} {verb}".strip()
