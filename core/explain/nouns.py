"""The nouns of looking into a model that travel between processes and screens. No torch, no arithmetic."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.records import Event


@dataclass(frozen=True)
class Findings:
    """What a study came to."""

    summary: dict[str, Any]  # JSON: numbers and words
    arrays: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)  # numbers or unicode, never objects


Study = Generator[Event, None, Findings]
"""A study under way: it yields Progress and Note, and returns its findings. Who no longer asks for the next event
has stopped it."""
