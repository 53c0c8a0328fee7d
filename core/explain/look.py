"""What of an attention map is looked at: which planes, of which heads, shaped how.

A small value that fits an address or a file. Knows the names of the ways to look; holds no weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from core.explain.shape import PAIRS, Shape

MODES = ("head", "average", "rollout", "flow", "token")
LENSES = ("difference", "after", "before")
MOST_HEADS = 8  # laid over each other, each in a colour that can be told from the others
TEMPERATURES = (0.1, 10.0)  # what is believed from outside

Head = tuple[int, int]  # layer and head, from 0


class Sized(Protocol):
    """A picture, as far as it says what can be looked at."""

    layers: int
    heads: int
    read: int

    @property
    def modes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Look:
    """Raises ValueError for a mode or lens that does not exist."""

    mode: str = "head"  # one of MODES; "token": one token's attention through all layers
    layer: int = 0  # from 0
    head: int = 0  # from 0
    heads: tuple[Head, ...] = ()  # others laid over (layer, head) by colour
    token: int = 0  # which token "token" follows, by its place in the text
    lens: str = "difference"  # one of LENSES: what lines and squares show where two models are compared
    shape: Shape = field(default_factory=Shape)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"a mode is one of {MODES}, not {self.mode!r}")
        if self.lens not in LENSES:
            raise ValueError(f"a lens is one of {LENSES}, not {self.lens!r}")

    @property
    def overlaid(self) -> tuple[Head, ...]:
        """All heads on show: the chosen one first, none twice."""
        return tuple(dict.fromkeys(((self.layer, self.head), *self.heads)))[:MOST_HEADS]

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        found: dict[str, Any] = {}
        for name, default in ((f.name, getattr(_PLAIN, f.name)) for f in fields(self) if f.name != "shape"):
            if (value := getattr(self, name)) != default:
                found[name] = [list(h) for h in value] if name == "heads" else value
        if shape := shape_to_json(self.shape):
            found["shape"] = shape
        return found

    @staticmethod
    def from_json(value: Any, picture: Sized | None = None) -> Look:
        """From an address, a file or a browser, which may hold anything: what does not fit is the default."""
        data = value if isinstance(value, dict) else {}
        layers, heads = (picture.layers, picture.heads) if picture else (1000, 1000)
        overlaid = data.get("heads")
        pairs = overlaid if isinstance(overlaid, list | tuple) else []
        return Look(
            mode=_one_of(data.get("mode"), picture.modes if picture else MODES, "head"),
            layer=_count(data.get("layer"), layers),
            head=_count(data.get("head"), heads),
            heads=tuple(h for h in (_head(p, layers, heads) for p in pairs[:MOST_HEADS]) if h is not None),
            token=_count(data.get("token"), picture.read if picture else 1_000_000),
            lens=_one_of(data.get("lens"), LENSES, "difference"),
            shape=shape_from_json(data.get("shape")),
        )


def shape_to_json(shape: Shape) -> dict[str, Any]:
    """What differs from a plane as it is."""
    return {
        f.name: getattr(shape, f.name)
        for f in fields(shape)
        if getattr(shape, f.name) != getattr(_PLAIN.shape, f.name)
    }


def shape_from_json(value: Any) -> Shape:
    """From anything; what does not fit is the default."""
    data = value if isinstance(value, dict) else {}
    return Shape(
        temperature=_between(data.get("temperature"), *TEMPERATURES, default=1.0),
        hide_special=data.get("hide_special") is True,
        hide_punctuation=data.get("hide_punctuation") is True,
        pair=_one_of(data.get("pair"), PAIRS, "all"),
        words=data.get("words") is True,
        threshold=_between(data.get("threshold"), 0.0, 1.0, default=0.0),
    )


def _one_of(value: Any, known: tuple[str, ...], default: str) -> str:
    return value if isinstance(value, str) and value in known else default


def _count(value: Any, below: int) -> int:
    return value if type(value) is int and 0 <= value < below else 0


def _head(value: Any, layers: int, heads: int) -> Head | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    layer, head = value
    fits = type(layer) is int and type(head) is int and 0 <= layer < layers and 0 <= head < heads
    return (layer, head) if fits else None


def _between(value: Any, low: float, high: float, default: float) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(min(high, max(low, value))) if number else default


_PLAIN = Look()
