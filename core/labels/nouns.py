"""What labelling speaks of: frozen dataclasses that store, API, pages and command line pass around.

A label has an id that never changes; answers hold ids. Renaming, merging and deleting only make a new version of
the scheme, and what an old answer means is read through the newest one (`Scheme.now`): so every such step can be
undone, and no answer is ever rewritten.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Label:
    """One class of the codebook."""

    id: str  # ours, stable: "label-…"
    name: str  # unique in its scheme
    color: str = ""  # "#RRGGBB"; empty: the palette's
    key: str = ""  # one character that gives this label at the desk; empty: none
    definition: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scheme:
    """One version of a data set's labels."""

    id: str
    dataset_id: str
    version: int  # from 1
    created_at: float
    author: str  # an annotator's name
    several: bool  # a text may have several labels
    labels: tuple[Label, ...]
    merged: dict[str, str] = field(
        default_factory=dict
    )  # id of a label that was merged -> id of the one it went into
    removed: tuple[str, ...] = ()  # ids of labels that were deleted: answers with them count as none
    change: str = ""  # what this version changed, a sentence

    def now(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """What an answer's label ids mean today: merges followed, deleted ones left out, each once, in the order of
        the scheme. Several labels where a text may have one mean none: the text waits for another answer.
        """
        known = {label.id: at for at, label in enumerate(self.labels)}
        found = set()
        for label_id in ids:
            for _ in range(len(self.merged) + 1):
                if label_id not in self.merged:
                    break
                label_id = self.merged[label_id]
            if label_id in known:
                found.add(label_id)
        if len(found) > 1 and not self.several:
            return ()
        return tuple(sorted(found, key=known.__getitem__))

    def label(self, label_id: str) -> Label | None:
        return next((label for label in self.labels if label.id == label_id), None)

    def named(self, name: str) -> Label | None:
        return next((label for label in self.labels if label.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Scheme:
        labels = tuple(Label(**{**one, "examples": tuple(one.get("examples", ()))}) for one in data["labels"])
        return Scheme(**{**data, "labels": labels, "removed": tuple(data.get("removed", ()))})


IMPORTED = "imported"  # the person to whom the labels of a column belong; nobody labels as that


@dataclass(frozen=True)
class Annotator:
    id: str  # "person-…"
    name: str  # unique
    created_at: float


class AnswerState(StrEnum):
    LABELLED = "labelled"
    SKIPPED = "skipped"
    CLEARED = "cleared"  # undone: as if there never was an answer, but the trail remembers


class Source(StrEnum):
    """How a label came about, given the suggestion that was shown."""

    ALONE = "alone"  # no suggestion was shown
    ACCEPTED = "accepted"
    CHANGED = "changed"  # another label than the one suggested
    SPREAD = "spread"  # copied from an identical text
    IMPORTED = "imported"
    BULK = "bulk"  # given to many texts at once, from the list or the map


@dataclass(frozen=True)
class Answer:
    """What one person says of one text, whole: the newest by `stamp` counts, in whatever order they arrive."""

    row: int
    annotator_id: str
    labels: tuple[
        str, ...
    ]  # label ids; () unless LABELLED (with several labels a text: none of them may apply)
    state: AnswerState
    stamp: int  # microseconds since 1970 by the sender's clock, rising within a session
    flagged: bool = False
    note: str = ""
    at: float = 0.0  # when the server took it
    seconds: float | None = None  # that the text stood on the screen
    key: str = ""  # the key or "click"
    source: Source = Source.ALONE
    suggestion: dict[str, Any] | None = (
        None  # {"labels": [ids], "probability": 0..1, "by": "names" | "model"}
    )


@dataclass(frozen=True)
class Sent:
    """An answer as it travels: the session and its number make it idempotent."""

    session: str  # of one desk, random
    seq: int  # from 1, rising
    answer: Answer


@dataclass(frozen=True)
class Decision:
    """An adjudicator's word on one text; its own record, the newest counts. `labels` None: withdrawn."""

    row: int
    labels: tuple[str, ...] | None
    annotator_id: str
    note: str
    at: float


@dataclass(frozen=True)
class Plan:
    """How a data set is labelled; changeable at any time."""

    dataset_id: str
    people: int = 1  # k: people that each text goes to
    evaluation_share: float = (
        0.1  # of the texts, drawn by content, labelled without suggestions, never trained on
    )
    suggestions: bool = True  # shown at the desk
    spread: bool = True  # identical texts get the label together

    def evaluates(self, text_hash: str) -> bool:
        """Whether a text belongs to the random evaluation part: by its content, so that the part stays the same and
        identical texts are on one side. `text_hash`: 16 hex digits.
        """
        return int(text_hash[:13], 16) / 16**13 < self.evaluation_share
