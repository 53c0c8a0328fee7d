"""How far training moved the attention of each head, over the validation texts, as a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import BadData
from core.explain import change
from core.explain.nouns import Study
from core.explain.subject import Subject
from core.workspace import Workspace


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: before and after (models as `Workspace.find_model` takes them), dataset, texts (at most that many).
    Other keys only tell one question from another."""
    rows, texts = validation_texts(ws, str(asked["dataset"]), int(asked["texts"]))
    places = [ws.find_model(str(asked[name])) for name in ("before", "after")]
    before, after = (Subject.load(place.folder, place.name) for place in places)
    return (yield from change.measure(before, after, texts, rows))


def validation_texts(ws: Workspace, dataset: str, most: int) -> tuple[list[int], list[str]]:
    """Row numbers and texts of the validation part, drawn at random beyond `most`; the same ones every time."""
    rows, texts, _ = ws.part_texts(dataset, "validation")
    if not texts:
        raise BadData("This data set has no validation texts any more. Choose a model of another data set.")
    if len(texts) > most:
        drawn = np.sort(np.random.default_rng(0).choice(len(texts), most, replace=False)).tolist()
        rows, texts = [rows[at] for at in drawn], [texts[at] for at in drawn]
    return rows, texts
