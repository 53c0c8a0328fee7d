"""Attention flow is the maximum flow of the paper's graph; rollout the product of its matrices."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from core.errors import TooLarge
from core.explain.attention import rollout_by_layer
from core.explain.flow import check_size, flow, flow_by_layer, mixed, most_tokens


def uneven(layers: int, heads: int, length: int, seed: int = 0) -> np.ndarray:
    power = np.exp(3 * np.random.default_rng(seed).normal(size=(layers, heads, length, length)))
    return (power / power.sum(-1, keepdims=True)).astype(np.float32)


def smallest_cut(layers: np.ndarray, token: int, sink: int) -> float:
    """The maximum flow by its definition as the smallest cut: every way of parting the nodes is tried."""
    depth, length, _ = layers.shape
    top = [i == token for i in range(length)]
    best = np.inf
    for sides in product((False, True), repeat=length * depth - 1):
        free = iter(sides)  # True: on the source's side; the sink is not
        rows = [[next(free) for _ in range(length)] for _ in range(depth - 1)]
        bottom = [False if i == sink else next(free) for i in range(length)]
        side = np.asarray([top, *rows, bottom])  # from the top down; other top tokens send nothing
        cut = sum(
            layers[depth - 1 - level][np.ix_(side[level], ~side[level + 1])].sum() for level in range(depth)
        )
        best = min(best, cut)
    return float(best)


def test_flow_is_the_smallest_cut_of_the_layered_graph() -> None:
    weights = uneven(3, 2, 3)
    found = flow(weights, token=1)
    expected = [smallest_cut(mixed(weights), 1, sink) for sink in range(3)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found) > 0.05


def test_flow_through_one_layer_is_that_layer() -> None:
    weights = uneven(2, 3, 5)
    np.testing.assert_allclose(flow(weights, token=2, layer=0), mixed(weights)[0][2], atol=1e-5)


def test_flow_by_layer_ends_with_the_flow() -> None:
    weights = uneven(3, 2, 6)
    found = flow_by_layer(weights, token=4)
    assert found.shape == (3, 6)
    np.testing.assert_array_equal(found[-1], flow(weights, token=4))
    np.testing.assert_array_equal(found[1], flow(weights, token=4, layer=1))


def test_flow_lies_between_nothing_and_all_and_never_below_the_rollout() -> None:
    weights = uneven(4, 2, 8, seed=5)
    found = flow(weights)
    assert ((found >= 0) & (found <= 1)).all()
    # what rollout carries to one token is itself a flow within the capacities
    assert (found >= rollout_by_layer(weights)[-1][0] - 1e-4).all()


def test_flow_of_heads_that_read_only_themselves_stays_where_it_is() -> None:
    still = np.broadcast_to(np.eye(4, dtype=np.float32), (3, 2, 4, 4))
    np.testing.assert_allclose(flow(still, token=3), [0, 0, 0, 1], atol=1e-6)


def test_rollout_is_what_random_walks_down_the_layers_find() -> None:
    weights = uneven(3, 2, 3)
    layers = mixed(weights)
    expected = np.zeros((3, 3))
    for top, second, first, bottom in product(range(3), repeat=4):  # every path, one by one
        expected[top, bottom] += layers[2][top, second] * layers[1][second, first] * layers[0][first, bottom]
    np.testing.assert_allclose(rollout_by_layer(weights)[-1], expected, atol=1e-6)


def test_a_text_too_long_is_told_how_long_it_may_be() -> None:
    limit = most_tokens(12)
    check_size(12, limit)
    with pytest.raises(TooLarge, match=f"up to {limit} tokens"):
        flow(np.zeros((12, 1, limit + 1, limit + 1), dtype=np.float32))
    assert most_tokens(12, each=True) < limit
