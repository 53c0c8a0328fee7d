"""What a model makes of the texts that it learnt from, as a study: once for a model, for all texts that are asked about."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import BadData
from core.explain.neighbours import embed
from core.explain.nouns import Findings, Study
from core.explain.subject import Subject
from core.models.saving import read_sidecar
from core.workspace import Workspace

MOST_TEXTS = 10_000  # of a data set, drawn at random beyond that


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset. Findings: arrays "vectors" (N, D) float16 and "rows" (N,), the texts' rows in the data set."""
    place = ws.find_model(str(asked["model"]))
    subject = Subject.load(place.folder, place.name)
    parts = ["train", "validation"] if read_sidecar(place.folder).get("learnt_from_validation") else ["train"]
    rows, texts, learnt = _learnt(ws, str(asked["dataset"]), parts)
    vectors = yield from embed(subject, texts)
    summary = {"texts": len(texts), "learnt": learnt, "parts": parts}
    return Findings(
        summary, {"vectors": vectors.astype(np.float16), "rows": np.asarray(rows, dtype=np.int64)}
    )


def _learnt(ws: Workspace, dataset: str, parts: list[str]) -> tuple[list[int], list[str], int]:
    """Rows and texts that the model learnt from, each text once, and how many there are in all."""
    first: dict[str, int] = {}
    for part in parts:
        rows, texts, _ = ws.part_texts(dataset, part)
        for row, text in zip(rows, texts, strict=True):
            first.setdefault(text, row)
    if not first:
        raise BadData("The data set of this model has no training texts any more. Train a model again.")
    pairs = sorted((row, text) for text, row in first.items())
    if len(pairs) > MOST_TEXTS:
        drawn = np.random.default_rng(0).choice(len(pairs), MOST_TEXTS, replace=False)
        pairs = [pairs[at] for at in np.sort(drawn).tolist()]
    return [row for row, _ in pairs], [text for _, text in pairs], len(first)
