"""What each head does over the texts of a data set, as a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.explain import roles
from core.explain.nouns import Study
from core.explain.subject import Subject
from core.records import Part
from core.workspace import Workspace

MOST = 500  # texts that are measured
MOST_OTHERS = 2000  # training texts that tell how rare a word is


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset, texts (at most so many of the validation part)."""
    texts = some_texts(ws, asked["dataset"], min(MOST, int(asked["texts"])))
    _, others, _ = ws.part_texts(asked["dataset"], Part.TRAIN.value)
    place = ws.find_model(asked["model"])
    found = yield from roles.study(Subject.load(place.folder, place.name), texts, others[:MOST_OTHERS])
    return found


def some_texts(ws: Workspace, dataset_id: str, most: int) -> list[str]:
    """Validation texts in the order of the file; of more than `most` a random choice, the same every time."""
    _, texts, _ = ws.part_texts(dataset_id, Part.VALIDATION.value)
    return [texts[i] for i in sample(len(texts), most)]


def sample(n: int, most: int) -> list[int]:
    """At most `most` of 0 … n - 1, in order: a file may be sorted by class, so its beginning is no fair sample."""
    if n <= most:
        return list(range(n))
    return sorted(np.random.default_rng(0).choice(n, most, replace=False).tolist())
