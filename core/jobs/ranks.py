"""Several processes for one training: the first is the job's worker, or the one that `torchrun` numbered 0.

Knows how the others are started, what they are told, and how a dead one is noticed. Does not know how the work is
split (core.training.group). The others never open the home folder: texts and recipe come to them from the first, so
that all have the same, also where they run on another machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadRecipe, NotFound, WorkerFailed
from core.models.sources import resolve
from core.training import group as groups
from core.training.group import Group, Meeting
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import TrainingData

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [sys.executable, "-m", "core", "rank", "--child"]
_GRACE = 120.0  # seconds that the first has to notice by itself that another one died: it may sit in a call of NCCL
_FAREWELL = 10.0  # seconds for the others to end by themselves
_LOOK_SECONDS = 0.2


# --------------------------------------------------------------------------- what the others are told


@dataclass(frozen=True)
class Task:
    """All that a process needs in order to compute with the others."""

    data: TrainingData
    recipe: Recipe
    base: str  # folder of the base model where the first process runs
    base_name: str


def tell(group: Group, task: Task) -> None:
    """From the first process to the others, which wait in `follow`."""
    if group.size == 1:
        return
    data = task.data
    words = {
        "train_texts": list(data.train_texts),
        "train_labels": _plain(data.train_labels, data.several),
        "validation_texts": list(data.validation_texts),
        "validation_labels": _plain(data.validation_labels, data.several),
        "labels": list(data.labels),
        "several": data.several,
        "soft": None if data.soft is None else [[float(share) for share in row] for row in data.soft],
        "recipe": task.recipe.to_json(),
        "base": task.base,
        "base_name": task.base_name,
    }
    group.share({}, words)


def _hear(group: Group) -> Task:
    words = group.share({}, None)[1]
    several = bool(words["several"])
    data = TrainingData(
        words["train_texts"],
        [tuple(own) for own in words["train_labels"]] if several else words["train_labels"],
        words["validation_texts"],
        [tuple(own) for own in words["validation_labels"]] if several else words["validation_labels"],
        tuple(words["labels"]),
        several,
        words["soft"],
    )
    return Task(data, Recipe.from_json(words["recipe"]), words["base"], words["base_name"])


def _plain(labels: Any, several: bool) -> list[Any]:
    return [[int(c) for c in own] for own in labels] if several else [int(c) for c in labels]


# --------------------------------------------------------------------------- the others


def follow(child: bool) -> None:
    """The whole life of one of the other processes: hears its task, computes in step with the first, says nothing.
    `child`: a worker on this machine started it, and it ends with the worker. Raises FinesiftError.
    """
    if not groups.follows():
        raise BadRecipe("A training starts these processes itself: use “train DATASET --processes N”.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the first process decides when to stop
    if child:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    group = Group.join(announce=child)
    task = _hear(group)
    base = Path(task.base)
    if not base.is_dir():
        base = _by_name(task)
    for _ in train(task.data, task.recipe, base, Path(), base_name=task.base_name, group=group):
        pass


def _by_name(task: Task) -> Path:
    """The base model on another machine."""
    try:
        return resolve(task.base_name)
    except NotFound as error:
        raise NotFound(
            f"The base model “{task.base_name}” is not on this machine. Copy its folder to {task.base}, as on the "
            "first machine."
        ) from error


def _end_with_parent() -> None:
    """The worker holds the other end of this process's input; the system closes it when the worker dies."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os._exit(1)


# --------------------------------------------------------------------------- the first


@contextmanager
def crew(processes: int, abandon: Callable[[WorkerFailed], None]) -> Iterator[Group]:
    """The group that a worker trains in: itself, or with `processes` - 1 others that it starts and ends, or the one
    that it was launched into.

    `abandon` is called, from another thread, when one of the others died and this process is still stuck waiting
    for it minutes later; it writes down how the run ended, and the process then exits. Raises BadRecipe where the
    machine has no room for so many; WorkerFailed, with the reason, when another process ends too early.
    """
    if groups.named():
        yield Group.join()
        return
    if processes <= 1:
        yield Group()
        return
    check_room(processes)
    others = _Others(Meeting(processes), abandon)
    try:
        yield others.begin()
    except WorkerFailed as error:
        raise others.fault(wait=True) or error from error
    finally:
        others.end()


