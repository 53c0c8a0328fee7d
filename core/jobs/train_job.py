"""A training run as a job: gather the texts, train, measure, publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data import shelf
from core.data.splits import normalise
from core.errors import BadData
from core.evaluation.metrics import score
from core.inference.classifier import Classifier
from core.jobs import adopt
from core.jobs.link import Link
from core.records import Finished, Job, JobState, Note, Part, Run, Scores
from core.store import jobs as job_rows
from core.store import runs as run_rows
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.workspace import Workspace


@dataclass
class Texts:
    """Labelled texts of a run, and what has to be said about how they were gathered."""

    train: list[tuple[str, str]]
    validation: list[tuple[str, str]]
    test: list[tuple[str, str]] | None  # only from the user's own test file
    labels: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def run_training(ws: Workspace, job: Job, link: Link) -> None:
    run = run_rows.get(ws.db, job.id)
    link.emit(Note("Gathering the texts and loading the base model."))
    texts = gather(ws, run)
    for sentence in texts.notes:
        link.emit(Note(sentence))
    finished = _train(ws, run, texts, link)
    link.emit(Note("Measuring the best model on the validation part."))
    folder = adopt.best_folder(ws, run.id)
    classifier = Classifier.load(folder)
    validation = measure(classifier, texts.validation)
    test = None if texts.test is None else measure(classifier, texts.test)
    _publish(ws, run, link, finished, validation, test, len(texts.train))


def gather(ws: Workspace, run: Run) -> Texts:
    """The texts of the run's parts. With a test file of the user's own the held-out part is free to train on;
    training texts that stand in the test file are left out (docs/decisions/0004)."""
    if run.dataset_id is None:
        raise BadData("The data set of this run was deleted before it began.")
    folder = ws.settings.datasets / run.dataset_id
    train_part = _pairs(folder, Part.TRAIN)
    texts = Texts(train_part, _pairs(folder, Part.VALIDATION), None, ())
    own_test = ws.run_folder(run.id) / "test"
    if own_test.is_dir():
        texts.test = _pairs(own_test, Part.TRAIN)  # a shelf of its own that was not split
        freed = _pairs(folder, Part.TEST)
        if freed:
            texts.train = train_part + freed
            texts.notes.append(
                f"Your test file takes the place of the held-out part, so its {len(freed):,} texts are trained on."
            )
        _leave_out(texts, {normalise(text) for text, _ in texts.test})
    texts.labels = tuple(sorted({label for _, label in texts.train + texts.validation}))
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


def _train(ws: Workspace, run: Run, texts: Texts, link: Link) -> Finished:
    from core.models.sources import resolve

    index = {label: i for i, label in enumerate(texts.labels)}
    data = TrainingData(
        train_texts=[text for text, _ in texts.train],
        train_labels=[index[label] for _, label in texts.train],
        validation_texts=[text for text, _ in texts.validation],
        validation_labels=[index[label] for _, label in texts.validation],
        labels=texts.labels,
    )
    dataset = ws.dataset(run.dataset_id or "")
    sidecar: dict[str, Any] = {
        "run": run.id,
        "dataset": {"id": dataset.id, "name": dataset.name, "fingerprint": dataset.fingerprint},
    }
    finished: Finished | None = None
    for event in train(
        data,
        Recipe.from_json(run.recipe),
        resolve(run.base_model),
        adopt.best_folder(ws, run.id),
        base_name=run.base_model,
        sidecar=sidecar,
        should_stop=link.should_stop,
    ):
        if isinstance(event, Finished):
            finished = event  # written together with the end of the run, below
        else:
            link.emit(event)
    if finished is None:
        raise RuntimeError("training ended without a Finished event")
    return finished


def measure(classifier: Classifier, pairs: Sequence[tuple[str, str]]) -> Scores:
    """The model's figures on labelled texts. A label that the model does not know counts as missed."""
    labels = list(classifier.labels)
    labels += sorted({label for _, label in pairs} - set(labels))
    index = {label: i for i, label in enumerate(labels)}
    predicted = classifier.predict_proba([text for text, _ in pairs]).argmax(axis=1)
    return score([index[label] for _, label in pairs], predicted.tolist(), labels)


def _publish(
    ws: Workspace,
    run: Run,
    link: Link,
    finished: Finished,
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


def _pairs(folder: Path, part: Part) -> list[tuple[str, str]]:
    _, texts, labels = shelf.part_texts(folder, part.value)
    return list(zip(texts, labels, strict=True))
