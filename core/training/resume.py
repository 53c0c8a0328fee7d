"""A run to a checkpoint and back: what has to be kept so that it goes on as if nothing had happened.

Knows which of a run's values decide about the next step. Does not know how a checkpoint lies on the disk
(`checkpoint`) or when one is due.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.records import Checkpointed, Scores
from core.training import checkpoint
from core.training.group import Group
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.training.validation import Mark, Measured

if TYPE_CHECKING:
    from core.training.run import Run
    from core.training.setup import Setup

SHARE = 100.0  # times as long as the last checkpoint took is trained until the next: a hundredth of the time


def identity(setup: Setup, recipe: Recipe) -> dict[str, str]:
    """What a run is made of. A checkpoint of another identity is not gone on from."""
    data: TrainingData = setup.data
    return {
        "recipe": json.dumps(_deciding(recipe), sort_keys=True),
        "data": checkpoint.fingerprint(
            list(data.train_texts),
            [_plain(label) for label in data.train_labels],
            list(data.validation_texts),
            [_plain(label) for label in data.validation_labels],
            *([] if data.soft is None else [[f"{share:.6g}" for share in row] for row in data.soft]),
        ),
        "labels": checkpoint.fingerprint(list(data.labels)),
        "tokenizer": checkpoint.fingerprint(setup.tokenizer.backend_tokenizer.to_str()),
        "base model": setup.encoder,
    }


def _deciding(recipe: Recipe) -> dict[str, Any]:
    """What of a recipe decides about the weights."""
    return {name: value for name, value in recipe.to_json().items() if name != "snapshots"}


def on_all(found: checkpoint.Loaded | None, group: Group) -> checkpoint.Loaded | None:
    """The checkpoint that the first process has found, on all of them."""
    if group.size == 1:
        return found
    words = None if found is None else [found.step, found.state]
    tensors, words = group.share({} if found is None else found.tensors, words)
    return None if words is None else checkpoint.Loaded(words[0], tensors, words[1], Path())


@dataclass
class Writer:
    """Writes a checkpoint whenever one is due: every `seconds` at most, and never for more than a hundredth of
    the time."""

    folder: Path
    identity: Mapping[str, str]
    seconds: float
    extra: dict[str, Any]  # state of the run's earlier stages
    _last: float = 0.0
    _cost: float = 0.0

    def __post_init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self, run: Run) -> Checkpointed | None:
        if time.perf_counter() - self._last < max(self.seconds, SHARE * self._cost) or run.step >= run.total:
            return None
        run.keeper.write_if_due()
        return self.write(run)

    def write(self, run: Run) -> Checkpointed:
        """A checkpoint of the run's present state. Raises DiskFull."""
        tensors, state = capture(run)
        written = checkpoint.write(
            self.folder, run.step, tensors, {**state, "extra": self.extra}, self.identity
        )
        self._cost, self._last = written.seconds, time.perf_counter()
        return Checkpointed(run.step, written.bytes, written.seconds)


def capture(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and JSON of everything that decides how the run goes on."""
    import torch

    tensors: dict[str, Any] = {f"now.{name}": p.detach() for name, p in run.learner.trainable()}
    names = {id(p): name for name, p in run.learner.trainable()}
    for parameter, values in run.optimizer.state.items():
        for key, value in values.items():
            tensors[f"optimizer.{key}.{names[id(parameter)]}"] = value
    keeper = run.keeper
    if keeper.state is not None:
        tensors.update({f"best.{name}": value for name, value in keeper.state.items()})
    averaged = run.average.state([name for name, _ in run.learner.trainable()])
    tensors.update({f"average.{name}": value for name, value in averaged.items()})
    if run.right is not None:
        tensors["right"] = torch.from_numpy(run.right)
    if run.taught is not None:
        tensors["taught"] = torch.from_numpy(run.taught)
    tensors.update({f"generator.{name}": value for name, value in checkpoint.generators().items()})
    state = {
        "step": run.step,
        "accumulation": run.accumulation,
        "mark": None if run.mark is None else asdict(run.mark),
        "since_mark": run.since_mark,
        "skipped": run.skipped,
        "averaged": run.average.count,
        "precision": run.precision.name,
        "scaler": run.scaler.state_dict(),
        "threads": torch.get_num_threads(),
        "clock": run.clock.to_json(),
        "tuned": None if run.tuned is None else _best(run.tuned, run.step, {}),
        "best": None if keeper.state is None else _best(keeper.best, keeper.step, keeper.made),
    }
    return tensors, state


def restore(run: Run, tensors: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Puts a freshly made run into the state of a checkpoint. Random generators come last."""
    import torch

    run.learner.restore(_below(tensors, "now."))
    named = dict(run.learner.trainable())
    for key in ("step", "exp_avg", "exp_avg_sq"):
        for name, value in _below(tensors, f"optimizer.{key}.").items():
            parameter = named[name]
            place = "cpu" if key == "step" and not _fused_on_card(run) else parameter.device
            run.optimizer.state[parameter][key] = value.to(place)
    run.step, run.accumulation = int(state["step"]), int(state["accumulation"])
    run.mark = None if state["mark"] is None else Mark(**state["mark"])
    run.since_mark, run.skipped = int(state["since_mark"]), int(state["skipped"])
    averaged = _below(tensors, "average.")
    places = {name: p.device for name, p in run.learner.trainable()}
    run.average.restore(
        [averaged[name].to(places[name]) for name in places] if averaged else [], int(state["averaged"])
    )
    run.scaler.load_state_dict(state["scaler"])
    run.clock.restore(state["clock"])
    run.right = tensors["right"].numpy() if "right" in tensors else None
    run.taught = tensors["taught"].numpy() if "taught" in tensors else None
    run.tuned = None if state["tuned"] is None else _measured(state["tuned"])
    best = state["best"]
    if best is not None:
        run.keeper.state = _below(tensors, "best.")
        run.keeper.step, run.keeper.made = int(best["step"]), dict(best["made"])
        run.keeper.best = _measured(best)
        run.keeper.written = False
    torch.set_num_threads(int(state["threads"]))
    checkpoint.set_generators(_below(tensors, "generator."))


def _best(measured: Measured | None, step: int, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"step": step, "made": made, "scores": None}
    if measured is not None:
        found |= {
            "scores": measured.scores.to_json(),
            "loss": measured.loss,
            "thresholds": None if measured.thresholds is None else measured.thresholds.tolist(),
        }
    return found


def _measured(best: Mapping[str, Any]) -> Measured | None:
    if best["scores"] is None:
        return None
    thresholds = best["thresholds"]
    return Measured(
        best["loss"],
        Scores.from_json(best["scores"]),
        np.zeros(0, dtype=bool),
        None if thresholds is None else np.asarray(thresholds),
    )


def _below(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _fused_on_card(run: Run) -> bool:
    return run.device.torch_name == "cuda"


def _plain(label: Any) -> Any:
    return int(label) if isinstance(label, int | np.integer) else [int(c) for c in label]
