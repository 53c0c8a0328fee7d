"""How quickly labelling with the model in the loop goes, and how much it saves.

    python -m bench.labelling [--data FOLDER] [--seeds 5] [--budget 500] [--batch 25] [--cache FOLDER]

Two measurements:
- re-rank: a data set of 50,000 texts in a real home folder, 77 labels, `budget` answers in its store. Timed is what
  the assist job does after one more answer: read it, refit, rank, write the files. The bar is 1 s.
- simulation: Banking77 (FOLDER, or its banking77/, holds train.csv and test.csv), labelled by its own labels with a
  budget of 500, `batch` texts between two refits. Every strategy has the same head, which knows the labels' names.
  Reported is the accuracy on the test part over seeds with 95 % intervals (Student's t), and of the default queue
  the difference to random, seed by seed. It has to win clearly: the interval of the difference above 0.

Texts are embedded once and kept in --cache. Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench import common

BAR_SECONDS = 1.0
POOL = 50_000
STRATEGIES = ("random", "diverse", "entropy", "margin", "auto")
TITLES = {
    "random": "random",
    "diverse": "diverse throughout",
    "entropy": "diverse start, then entropy",
    "margin": "diverse start, then margin",
    "auto": "auto: diverse start, then a cover of the uncertain",
}
START = 100  # labels of the diverse start of “entropy” and “margin”


def main() -> int:
    asked = options()
    data = load(asked.data, asked.cache)
    good = rerank(data, asked.budget)
    return 0 if simulate(data, asked) and good else 1


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder with train.csv and test.csv")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=500)
    parser.add_argument("--batch", type=int, default=25, help="labels between two refits")
    parser.add_argument(
        "--cache", type=Path, default=Path(tempfile.gettempdir()) / "finesift-bench-labelling"
    )
    parser.add_argument("--strategies", nargs="*", default=list(STRATEGIES), choices=STRATEGIES)
    return parser.parse_args()


def load(folder: Path, cache: Path) -> dict[str, Any]:
    """Embeddings and class indices of both parts, and what is said of the labels."""
    from core.data.splits import text_hash
    from core.jobs.assist_texts import Vectors
    from core.training.few import name_in_words

    train = common.train_file(folder)
    rows = {"train": common.read_rows(train), "test": common.read_rows(train.with_name("test.csv"))}
    names = sorted({label for _, label in rows["train"]})
    vectors = Vectors(cache, cache / "cache")
    found: dict[str, Any] = {"names": names, "said": vectors.get([name_in_words(name) for name in names])}
    for part, pairs in rows.items():
        texts = list(dict(pairs)) if part == "train" else [text for text, _ in pairs]  # each text once
        labels = dict(pairs)
        hashes = np.asarray([text_hash(text) for text in texts], dtype="S16")
        for _ in vectors.learn(hashes, lambda at, texts=texts: [texts[i] for i in at], lambda: False):
            pass
        found[part] = vectors.of(hashes)
        found[f"{part}_targets"] = np.asarray([names.index(labels[text]) for text in texts])
        found[f"{part}_texts"] = texts
    return found


# --------------------------------------------------------------------------- re-rank


def rerank(data: dict[str, Any], labels: int, repeats: int = 5) -> bool:
    """Prints the seconds of a re-rank. Whether they are below the bar."""
    from core.jobs.assist_state import Assistant
    from core.jobs.assist_texts import Distinct

    with tempfile.TemporaryDirectory() as folder:
        desk, vectors, answer = labelled_home(Path(folder), data)
        answer(0, labels)
        assistant = Assistant(desk, Distinct.of(desk.pool_texts), vectors)
        assistant.look()
        assistant.learn()
        seconds = []
        for turn in range(repeats):
            answer(labels + turn, labels + turn + 1)
            begun = time.perf_counter()
            assert assistant.look(), "the answer has not arrived"
            assistant.learn()
            seconds.append(time.perf_counter() - begun)
        desk.ws.close()
    middle, worst = float(np.median(seconds)), max(seconds)
    print(
        f"Re-rank of {POOL:,} texts, {len(data['names'])} labels, {labels} answers: {middle:.2f} s, at most {worst:.2f} s"
    )
    if middle > BAR_SECONDS:
        print(f"above the bar of {BAR_SECONDS:.0f} s")
    return middle <= BAR_SECONDS


def labelled_home(folder: Path, data: dict[str, Any]) -> tuple[Any, Any, Any]:
    """A home with 50,000 texts (those of the training part, numbered, each copy a little apart), their vectors, and
    what answers the texts `start` to `stop` of a random order.
    """
    import pyarrow as pa

    from core.data.table import Table
    from core.desk import Desk
    from core.jobs.assist_texts import Vectors
    from core.labels.nouns import Answer, AnswerState, Label, Scheme, Sent
    from core.records import Reading
    from core.settings import read_settings
    from core.store import labels as label_rows
    from core.store import schemes
    from core.workspace import Workspace

    known, rng = len(data["train"]), np.random.default_rng(0)
    of = np.arange(POOL) % known
    texts = [f"{data['train_texts'][i]} #{at}" for at, i in enumerate(of)]
    ws = Workspace.open(read_settings({"FINESIFT_HOME": str(folder / "home")}))
    reading = Reading(format="csv", encoding="utf-8", delimiter=",", quoting=True, header=True)
    table = Table(("text",), pa.table({"c0": pa.array(texts, pa.large_string())}), reading)
    dataset = ws.add_dataset(table, name="pool", text_column=0, label_column=None)
    labels = tuple(Label(f"label-{at}", name) for at, name in enumerate(data["names"]))
    schemes.add(ws.db, Scheme("scheme-1", dataset.id, 1, 0.0, "bench", False, labels))
    desk = Desk.open(ws, dataset.id)
    vectors = Vectors(desk.folder, folder / "cache")
    vectors.get([])
    noise = rng.normal(scale=0.05, size=(POOL, data["train"].shape[1])).astype(np.float32)
    vectors._keep(desk.hashes.astype("S16").tolist(), (data["train"][of] + noise).astype(np.float16))
    person = label_rows.annotator(ws.db, "bench")
    order = rng.permutation(POOL)

    def answer(start: int, stop: int) -> None:
        sent = [
            Sent(
                "bench",
                at + 1,
                Answer(
                    int(order[at]),
                    person.id,
                    (f"label-{data['train_targets'][of[order[at]]]}",),
                    AnswerState.LABELLED,
                    at + 1,
                ),
            )
            for at in range(start, stop)
        ]
        label_rows.save(ws.db, dataset.id, person.id, sent)

    return desk, vectors, answer


# --------------------------------------------------------------------------- simulation


def simulate(data: dict[str, Any], asked: argparse.Namespace) -> bool:
    """Prints the table. Whether the default queue wins clearly."""
    marks = [mark for mark in (100, 200, 300, 400, asked.budget) if mark <= asked.budget]
    found = {name: np.zeros((asked.seeds, len(marks))) for name in asked.strategies}
    for name in asked.strategies:
        for seed in range(asked.seeds):
            begun = time.perf_counter()
            found[name][seed] = label(data, name, asked.budget, asked.batch, seed, marks)
            took = time.perf_counter() - begun
            print(
                f"{name}, seed {seed}: {found[name][seed, -1]:.1%} in {took:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    rows = [
        [TITLES[name], *(with_interval(found[name][:, at]) for at in range(len(marks)))] for name in found
    ]
    print(
        common.table(["strategy, accuracy on the test part (%)", *(f"{mark} labels" for mark in marks)], rows)
    )
    if not {"auto", "random"} <= set(found):
        return True
    gain = found["auto"][:, -1] - found["random"][:, -1]
    print(f"auto over random at {asked.budget} labels: {with_interval(gain)} points, {asked.seeds} seeds")
    return bool(gain.mean() - half(gain) > 0)


def label(
    data: dict[str, Any], strategy: str, budget: int, batch: int, seed: int, marks: list[int]
) -> list[float]:
    """One simulated labelling: the accuracy on the test part at each mark."""
    from core.labels.asking import START as FIRST
    from core.labels.asking import Cover, measures
    from core.training.relearn import Labelled, Quick

    pool, targets = data["train"], data["train_targets"]
    classes = len(data["names"])
    quick = Quick(pool, data["said"], np.arange(classes), classes, False, seed)
    cover, mixed = Cover(pool, seed), np.random.default_rng(seed).permutation(len(pool))
    start = {"random": budget, "diverse": budget, "auto": FIRST}.get(strategy, START)
    got = mixed[:start] if strategy == "random" else cover.order(np.arange(len(pool)), start)
    inside = np.arange(len(pool))
    results = {}
    size = min(batch, len(got))
    while True:
        labelled = Labelled(got[:size], targets[got[:size]])
        quick.learn(labelled)
        if size in marks:
            results[size] = float((quick.of(data["test"]).argmax(axis=1) == data["test_targets"]).mean())
        if size >= budget:
            return [results[mark] for mark in marks]
        if size == len(got):
            margins, entropies, _ = measures(quick.probabilities(), False)
            left = np.setdiff1d(inside, got)
            if strategy == "auto":
                new = cover.ask_next(left, got, margins, batch)
            else:
                worth = margins if strategy == "margin" else -entropies
                new = left[np.argsort(worth[left], kind="stable")[:batch]]
            got = np.concatenate([got, new])
        size = min(size + batch, len(got))


def half(values: np.ndarray[Any, Any]) -> float:
    """Half the 95 % interval of the mean, by Student's t; 0 for a single value."""
    from scipy.stats import t

    count = len(values)
    return float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0


def with_interval(values: np.ndarray[Any, Any]) -> str:
    return f"{100 * values.mean():.1f} ± {100 * half(values):.1f}"


if __name__ == "__main__":
    sys.exit(main())
