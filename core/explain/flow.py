"""Attention flow: how much can stream from a token's state, down through the layers, to each token of the text.

Abnar & Zuidema (2020), "Quantifying Attention Flow in Transformers", ACL, section 4: the layers form a graph whose
edges are the weights, averaged over heads and mixed half and half with the residual connection; the flow to a token
is the maximum flow to it, with the weights as capacities. Rollout (`core.explain.attention`) multiplies along paths
instead; flow is limited by the narrowest places on them.

Knows arrays of weights. Does not know models or screens.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import TooLarge

MOST_WORK = 40_000_000  # edges of the graph x tokens that are flowed to: about two seconds on one core
UNIT = 1 << 20  # capacities are whole numbers of about a millionth

Weights = np.ndarray[Any, Any]


def mixed(weights: Weights) -> Weights:
    """(L, H, T, T) to (L, T, T) float64: heads averaged, half of each layer passing through unchanged; rows sum to
    one."""
    mean = np.asarray(weights).mean(axis=1, dtype=np.float64)
    found = 0.5 * mean + 0.5 * np.eye(mean.shape[-1])
    return np.asarray(found / found.sum(axis=-1, keepdims=True))


def flow(weights: Weights, token: int = 0, layer: int | None = None) -> Weights:
    """(L, H, T, T) to (T,) float64: the maximum flow from the state of `token` after `layer` (from 0; None: the last)
    to each token of the input, between 0 and 1.

    Each is the most that could stream to that token alone: flows to several tokens share paths, so they do not sum to
    one, and in a long text of many paths they come close to each other.
    Raises TooLarge for a text whose graph would take more than seconds.
    """
    depth = (len(weights) if layer is None else layer + 1) if len(weights) else 0
    length = int(weights.shape[-1])
    check_size(depth, length)
    return _flows(mixed(weights[:depth]), token)


def flow_by_layer(weights: Weights, token: int = 0) -> Weights:
    """(L, H, T, T) to (L, T) float64: `flow` from the state of `token` after each layer. Raises TooLarge."""
    length = int(weights.shape[-1])
    check_size(len(weights), length, each=True)
    layers = mixed(weights)
    return np.stack([_flows(layers[: depth + 1], token) for depth in range(len(layers))])


def check_size(layers: int, length: int, *, each: bool = False) -> None:
    """Raises TooLarge where the flow would take more than about two seconds. `each`: after every layer."""
    if work(layers, length, each=each) > MOST_WORK:
        raise TooLarge(
            f"Attention flow is worked out for texts of up to {most_tokens(layers, each=each)} tokens in a model of "
            f"{layers} layers; this one has {length}. Shorten the text, or look at the rollout, which has no such limit."
        )


def work(layers: int, length: int, *, each: bool = False) -> int:
    """Edges of the graph (of all graphs) times the tokens that are flowed to."""
    edges = layers * length * length
    return length * (edges * (layers + 1) // 2 if each else edges)


def most_tokens(layers: int, *, each: bool = False) -> int:
    """The longest text for which `flow` (`each`: `flow_by_layer`) is worked out."""
    length = 1
    while work(layers, length + 1, each=each) <= MOST_WORK:
        length += 1
    return length


def _flows(layers: Weights, token: int) -> Weights:
    """(L, T, T) capacities to (T,) flows from `token` on top to each token at the bottom.

    Node l * T + i is token i before layer l (l = L: after the last); edges lead down.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    depth, length, _ = layers.shape
    capacity = np.rint(layers * UNIT).astype(np.int32)
    layer, reads, read = np.nonzero(capacity)
    rows, columns = (layer + 1) * length + reads, layer * length + read
    size = (depth + 1) * length
    graph = csr_array((capacity[layer, reads, read], (rows, columns)), shape=(size, size))
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    top = depth * length + token
    found = [maximum_flow(graph, top, sink).flow_value for sink in range(length)]
    return np.minimum(np.asarray(found) / UNIT, 1.0)  # rounded capacities may sum to a little more
