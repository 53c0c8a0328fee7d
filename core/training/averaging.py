"""The mean of the states that a run passes through at its end. Knows parameters; does not know what they are for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TAIL = 0.4  # share of all steps at the end whose states are averaged
SNAPSHOTS = 20  # states that are averaged, about


@dataclass
class Average:
    """The mean of states along the last part of a run: a flatter place than any one of them (P. Izmailov et al.,
    2018, stochastic weight averaging). Kept where the parameters are.
    """

    total: int  # optimizer steps of the run
    tensors: list[Any] = field(default_factory=list)
    count: int = 0

    def look(self, step: int, parameters: list[Any]) -> None:
        """After a step: takes the state in, if it is one of those that count."""
        import torch

        if not self.total:
            return
        every = max(1, round(TAIL * self.total / SNAPSHOTS))
        if step <= (1 - TAIL) * self.total or step % every:
            return
        present = [p.detach() for p in parameters]
        if not self.tensors:
            self.tensors = [p.clone() for p in present]
        else:
            torch._foreach_lerp_(self.tensors, present, 1.0 / (self.count + 1))
        self.count += 1

    def state(self, names: list[str]) -> dict[str, Any]:
        """By the names of the parameters, in their order; empty before the first state."""
        return dict(zip(names, self.tensors, strict=True)) if self.tensors else {}

    def restore(self, tensors: list[Any], count: int) -> None:
        self.tensors, self.count = tensors, count
