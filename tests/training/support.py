"""Small data and short ways for the tests of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.models.loading import load_classifier
from core.records import Event
from core.training.loop import Places, train
from core.training.recipe import Recipe
from core.training.run import Run
from core.training.task import TrainingData
from tests.tiny import LABELS, toy_texts

RECIPE = Recipe(
    method="full",
    epochs=4,
    batch_size=8,
    learning_rate=2e-3,
    head_learning_rate_factor=1,
    dropout=0.0,
    token_dropout=0.0,
    average_weights=False,
    precision="fp32",
)


def toy_data(n: int = 96, validation: int = 30) -> TrainingData:
    texts, labels = toy_texts(n, seed=1)
    held_out, truth = toy_texts(validation, seed=2)
    return TrainingData(texts, labels, held_out, truth, LABELS)


def start(
    base: Path,
    out: Path,
    recipe: Recipe = RECIPE,
    data: TrainingData | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    places: Places | None = None,
    **sidecar: Any,
) -> Iterator[Event]:
    return train(
        data or toy_data(),
        recipe,
        base,
        out,
        base_name="tiny",
        sidecar=sidecar,
        should_stop=should_stop,
        places=places,
    )


def made(
    base: Path, out: Path, recipe: Recipe = RECIPE, data: TrainingData | None = None, head: bool = True
) -> Run:
    """A run before its first step, as `train` puts it together; `head`: the quick head is fitted."""
    from core.training import setup
    from core.training.group import Group
    from core.training.loop import _Work

    data = data or toy_data()
    work = _Work(data, recipe, base, out, "tiny", {}, Places(), Group())
    work.setup = setup.prepare(data, recipe, base, None, lambda: False)
    work.method = recipe.method
    if head:
        list(setup.fit_head(work.setup, None))
    return work._run({})


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_classifier(folder).state_dict())


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    import torch

    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]
