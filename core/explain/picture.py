"""An attention map made ready to be drawn: thumbnails, and the planes that are looked at, packed as bytes.

Knows numpy and the layout of the packet that `ui/components/attention/packet.js` unpacks; the page and the
exported file get the same. Does not know Streamlit, torch or any model.
A plane is a matrix of weights: a head, an average over heads, a rollout, a flow, or one token through the layers.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from core.errors import BadData
from core.explain.attention import head_average, rollout_by_layer
from core.explain.look import Look
from core.explain.shape import punctuation
from core.explain.tokens import display_tokens
from core.records import AttentionMap, Side

THUMB = 32  # pixels: the longest side of a thumbnail
WHOLE_LAYER = 64  # tokens: up to here all heads of a layer travel at once, so that a change needs no trip

Array = np.ndarray[Any, Any]


class Picture:
    """Prepared once a text; `pack` is called at every run of the page.

    With `base`, the attention of an earlier model for the same text, the picture is of the difference:
    `attention` minus `base`. Raises BadData where the two cannot be laid over each other.
    """

    def __init__(self, attention: AttentionMap, base: AttentionMap | None = None) -> None:
        self.left_out = False  # a layer that Finesift added to one of the two and the other does not have
        if base is not None:
            attention, base, self.left_out = _comparable(attention, base)
        self.attention = attention
        self.base = base
        self.flow: Array | None = None  # (T, S) float32
        self.shown = display_tokens(attention.tokens, attention.special)
        self.layers, self.heads, self.length, self.read = attention.weights.shape

    @property
    def modes(self) -> tuple[str, ...]:
        """What can be looked at. A rollout needs the tokens that read to be those that are read."""
        square = self.attention.columns is None
        flow = self.flow is not None
        return ("head", "average", *(["rollout"] if square else []), *(["flow"] if flow else []), "token")

    def with_flow(self, values: Any, at: int = 0) -> Picture:
        """The same picture with a flow beside: (T, S), or (S,) for the token at place `at` alone. Rows that
        were not computed are NaN or 0. A flow is of one model: a base is left out."""
        given = np.nan_to_num(np.asarray(values, dtype=np.float32))
        plane = np.zeros((self.length, self.read), dtype=np.float32)
        plane[at if given.ndim == 1 else slice(None)] = given
        other = copy(self)  # with what is cached so far
        other.flow = plane
        other.__dict__.pop("id", None)
        if self.base is not None:
            other.base = None
            other.thumbnails = self.thumbnails[:1]
        return other

    @cached_property
    def thumbnails(self) -> Array:
        """(1, L, H, r, c) uint8; with a base (3, …): after, before, difference. See `thumbnails` and `signed`."""
        small = [thumbnails(self.attention.weights)]
        if self.base is not None:
            change = self.attention.weights - self.base.weights
            small += [thumbnails(self.base.weights), signed(change)]
        return np.stack(small)

    @cached_property
    def averages(self) -> Array:
        """(L, T, S) float32."""
        return head_average(self.attention.weights)

    @cached_property
    def rollouts(self) -> Array:
        """(L, T, T) float32, each through its layer."""
        return rollout_by_layer(self.attention.weights)

    @cached_property
    def id(self) -> str:
        """The same for the same model, tokens and weights."""
        digest = hashlib.blake2b(digest_size=12)
        for each in filter(None, (self.attention, self.base)):
            names = [each.model_name, each.kind, each.tokens, each.column_tokens]
            digest.update(json.dumps(names).encode())
            # all of 150 MB would take as long to digest as the picture takes to appear; any change moves a mean
            digest.update(each.weights.mean(axis=2, dtype=np.float64).tobytes())
        digest.update(self.thumbnails.tobytes())
        digest.update(b"" if self.flow is None else self.flow.tobytes())
        return digest.hexdigest()

    # ----------------------------------------------------------------- planes

    def plane(self, key: str) -> Array:
        """The plane of that name, float32: "head:L:H", "average:L", "rollout:L", "flow" (T, S); "over:T" (L, S),
        a token's attention averaged over the heads of each layer; "heads:L:T" (H, S), in each head of a layer.
        With "base:" before it, that of the base."""
        if key.startswith("base:"):
            return self._before.plane(key.removeprefix("base:"))
        mode, *numbers = key.split(":")
        at = [int(n) for n in numbers]
        weights = self.attention.weights
        if mode == "flow" and self.flow is not None:
            return self.flow
        found = {
            "head": lambda: weights[at[0], at[1]],
            "average": lambda: self.averages[at[0]],
            "rollout": lambda: self.rollouts[at[0]],
            "over": lambda: weights[:, :, at[0]].mean(axis=1, dtype=np.float64),
            "heads": lambda: weights[at[0], :, at[1]],
        }[mode]()
        return np.asarray(found, dtype=np.float32)

    @cached_property
    def _before(self) -> Picture:
        if self.base is None:
            raise KeyError("there is no base to compare with")
        return Picture(self.base)

    def keys(self, look: Look) -> list[str]:
        """The planes that a look needs and, for a text short enough, its neighbours'."""
        whole = max(self.length, self.read) <= WHOLE_LAYER
        layer = look.layer
        if look.mode == "head":
            near = [(layer, h) for h in range(self.heads)] if whole else []
            found = [f"head:{at}:{h}" for at, h in dict.fromkeys((*look.overlaid, *near))]
        elif look.mode == "token":
            tokens = range(self.length) if whole else self._together(look)
            found = [f"over:{t}" for t in tokens] + [f"heads:{layer}:{t}" for t in tokens]
        elif look.mode == "flow":
            return ["flow"] if self.flow is not None else []
        else:
            found = [f"{look.mode}:{at}" for at in (range(self.layers) if whole else [layer])]
        return found + [f"base:{key}" for key in found if self.base is not None]

    def _together(self, look: Look) -> list[int]:
        """The token that is followed; where pieces are merged, all of its word."""
        at, words = min(look.token, self.length - 1), self.attention.words
        if not (look.shape.words and words and words[at] >= 0):
            return [at]
        return [t for t, word in enumerate(words) if word == words[at]]

    def all_keys(self) -> list[str]:
        """Every head, average, rollout and flow: for a file that nobody can ask for more."""
        heads = [f"head:{layer}:{head}" for layer in range(self.layers) for head in range(self.heads)]
        modes = [m for m in ("average", "rollout") if m in self.modes]
        found = heads + [f"{mode}:{layer}" for mode in modes for layer in range(self.layers)]
        found += [f"base:{key}" for key in found if self.base is not None]
        return found + (["flow"] if self.flow is not None else [])

    # ----------------------------------------------------------------- packing

    def pack(
        self,
        look: Look | None = None,
        turn: int = 0,
        *,
        colors: Mapping[str, Any] | None = None,
        wish: Mapping[str, Any] | None = None,
        known: frozenset[str] = frozenset(),
        controls: bool = True,
        listens: bool = True,
        bits: int | None = None,
        everything: bool = False,
    ) -> bytes:
        """One run of bytes, little-endian: the header's length (uint32), the header (JSON), the thumbnails
        (uint8) and the planes, each part padded to a multiple of four.

        `wish`: what the receiver shall show besides mode, layer and head, by the names of `Look.to_json`; None:
        all of `look`. What is not in it stays as the user chose. `controls`: draw the bar that shapes the
        weights; `listens`: tell of every change, not only of those that need other planes. `known`: planes that the receiver holds already. `bits`: of a weight. 32: exact. 16 and 8: its root's
        share of the plane's largest weight's root, so that small weights stay apart; off by at most 1.6e-5 and
        4e-3 of that largest weight. None: exact for texts whose layers travel whole, else 16.
        """
        look = look or Look()
        exact = max(self.length, self.read) <= WHOLE_LAYER
        bits = bits or (32 if exact else 16)
        wanted = self.all_keys() if everything else self.keys(look)
        encoded = [(key, *encode(self.plane(key), bits)) for key in wanted if key not in known]
        header = {
            **self._about(),
            "mode": look.mode,
            "layer": look.layer,
            "head": look.head,
            "turn": turn,
            "wish": look.to_json() if wish is None else dict(wish),
            "controls": controls,
            "listens": listens,
            "colors": dict(colors or {}),
            "bits": bits,
            "planes": [[key, *shape, scale] for key, _, shape, scale in encoded],
        }
        text = json.dumps(header).encode()
        parts = [struct.pack("<I", len(text)), _padded(text), _padded(self.thumbnails.tobytes())]
        return b"".join(parts + [_padded(data) for _, data, _, _ in encoded])

    def _about(self) -> dict[str, Any]:
        """What the header says of the map itself."""
        attention = self.attention
        rows, columns = attention.row_side, attention.columns
        return {
            "id": self.id,
            "model": attention.model_name,
            "base": None if self.base is None else self.base.model_name,
            "kind": attention.kind,
            "causal": attention.causal,
            "layers": self.layers,
            "heads": self.heads,
            "averaging": attention.averaging,
            "thumbs": list(self.thumbnails.shape),
            "rows": _side(rows),
            "columns": None if columns is None else _side(columns),
        }


