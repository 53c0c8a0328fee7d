"""Training as a generator: `train(...)` yields what happened, and whoever no longer asks has stopped it.

Knows the order of things: load, prepare, step, measure, keep the best. Does not know threads, databases,
screens or where data come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.models.device import pick_device
from core.models.forward import Encoded, encode, memory_in_words
from core.models.loading import load_for_training, load_tokenizer
from core.records import Event, Note
from core.training import recipe as recipes
from core.training import task
from core.training.freezing import freeze
from core.training.optimizer import class_weights, make_optimizer
from core.training.recipe import Recipe
from core.training.run import Run
from core.training.task import TrainingData
from core.training.validation import evaluation_steps


def train(
    data: TrainingData,
    recipe: Recipe,
    base_folder: Path,
    out_folder: Path,
    *,
    base_name: str,
    sidecar: dict[str, Any] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Fine-tunes the encoder in `base_folder` and leaves the best state by validation macro-F1 in
    `out_folder`, a plain Hugging Face folder that is complete whenever it exists.

    Yields Note, Started, Step (every optimizer step), Evaluated and at last Finished. `should_stop` is asked
    between steps and between the batches of an evaluation; then the best state so far is kept (the present
    one, when nothing was measured yet) and Finished says so. Closing the generator ends it at once, with what
    is on the disk. The same seed, precision and thread count give the same weights, bit by bit, on one
    machine's CPU.

    Raises BadData, BadRecipe, BadModel, UnsafeModel, Diverged (before the weights take part in it),
    OutOfMemory, DiskFull.
    """
    recipes.check(recipe)
    for warning in task.check(data):
        yield Note(warning)
    yield Note(f"Loading {base_name} and reading {len(data.train_texts):,} texts.")
    run = _prepare(data, recipe, Path(base_folder), Path(out_folder), base_name, sidecar or {}, should_stop)
    yield Note(run.precision.note)
    yield run.started()
    yield from run.steps()
    yield from run.last_measurement()
    yield run.finished()


def _prepare(
    data: TrainingData,
    recipe: Recipe,
    base_folder: Path,
    out_folder: Path,
    base_name: str,
    sidecar: dict[str, Any],
    should_stop: Callable[[], bool],
) -> Run:
    import torch

    device = pick_device()
    torch.manual_seed(recipe.seed)  # the new head's start
    tokenizer = load_tokenizer(base_folder)
    model = load_for_training(base_folder, data.labels)
    freeze(model, recipe)
    max_length, train_part, validation_part = _tokenise(tokenizer, data, recipe)
    with memory_in_words(recipe.batch_size, max_length):
        model.to(device.torch_name)
    run = Run(
        data=data,
        recipe=recipe,
        out_folder=out_folder,
        sidecar={
            "base_model": base_name,
            "task": "single-label classification",
            "recipe": recipe.to_json(),
            "max_length_in_training": max_length,
            **sidecar,
        },
        should_stop=should_stop,
        device=device,
        model=model,
        tokenizer=tokenizer,
        train_part=train_part,
        validation_part=validation_part,
        optimizer=make_optimizer(model, recipe, device.torch_name),
        weights=class_weights(list(data.train_labels), len(data.labels), device.torch_name)
        if recipe.class_weights
        else None,
        total=recipe.steps(len(data.train_texts)),
        evaluations=evaluation_steps(
            recipe.steps(len(data.train_texts)),
            recipe.steps_per_epoch(len(data.train_texts)),
            len(data.train_texts),
            len(data.validation_texts),
        ),
    )
    run.choose_precision()
    return run


def _tokenise(tokenizer: Any, data: TrainingData, recipe: Recipe) -> tuple[int, Encoded, Encoded]:
    """Both parts, once: training texts cut to the maximum length, validation texts to what the model reads,
    as in use.
    """
    readable = int(tokenizer.model_max_length)
    train_part = encode(tokenizer, data.train_texts, min(recipe.max_length or readable, readable))
    max_length = recipe.max_length or recipes.automatic_length(train_part.full, readable)
    if train_part.lengths.max() > max_length:
        train_part = encode(tokenizer, data.train_texts, max_length)
    return min(max_length, readable), train_part, encode(tokenizer, data.validation_texts, readable)
