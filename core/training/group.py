"""Several processes that train one model: each computes a part of every batch, and the gradients are summed.

Knows torch.distributed: numbers and decisions travel by gloo over sockets, gradients of CUDA cards by NCCL. Does not
know models, data or how the processes were started. One process alone is a group of one, for which every verb is free.

All processes run the same code in step, so whatever decides about the next step has to be the same on all: it follows
from the recipe, or from what was summed, or the first process decides and the others are told.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from core.errors import WorkerFailed

# as torchrun and `accelerate launch` set them
ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
SILENCE = timedelta(minutes=30)  # after which a process that neither answers nor ends counts as dead
_BUCKET = 1 << 22  # numbers whose sums travel together
_LOOK_SECONDS = 0.05


def named() -> bool:
    """Whether the environment makes this process one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def follows() -> bool:
    """Whether the environment makes this process one of the others, which only compute."""
    return named() and int(os.environ["RANK"]) > 0


@dataclass
class Group:
    """`rank` is this process's number, from 0; `size` the number of processes."""

    rank: int = 0
    size: int = 1
    threads: int = 0  # of torch to go back to when the group is left; 0: as they are

    @staticmethod
    def join(announce: bool = False) -> Group:
        """The group that the environment names; a group of one where it names none. `announce`: to the Meeting
        that waits for this process. Raises WorkerFailed.
        """
        if not named():
            return Group()
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        store = None
        with _in_words():
            if announce:
                from torch.distributed import TCPStore  # type: ignore[attr-defined]

                address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
                store = TCPStore(address, port, size, False, timeout=SILENCE)
                store.set(_here(rank), "1")
            _connect(rank, size, store)
        return Group(rank, size)

    @property
    def first(self) -> bool:
        """This process writes and reports; the others only compute."""
        return self.rank == 0

    def title(self, device: str) -> str:
        """What all of them compute on, in words."""
        return device if self.size == 1 else f"{self.size} × {device}"

    def leave(self) -> None:
        """From now on this process is a group of its own; it may still be the first, or one of the others."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        self.size = 1
        with suppress(Exception):  # a connection that is broken needs no farewell
            distributed.destroy_process_group()
        if self.threads:
            torch.set_num_threads(self.threads)

    # ----------------------------------------------------------------- who does what

    def mine(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Of the parts of a batch, in order, those that this process computes."""
        return parts[self.rank :: self.size]

    def rounds(self, parts: Sequence[Any]) -> list[Any]:
        """Like `mine`, with None at the end where others have one part more: as many on every process, so that
        they can agree on something after each.
        """
        own = list(self.mine(parts))
        return own + [None] * (-(-len(parts) // self.size) - len(own))

    def seed(self, *numbers: int) -> None:
        """Sets torch's generators by these numbers and the process, so that each leaves out other values
        (dropout) and a run that goes on later leaves out the same again. A process alone goes on as it was.
        """
        if self.size == 1:
            return
        import torch

        words = np.random.SeedSequence([*numbers, self.rank]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]) >> 1)

    # ----------------------------------------------------------------- agreeing

    def agree(self, wish: bool) -> bool:
        """What the first process wishes, on all of them."""
        if self.size == 1:
            return wish
        import torch
        from torch import distributed

        told = torch.tensor([int(wish)], dtype=torch.uint8)
        with _in_words():
            distributed.broadcast(told, src=0)
        return bool(told.item())

    def total(self, *values: float) -> tuple[float, ...]:
        """The sum of each value over all processes."""
        if self.size == 1:
            return values
        import torch
        from torch import distributed

        summed = torch.tensor(values, dtype=torch.float64)
        with _in_words():
            distributed.all_reduce(summed)
        return tuple(summed.tolist())

    def share(self, tensors: Mapping[str, Any], words: Any) -> tuple[dict[str, Any], Any]:
        """What the first process gives, on all of them: tensors by name, on the CPU, and what JSON holds."""
        if self.size == 1:
            return dict(tensors), words
        import torch
        from torch import distributed

        table = [(name, str(t.dtype).removeprefix("torch."), list(t.shape)) for name, t in tensors.items()]
        table, told = json.loads(self._bytes(json.dumps([table, words]).encode("ascii")))
        found: dict[str, Any] = {}
        for name, dtype, shape in table:
            if self.first:
                value = tensors[name].detach().cpu().contiguous()
            else:
                value = torch.empty(shape, dtype=getattr(torch, dtype))
            if value.numel():
                with _in_words():
                    distributed.broadcast(value.view(-1).view(torch.uint8), src=0)
            found[name] = value
        return found, words if self.first else told

    def _bytes(self, content: bytes) -> bytes:
        import torch
        from torch import distributed

        with _in_words():
            size = torch.tensor([len(content)])
            distributed.broadcast(size, src=0)
            if self.first:
                array = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            else:
                array = torch.empty(int(size.item()), dtype=torch.uint8)
            distributed.broadcast(array, src=0)
        return array.numpy().tobytes()

    # ----------------------------------------------------------------- putting together

    def same(self, parameters: Sequence[Any]) -> None:
        """The first process's values, on all of them."""
        if self.size == 1:
            return
        from torch import distributed

        with _in_words():
            for parameter in parameters:
                distributed.broadcast(parameter.detach(), src=0)

    def sum_gradients(self, parameters: Sequence[Any]) -> None:
        """Sums the gradients in place over all processes. Parameters that nowhere have one stay without."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        known = torch.tensor([p.grad is not None for p in parameters], dtype=torch.uint8)
        with _in_words():
            distributed.all_reduce(known, op=distributed.ReduceOp.MAX)
        gradients = []
        for parameter, somewhere in zip(parameters, known.tolist(), strict=True):
            if somewhere:
                if parameter.grad is None:  # this process had no part of the batch
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            alone = len(bucket) == 1 and bucket[0].is_contiguous()
            flat = bucket[0] if alone else torch.cat([g.reshape(-1) for g in bucket])
            with _in_words():
                distributed.all_reduce(flat)
            if not alone:
                for gradient, summed in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                    gradient.copy_(summed.view_as(gradient))

    def gather(self, rows: np.ndarray[Any, Any], known: np.ndarray[Any, Any] | None = None) -> None:
        """Every row from the process that has computed it, in place; in all others it is zero. `known` (N,) bool:
        which rows are there; then all know of all.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        with _in_words():
            distributed.all_reduce(torch.from_numpy(rows))
            if known is not None:
                seen = torch.from_numpy(known.view(np.uint8))
                distributed.all_reduce(seen, op=distributed.ReduceOp.MAX)


