"""A training run as a job: gather the texts, train, measure, publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.data import shelf
from core.data.labels import split_labels
from core.data.splits import normalise
from core.errors import BadData, WorkerFailed
from core.evaluation.metrics import score
from core.evaluation.multilabel import score_several
from core.inference.classifier import Classifier
from core.jobs import adopt, ranks
from core.jobs.link import Link
from core.jobs.resume import checkpoints
from core.jobs.soft import soft_labels
from core.records import Finished, Job, JobState, Note, Part, Run, Rung, Scores
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.training.group import Group
from core.training.loop import Places, train
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.workspace import Workspace

Pair = tuple[str, str | tuple[str, ...]]  # a text and its label, or its labels where there may be several


@dataclass
class Texts:
    """Labelled texts of a run, and what has to be said about how they were gathered."""

    train: list[Pair]
    validation: list[Pair]
    test: list[Pair] | None  # only from the user's own test file
    labels: tuple[str, ...]
    separator: str | None = None  # between several labels of a text; the pairs then hold tuples
    notes: list[str] = field(default_factory=list)
    soft: list[list[float]] | None = None  # of the training texts, in the order of `labels`


def run_training(ws: Workspace, job: Job, link: Link) -> None:
    run = run_rows.get(ws.db, job.id)
    link.emit(Note("Gathering the texts and loading the base model."))
    texts = gather(ws, run)
    for sentence in texts.notes:
        link.emit(Note(sentence))

    def abandon(error: WorkerFailed) -> None:
        from core.jobs.worker import fail

        fail(ws, job, link, error)

    with ranks.crew(int(job.payload.get("processes") or 1), abandon) as group:
        finished, rungs = _train(ws, run, texts, link, group)
    link.emit(Note("Measuring the best model on the validation part."))
    folder = adopt.best_folder(ws, run.id)
    classifier = Classifier.load(folder)
    # thresholds and a last learning on all texts have seen the validation part: then only what was measured before
    # that is fair
    seen = finished.validation
    validation = measure(classifier, texts.validation) if seen is None else Scores.from_json(seen)
    test = None if texts.test is None else measure(classifier, texts.test)
    _publish(ws, run, link, finished, rungs, validation, test, len(texts.train))


def gather(ws: Workspace, run: Run) -> Texts:
    """The texts of the run's parts. With a test file of the user's own the held-out part is free to train on;
    training texts that stand in the test file are left out (docs/decisions/0004)."""
    if run.dataset_id is None:
        raise BadData("The data set of this run was deleted before it began.")
    folder = ws.settings.datasets / run.dataset_id
    separator = ws.dataset(run.dataset_id).separator
    train_part = _pairs(folder, Part.TRAIN, separator)
    texts = Texts(train_part, _pairs(folder, Part.VALIDATION, separator), None, (), separator)
    own_test = ws.run_folder(run.id) / "test"
    forbidden: set[str] = set()
    if own_test.is_dir():
        texts.test = _pairs(own_test, Part.TRAIN, separator)  # a shelf of its own that was not split
        freed = _pairs(folder, Part.TEST, separator)
        if freed:
            texts.train = train_part + freed
            texts.notes.append(
                f"Your test file takes the place of the held-out part, so its {len(freed):,} texts are trained on."
            )
        forbidden = {normalise(text) for text, _ in texts.test}
        _leave_out(texts, forbidden)
    texts.labels = label_names(texts.train, texts.validation)
    used = [Part.TRAIN] if texts.test is None else [Part.TRAIN, Part.TEST]
    texts.soft = soft_labels(ws, ws.dataset(run.dataset_id), used, texts.labels, forbidden)
    if texts.soft is not None:
        texts.notes.append(
            "Fine-tuning learns from the soft labels of this data set; everything is measured by its labels."
        )
    return texts


def _leave_out(texts: Texts, forbidden: set[str]) -> None:
    before = len(texts.train) + len(texts.validation)
    texts.train = [pair for pair in texts.train if normalise(pair[0]) not in forbidden]
    texts.validation = [pair for pair in texts.validation if normalise(pair[0]) not in forbidden]
    left_out = before - len(texts.train) - len(texts.validation)
    if left_out and not (texts.train and texts.validation):
        raise BadData(
            "Nearly all texts of the data set also stand in the test file, so none are left to learn from. "
            "Choose a test file with other texts."
        )
    if left_out:
        texts.notes.append(
            f"{left_out:,} texts that also stand in the test file were left out of training, so that it stays fair."
        )


def _train(ws: Workspace, run: Run, texts: Texts, link: Link, group: Group) -> tuple[Finished, list[Rung]]:
    """The last event, and the baseline ladder."""
    data = as_data(texts.train, texts.validation, texts.labels, texts.separator is not None, texts.soft)
    dataset = ws.dataset(run.dataset_id or "")
    sidecar: dict[str, Any] = {
        "run": run.id,
        "dataset": {"id": dataset.id, "name": dataset.name, "fingerprint": dataset.fingerprint},
    }
    if texts.separator is not None:
        sidecar["label_separator"] = texts.separator
    # a catalogue or Hub name, a folder, or a model that was trained here
    base = ws.find_model(run.base_model)
    recipe = Recipe.from_json(run.recipe)
    ranks.tell(group, ranks.Task(data, recipe, str(base.folder), base.name))
    finished: Finished | None = None
    rungs: dict[str, Rung] = {}
    for event in train(
        data,
        recipe,
        base.folder,
        adopt.best_folder(ws, run.id),
        base_name=base.name,
        sidecar=sidecar,
        should_stop=link.should_stop,
        places=Places(
            checkpoints(ws, run.id),
            ws.settings.cache,
            ws.settings.checkpoint_seconds,
            adopt.snapshots_folder(ws, run.id),
        ),
        ladder=True,
        group=group,
    ):
        if isinstance(event, Rung):
            rungs[event.name] = event
        if isinstance(event, Finished):
            finished = event  # written together with the end of the run, below
        else:
            link.emit(event)
    if finished is None:
        raise RuntimeError("training ended without a Finished event")
    return finished, list(rungs.values())


def measure(classifier: Classifier, pairs: Sequence[Pair]) -> Scores:
    """The model's figures on labelled texts. A label that the model does not know counts as missed."""
    if classifier.several:
        pairs = [(text, as_tuple(own)) for text, own in pairs]
    else:  # several labels of one text, if it has them, are one label that the model does not know
        pairs = [(text, classifier.separator.join(as_tuple(own))) for text, own in pairs]
    labels = list(classifier.labels)
    labels += sorted({label for _, own in pairs for label in as_tuple(own)} - set(labels))
    truth = _indices(pairs, labels)
    probabilities = classifier.predict_proba([text for text, _ in pairs])
    if not classifier.several:
        return score(truth, probabilities.argmax(axis=1).tolist(), labels)
    true = np.zeros((len(pairs), len(labels)), dtype=bool)
    for row, of_row in enumerate(truth):
        true[row, list(of_row)] = True
    unknown = np.zeros((len(pairs), len(labels) - len(classifier.labels)), dtype=bool)
    return score_several(true, np.hstack([classifier.chosen(probabilities), unknown]), labels)


