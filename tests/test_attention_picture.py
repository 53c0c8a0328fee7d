"""Averages, rollout, token names and the packet for the browser follow their formulas."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from core.explain.attention import head_average, rollout, rollout_by_layer
from core.explain.tokens import display_tokens
from core.records import AttentionMap
from ui.components.attention import Picture, _selection
from ui.components.attention.picture import thumbnails


def random_map(layers: int = 2, heads: int = 3, length: int = 5, seed: int = 0) -> AttentionMap:
    scores = np.random.default_rng(seed).normal(0, 2, (layers, heads, length, length))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    tokens = ("[CLS]", *(f"word{k}" for k in range(length - 2)), "[SEP]")
    special = (True, *(False,) * (length - 2), True)
    return AttentionMap(tokens, weights.astype(np.float32), (0,) * length, special, "random")


# --------------------------------------------------------------------------- condensing


def test_head_average_is_the_mean_of_the_heads() -> None:
    weights = random_map().weights
    averaged = head_average(weights)
    assert averaged.shape == (2, 5, 5)
    np.testing.assert_allclose(averaged[1, 2, 3], sum(weights[1, h, 2, 3] for h in range(3)) / 3, rtol=1e-6)
    np.testing.assert_allclose(averaged.sum(-1), 1, atol=1e-6)


def test_rollout_follows_the_paper_step_by_step() -> None:
    weights = random_map(layers=4).weights
    length = weights.shape[-1]
    flow = [[1.0 if i == j else 0.0 for j in range(length)] for i in range(length)]
    for layer in weights:
        mixed = [
            [
                0.5 * sum(float(head[i, k]) for head in layer) / len(layer) + (0.5 if i == k else 0.0)
                for k in range(length)
            ]
            for i in range(length)
        ]
        flow = [
            [sum(mixed[i][k] * flow[k][j] for k in range(length)) for j in range(length)]
            for i in range(length)
        ]
    np.testing.assert_allclose(rollout(weights), flow, atol=1e-6)
    np.testing.assert_allclose(rollout(weights).sum(-1), 1, atol=1e-6)


def test_rollout_by_layer_ends_with_the_rollout_and_begins_with_one_layer() -> None:
    weights = random_map(layers=3).weights
    steps = rollout_by_layer(weights)
    assert steps.shape == (3, 5, 5)
    np.testing.assert_allclose(steps[0], 0.5 * weights[0].mean(0) + 0.5 * np.eye(5), atol=1e-6)
    np.testing.assert_allclose(steps[1], rollout(weights[:2]), atol=1e-6)
    np.testing.assert_array_equal(steps[2], rollout(weights))


def test_rollout_of_heads_that_read_only_themselves_is_the_identity() -> None:
    still = np.broadcast_to(np.eye(4, dtype=np.float32), (3, 2, 4, 4))
    np.testing.assert_allclose(rollout(still), np.eye(4), atol=1e-7)


# --------------------------------------------------------------------------- naming


def test_tokens_of_each_family_are_readable() -> None:
    assert display_tokens(["[CLS]", "em", "##bed", "!", "[SEP]"], [True, False, False, False, True]) == [
        "[CLS]", "em", "##bed", "!", "[SEP]",
    ]  # fmt: skip
    assert display_tokens(["<s>", "Char", "ged", "Ġtw", "ice", ".", "</s>"], [True] + [False] * 5 + [True]) == [
        "<s>", "Char", "##ged", "tw", "##ice", ".", "</s>",
    ]  # fmt: skip
    assert display_tokens(["▁Char", "ged", "▁twice", ".", "▁"]) == ["Char", "##ged", "twice", ".", "␣"]


def test_byte_tokens_are_shown_as_the_text_they_stand_for() -> None:
    assert display_tokens(["caf", "Ã©", "Ġ", "Ċ"]) == ["caf", "##é", "␣", "⏎"]
    assert display_tokens(["å¥½"]) == ["好"]
    assert display_tokens(["Ġðł", "ľ"])[0] == "Ġðł"  # half a character is not text yet


def test_letters_that_look_like_markers_stay_letters() -> None:
    assert display_tokens(["Ġ", "##urdan"]) == ["Ġ", "##urdan"]  # a Maltese letter under WordPiece
    assert display_tokens(["café", "<b>"]) == ["café", "<b>"]


# --------------------------------------------------------------------------- for the screen


def unpacked(data: bytes) -> tuple[dict[str, Any], np.ndarray, dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    at = 4 + -(-length // 4) * 4
    count = header["layers"] * header["heads"] * header["thumb"] ** 2
    thumbs = np.frombuffer(data, np.uint8, count, at)
    at += -(-count // 4) * 4
    size = len(header["tokens"])
    floats = np.frombuffer(data, "<f4", -1, at).reshape(len(header["keys"]), size, size)
    return header, thumbs, dict(zip(header["keys"], floats, strict=True))


def test_packet_of_a_short_text_holds_the_whole_layer() -> None:
    attention = random_map()
    header, thumbs, planes = unpacked(Picture(attention).pack("head", 1, 2, turn=7))
    assert header["tokens"] == list(attention.tokens)
    assert (header["layer"], header["head"], header["turn"]) == (1, 2, 7)
    assert list(planes) == ["head:1:0", "head:1:1", "head:1:2"]
    np.testing.assert_array_equal(planes["head:1:0"], attention.weights[1, 0])
    np.testing.assert_array_equal(
        thumbs.reshape(2, 3, 5, 5), np.rint(255 * np.sqrt(attention.weights)).astype(np.uint8)
    )


def test_packet_of_a_long_text_holds_one_head_and_small_thumbnails() -> None:
    attention = random_map(length=70)
    header, thumbs, planes = unpacked(Picture(attention).pack("head", 0, 1, turn=0))
    assert header["thumb"] == 32
    assert list(planes) == ["head:0:1"]
    assert thumbs.size == 2 * 3 * 32 * 32
    np.testing.assert_array_equal(planes["head:0:1"], attention.weights[0, 1])


def test_thumbnails_lose_no_spike() -> None:
    weights = np.zeros((1, 1, 100, 100), dtype=np.float32)
    weights[0, 0, 99, 0] = weights[0, 0, 37, 64] = 1.0
    small = thumbnails(weights)[0, 0]
    assert small.shape == (32, 32)
    assert small[31, 0] == 255
    assert sorted(small[small > 0]) == [255, 255]


def test_packets_of_average_and_rollout_hold_those() -> None:
    attention = random_map()
    picture = Picture(attention)
    _, _, averages = unpacked(picture.pack("average", 1, 0, turn=0))
    np.testing.assert_array_equal(averages["average:1"], head_average(attention.weights)[1])
    _, _, rollouts = unpacked(picture.pack("rollout", 0, 0, turn=0))
    np.testing.assert_array_equal(rollouts["rollout:1"], rollout(attention.weights))


def test_selection_from_a_browser_is_believed_only_within_the_model() -> None:
    picture = Picture(random_map())
    assert _selection({"head": {"layer": 1, "head": 2, "turn": 3}}, picture) == (1, 2)
    for value in (
        {"layer": 2, "head": 0},
        {"layer": 0, "head": -1},
        {"layer": "1", "head": 0},
        [1, 2],
        None,
        {},
    ):
        assert _selection({"head": value}, picture) is None
