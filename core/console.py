"""What the command line says on the way: sentences on stderr, since stdout belongs to the result."""

from __future__ import annotations

import sys


def say(sentence: str) -> None:
    """Nothing for an empty one."""
    if sentence:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201
