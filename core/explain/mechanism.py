"""The mechanism from scratch: multi-head attention and one encoder layer of BERT, in numpy.

Given a model's own weights it gives the model's own numbers. T tokens, each a state of D numbers; H heads, each of
d = D / H numbers. Attention: Vaswani et al. 2017, section 3.2; the layer: Devlin et al. 2019.
Knows no model, no tokens and no batches; the Learn page shows this file as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Linear:
    weight: Array  # (in, out)
    bias: Array  # (out,)

    def __call__(self, x: Array) -> Array:
        return x @ self.weight + self.bias


@dataclass(frozen=True)
class Norm:
    """Brings every state to mean 0 and spread 1, then to a learnt scale (Ba et al. 2016)."""

    gain: Array  # (D,)
    shift: Array  # (D,)
    epsilon: float

    def __call__(self, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + self.epsilon) * self.gain + self.shift


@dataclass(frozen=True)
class Layer:
    heads: int
    query: Linear  # D -> D, the heads side by side
    key: Linear
    value: Linear
    join: Linear  # D -> D, mixes what the heads found
    norm_attention: Norm
    wide: Linear  # D -> F
    narrow: Linear  # F -> D
    norm_output: Norm


def softmax(scores: Array) -> Array:
    """Any numbers to shares that sum to 1 along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(x: Array) -> Array:
    """Lets positive numbers through and damps negative ones (Hendrycks & Gimpel 2016)."""
    from scipy.special import erf

    return 0.5 * x * (1 + erf(x / sqrt(2)))


def scores_of(query: Array, key: Array) -> Array:
    """(…, T, d) and (…, S, d) to (…, T, S): every query against every key."""
    return query @ key.swapaxes(-1, -2) / sqrt(query.shape[-1])


def attention(query: Array, key: Array, value: Array, allowed: Array | None = None) -> Array:
    """(…, T, d) queries read from S tokens: (…, S, d) keys and values. Returns (…, T, d).

    `allowed` (T, S): where a token may read; None: everywhere.
    """
    scores = scores_of(query, key)
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    return softmax(scores) @ value


def split(x: Array, heads: int) -> Array:
    """(T, D) to (H, T, d): each head gets its own d of the D numbers."""
    return x.reshape(len(x), heads, -1).swapaxes(0, 1)


def joined(x: Array) -> Array:
    """(H, T, d) to (T, D): the heads side by side again."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def multi_head_attention(x: Array, layer: Layer, allowed: Array | None = None) -> Array:
    """(T, D) states to (T, D): what each token reads from all tokens, through all heads."""
    query, key, value = (split(part(x), layer.heads) for part in (layer.query, layer.key, layer.value))
    return layer.join(joined(attention(query, key, value, allowed)))


def feed_forward(x: Array, layer: Layer) -> Array:
    """(T, D) to (T, D): each token by itself, through F neurons."""
    return layer.narrow(gelu(layer.wide(x)))


def encoder_layer(x: Array, layer: Layer, allowed: Array | None = None) -> Array:
    """(T, D) states to the (T, D) states of the next layer."""
    x = layer.norm_attention(x + multi_head_attention(x, layer, allowed))
    return layer.norm_output(x + feed_forward(x, layer))
