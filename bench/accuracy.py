"""What the default button reaches on real data, through the same commands that anyone can type.

    python -m bench.accuracy --data FOLDER [--only banking77,fewshot,quick,cooking,spam] [--trainer] [--repeats 1]

FOLDER holds banking77/ (with fewshot/), cooking_multilabel/ and spam_assassin/, each with CSV files of the columns
text and label. For each task: a new home folder (so no embeddings of the task before), `python -m core import`,
`python -m core train --test`, and the scores of the run with their intervals. Seconds are those of the whole
`train` command, from the start of its process until its last line: loading, training, the baseline ladder and the
test included; beside them the seconds of learning alone, from loading the model until the best state is kept.

--trainer: on banking77 also transformers' Trainer at its best (bench.peers), 3 epochs at 5e-5, from the start of its
process, and alone, until it has learnt (its test is not counted), and the ratios of time. With --repeats the tasks that are
compared by time take turns, and medians count. Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import common, peers
from core.data.splits import normalise
from core.evaluation.metrics import score
from core.evaluation.multilabel import score_several
from core.records import Interval, Scores
from core.settings import read_settings
from core.workspace import Workspace

SEPARATOR = "|"  # between the labels of a cooking question
TRAINER = "trainer"


@dataclass(frozen=True)
class Task:
    title: str
    train: tuple[str, ...]  # files below the data folder
    test: str
    figure: str  # "accuracy" | "macro_f1"
    bar: float | None  # the least that the figure has to be; None: it is compared with a peer
    flags: tuple[str, ...] = ()  # of `train`
    separator: str = "none"
    time_bar: float | None = None  # the most of the Trainer's time


TASKS = {
    "banking77": Task(
        "Banking77, default button",
        ("banking77/train.csv",),
        "banking77/test.csv",
        "accuracy",
        0.943,
        time_bar=0.8,
    ),
    "quick": Task(
        "Banking77, quick",
        ("banking77/train.csv",),
        "banking77/test.csv",
        "accuracy",
        0.930,
        flags=("--method", "quick"),
        time_bar=1 / 8,
    ),
    "fewshot": Task(
        "Banking77, 10 texts per class, default button",
        ("banking77/fewshot/train_10.csv",),
        "banking77/fewshot/test.csv",
        "accuracy",
        0.875,
    ),
    "cooking": Task(
        "cooking_multilabel, default button",
        ("cooking_multilabel/train.csv",),
        "cooking_multilabel/test.csv",
        "macro_f1",
        None,
        separator=SEPARATOR,
    ),
    "spam": Task(
        "spam_assassin, default button",
        ("spam_assassin/train.csv", "spam_assassin/validation.csv"),
        "spam_assassin/test.csv",
        "macro_f1",
        0.985,
    ),
}
LEAD = 0.03  # macro-F1 that cooking has to be better than TF-IDF with one-vs-rest logistic regression


@dataclass(frozen=True)
class Result:
    scores: Scores
    seconds: float  # of the whole command, or of the whole process
    learning: float = 0.0  # from loading the model until the best state is kept
    method: str = ""  # whose model was kept


def main() -> int:
    asked = options()
    names = [name for name in asked.only.split(",") if name]
    turns = names + [TRAINER] * asked.trainer
    found: dict[str, list[Result]] = {name: [] for name in turns}
    with tempfile.TemporaryDirectory() as scratch:
        for at, name in enumerate(_order(turns, asked.repeats)):
            place = Path(scratch) / f"{at}-{name}"
            if name == TRAINER:
                result = by_trainer(asked.data, place, asked.model)
            else:
                result = by_command(TASKS[name], asked.data, place, asked.model)
            found[name].append(result)
            figures = (
                f"accuracy {result.scores.accuracy.value:.4f}, macro-F1 {result.scores.macro_f1.value:.4f}"
            )
            print(f"{name}: {figures}, {result.seconds:.1f} s", file=sys.stderr, flush=True)
        baselines = tfidf(asked.data) if "cooking" in names else {}
    return report(found, baselines)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default=",".join(TASKS), help="tasks, separated by commas")
    parser.add_argument("--trainer", action="store_true", help="the Trainer on banking77 as well")
    parser.add_argument("--repeats", type=int, default=1, help="of banking77, quick and the Trainer")
    parser.add_argument("--model", type=Path, help="another encoder than the bundled one, for all")
    asked = parser.parse_args()
    unknown = set(asked.only.split(",")) - {*TASKS, ""}
    if unknown:
        parser.error(f"there is no task {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
    return asked


def _order(names: Sequence[str], repeats: int) -> list[str]:
    """Those that are compared by time take turns; the others once, at the end."""
    timed = [name for name in names if name == TRAINER or TASKS[name].time_bar is not None]
    return common.in_turn(timed, repeats) + [name for name in names if name not in timed]


# --------------------------------------------------------------------------- the ways to a score


def by_command(task: Task, data: Path, place: Path, model: Path | None) -> Result:
    """Import and train in a new home folder, and read the run's scores."""
    train, test = files(task, data, place)
    home = place / "home"
    command(home, "import", train, "--text", "text", "--label", "label", "--name", "texts",
            "--label-separator", task.separator)  # fmt: skip
    base = () if model is None else ("--model", model)
    begun = time.perf_counter()
    told = command(home, "train", "texts", "--test", test, *base, *task.flags)
    seconds = time.perf_counter() - begun
    workspace = Workspace.open(read_settings({"FINESIFT_HOME": str(home)}))
    try:
        run = workspace.run(told["run"])
    finally:
        workspace.close()
    assert run.test is not None, "the run was not tested"
    learning = float(run.summary["seconds"])
    return Result(run.test, seconds, learning, str(run.summary.get("method") or ""))