def label_names(*parts: Sequence[Pair]) -> tuple[str, ...]:
    """All labels that occur, in the order of the classes."""
    return tuple(sorted({label for pairs in parts for _, own in pairs for label in as_tuple(own)}))


def as_data(
    train: Sequence[Pair],
    validation: Sequence[Pair],
    labels: Sequence[str],
    several: bool,
    soft: Sequence[Sequence[float]] | None = None,
) -> TrainingData:
    return TrainingData(
        train_texts=[text for text, _ in train],
        train_labels=_indices(train, labels),
        validation_texts=[text for text, _ in validation],
        validation_labels=_indices(validation, labels),
        labels=labels,
        several=several,
        soft=soft,
    )


def as_tuple(label: str | tuple[str, ...]) -> tuple[str, ...]:
    return (label,) if isinstance(label, str) else label


def _indices(pairs: Sequence[Pair], labels: Sequence[str]) -> list[Any]:
    """The class index of each text; where its labels are a tuple, a tuple of indices."""
    index = {label: i for i, label in enumerate(labels)}
    return [index[own] if isinstance(own, str) else tuple(index[label] for label in own) for _, own in pairs]


def _publish(
    ws: Workspace,
    run: Run,
    link: Link,
    finished: Finished,
    rungs: list[Rung],
    validation: Scores,
    test: Scores | None,
    train_texts: int,
) -> None:
    """The model folder, the run's figures and the end of the job appear together."""
    source = adopt.best_folder(ws, run.id)
    metrics = {"validation": validation.to_json(), "test": None if test is None else test.to_json()}
    adopt.extend_sidecar(source, metrics=metrics)
    link.flush(finished)
    model_id, folder = adopt.publish(ws, run)
    summary = {
        "seconds": finished.seconds,
        "texts_per_second": finished.texts_per_second,
        "device": finished.device,
        "precision": finished.precision,
        "steps": finished.step,
        "best_step": finished.best_step,
        "train_texts": train_texts,
        "validation_texts": validation.n,
        "method": finished.method,
        "ladder": [rung.to_json() for rung in rungs],
    }
    state = JobState.STOPPED if finished.stopped else JobState.FINISHED
    reason = f"{link.stop_reason} {finished.reason}".strip()
    result = {"model": model_id, **validation.brief()}
    with job_rows.ending(ws.db, link.lease, state, reason, result) as connection:
        adopt.insert(connection, run, model_id, folder, {"validation": validation.brief()})
        run_rows.set_scores(
            connection,
            run.id,
            validation=validation,
            test=test,
            test_source="file",
            looked=test is not None,
            summary=summary,
        )


def _pairs(folder: Path, part: Part, separator: str | None) -> list[Pair]:
    _, texts, labels = shelf.part_texts(folder, part.value)
    return pairs_of(texts, labels, separator)


def pairs_of(texts: Sequence[str], labels: Sequence[str], separator: str | None) -> list[Pair]:
    """Each text with its label; with a separator, with the tuple of the labels in its cell."""
    if separator is None:
        return list(zip(texts, labels, strict=True))
    return [(text, split_labels(cell, separator)) for text, cell in zip(texts, labels, strict=True)]
