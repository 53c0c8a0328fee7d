"""Several processes that train one model: each computes a part of every batch, the gradients are summed.

Knows torch.distributed through accelerate. Does not know models or data. One process alone is a group of one,
for which every verb is free.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ENVIRONMENT = (
    "RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)  # as torchrun and accelerate launch set them


@dataclass(frozen=True)
class Group:
    rank: int = 0
    size: int = 1

    @staticmethod
    def join() -> Group:
        """The group that the environment names (torchrun, `accelerate launch`, or `--processes`), NCCL on CUDA
        cards and gloo on CPUs; a group of one where it names none.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) <= 1:
            return Group()
        import torch
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return Group(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """This process writes and reports; the others only compute."""
        return self.rank == 0

    def mine(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Of the parts of a batch, in order, those that this process computes."""
        return parts[self.rank :: self.size]

    def sum_gradients(self, parameters: Sequence[Any], value: float) -> float:
        """Sums the gradients in place over all processes; returns the sum of the values."""
        if self.size == 1:
            return value
        import torch
        from torch import distributed

        for parameter in parameters:
            if parameter.grad is None:  # this process had no part of the batch
                parameter.grad = torch.zeros_like(parameter)
        device = parameters[0].device
        flat = torch.cat(
            [p.grad.reshape(-1).float() for p in parameters] + [torch.tensor([value], device=device)]
        )
        distributed.all_reduce(flat)
        at = 0
        for parameter in parameters:
            parameter.grad.copy_(flat[at : at + parameter.numel()].view_as(parameter.grad))
            at += parameter.numel()
        return float(flat[-1])

    def agree(self, wish: bool) -> bool:
        """True for all as soon as the first process wishes it."""
        if self.size == 1:
            return wish
        import torch
        from torch import distributed

        told = torch.tensor([float(wish and self.first)])
        if torch.cuda.is_available():
            told = told.cuda()
        distributed.broadcast(told, src=0)
        return bool(told.item())

    def leave(self) -> None:
        if self.size > 1:
            from torch import distributed

            if distributed.is_initialized():
                distributed.destroy_process_group()
