"""The other process of a training in two, which once has too little memory for its part of a batch."""

from __future__ import annotations

from typing import Any

from core.errors import OutOfMemory
from core.jobs.ranks import follow
from core.training.run import Run

AT = 6  # optimizer steps before that one


def main() -> None:
    whole = Run._loss

    def loss(self: Run, *arguments: Any) -> Any:
        if self.step == AT and self.accumulation == 1:
            raise OutOfMemory("There is no room.")
        return whole(self, *arguments)

    Run._loss = loss  # type: ignore[method-assign]
    follow(child=True)


if __name__ == "__main__":
    main()
