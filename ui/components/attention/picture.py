"""An attention map made ready for the screen: thumbnails, and the planes that a view shows, packed as bytes.

Knows numpy and the layout of the packet that `view.js` unpacks. Does not know Streamlit, torch or any model.
A plane is one (T, T) matrix: a head, an average over heads, or a rollout.
"""

from __future__ import annotations

import hashlib
import json
import struct
from functools import cached_property
from typing import Any

import numpy as np

from core.explain.attention import display_tokens, head_average, rollout_by_layer
from core.records import AttentionMap
from ui.colors import ACCENT, SECOND

MODES = ("head", "average", "rollout")
THUMB = 32  # pixels: the longest side of a thumbnail
WHOLE_LAYER = 64  # tokens: up to here all heads of a layer travel at once, so that a change needs no trip


class Picture:
    """Prepared once a text; `pack` is called at every run of the page."""

    def __init__(self, attention: AttentionMap) -> None:
        self.attention = attention
        self.shown = display_tokens(attention.tokens, attention.special)
        self.layers, self.heads, self.length, _ = attention.weights.shape

    @cached_property
    def thumbnails(self) -> np.ndarray[Any, Any]:
        """(L, H, s, s) uint8. See `thumbnails`."""
        return thumbnails(self.attention.weights)

    @cached_property
    def averages(self) -> np.ndarray[Any, Any]:
        """(L, T, T) float32."""
        return head_average(self.attention.weights)

    @cached_property
    def rollouts(self) -> np.ndarray[Any, Any]:
        """(L, T, T) float32, each through its layer."""
        return rollout_by_layer(self.attention.weights)

    @cached_property
    def id(self) -> str:
        """The same for the same model, tokens and weights."""
        digest = hashlib.blake2b(digest_size=12)
        digest.update(json.dumps([self.attention.model_name, self.attention.tokens]).encode())
        digest.update(np.ascontiguousarray(self.attention.weights).data)
        return digest.hexdigest()

    def plane(self, mode: str, layer: int, head: int) -> np.ndarray[Any, Any]:
        """(T, T) float32: what the view shows for this choice."""
        if mode == "average":
            return np.asarray(self.averages[layer])
        if mode == "rollout":
            return np.asarray(self.rollouts[layer])
        return np.asarray(self.attention.weights[layer, head])

    def planes(self, mode: str, layer: int, head: int) -> dict[str, np.ndarray[Any, Any]]:
        """The plane asked for and, for a text short enough, its neighbours, by the names that `view.js` uses."""
        whole = self.length <= WHOLE_LAYER
        if mode == "head":
            heads = range(self.heads) if whole else [head]
            return {f"head:{layer}:{h}": self.plane(mode, layer, h) for h in heads}
        layers = range(self.layers) if whole else [layer]
        return {f"{mode}:{at}": self.plane(mode, at, 0) for at in layers}

    def pack(self, mode: str, layer: int, head: int, turn: int) -> bytes:
        """One run of bytes, little-endian: the header's length (uint32), the header (JSON), the thumbnails
        (uint8) and the planes (float32), each part padded to a multiple of four."""
        planes = self.planes(mode, layer, head)
        header = {
            "id": self.id,
            "layers": self.layers,
            "averaging": self.attention.averaging,
            "heads": self.heads,
            "thumb": self.thumbnails.shape[-1],
            "tokens": self.shown,
            "names": self.attention.tokens,
            "special": self.attention.special,
            "segments": self.attention.segments,
            "mode": mode,
            "layer": layer,
            "head": head,
            "turn": turn,
            "keys": list(planes),
            "inks": {"light": [ACCENT["light"], SECOND["light"]], "dark": [ACCENT["dark"], SECOND["dark"]]},
        }
        text = json.dumps(header).encode()
        parts = [struct.pack("<I", len(text)), _padded(text), _padded(self.thumbnails.tobytes())]
        parts += [np.ascontiguousarray(plane, dtype="<f4").tobytes() for plane in planes.values()]
        return b"".join(parts)


def thumbnails(weights: np.ndarray[Any, Any], size: int = THUMB) -> np.ndarray[Any, Any]:
    """(L, H, T, T) weights to (L, H, s, s) uint8, s = min(T, size): each pixel the largest weight of its area,
    so that no spike is lost; 255 times its square root, so that all heads share one scale and small weights
    stay apart."""
    length = weights.shape[-1]
    pooled = weights
    if length > size:
        edges = np.linspace(0, length, size + 1).astype(int)[:-1]
        pooled = np.maximum.reduceat(np.maximum.reduceat(weights, edges, axis=-1), edges, axis=-2)
    return np.rint(255 * np.sqrt(np.clip(pooled, 0, 1))).astype(np.uint8)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
