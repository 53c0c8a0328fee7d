"""What events, progress, the store and checkpoints cost a training.

    python -m bench.cost [--data FOLDER] [--model FOLDER] [--seconds 120] [--repeats 3]

The same training twice, by turns, each time in a fresh process: once as a job does it, every event written to a
real store by the worker's Link with its heartbeat, and a checkpoint every 10 s (FINESIFT_CHECKPOINT_SECONDS); once
as a bare generator whose events are thrown away, without checkpoints. The clock runs from `Started` to `Finished`.
Both end with the same weights, which is checked. FOLDER, or its banking77/, holds train.csv; without it the sample data are learnt.
A first turn, not counted, finds out how many epochs fill the seconds: a checkpoint of a large model is rare, so
what it costs shows only in a run of usual length. Ends with status 1 above the bar.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import common
from core.records import Checkpointed, Event, Finished, Started, Step
from core.settings import Settings, read_settings

BAR = 0.02
TITLES = {"bare": "bare generator", "job": "as a job"}
TRIAL_STEPS = 40
HELD_SHARE = 0.15  # of the rows, for validation


def main() -> int:
    asked = options()
    if asked.job:
        print(json.dumps(turn(json.loads(asked.job.read_text("utf-8")))))
        return 0
    job = made(asked.data, asked.model or common.bundled(), asked.most)
    per_epoch = -(-len(job["texts"]) // job["batch"])
    trial = common.in_fresh_process("bench.cost", {**job, "way": "bare", "epochs": TRIAL_STEPS / per_epoch})
    job["precision"] = trial["precision"]  # measured once: the same for all
    job["epochs"] = max(1, round(asked.seconds / trial["seconds"] * TRIAL_STEPS / per_epoch))
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in TITLES}
    for way in common.in_turn(list(TITLES), asked.repeats):
        found[way].append(common.in_fresh_process("bench.cost", {**job, "way": way}))
        print(f"{TITLES[way]}: {found[way][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    return report(found)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="a folder with train.csv (default: the sample data)")
    parser.add_argument("--most", type=int, default=1000, help="rows of it that are learnt from")
    parser.add_argument("--model", type=Path, help="an encoder (default: the bundled one)")
    parser.add_argument("--seconds", type=float, default=120.0, help="that one training takes, about")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def made(data: Path | None, model: Path, most: int, seed: int = 0) -> dict[str, Any]:
    """What both ways learn from."""
    from core.training.recipe import suggest

    rows = sample_rows() if data is None else common.read_rows(common.train_file(data))
    rows = random.Random(seed).sample(rows, min(most, len(rows)))
    names = sorted({label for _, label in rows})
    held = max(1, round(HELD_SHARE * len(rows)))
    texts, labels = [text for text, _ in rows], [names.index(label) for _, label in rows]
    return {
        "model": str(model),
        "names": names,
        "texts": texts[held:],
        "labels": labels[held:],
        "held_texts": texts[:held],
        "held_labels": labels[:held],
        "batch": suggest(len(rows) - held, len(names)).batch_size,
        "precision": "auto",
    }


def sample_rows() -> list[tuple[str, str]]:
    """The labelled rows of the sample data."""
    from core.data.sample import sample_path

    with sample_path().open(encoding="utf-8", newline="") as lines:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(lines)]
    return [(text, label) for text, label in rows if text.strip() and label.strip()]


# --------------------------------------------------------------------------- one turn


def turn(job: dict[str, Any]) -> dict[str, Any]:
    """One training, as a job or bare: its seconds, and what of them is known to be no training."""
    from core.training.loop import Places, train
    from core.training.recipe import suggest
    from core.training.task import TrainingData

    data = TrainingData(job["texts"], job["labels"], job["held_texts"], job["held_labels"], job["names"])
    recipe = replace(
        suggest(len(job["texts"]), len(job["names"])),
        method="full",
        epochs=float(job["epochs"]),
        precision=job["precision"],
        early_stopping=0,
    )
    result: dict[str, Any] = {"steps": 0, "events": 0, "writing": 0.0, "checkpoints": 0, "saving": 0.0}
    begun = 0.0
    with tempfile.TemporaryDirectory() as folder:
        # the worker's own settings, over a home folder of this turn's own
        settings = read_settings({**os.environ, "FINESIFT_HOME": folder, "FINESIFT_DATABASE_URL": ""})
        out = settings.home / "runs" / "best"
        with receiver(job["way"] == "job", settings) as (emit, should_stop):
            checkpoints = settings.home / "runs" / "checkpoints" if job["way"] == "job" else None
            for event in train(
                data,
                recipe,
                Path(job["model"]),
                out,
                base_name="bench",
                should_stop=should_stop,
                places=Places(checkpoints, None, settings.checkpoint_seconds),
            ):
                if isinstance(event, Started):
                    begun = time.perf_counter()
                    result["precision"] = event.precision
                if isinstance(event, Finished):
                    result["seconds"] = time.perf_counter() - begun
                before = time.perf_counter()
                emit(event)
                _count(result, event, time.perf_counter() - before)
        result["weights"] = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    return result


def _count(result: dict[str, Any], event: Event, seconds: float) -> None:
    result["events"] += 1
    result["writing"] += seconds
    if isinstance(event, Step):
        result["steps"] = event.step
    if isinstance(event, Checkpointed):
        result["checkpoints"] += 1
        result["saving"] += event.seconds


@contextmanager
def receiver(
    stored: bool, settings: Settings
) -> Iterator[tuple[Callable[[Event], None], Callable[[], bool]]]:
    """(what takes an event, what is asked for a stop): a worker's Link to a real store, or nothing at all."""
    if not stored:
        yield (lambda event: None), (lambda: False)
        return
    import psutil

    from core.jobs.link import Link
    from core.jobs.supervise import machine
    from core.store import jobs as job_rows
    from core.workspace import Workspace

    workspace = Workspace.open(settings)
    with workspace.db.write() as connection:
        job_rows.insert_job(connection, "train", "train", {})
    me = psutil.Process()
    claimed = job_rows.claim(
        workspace.db, "train", "bench", settings.lease_seconds, machine(), me.pid, me.create_time()
    )
    assert claimed is not None, "the job is not there"
    try:
        with Link(workspace.db, claimed[1], settings.lease_seconds) as link:
            yield link.emit, link.should_stop
    finally:
        workspace.close()


