"""How many texts a second full fine-tuning learns from, beside transformers' Trainer.

    python -m bench.train --data FOLDER [--model FOLDER] [--batch 32] [--steps 80] [--repeats 3]
    python -m bench.train --data FOLDER --device cuda [--tokens 128] [--batch 32 128]

FOLDER, or its banking77/, holds train.csv with the columns text and label. On a CPU three contenders: the Trainer with its defaults
(fp32, random order), the Trainer at its best (bf16, texts of like length together), and `core.training.train` with
the recipe that it suggests itself. On CUDA the Trainer in bf16 and ours, on a BERT of base size with random weights
and texts of exactly so many tokens, and what share of the card's peak both reach.

Every contender learns from the same texts, drawn at random and cut at the same length, by turns, each time in a
fresh process. Its rate is real texts (no padding) over the seconds of one whole epoch's worth of steps, after some
steps that are not counted; so long and short texts come as often as they are, in whatever order a contender likes.
Measuring on the validation part, loading and saving are left out for all. Ends with status 1 below a bar.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import cards, common, peers

WARM = 6  # steps before the clock runs
HELD = 4  # training texts per validation text: so few evaluations that they are one an epoch
CONTENDERS = {"default": "Trainer, defaults", "best": "Trainer, bf16, grouped by length", "ours": "Finesift"}
BARS = {"cpu": {"default": 5.0, "best": 1.8}, "cuda": {"best": 1.5}}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}


@dataclass(frozen=True)
class Job:
    """What one contender gets: all that it needs, as JSON."""

    contender: str
    model: str
    texts: list[str]
    labels: list[int]
    held_texts: list[str]  # the validation part; only ours needs one
    held_labels: list[int]
    names: list[str]
    batch: int
    tokens: int  # a text is cut at; 0: from the data
    device: str

    @property
    def steps(self) -> int:
        """Of one epoch; the texts are a multiple of the batch."""
        return len(self.texts) // self.batch

    @property
    def epochs(self) -> float:
        return 1 + WARM / self.steps


def main() -> int:
    asked = options()
    if asked.job:
        print(json.dumps(contend(Job(**json.loads(asked.job.read_text("utf-8"))))))
        return 0
    batches = asked.batch or ([32] if asked.device == "cpu" else [32, 128])
    tokens = asked.tokens if asked.tokens is not None else (0 if asked.device == "cpu" else 128)
    rows = common.read_rows(common.train_file(asked.data))
    if asked.device == "cuda" and not peers.has_card():
        raise SystemExit(
            "There is no CUDA card here. Measure with --device cpu, or on a machine that has one."
        )
    missed = False
    with tempfile.TemporaryDirectory() as scratch:
        model = asked.model or (
            common.bundled() if asked.device == "cpu" else big_model(Path(scratch) / "base")
        )
        for batch in batches:
            job = draw(rows, model, batch, asked.steps, tokens, asked.device)
            found = measure(job, [*BARS[asked.device], "ours"], asked.repeats)
            missed |= report(job, found)
    return 1 if missed else 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="a folder with train.csv")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--model", type=Path, help="an encoder (default: the bundled one; on CUDA a BERT of base size)"
    )
    parser.add_argument("--batch", type=int, nargs="+", help="texts a step (default: 32; on CUDA 32 and 128)")
    parser.add_argument(
        "--tokens", type=int, help="join texts to so many tokens each (default: as they are; CUDA 128)"
    )
    parser.add_argument("--steps", type=int, default=80, help="of the epoch that is timed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not asked.job and not asked.data:
        parser.error("name a folder with --data")
    return asked


def measure(job: Job, contenders: list[str], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """What each contender reached in each of its turns."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if job.device == "cpu" else {}
    for name in common.in_turn(contenders, repeats):
        result = common.in_fresh_process("bench.train", asdict(replace(job, contender=name)), **hidden)
        found[name].append(result)
        print(
            f"{CONTENDERS[name]}: {result['texts'] / result['seconds']:.1f} texts/s",
            file=sys.stderr,
            flush=True,
        )
    return found


# --------------------------------------------------------------------------- what is learnt


