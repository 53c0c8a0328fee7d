"""Averages, rollout, token names and the packet for the browser follow their formulas."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.errors import BadData
from core.explain.attention import head_average, rollout, rollout_by_layer
from core.explain.look import Look
from core.explain.picture import Picture, signed, thumbnails
from core.explain.shape import Shape
from core.explain.tokens import display_tokens
from core.records import AttentionMap, Side
from ui.components.attention import COLORS, _known, _selection


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
    """Header, thumbnails and planes, by the layout that `packet.js` follows."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    at = 4 + -(-length // 4) * 4
    count = int(np.prod(header["thumbs"]))
    thumbs = np.frombuffer(data, np.uint8, count, at).reshape(header["thumbs"])
    at += -(-count // 4) * 4
    planes = {}
    for key, rows, columns, scale in header["planes"]:
        kind = np.dtype("<f4" if scale == 0 else {16: "<u2", 8: "u1"}[header["bits"]])
        raw = np.frombuffer(data, kind, rows * columns, at).reshape(rows, columns)
        at += -(-raw.nbytes // 4) * 4
        levels = (1 << header["bits"]) - 1
        planes[key] = raw if scale == 0 else scale * (raw / levels) ** 2
    assert at == len(data)
    return header, thumbs, planes


def test_packet_of_a_short_text_holds_the_whole_layer_exactly() -> None:
    attention = random_map()
    header, thumbs, planes = unpacked(Picture(attention).pack(Look(layer=1, head=2), turn=7))
    assert header["rows"]["tokens"] == list(attention.tokens)
    assert header["columns"] is None
    assert (header["layer"], header["head"], header["turn"]) == (1, 2, 7)
    assert sorted(planes) == ["head:1:0", "head:1:1", "head:1:2"]
    np.testing.assert_array_equal(planes["head:1:0"], attention.weights[1, 0])
    np.testing.assert_array_equal(thumbs[0], np.rint(255 * np.sqrt(attention.weights)).astype(np.uint8))


def test_packet_of_a_long_text_holds_one_head_rounded_as_little_as_it_says() -> None:
    attention = random_map(length=70)
    _, thumbs, planes = unpacked(Picture(attention).pack(Look(head=1)))
    assert thumbs.shape == (1, 2, 3, 32, 32)
    assert list(planes) == ["head:0:1"]
    exact = attention.weights[0, 1].astype(float)
    assert 0 < np.abs(planes["head:0:1"] - exact).max() <= 1.6e-5 * exact.max()
    _, _, coarse = unpacked(Picture(attention).pack(Look(head=1), bits=8))
    assert 1e-4 < np.abs(coarse["head:0:1"] - exact).max() <= 4e-3 * exact.max()


def test_a_packet_of_the_longest_text_is_small() -> None:
    weights = np.full((12, 12, 512, 512), 1 / 512, dtype=np.float16)
    tokens = ("[CLS]", *("token",) * 510, "[SEP]")
    attention = AttentionMap(tokens, weights, (0,) * 512, (True, *(False,) * 510, True), "even")
    assert len(Picture(attention).pack(colors=COLORS)) < 1_000_000


def test_planes_that_the_browser_holds_do_not_travel_again() -> None:
    picture = Picture(random_map(length=70))
    look = Look(head=1, heads=((0, 2), (1, 0)))
    assert list(unpacked(picture.pack(look))[2]) == ["head:0:1", "head:0:2", "head:1:0"]
    told = {"head": {"id": picture.id, "known": ["head:0:1", 7]}}
    known = _known(told, picture)
    assert list(unpacked(picture.pack(look, known=known))[2]) == ["head:0:2", "head:1:0"]
    assert _known(told, Picture(random_map(length=70, seed=1))) == frozenset()


def test_one_changed_weight_is_another_picture() -> None:
    attention = random_map(length=70)
    weights = attention.weights.copy()
    weights[1, 1, 60, 3] += np.float32(1e-6)
    assert Picture(attention).id == Picture(random_map(length=70)).id
    assert Picture(attention).id != Picture(replace(attention, weights=weights)).id


def test_thumbnails_lose_no_spike() -> None:
    weights = np.zeros((1, 1, 100, 100), dtype=np.float32)
    weights[0, 0, 99, 0] = weights[0, 0, 37, 64] = 1.0
    small = thumbnails(weights)[0, 0]
    assert small.shape == (32, 32)
    assert small[31, 0] == 255
    assert sorted(small[small > 0]) == [255, 255]


def test_thumbnails_of_a_difference_keep_its_sign() -> None:
    change = np.zeros((1, 1, 100, 100), dtype=np.float32)
    change[0, 0, 0, 0], change[0, 0, 1, 1], change[0, 0, 99, 99] = 0.2, -0.5, 1.0
    small = signed(change)[0, 0]
    assert small[0, 0] == round(128 - 127 * 0.5**0.5)
    assert (small[31, 31], small[5, 5]) == (255, 128)


def test_packets_of_average_rollout_flow_and_one_token_hold_those() -> None:
    attention = random_map()
    picture = Picture(attention)
    assert picture.modes == ("head", "average", "rollout", "token")
    _, _, averages = unpacked(picture.pack(Look(mode="average", layer=1)))
    np.testing.assert_array_equal(averages["average:1"], head_average(attention.weights)[1])
    _, _, rollouts = unpacked(picture.pack(Look(mode="rollout")))
    np.testing.assert_array_equal(rollouts["rollout:1"], rollout(attention.weights))
    _, _, tokens = unpacked(picture.pack(Look(mode="token", layer=1, token=3)))
    np.testing.assert_allclose(tokens["over:3"], attention.weights[:, :, 3].mean(1), rtol=1e-6)
    np.testing.assert_array_equal(tokens["heads:1:3"], attention.weights[1, :, 3])
    flowing = picture.with_flow([0.1, 0.2, 0.3, 0.4, 0.0], at=2)
    assert "flow" in flowing.modes
    assert flowing.id != picture.id
    _, _, flows = unpacked(flowing.pack(Look(mode="flow")))
    np.testing.assert_allclose(flows["flow"][2], [0.1, 0.2, 0.3, 0.4, 0.0], rtol=1e-6)
    assert flows["flow"][[0, 1, 3, 4]].sum() == 0
    alone = Picture(attention, random_map(seed=1)).with_flow(np.zeros((5, 5)))
    assert unpacked(alone.pack(Look(mode="flow")))[0]["base"] is None


def test_a_long_text_sends_all_pieces_of_the_word_that_is_followed() -> None:
    attention = replace(random_map(length=70), words=(-1, 0, 1, 1, *range(2, 67), -1))
    keys = Picture(attention).keys(Look(mode="token", token=3, shape=Shape(words=True)))
    assert keys == ["over:2", "over:3", "heads:0:2", "heads:0:3"]


def test_two_models_travel_together_without_the_layer_that_only_averages() -> None:
    before = random_map()
    after = replace(random_map(layers=3, seed=1), averaging=2, model_name="tuned")
    picture = Picture(after, before)
    assert (picture.layers, picture.left_out) == (2, True)
    header, thumbs, planes = unpacked(picture.pack(Look(layer=1)))
    assert (header["model"], header["base"]) == ("tuned", "random")
    np.testing.assert_array_equal(planes["head:1:2"], after.weights[1, 2])
    np.testing.assert_array_equal(planes["base:head:1:2"], before.weights[1, 2])
    np.testing.assert_array_equal(thumbs[2], signed(after.weights[:2] - before.weights))


def test_models_that_cannot_be_compared_say_why() -> None:
    with pytest.raises(BadData, match="same tokenizer"):
        Picture(random_map(), random_map(length=6))
    with pytest.raises(BadData, match="2 layers of 3 heads, random 2 of 4"):
        Picture(random_map(), random_map(heads=4))


def test_cross_attention_has_other_columns_than_rows_and_no_rollout() -> None:
    source = Side(("le", "chat", "dort", "</s>"), (0,) * 4, (False, False, False, True), (0, 1, 2, -1))
    attention = random_map()
    crossed = replace(attention, weights=attention.weights[..., :4], kind="cross", columns=source)
    picture = Picture(crossed)
    assert picture.modes == ("head", "average", "token")
    header, thumbs, planes = unpacked(picture.pack())
    assert header["columns"]["tokens"] == ["le", "chat", "dort", "</s>"]
    assert thumbs.shape == (1, 2, 3, 5, 4)
    assert planes["head:0:0"].shape == (5, 4)


def test_a_file_that_nobody_answers_holds_every_plane() -> None:
    _, _, planes = unpacked(Picture(random_map()).pack(everything=True, bits=8))
    assert len(planes) == 2 * 3 + 2 + 2


# --------------------------------------------------------------------------- what comes from outside


def test_a_look_comes_back_from_its_json() -> None:
    look = Look("token", 1, 2, ((0, 1), (1, 0)), 4, "before", Shape(0.5, True, False, "within", True, 0.1))
    assert Look.from_json(json.loads(json.dumps(look.to_json())), Picture(random_map())) == look
    assert Look().to_json() == {}


def test_a_look_from_outside_is_believed_only_as_far_as_it_fits() -> None:
    picture = Picture(random_map())
    wild = {
        "mode": "flow", "layer": 2, "head": True, "heads": [[0, 1], [9, 0], "ab", [1]], "token": -1, "lens": 3,
        "shape": {"temperature": 0, "pair": "x", "words": "yes", "threshold": float("nan")},
    }  # fmt: skip
    assert Look.from_json(wild, picture) == Look(heads=((0, 1),), shape=Shape(temperature=0.1))
    for value in (None, [], "head", {"shape": [], "heads": 3}):
        assert Look.from_json(value, picture) == Look()


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