# --------------------------------------------------------------------------- the report


def report(found: dict[str, list[dict[str, Any]]]) -> int:
    """Prints the table and the cost. Returns 1 when it is above the bar, else 0."""
    middle = {way: statistics.median(each["seconds"] for each in turns) for way, turns in found.items()}
    rows = [
        [
            TITLES[way],
            f"{turns[0]['steps']:,}",
            f"{middle[way]:.2f}",
            f"{min(t['seconds'] for t in turns):.2f}",
            f"{max(t['seconds'] for t in turns):.2f}",
            f"{turns[0]['events']:,}",
            f"{statistics.median(t['writing'] for t in turns):.3f}",
            f"{statistics.median(t['checkpoints'] for t in turns):g}",
            f"{statistics.median(t['saving'] for t in turns):.3f}",
        ]
        for way, turns in found.items()
    ]
    header = [
        "training",
        "steps",
        "seconds",
        "lowest",
        "highest",
        "events",
        "s in emit",
        "checkpoints",
        "s saving",
    ]
    print(common.table(header, rows))
    cost = middle["job"] / middle["bare"] - 1
    known = statistics.median((t["writing"] + t["saving"]) / t["seconds"] for t in found["job"])
    same = len({t["weights"] for turns in found.values() for t in turns}) == 1
    print(f"Cost of events, store and checkpoints: {100 * cost:.2f} % (bar {100 * BAR:g} %)")
    print(f"Of it seen inside the job (emit and checkpoints): {100 * known:.2f} %")
    print(f"Both end with the same weights: {'yes' if same else 'no'}")
    return 1 if cost > BAR or not same else 0


if __name__ == "__main__":
    sys.exit(main())
