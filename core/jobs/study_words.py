"""The words that speak for each class, over texts of the data set, as a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import BadData
from core.explain import class_words
from core.explain.nouns import Findings, Study
from core.explain.subject import Subject
from core.workspace import Workspace


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset, texts (at most that many): validation texts and, where those are fewer, training texts; the
    question is what the model does, not whether it is right. Findings as in `class_words`, with "validation": how many
    of the texts are of that part."""
    place = ws.find_model(str(asked["model"]))
    dataset, most = str(asked["dataset"]), int(asked["texts"])
    texts = _drawn(ws, dataset, "validation", most)
    known = len(texts)
    texts += _drawn(ws, dataset, "train", most - known)
    found = yield from class_words.measure(Subject.load(place.folder, place.name), texts)
    return Findings(found.summary | {"validation": known}, found.arrays)


def validation_texts(ws: Workspace, dataset: str, most: int) -> list[str]:
    """Texts that the model did not learn from, drawn at random beyond `most`; the same ones every time."""
    texts = _drawn(ws, dataset, "validation", most)
    if not texts:
        raise BadData("The data set of this model has no validation texts any more. Train a model again.")
    return texts


def _drawn(ws: Workspace, dataset: str, part: str, most: int) -> list[str]:
    texts = [text for text in ws.part_texts(dataset, part)[1] if text.strip()]
    if len(texts) > most:
        drawn = np.random.default_rng(0).choice(len(texts), max(0, most), replace=False)
        texts = [texts[at] for at in np.sort(drawn).tolist()]
    return texts