def files(task: Task, data: Path, place: Path) -> tuple[Path, Path]:
    """The training and the test file. Parts that belong together become one file; with several labels a text,
    test texts that also stand in the training file are left out.
    """
    train, test = [data / name for name in task.train], data / task.test
    rows = common.read_rows(*train)
    if task.separator != "none":
        kept = unseen(rows, common.read_rows(test))
        test = common.write_rows(place / "test.csv", kept)
    return (train[0] if len(train) == 1 else common.write_rows(place / "train.csv", rows)), test


def unseen(train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The test rows whose text, white space and case aside, is not in the training rows."""
    known = {normalise(text) for text, _ in train}
    return [(text, label) for text, label in test if normalise(text) not in known]


def command(home: Path, *arguments: object) -> dict[str, Any]:
    """`python -m core` over a home folder: its JSON. Raises RuntimeError with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "core", "--home", str(home), *map(str, arguments)],
        cwd=common.ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    told = common.last_json(done.stdout)
    if done.returncode or told is None:
        raise RuntimeError(f"python -m core {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return told


def by_trainer(data: Path, place: Path, model: Path | None) -> Result:
    task = TASKS["banking77"]
    job = {
        "model": str(model or common.bundled()),
        "train": common.read_rows(*(data / name for name in task.train)),
        "test": common.read_rows(data / task.test),
        "output": str(place),
    }
    told = common.in_fresh_process("bench.peers", {**job, "spawned": time.time()})
    return Result(
        score(told["truth"], told["predicted"], told["labels"]), told["seconds"], told["learning"], "full"
    )


def tfidf(data: Path) -> dict[str, Scores]:
    """Word counts with one logistic regression per label, on the cooking questions: plain, and with classes
    weighted.
    """
    task = TASKS["cooking"]
    train = common.read_rows(*(data / name for name in task.train))
    test = unseen(train, common.read_rows(data / task.test))
    names = sorted({label for _, cell in [*train, *test] for label in cell.split(SEPARATOR)})

    def truth(rows: Sequence[tuple[str, str]]) -> np.ndarray[Any, Any]:
        return np.asarray([[name in cell.split(SEPARATOR) for name in names] for _, cell in rows])

    texts, held = [text for text, _ in train], [text for text, _ in test]
    return {
        title: score_several(truth(test), peers.tfidf_one_vs_rest(texts, truth(train), held, weight), names)
        for title, weight in (("TF-IDF, one-vs-rest", None), ("TF-IDF, one-vs-rest, balanced", "balanced"))
    }


# --------------------------------------------------------------------------- the report


def report(found: dict[str, list[Result]], baselines: dict[str, Scores]) -> int:
    """Prints the table and the ratios of time. Returns 1 when a bar is missed, else 0."""
    rows, missed = [], []
    for name, results in found.items():
        task = TASKS["banking77" if name == TRAINER else name]
        worst = min(results, key=lambda r: getattr(r.scores, task.figure).value)
        value = getattr(worst.scores, task.figure)
        bar = None if name == TRAINER else task.bar
        if name == "cooking":
            bar = baselines["TF-IDF, one-vs-rest"].macro_f1.value + LEAD
        if bar is not None and value.value < bar:
            missed.append(task.title)
        title = "Banking77, Trainer at its best" if name == TRAINER else task.title
        rows.append(_row(title, worst.scores, task.figure, bar, results))
    rows += [_row(title, scores, "macro_f1", None, []) for title, scores in baselines.items()]
    print(common.table(["task", "n", "figure", "value", "95 %", "bar", "seconds", "learning", "kept"], rows))
    if TRAINER in found:
        peer = statistics.median(r.learning for r in found[TRAINER])
        whole = statistics.median(r.seconds for r in found[TRAINER])
        for name, results in found.items():
            limit = None if name == TRAINER else TASKS[name].time_bar
            if limit is None:
                continue
            ratio = statistics.median(r.learning for r in results) / peer
            command = statistics.median(r.seconds for r in results) / whole
            print(
                f"{TASKS[name].title}: {ratio:.3f} of the Trainer's time to learn (bar {limit:g}); the whole command, "
                f"baselines and test included, {command:.3f} of the Trainer's process"
            )
            if ratio > limit:
                missed.append(f"{TASKS[name].title}, time")
    for title in missed:
        print(f"Missed: {title}")
    return 1 if missed else 0


def _row(title: str, scores: Scores, figure: str, bar: float | None, results: Sequence[Result]) -> list[str]:
    value: Interval = getattr(scores, figure)
    learning = [r.learning for r in results]
    return [
        title,
        f"{scores.n:,}",
        figure.replace("macro_f1", "macro-F1"),
        f"{100 * value.value:.2f}",
        f"{100 * value.low:.1f} to {100 * value.high:.1f}",
        "" if bar is None else f"{100 * bar:.1f}",
        f"{statistics.median(r.seconds for r in results):.1f}" if results else "",
        f"{statistics.median(learning):.1f}" if learning else "",
        results[0].method if results else "",
    ]


if __name__ == "__main__":
    sys.exit(main())