def draw(
    rows: list[tuple[str, str]], model: Path, batch: int, steps: int, tokens: int, device: str, seed: int = 0
) -> Job:
    """`steps` full batches of random rows, and a validation part of a quarter as many; `tokens` above 0: rows
    joined until each text fills so many tokens.
    """
    n = batch * steps
    held = max(1, n // HELD)
    shuffled = random.Random(seed).sample(rows, len(rows))
    names = sorted({label for _, label in rows})
    if tokens:
        shuffled = joined(shuffled, model, n + held, tokens)
    if len(shuffled) < n + held:
        raise SystemExit(
            f"{steps} steps of {batch} texts and their validation part are {n + held:,} texts; the file has "
            f"{len(rows):,}. Take fewer --steps."
        )
    texts, labels = [text for text, _ in shuffled], [names.index(label) for _, label in shuffled]
    return Job(
        "",
        str(model),
        texts[:n],
        labels[:n],
        texts[n : n + held],
        labels[n : n + held],
        names,
        batch,
        tokens,
        device,
    )


def joined(rows: list[tuple[str, str]], model: Path, n: int, tokens: int) -> list[tuple[str, str]]:
    """n texts of at least so many tokens, each of rows that follow one another, under the first one's label."""
    from core.models.loading import load_tokenizer

    tokenizer = load_tokenizer(model)
    lengths = [
        len(ids) for ids in tokenizer([text for text, _ in rows], add_special_tokens=False)["input_ids"]
    ]
    found, at = [], 0
    for _ in range(n):
        parts, filled, label = [], 0, rows[at % len(rows)][1]
        while filled < tokens:
            parts.append(rows[at % len(rows)][0])
            filled += max(1, lengths[at % len(rows)])
            at += 1
        found.append((" ".join(parts), label))
    return found


def big_model(folder: Path) -> Path:
    """A BERT of base size with random weights and the bundled encoder's tokenizer: speed asks for no more."""
    import torch
    from transformers import BertConfig, BertModel

    from core.models.loading import load_tokenizer, quiet

    tokenizer = load_tokenizer(common.bundled())
    torch.manual_seed(0)
    with quiet():
        BertModel(BertConfig(vocab_size=len(tokenizer), **BASE)).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


# --------------------------------------------------------------------------- the contenders


class Stopwatch:
    """Runs over `steps` steps after `WARM` of them; `mark` is called at the end of every step."""

    def __init__(self, steps: int, device: str) -> None:
        self.steps, self.device = steps, device
        self.done, self.begun, self.seconds = 0, 0.0, 0.0

    def mark(self) -> None:
        self.done += 1
        if self.done in (WARM, WARM + self.steps):
            if self.device == "cuda":  # the card works on after the call has returned
                import torch

                torch.cuda.synchronize()
            now = time.perf_counter()
            self.seconds, self.begun = now - self.begun, now

    def leave_out(self, seconds: float) -> None:
        """Of the time that runs: what is no part of training."""
        self.begun += seconds


def contend(job: Job) -> dict[str, Any]:
    """One contender's turn: real texts, seconds, and the operations that they take."""
    import torch

    watch = Stopwatch(job.steps, job.device)
    lengths, extra = (ours if job.contender == "ours" else by_trainer)(job, watch)
    if watch.done < WARM + job.steps:
        raise RuntimeError(f"{watch.done} steps instead of {WARM + job.steps}")
    return {
        "texts": job.steps * job.batch,
        "seconds": watch.seconds,
        "operations": cards.operations(Path(job.model), lengths),
        "card": torch.cuda.get_device_name() if job.device == "cuda" else "",
        "threads": torch.get_num_threads(),
        **extra,
    }


def by_trainer(job: Job, watch: Stopwatch) -> tuple[list[int], dict[str, Any]]:
    from transformers import TrainerCallback

    class AtStepEnd(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            watch.mark()

    folder = Path(job.model)
    tokenizer, items = peers.tokens(folder, job.texts, job.tokens)
    for item, label in zip(items, job.labels, strict=True):
        item["labels"] = label
    best = job.contender == "best"
    with tempfile.TemporaryDirectory() as output:
        learner = peers.trainer(
            peers.classifier(folder, len(job.names)),
            tokenizer,
            items,
            Path(output),
            best=best,
            batch=job.batch,
            device=job.device,
            callbacks=[AtStepEnd()],
            max_steps=WARM + job.steps,
        )
        learner.train()
    return [len(item["input_ids"]) for item in items], {"precision": "bf16" if best else "fp32"}


def ours(job: Job, watch: Stopwatch) -> tuple[list[int], dict[str, Any]]:
    """The product's own training, whose events tell when a step is done. What lies between two of them and is
    no step (the validation part) is left out.
    """
    from core.records import Evaluated, Started, Step
    from core.training.loop import train
    from core.training.recipe import suggest
    from core.training.task import TrainingData

    data = TrainingData(job.texts, job.labels, job.held_texts, job.held_labels, job.names)
    recipe = replace(
        suggest(len(job.texts), len(job.names)),
        method="full",
        batch_size=job.batch,
        epochs=job.epochs,
        max_length=job.tokens,
        early_stopping=0,
    )
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as output:
        asked = time.perf_counter()
        for event in train(data, recipe, Path(job.model), Path(output) / "model", base_name="bench"):
            if isinstance(event, Step):
                watch.mark()
            elif isinstance(event, Evaluated):
                watch.leave_out(time.perf_counter() - asked)
            elif isinstance(event, Started):
                told = {"precision": event.precision, "trainable": event.trainable}
            asked = time.perf_counter()
    _, items = peers.tokens(Path(job.model), job.texts, job.tokens)
    return [len(item["input_ids"]) for item in items], told


# --------------------------------------------------------------------------- the report


def report(job: Job, found: dict[str, list[dict[str, Any]]]) -> bool:
    """Prints table and ratios. True: a bar is missed."""
    rates = {name: [turn["texts"] / turn["seconds"] for turn in turns] for name, turns in found.items()}
    middle = {name: statistics.median(each) for name, each in rates.items()}
    first = found["ours"][0]
    limit = cards.peak(first["card"]) if first["card"] else None
    where = first["card"] or f"CPU, {first['threads']} threads"
    header = ["contender", "precision", "texts/s", "lowest", "highest"] + ["share of peak"] * (
        limit is not None
    )
    rows = []
    for name, each in rates.items():
        row = [
            CONTENDERS[name],
            found[name][0]["precision"],
            *(f"{x:.1f}" for x in (middle[name], min(each), max(each))),
        ]
        if limit is not None:
            turn = found[name][0]
            row.append(f"{100 * middle[name] * turn['operations'] / turn['texts'] / limit:.1f} %")
        rows.append(row)
    print(f"\n{where}; batch {job.batch}, {job.steps} steps, medians of {len(found['ours'])} turns\n")
    print(common.table(header, rows))
    missed = False
    for name, bar in BARS[job.device].items():
        ratio = middle["ours"] / middle[name]
        missed |= ratio < bar
        print(f"Finesift / {CONTENDERS[name]}: {ratio:.2f} (bar {bar:g}{', missed' * (ratio < bar)})")
    return missed


if __name__ == "__main__":
    sys.exit(main())