def _side(side: Side) -> dict[str, Any]:
    """The tokens along one side, with the flags by which the browser hides and merges."""
    return {
        "tokens": display_tokens(side.tokens, side.special),
        "names": side.tokens,
        "special": [bool(s) for s in side.special],
        "punctuation": list(punctuation(side)),
        "segments": [int(s) for s in side.segments],
        "words": [int(w) for w in side.words],
    }


def _comparable(after: AttentionMap, before: AttentionMap) -> tuple[AttentionMap, AttentionMap, bool]:
    """Both maps of the same shape and tokens; a layer that only averages states leaves."""
    own = [_without_averaging(each) for each in (after, before)]
    left_out = any(trimmed is not each for trimmed, each in zip(own, (after, before), strict=True))
    if own[0].tokens != own[1].tokens or own[0].column_tokens != own[1].column_tokens:
        raise BadData(
            f"{after.model_name} and {before.model_name} cut this text into different tokens, so their attention "
            "cannot be compared token by token. Choose two models with the same tokenizer."
        )
    sizes = [each.weights.shape[:2] for each in own]
    if sizes[0] != sizes[1]:
        (a, b), (c, d) = sizes
        raise BadData(
            f"{after.model_name} has {a} layers of {b} heads, {before.model_name} {c} of {d}: their heads have no "
            "counterparts. Choose two models of the same size."
        )
    return own[0], own[1], left_out


