"""What is to be learnt: texts with class indices, in a training and a validation part.

Knows which data cannot be learnt from, in sentences. Does not know files, columns or models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadData

_NAMED = 5  # classes named in one sentence; the rest is counted


@dataclass(frozen=True)
class TrainingData:
    train_texts: Sequence[str]
    train_labels: Sequence[Any]  # indices into `labels`; tuples of them where a text may have several
    validation_texts: Sequence[str]
    validation_labels: Sequence[Any]
    labels: Sequence[str]  # C class names
    several: bool = False  # a text may have several labels, or none
    # shares or probabilities of the C classes for each training text: the whole target of fine-tuning, in place of
    # the labels. Heads, measures and class weights go by the labels.
    soft: Sequence[Sequence[float]] | None = None

    @property
    def train_targets(self) -> np.ndarray[Any, Any]:
        """(N,) int64 class indices; (N, C) bool where a text may have several labels."""
        return _targets(self.train_labels, len(self.labels), self.several)

    @property
    def validation_targets(self) -> np.ndarray[Any, Any]:
        return _targets(self.validation_labels, len(self.labels), self.several)

    @property
    def soft_targets(self) -> np.ndarray[Any, Any] | None:
        """(N, C) float32; None: there are only hard labels."""
        return None if self.soft is None else np.asarray(self.soft, dtype=np.float32)

    def label_words(self, row: int) -> str:
        """The label of a training text, or its labels joined by a comma."""
        of_row = self.train_labels[row]
        return ", ".join(self.labels[c] for c in (of_row if self.several else (of_row,)))


def _targets(labels: Sequence[Any], classes: int, several: bool) -> np.ndarray[Any, Any]:
    if not several:
        return np.asarray(labels, dtype=np.int64)
    found = np.zeros((len(labels), classes), dtype=bool)
    for row, of_row in enumerate(labels):
        found[row, list(of_row)] = True
    return found


def counts(labels: Sequence[Any], several: bool) -> Counter[int]:
    """Texts per class index."""
    return Counter(c for of_row in labels for c in of_row) if several else Counter(labels)


def check(data: TrainingData) -> list[str]:
    """Warnings for the user about data that can be trained on. Raises BadData, with every reason, where it
    cannot.
    """
    faults = problems(data)
    if faults:
        raise BadData(" ".join(faults))
    return warnings(data)


def problems(data: TrainingData) -> list[str]:
    """Every reason, as a sentence, why these data cannot be trained on."""
    _require_consistent(data)
    train = counts(data.train_labels, data.several)
    if not train and not data.validation_labels:
        return [
            "There is no text with a label in these data, so there is nothing to learn from. "
            "Choose the column that holds the labels, or label some texts first."
        ]
    found = []
    if not train:
        found.append("No text is left to train on. Give the training part a larger share.")
    elif len(train) == 1 and not data.several:
        only = data.labels[next(iter(train))]
        found.append(
            f"All training texts carry the same label, “{only}”. A classifier needs texts of at least two "
            "classes."
        )
    if not data.validation_labels:
        if train and max(train.values()) == 1 and not data.several:
            found.append(
                "Every class has only one text, so none can be kept aside to measure what was learnt. "
                "Give each class at least two texts, better ten. If the labels are free text, choose "
                "another column."
            )
        else:
            found.append(
                "No text is left to validate on, so nobody could tell whether the model learns. "
                "Add labelled texts, or give the validation part a larger share."
            )
    return found


def warnings(data: TrainingData) -> list[str]:
    """What will make the result worse than it could be, as sentences."""
    train = counts(data.train_labels, data.several)
    validation = counts(data.validation_labels, data.several)
    classes = range(len(data.labels))
    found = []
    absent = [data.labels[c] for c in classes if not train[c]]
    if absent:
        found.append(f"No training text belongs to {_named(absent)}, so the model will never choose it.")
    few = [data.labels[c] for c in classes if 0 < train[c] < 5]
    if few:
        found.append(f"There are fewer than five training texts of {_named(few)}; expect little there.")
    unmeasured = [data.labels[c] for c in classes if train[c] and not validation[c]]
    if unmeasured:
        found.append(
            f"No validation text belongs to {_named(unmeasured)}, so nothing will be known about it."
        )
    return found


def _named(labels: list[str]) -> str:
    shown = ", ".join(f"“{label}”" for label in labels[:_NAMED])
    more = len(labels) - _NAMED
    return shown if more <= 0 else f"{shown} and {more} more classes"


def _require_consistent(data: TrainingData) -> None:
    """Faults of the caller, not of the user."""
    for texts, labels in (
        (data.train_texts, data.train_labels),
        (data.validation_texts, data.validation_labels),
    ):
        if len(texts) != len(labels):
            raise ValueError(f"{len(texts)} texts, but {len(labels)} labels")
        if any(not 0 <= label < len(data.labels) for label in counts(labels, data.several)):
            raise ValueError("a label index is outside the class names")
    soft = data.soft_targets
    if soft is not None and soft.shape != (len(data.train_texts), len(data.labels)):
        raise ValueError(f"soft labels of shape {soft.shape}")
    if len(set(data.labels)) != len(data.labels):
        raise ValueError("two classes have the same name")
