"""The soft labels of a run's training texts, where its data set was made with them (core.harvest).

Knows the columns they stand in. Does not know how a run learns from them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from core.data import shelf
from core.data.labels import split_labels
from core.data.splits import normalise
from core.harvest import SOFT
from core.records import Dataset, Part
from core.workspace import Workspace


def soft_labels(
    ws: Workspace, dataset: Dataset, parts: Sequence[Part], labels: Sequence[str], forbidden: Collection[str]
) -> list[list[float]] | None:
    """A row for each text of these parts, in their order, without those whose normalised text is `forbidden`; a
    column for each of `labels`. None: the data set has no soft labels.

    Where a text may have only one label, a row sums to one: what classes without a single text would have is
    shared out. A text without soft labels has its label.
    """
    columns = dataset.source.get(SOFT)
    if not columns:
        return None
    table = shelf.arrow(ws.settings.datasets / dataset.id)
    parts_of, texts, cells = (table[name].to_pylist() for name in ("part", "text", "label"))
    shares = np.full((len(labels), len(texts)), np.nan)
    for at, label in enumerate(labels):
        if label in columns:
            column = table[f"c{columns[label]}"].to_pylist()
            shares[at] = [np.nan if cell is None else float(cell) for cell in column]
        else:
            shares[at] = 0.0
    found = []
    for part in parts:
        for row, of_row in enumerate(parts_of):
            if of_row != part.value or (forbidden and normalise(texts[row]) in forbidden):
                continue
            found.append(_row(shares[:, row], split_labels(cells[row], dataset.separator), labels, dataset))
    return found


def _row(
    shares: np.ndarray[Any, Any],
    own: Sequence[str],
    labels: Sequence[str],
    dataset: Dataset,
) -> list[float]:
    total = float(shares.sum())
    if np.isnan(total) or (dataset.separator is None and total <= 0):
        return [float(label in own) for label in labels]
    return [float(share) for share in (shares if dataset.separator is not None else shares / total)]
