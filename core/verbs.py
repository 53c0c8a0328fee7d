"""What each verb of the command line does: the same calls as the pages make. Returns the JSON to print."""

from __future__ import annotations

import argparse
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.console import say
from core.errors import BadColumn, BadFile, FinesiftError
from core.records import Dataset, Evaluated, JobState, Note, Progress, Run, Rung, Started, Step
from core.training import group as groups
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.table import Table

POLL_SECONDS = 0.4


def import_file(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    table, path = _table(ws, o.file)
    text, label = _columns(table, o.text, o.label)
    test_table, test_columns = None, None
    if o.test:
        if label is None:
            raise BadColumn("With --test, name the label column: --label COL.")
        test_table, _ = _table(ws, o.test)
        test_columns = _same_columns(test_table, table.columns[text], table.columns[label])
    dataset = ws.add_dataset(
        table,
        name=o.name or path.stem,
        text_column=text,
        label_column=label,
        source={"file": path.name},
        test_table=test_table,
        test_columns=test_columns,
        label_separator=o.label_separator,
    )
    for sentence in dataset.source.get("notes", []):
        if sentence not in table.notes:  # those were said while reading
            say(sentence)
    return {
        "dataset": dataset.id,
        "name": dataset.name,
        "rows": dataset.rows,
        "without_text": dataset.without_text,
        "without_label": dataset.without_label,
        "duplicates": dataset.duplicates,
        "labels": dataset.labels,
        "label_separator": dataset.separator,
        "parts": dataset.parts,
    }


def train(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core import jobs
    from core.verbs_train import base_model_from, recipe_from

    dataset = ws.dataset(o.dataset)
    jobs.submit.check_trainable(dataset)
    base = base_model_from(o)
    test = None
    if o.test:
        test_table, path = _table(ws, o.test)
        text, label = _same_columns(test_table, *_column_names(dataset))
        test = jobs.TestFile(test_table, text, label, path.name)
    recipe = recipe_from(o, dataset, base)
    run = jobs.submit_training(
        ws,
        dataset,
        base,
        recipe,
        name=o.name or "",
        test=test,
        processes=o.processes,
        launched=groups.named(),
    )
    return _outcome(_see_through(ws, run))


def resume(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core import jobs

    jobs.recover(ws)  # a worker that was killed a moment ago may not have been noticed yet
    return _outcome(_see_through(ws, jobs.resume(ws, ws.run(o.run), launched=groups.named())))


def _outcome(run: Run) -> dict[str, Any]:
    """What a training came to. Raises FinesiftError where it left no model."""
    if run.state not in (JobState.FINISHED, JobState.STOPPED) or run.model_id is None:
        raise FinesiftError(run.reason)
    return {
        "run": run.id,
        "model": run.model_id,
        "state": run.state.value,
        "method": run.summary.get("method"),
        "validation": None if run.validation is None else run.validation.brief(),
        "test": None if run.test is None else run.test.brief(),
        "seconds": run.summary.get("seconds"),
        "texts_per_second": run.summary.get("texts_per_second"),
    }


def evaluate(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core.data.labels import fitting_separator
    from core.inference.classifier import Classifier
    from core.jobs.train_job import measure, pairs_of

    place = ws.find_model(o.model)
    table, path = _table(ws, o.file)
    text, label = _columns(table, o.text, o.label)
    if label is None:
        raise BadColumn(f"“{path.name}” has no label column to compare with. Name it with --label COL.")
    pairs = [
        (t, c)
        for t, c in zip(table.column(text), table.column(label), strict=True)
        if t is not None and t.strip() and c is not None and c.strip()
    ]
    if not pairs:
        raise BadFile(f"No row of “{path.name}” has both a text and a label, so there is nothing to measure.")
    classifier = Classifier.load(place.folder)
    texts, cells = [t for t, _ in pairs], [c for _, c in pairs]
    separator = (
        fitting_separator(cells, classifier.labels, classifier.separator) if classifier.several else None
    )
    scores = measure(classifier, pairs_of(texts, cells, separator))
    micro = scores.micro_f1
    several = {} if micro is None else {"micro_f1": micro.value, "micro_f1_interval": [micro.low, micro.high]}
    return {
        "rows": scores.n,
        "skipped": table.rows - scores.n,
        "accuracy": scores.accuracy.value,
        "accuracy_interval": [scores.accuracy.low, scores.accuracy.high],
        "macro_f1": scores.macro_f1.value,
        "macro_f1_interval": [scores.macro_f1.low, scores.macro_f1.high],
        **several,
        "per_class": {
            c.label: {"precision": c.precision, "recall": c.recall, "f1": c.f1, "support": c.support}
            for c in scores.per_class
        },
    }


def classify(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core.inference.classifier import Classifier
    from core.inference.files import classify_table

    place = ws.find_model(o.model)
    out = Path(o.out)
    if not out.parent.is_dir():
        raise BadFile(f"The folder of “{out}” does not exist. Make it first, or choose another --out.")
    table, _ = _table(ws, o.file)
    text, _ = _columns(table, o.text, None)
    classifier = Classifier.load(place.folder)
    begun = time.monotonic()
    guarded = without_text = 0
    for progress in classify_table(classifier, table, text, out, guard=not o.no_guard):
        guarded, without_text = progress.guarded, progress.without_text
        say(f"{progress.done:,} of {progress.total:,} texts")
    if guarded:
        say(
            f"{guarded:,} cells that a spreadsheet would take for formulas got a leading apostrophe (--no-guard)."
        )
    return {
        "rows": table.rows,
        "seconds": round(time.monotonic() - begun, 3),
        "without_text": without_text,
        "guarded": guarded,
    }


def datasets(ws: Workspace, _o: argparse.Namespace) -> dict[str, Any]:
    return {
        "datasets": [
            {"id": d.id, "name": d.name, "rows": d.rows, "labels": d.labels, "parts": d.parts}
            for d in ws.datasets()
        ]
    }


def runs(ws: Workspace, _o: argparse.Namespace) -> dict[str, Any]:
    from core import jobs

    jobs.recover(ws)
    return {
        "runs": [
            {
                "id": r.id,
                "name": r.name,
                "state": r.state.value,
                "reason": r.reason,
                "dataset": r.dataset_name,
                "base_model": r.base_model,
                "model": r.model_id,
                "validation": None if r.validation is None else r.validation.brief(),
                "test": None if r.test is None else r.test.brief(),
                "test_looks": r.test_looks,
            }
            for r in ws.runs()
        ]
    }


def models(ws: Workspace, _o: argparse.Namespace) -> dict[str, Any]:
    return {
        "models": [
            {
                "id": m.id,
                "name": m.name,
                "run": m.run_id,
                "folder": str(ws.model_folder(m)),
                "base_model": m.base_model,
                "labels": list(m.labels),
            }
            for m in ws.models()
        ]
    }


def worker(ws: Workspace, o: argparse.Namespace) -> None:
    from core.jobs.worker import work

    work(ws, o.lane, o.slot)


# --------------------------------------------------------------------------- the details


def _table(ws: Workspace, file: str) -> tuple[Table, Path]:
    from core.data.intake import read_table

    path = Path(file)
    if not path.is_file():
        raise BadFile(f"There is no file “{file}”. Check its name and folder.")
    table = read_table(path, path.name, ws.settings)
    for sentence in table.notes:
        say(sentence)
    return table, path


def _columns(table: Table, text: str | None, label: str | None) -> tuple[int, int | None]:
    """The named columns, or the ones that look like text and label."""
    from core.data.table import column_index, suggest_columns

    guessed_text, guessed_label = suggest_columns(table)
    text_at = column_index(table.columns, text) if text else guessed_text
    if text_at is None:
        raise BadColumn(f"Which column holds the texts? Name it with --text: {', '.join(table.columns)}.")
    label_at = column_index(table.columns, label) if label else guessed_label
    if label is None and label_at == text_at:
        label_at = None
    if label_at == text_at:
        raise BadColumn("Text and label are the same column. Name two different ones.")
    return text_at, label_at


def _same_columns(table: Table, text: str, label: str | None) -> tuple[int, int]:
    """In a test file: the columns named as in the data set, else the ones that look right."""
    from core.data.table import column_index, suggest_columns

    try:
        return column_index(table.columns, text), column_index(table.columns, label or "")
    except BadColumn:
        guessed = suggest_columns(table)
        if guessed[0] is None or guessed[1] is None:
            raise
        return guessed[0], guessed[1]


def _column_names(dataset: Dataset) -> tuple[str, str | None]:
    label = None if dataset.label_column is None else dataset.columns[dataset.label_column]
    return dataset.columns[dataset.text_column], label


def _see_through(ws: Workspace, run: Run) -> Run:
    """Follows a run to its end. Where processes were launched for it, this one is its worker."""
    if not groups.named():
        return _follow(ws, run)
    from core.jobs.worker import work_launched

    teller = threading.Thread(target=_follow, args=(ws, run), daemon=True)
    teller.start()
    work_launched(ws, ws.job(run.job_id))
    teller.join(timeout=5.0)
    return ws.run(run.id)


def _follow(ws: Workspace, run: Run) -> Run:
    """Print what happens until the run has ended. Ctrl-C asks it to stop and keep the best so far."""
    from core import jobs

    seq, said_at, waiting = -1, 0.0, -1
    while True:
        try:
            jobs.recover(ws)
            job = ws.job(run.job_id)
            if job.state == JobState.QUEUED and job.ahead != waiting:
                waiting = job.ahead
                if waiting:
                    say(f"Waiting: {waiting} {'training is' if waiting == 1 else 'trainings are'} before it.")
            for stored in ws.events_after(run.job_id, seq):
                seq = stored.seq
                if not isinstance(stored.event, Step | Progress) or time.monotonic() - said_at > 2.0:
                    if isinstance(stored.event, Step | Progress):
                        said_at = time.monotonic()
                    say(_in_words(stored.event))
            if job.state.ended:
                say(job.reason)
                return ws.run(run.id)
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            say("Stopping; the best so far is being kept.")
            jobs.request_stop(ws, run.job_id)


def _in_words(event: object) -> str:
    match event:
        case Note(message=message):
            return message
        case Started(device=device, precision=precision, train_texts=n, steps=steps):
            return f"Training on {n:,} texts, {steps:,} steps, {device}, {precision}."
        case Step(step=step, epoch=epoch, loss=loss, texts_per_second=rate, remaining=left):
            return f"step {step}  epoch {epoch:.2f}  loss {loss:.3f}  {rate:.0f} texts/s  {left:.0f} s left"
        case Rung(name=name, accuracy=accuracy, macro_f1=f1, kept=kept):
            words = f"{name}: accuracy {accuracy.value:.3f}, macro-F1 {f1.value:.3f}"
            return f"{words}{', kept' * kept}"
        case Progress(done=done, total=total, texts_per_second=rate, remaining=left):
            return f"read {done:,} of {total:,}  {rate:.0f} texts/s  {left:.0f} s left"
        case Evaluated(accuracy=accuracy, macro_f1=f1, loss=loss, best=best):
            return f"validation: accuracy {accuracy:.3f}, macro-F1 {f1:.3f}, loss {loss:.3f}{', best' * best}"
    return ""
