"""Whether answers hang on the words that each method names, over the validation texts, as a study."""

from __future__ import annotations

from typing import Any

from core.explain import faithfulness
from core.explain.nouns import Study
from core.explain.subject import Subject
from core.jobs.study_words import validation_texts
from core.workspace import Workspace

SAMPLES = 150  # of LIME and SHAP for each text: plenty for a mean over many texts


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset, texts (at most that many)."""
    place = ws.find_model(str(asked["model"]))
    texts = validation_texts(ws, str(asked["dataset"]), int(asked["texts"]))
    return faithfulness.measure(Subject.load(place.folder, place.name), texts, samples=SAMPLES)
