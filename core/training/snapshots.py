"""What a run was on its way: the weights that learn, at a few evaluations, for looking at how attention came about.

    snapshots/
    ├── step-00000040.safetensors   float16, by the names of the plain model; step and epoch in its header
    └── step-00000080.safetensors

Not for going on (that is `checkpoint`): a state that cannot be written is left out, and the run goes on as it would
have. Knows which parameters learn and how such a file lies on the disk. Does not know attention.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from core.models.loading import head_names
from core.records import Event, Note
from core.training.learner import Learner

if TYPE_CHECKING:
    from core.training.run import Run

MOST_BYTES = 250_000_000  # that the snapshots of one run may take
SHARE = 0.01  # of a run's time that writing them may take,
SECONDS = 1.0  # or this long, whichever is more
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


@dataclass(frozen=True)
class Snapshot:
    step: int  # optimizer steps before it
    epoch: float
    path: Path


def kept(folder: Path) -> list[Snapshot]:
    """The snapshots of a run that can be read, the earliest first."""
    from safetensors import SafetensorError, safe_open

    found = []
    for path in sorted(Path(folder).glob("step-*.safetensors")):
        name = _NAME.fullmatch(path.name)
        with suppress(OSError, SafetensorError, ValueError):
            with safe_open(path, framework="pt") as file:
                epoch = float((file.metadata() or {}).get("epoch", "nan"))
            if name is not None and epoch == epoch:
                found.append(Snapshot(int(name[1]), epoch, path))
    return sorted(found, key=lambda each: each.step)


def clear(folder: Path) -> None:
    """Removes them all: the run begins anew."""
    shutil.rmtree(folder, ignore_errors=True)


def due_at(evaluations: Sequence[int], most: int) -> list[int]:
    """At most `most` of the steps after which a run evaluates, evenly spread, the last one among them."""
    count = min(most, len(evaluations))
    return [evaluations[round((n + 1) * len(evaluations) / count) - 1] for n in range(count)]


@dataclass
class Writer:
    """Asked after every evaluation; writes a snapshot where one is due. `most`: how many at most."""

    folder: Path
    most: int
    _due: frozenset[int] | None = None
    _names: dict[str, str] = field(default_factory=dict)
    _spent: float = 0.0  # seconds

    def __call__(self, run: Run) -> Iterator[Event]:
        """Yields a Note where something is in the way, and takes no part in training: no random number is drawn, no
        parameter changes. Raises nothing of its own."""
        if self._due is None:
            yield from self._plan(run)
        if run.step not in (self._due or ()):
            return
        start = time.perf_counter()
        try:
            self._write(run)
        except (OSError, RuntimeError, MemoryError) as error:  # RuntimeError: torch's word for no memory
            self._due = frozenset()
            yield Note(
                "The states on the way are not kept from here on, so “watch a head learn” will have fewer: "
                f"they could not be written ({getattr(error, 'strerror', None) or error}). Training goes on."
            )
            return
        cost = time.perf_counter() - start
        self._spent += cost
        self._spread(run, cost)

    def _plan(self, run: Run) -> Iterator[Event]:
        learner = run.learner
        self._names = learning_names(learner)
        sizes = dict(learner.model.named_parameters(remove_duplicate=False))
        size = 2 * sum(sizes[raw].numel() for raw in self._names)
        fitting = MOST_BYTES // max(1, size)
        before = sum(each.step < run.step for each in kept(self.folder))  # of a run that was resumed
        left = [step for step in run.evaluations if step >= run.step]
        self._due = frozenset(due_at(left, min(self.most, fitting) - before))
        if fitting < self.most:
            yield Note(
                f"Of this model {fitting or 'no'} {'state' if fitting == 1 else 'states'} on the way can be kept "
                f"for “watch a head learn”: one takes {size / 1e6:,.0f} MB, and all together may take "
                f"{MOST_BYTES / 1e6:,.0f} MB."
            )

    def _spread(self, run: Run, cost: float) -> None:
        """As many of those that are left as there is time for, evenly over what is left of the run."""
        left = [step for step in run.evaluations if step > run.step]
        planned = sum(step > run.step for step in self._due or ())
        time_for_it = max(SECONDS, SHARE * (run.clock.elapsed + run.remaining())) - self._spent
        self._due = frozenset(due_at(left, min(planned, int(time_for_it / max(cost, 1e-6)))))

    def _write(self, run: Run) -> None:
        import torch
        from safetensors.torch import save

        state = run.learner.plain_state()
        wanted = set(self._names.values())
        tensors = {
            name: value.detach().to(device="cpu", dtype=torch.float16).contiguous()
            for name, value in state.items()
            if name in wanted
        }
        data = save(tensors, {"format": "pt", "step": str(run.step), "epoch": repr(run.epoch)})
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"step-{run.step:08d}.safetensors"
        draft = self.folder / f"tmp-{os.getpid()}"
        try:
            draft.write_bytes(data)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


def learning_names(learner: Learner) -> dict[str, str]:
    """What of the plain model learns, head included: its name in memory -> its name in the saved model. They differ
    where low-rank updates stand beside a weight and are merged into it."""
    own = {id(p) for _, p in learner.trainable()} | learner.updated()
    head = head_names(learner.model)  # with an averaging layer the head that learns is another one
    found = {}
    for raw, parameter in learner.model.named_parameters(remove_duplicate=False):
        name = raw.replace(".base_layer.", ".")
        if ".lora_" not in raw and (id(parameter) in own or raw in head):
            found[raw] = name
    return found
