"""What the People view reads: everybody's answers, read once for each state of the store. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.desk import Desk
from core.labels.agreement import Agreement, measure
from core.labels.consensus import Consensus, aggregate
from core.labels.nouns import Annotator, Answer, Scheme
from core.labels.votes import Votes, units, votes_of
from core.records import Dataset
from core.store import labels as label_rows
from core.workspace import Workspace
from ui import state
from ui.colors import class_colors

Key = tuple[str, str, int, str]  # home folder, data set, newest trail number, scheme version


@dataclass(frozen=True)
class People:
    """A data set as several people answered it. `votes`: identical texts are one text."""

    workspace: Workspace
    dataset: Dataset
    desk: Desk
    scheme: Scheme
    me: Annotator
    names: dict[str, str]  # annotator id -> name
    answers: tuple[Answer, ...]
    votes: Votes  # identical texts are one
    apart: Votes  # identical texts are one only where an answer was copied: what agreement is measured on
    key: Key

    @property
    def labels(self) -> dict[str, str]:
        """Label id -> name."""
        return {label.id: label.name for label in self.scheme.labels}

    def colors(self) -> dict[str, str]:
        """Label id -> colour: its own, or that of the palette."""
        palette = class_colors([label.name for label in self.scheme.labels], state.current_theme())
        return {label.id: label.color or palette[label.name] for label in self.scheme.labels}

    def agreement(self) -> Agreement | None:
        return _agreement(self.key, self.apart)

    def consensus(self, method: str) -> Consensus:
        """Raises BadData without answers."""
        return _consensus(self.key, method, self.votes)


def read(workspace: Workspace, dataset: Dataset, me: Annotator) -> People | None:
    """None: the data set has no label scheme."""
    desk = Desk.open(workspace, dataset.id)
    scheme = desk.scheme()
    if scheme is None:
        return None
    number = label_rows.last_number(workspace.db, dataset.id)
    key = (str(workspace.settings.home), dataset.id, number, scheme.id)
    answers, votes, alone = _answers(key, workspace, desk, scheme)
    names = {person.id: person.name for person in label_rows.annotators(workspace.db)}
    return People(workspace, dataset, desk, scheme, me, names, answers, votes, alone, key)


@st.cache_resource(show_spinner="Reading everybody's answers …", max_entries=4)
def _answers(
    key: Key, _workspace: Workspace, _desk: Desk, _scheme: Scheme
) -> tuple[tuple[Answer, ...], Votes, Votes]:
    found = tuple(answer for _, answer in label_rows.answers(_workspace.db, key[1]))
    return found, votes_of(found, _scheme, _desk.hashes), votes_of(found, _scheme, units(found, _desk.hashes))


@st.cache_resource(show_spinner="Comparing the answers …", max_entries=8)
def _agreement(key: Key, _votes: Votes) -> Agreement | None:
    return measure(_votes)


@st.cache_resource(show_spinner="Estimating who is right how often …", max_entries=8)
def _consensus(key: Key, method: str, _votes: Votes) -> Consensus:
    return aggregate(_votes, method)
