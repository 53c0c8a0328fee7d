"""The race between attention and a recurrent network, as a study."""

from __future__ import annotations

from typing import Any

from core.explain import race
from core.explain.nouns import Study
from core.workspace import Workspace


def run(_ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: facts, filler, steps."""
    return race.run(int(asked["facts"]), int(asked["filler"]), int(asked["steps"]))
