"""How much a trained model's answers need its heads, on the validation texts of its data set, as a study."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.data.labels import split_labels
from core.errors import BadData
from core.explain import importance
from core.explain.importance import Task
from core.explain.nouns import Study
from core.explain.subject import Subject
from core.inference.classifier import Classifier
from core.jobs.study_roles import sample
from core.records import Part
from core.workspace import Workspace

MOST = 500  # texts


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset, texts (at most so many), method: "gradient" | "ablation" | "off" with off: [[layer, head], …]
    from 0. Texts whose label the model does not know are left out."""
    place = ws.find_model(asked["model"])
    subject = Subject.load(place.folder, place.name)
    thresholds = Classifier.load(place.folder).thresholds if subject.several else None
    task = _task(ws, asked, subject, thresholds)
    if asked["method"] == "gradient":
        found = yield from importance.gradient(subject, task)
    elif asked["method"] == "ablation":
        found = yield from importance.by_ablation(subject, task)
    else:
        off = [(int(layer), int(head)) for layer, head in asked["off"]]
        found = yield from importance.without(subject, task, off)
    return found


def labelled(
    ws: Workspace, dataset_id: str, labels: tuple[str, ...], several: bool, most: int
) -> tuple[list[str], list[list[int]]]:
    """Validation texts whose labels the model knows, in the order of the file, and their classes; of more than `most`
    a random choice, the same every time."""
    index = {label: c for c, label in enumerate(labels)}
    separator = ws.dataset(dataset_id).separator if several else None
    texts: list[str] = []
    classes: list[list[int]] = []
    for text, label in zip(*ws.part_texts(dataset_id, Part.VALIDATION.value)[1:], strict=True):
        names = split_labels(label, separator) if separator else (label,)
        if text.strip() and all(name in index for name in names):
            texts.append(text)
            classes.append([index[name] for name in names])
    chosen = sample(len(texts), most)
    return [texts[i] for i in chosen], [classes[i] for i in chosen]


def _task(ws: Workspace, asked: dict[str, Any], subject: Subject, thresholds: Any) -> Task:
    most = min(MOST, int(asked["texts"]))
    texts, classes = labelled(ws, asked["dataset"], subject.labels, subject.several, most)
    if len(texts) < 2:
        raise BadData(
            f"The validation texts of “{ws.dataset(asked['dataset']).name}” do not have the classes that "
            f"{subject.name} has learnt. Choose the data set that it was trained on."
        )
    if not subject.several:
        return Task(texts, np.asarray([own[0] for own in classes], dtype=np.int64))
    truth = np.zeros((len(texts), len(subject.labels)), dtype=bool)
    for row, own in enumerate(classes):
        truth[row, own] = True
    return Task(texts, truth, thresholds)