def _without_averaging(attention: AttentionMap) -> AttentionMap:
    if attention.averaging is None:
        return attention
    weights = np.delete(attention.weights, attention.averaging, axis=0)
    return replace(attention, weights=weights, averaging=None)


def thumbnails(weights: Array, size: int = THUMB) -> Array:
    """(L, H, T, S) weights to (L, H, r, c) uint8, r = min(T, size): each pixel the largest weight of its area, so
    that no spike is lost; 255 times its square root, so that all heads share one scale and small weights stay
    apart."""
    return np.rint(255 * np.sqrt(np.clip(_pooled(weights, size), 0, 1))).astype(np.uint8)


def signed(change: Array, size: int = THUMB) -> Array:
    """(L, H, T, S) differences of weights to (L, H, r, c) uint8: 128 is none, 255 is +1, 1 is -1; each pixel the
    largest difference of its area, by its square root."""
    up, down = _pooled(change, size), -_pooled(-change, size)
    most = np.clip(np.where(up >= -down, up, down), -1, 1)
    return np.rint(128 + 127 * np.sign(most) * np.sqrt(np.abs(most))).astype(np.uint8)


def _pooled(weights: Array, size: int) -> Array:
    for axis in (-2, -1):  # rows first: whole rows compare fast, and the columns are fewer then
        length = weights.shape[axis]
        if length > size:
            edges = np.linspace(0, length, size + 1).astype(int)[:-1]
            weights = np.maximum.reduceat(weights, edges, axis=axis)
    return weights


def encode(plane: Array, bits: int) -> tuple[bytes, tuple[int, int], float]:
    """A plane of weights of at least 0 as bytes, its shape, and its largest weight (0 where bytes are float32)."""
    shape = (int(plane.shape[0]), int(plane.shape[1]))
    if bits == 32:
        return np.ascontiguousarray(plane, dtype="<f4").tobytes(), shape, 0.0
    top = float(plane.max(initial=0.0)) or 1.0
    levels = (1 << bits) - 1
    share = np.sqrt(np.maximum(plane, 0) / np.float32(top))
    return np.rint(share * levels).astype("<u2" if bits == 16 else "u1").tobytes(), shape, top


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
