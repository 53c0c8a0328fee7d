"""What is explained about an answer: one class's logit, or how far it stands above another's. Knows the classes of a
subject, not how words are scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.errors import BadData
from core.explain.subject import Piece, Subject


@dataclass(frozen=True)
class Aim:
    """Class indices into the subject's labels. The logit is explained, not the probability: a probability near 0 or 1
    hardly moves whatever is done to the text, and it mixes in what speaks for the other classes."""

    target: int
    against: int | None = None  # "why the target rather than this one"; None: the target alone

    def of(self, logits: Any) -> Any:
        """(..., C) logits, of numpy or torch, to the (...) figure that is explained."""
        own = logits[..., self.target]
        return own if self.against is None else own - logits[..., self.against]


def aim_at(subject: Subject, piece: Piece, class_name: str | None = None, against: str | None = None) -> Aim:
    """The aim for classes by name; without a name the answer, which is the class of the highest logit.

    Raises BadData for a class that the model does not know, or the same one twice; BadModel for a base model.
    """
    if class_name is None:
        target = int(subject.logits([piece])[0].argmax())
    else:
        target = _class(subject, class_name)
    if against is None:
        return Aim(target)
    other = _class(subject, against)
    if other == target:
        raise BadData(
            f"“{against}” cannot be told apart from itself. Choose two different classes for the comparison."
        )
    return Aim(target, other)


def _class(subject: Subject, name: str) -> int:
    if not subject.labels:
        subject.logits([])  # a base model: says so
    if name not in subject.labels:
        known = ", ".join(f"“{label}”" for label in subject.labels[:20])
        more = "" if len(subject.labels) <= 20 else f" and {len(subject.labels) - 20} more"
        raise BadData(f"{subject.name} has no class “{name}”. It knows {known}{more}.")
    return subject.labels.index(name)
