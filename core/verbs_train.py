"""The command line before a training: which recipe its flags name, and the pre-flight."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from core.console import say
from core.records import Dataset, Preflight
from core.training.recipe import LOSSES, METHODS, PRECISIONS, Recipe, suggest
from core.workspace import Workspace


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that `train` and `preflight` share. What is not given is left to `suggest`."""
    add = parser.add_argument
    add("--model", metavar="NAME", help="base model: a name in the catalogue or on the Hub, or a folder")
    add(
        "--method", choices=METHODS, help="how to train (default: auto, which picks by the data and says why)"
    )
    add("--epochs", type=float, metavar="N", help="passes over the training texts")
    add("--batch-size", type=int, metavar="N", help="texts per optimizer step")
    add("--accumulation", type=int, metavar="N", help="parts that a batch is computed in, to save memory")
    add("--learning-rate", type=float, metavar="X", help="peak rate of the encoder")
    add("--max-length", type=int, metavar="N", help="tokens read of a text in training")
    add("--windows", action="store_true", default=None, help="read long texts in overlapping windows")
    add("--layers", metavar="head|last:K|all", help="what is trained")
    add("--train-embeddings", action="store_true", default=None, help="let the word embeddings learn too")
    add("--class-weights", action="store_true", default=None, help="errors on rare classes weigh more")
    add("--loss", choices=LOSSES, help="focal: errors on hard texts weigh more")
    add("--label-smoothing", type=float, metavar="X", help="share of each target spread over all classes")
    add("--distillation", type=float, metavar="X", help="share of each target that the quick head makes up")
    add("--lora-rank", type=int, metavar="N", help="rank of LoRA's updates, with --method lora")
    add("--early-stopping", type=int, metavar="N", help="evaluations without improvement until the end")
    add("--precision", choices=PRECISIONS, help="number format (default: auto, which measures)")
    add("--seed", type=int, metavar="N")


def recipe_from(options: argparse.Namespace, dataset: Dataset, base_model: str) -> Recipe:
    """The suggested recipe for the data set, with what the flags of `add_recipe_flags` change."""
    recipe = suggest(
        dataset.parts.get("train", 0), len(dataset.labels), base_model, dataset.separator is not None
    )
    given = {f.name: getattr(options, f.name, None) for f in fields(Recipe)}
    return replace(recipe, **{name: value for name, value in given.items() if value is not None})


def base_model_from(options: argparse.Namespace) -> str:
    """The named base model, a folder by its whole path (a worker has another working directory)."""
    from core.models.catalogue import BUNDLED

    base = str(options.model or BUNDLED)
    return str(Path(base).resolve()) if Path(base).is_dir() else base


def preflight(ws: Workspace, o: argparse.Namespace) -> dict[str, Any]:
    from core import jobs
    from core.jobs.preflight_job import measure

    dataset = ws.dataset(o.dataset)
    jobs.submit.check_trainable(dataset)
    base = base_model_from(o)
    say("Loading the base model, reading the texts and timing a few steps.")
    found = measure(ws, dataset, base, recipe_from(o, dataset, base))
    for sentence in in_words(found):
        say(sentence)
    return found.to_json()


def in_words(found: Preflight) -> list[str]:
    """The pre-flight as sentences: what will be done, how long it takes, what it needs, what to change."""
    low, high = duration(found.seconds_low), duration(found.seconds_high)
    steps = f"{found.steps:,} steps, " if found.steps else ""
    return [
        f"Method “{found.method}”: {found.method_note}",
        f"{found.device}. {found.precision_note}",
        f"{steps}{found.texts_per_second:,.0f} texts per second; the whole run takes about "
        f"{duration(found.seconds)}" + (f" ({low} to {high})." if low != high else "."),
        f"It needs about {found.memory_needed / 1e9:.1f} GB of memory; {found.memory_free / 1e9:.1f} GB are free.",
        f"{100 * found.longer.value:.1f} % of the training texts are longer than {found.max_length} tokens"
        + (" and read in windows." if found.windows else "."),
        *found.advice,
    ]


def duration(seconds: float) -> str:
    """In words that suit an estimate: “40 s”, “12 min”, “3.5 h”."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