def check_room(processes: int) -> None:
    """Raises BadRecipe when this machine cannot run so many."""
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else None
    if cards is not None and processes > cards:
        raise BadRecipe(
            f"This machine has {cards} graphics card{'' if cards == 1 else 's'}, and each process needs one of its own. "
            f"Choose at most {cards} process{'' if cards == 1 else 'es'}."
        )
    if cards is None and torch.backends.mps.is_available():
        raise BadRecipe(
            "Several processes cannot share this machine's GPU. Train with one process; it uses all of it."
        )


class _Others:
    """The processes that a worker has started, and a thread that watches over them."""

    def __init__(self, meeting: Meeting, abandon: Callable[[WorkerFailed], None]) -> None:
        import torch

        self._meeting = meeting
        self._abandon = abandon
        self._over = threading.Event()
        self._said: dict[int, list[str]] = {}
        self._listeners: dict[int, threading.Thread] = {}
        threads = groups.share_of(torch.get_num_threads(), meeting.size)
        self._running = {rank: self._start(rank, threads) for rank in range(1, meeting.size)}
        threading.Thread(target=self._watch, name="processes", daemon=True).start()

    def begin(self) -> Group:
        """Waits for all of them. Raises WorkerFailed when one dies before."""
        return self._meeting.begin(self._raise_fault)

    def fault(self, wait: bool = False) -> WorkerFailed | None:
        """Which of them ended with a fault, in words. `wait`: it may be dying at this moment."""
        for _ in range(int(_FAREWELL / _LOOK_SECONDS) if wait else 1):
            for rank, process in self._running.items():
                if process.poll():
                    return WorkerFailed(self._in_words(rank, process))
            if wait:
                self._over.wait(_LOOK_SECONDS)
        return None

    def end(self) -> None:
        """Waits for those that end by themselves, and kills the others."""
        clean = sys.exc_info()[0] is None and self.fault() is None
        self._over.set()
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_FAREWELL if clean else 0.0)
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()

    def _start(self, rank: int, threads: int) -> subprocess.Popen[bytes]:
        """Its standard input stays open for as long as this process lives; what it prints is its last word."""
        try:
            process = subprocess.Popen(
                _COMMAND,
                cwd=ROOT,
                env={**os.environ, **self._meeting.environment(rank), "OMP_NUM_THREADS": str(threads)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise WorkerFailed(
                f"Process {rank + 1} of {self._meeting.size} could not be started ({error.strerror}). "
                "Free some memory, or train with fewer processes."
            ) from error
        self._said[rank] = []
        self._listeners[rank] = threading.Thread(target=self._listen, args=(rank, process), daemon=True)
        self._listeners[rank].start()
        return process

    def _listen(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        if process.stdout is not None:
            self._said[rank].extend(line.decode("utf-8", "replace") for line in process.stdout)

    def _watch(self) -> None:
        """Only for the case that this process cannot notice by itself."""
        while not self._over.wait(_LOOK_SECONDS):
            fault = self.fault()
            if fault is not None:
                if not self._over.wait(_GRACE):
                    self._abandon(fault)
                    os._exit(1)
                return

    def _raise_fault(self) -> None:
        fault = self.fault()
        if fault is not None:
            raise fault

    def _in_words(self, rank: int, process: subprocess.Popen[bytes]) -> str:
        number = f"Process {rank + 1} of {self._meeting.size}"
        self._listeners[rank].join(timeout=2.0)
        with suppress(IndexError, ValueError, KeyError, TypeError):
            return f"{number} failed: {json.loads(self._said[rank][-1])['error']}"
        how = f"was killed (signal {-process.returncode})" if process.returncode < 0 else "ended with a fault"
        return (
            f"{number} {how}, so the training ended too. If memory was short, fewer processes or a smaller batch "
            "help. The run can go on from its last checkpoint."
        )