class Meeting:
    """Where the other processes of this machine find the first: a port that only this machine can reach."""

    def __init__(self, size: int) -> None:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        self.size = size
        port, handle = 0, None
        if os.name == "posix":  # torch itself would listen to the whole network
            listening = socket.create_server(("127.0.0.1", 0))
            port, handle = listening.getsockname()[1], listening.detach()
        self._store = TCPStore(
            "127.0.0.1", port, size, True, SILENCE, wait_for_workers=False, master_listen_fd=handle
        )
        self.port = int(self._store.port)
        os.environ.update(self._inside())

    def environment(self, rank: int) -> dict[str, str]:
        """With which process `rank` finds here, through `Group.join(announce=True)`."""
        values = (rank, self.size, rank, "127.0.0.1", self.port)
        named = {name: str(value) for name, value in zip(ENVIRONMENT, values, strict=True)}
        return {**named, **self._inside()}

    @staticmethod
    def _inside() -> dict[str, str]:
        """What keeps gloo and NCCL within the machine."""
        name = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
        return {} if name is None else {"GLOO_SOCKET_IFNAME": name, "NCCL_SOCKET_IFNAME": name}

    def begin(self, look: Callable[[], None]) -> Group:
        """Waits until all are here and makes them a group of which this process is the first. Each takes its share
        of this process's threads. `look` is asked meanwhile, and raises when there is no hope.
        """
        import torch

        while not self._store.check([_here(rank) for rank in range(1, self.size)]):
            look()
            time.sleep(_LOOK_SECONDS)
        with _in_words():
            _connect(0, self.size, self._store)
        threads = torch.get_num_threads()
        torch.set_num_threads(share_of(threads, self.size))
        return Group(0, self.size, threads)


def share_of(threads: int, processes: int) -> int:
    return max(1, threads // processes)


def _here(rank: int) -> str:
    return f"here-{rank}"


def _connect(rank: int, size: int, store: Any) -> None:
    """Joins torch's default group; on a machine with CUDA cards this process takes its own."""
    import torch
    from torch import distributed

    backend = "gloo"
    if torch.cuda.is_available():
        card, cards = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if card >= cards:
            raise WorkerFailed(
                f"More processes were started on this machine than it has graphics cards ({cards}). "
                "Start as many as it has."
            )
        torch.cuda.set_device(card)
        if distributed.is_nccl_available():
            backend = "cpu:gloo,cuda:nccl"
    place = {} if store is None else {"store": store, "rank": rank, "world_size": size}
    distributed.init_process_group(backend, timeout=SILENCE, **place)


def _buckets(tensors: Sequence[Any]) -> Iterator[list[Any]]:
    """Neighbours together, as long as they are small."""
    bucket: list[Any] = []
    held = 0
    for tensor in tensors:
        if bucket and held + tensor.numel() > _BUCKET:
            yield bucket
            bucket, held = [], 0
        bucket.append(tensor)
        held += tensor.numel()
    if bucket:
        yield bucket


@contextmanager
def _in_words() -> Iterator[None]:
    """torch's several ways of saying that a connection broke."""
    try:
        yield
    except RuntimeError as error:
        raise WorkerFailed(
            "One of the processes of this training ended or can no longer be reached, so the training ended too. "
            f"It can go on from its last checkpoint. ({str(error).splitlines()[0][:200]})"
        ) from error
