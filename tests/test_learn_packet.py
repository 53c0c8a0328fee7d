"""What the Learn page sends to the browser: complete, in order, and right to the last number."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.explain.steps import Walk, follow
from core.explain.subject import Subject
from tests import tiny
from ui.components.learn import STEPS, _place
from ui.components.learn.packet import pack


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    subject = Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("packet") / "model"))
    return follow(subject, "my parcel was late", 1)


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    at, arrays = 4 + -(-length // 4) * 4, {}
    for name, shape in header["arrays"]:
        size = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, "<f4", size, at).reshape(shape)
        at += 4 * size
    assert at == len(data)
    return header, arrays


def test_every_number_of_the_walk_travels_as_it_is(walk: Walk) -> None:
    header, arrays = unpack(pack(walk, (3, 1, 2), turn=7))
    assert (header["step"], header["layer"], header["head"], header["turn"]) == (3, 1, 2, 7)
    assert header["tokens"] == list(walk.piece.shown)
    assert len(header["code"]) == STEPS
    np.testing.assert_array_equal(arrays["q"], walk.layer.query)
    np.testing.assert_array_equal(arrays["hidden"], walk.hidden)
    np.testing.assert_allclose(arrays["x"] @ arrays["wq"] + arrays["bq"], arrays["q"][2], atol=1e-5)


def test_what_the_browser_has_is_not_sent_again(walk: Walk) -> None:
    header, _ = unpack(pack(walk, (0, 1, 2), turn=0))
    again, arrays = unpack(pack(walk, (5, 1, 2), turn=1, has=header["mark"]))
    assert arrays == {}
    assert again["mark"] == header["mark"]
    _, arrays = unpack(pack(walk, (5, 1, 3), turn=1, has=header["mark"]))  # another head: other weights
    assert "wq" in arrays


@pytest.mark.parametrize(
    ("name", "source"), [("attended", "joined"), ("wide", "middle"), ("narrow", "active")]
)
def test_the_column_of_a_large_matrix_makes_the_strongest_number(walk: Walk, name: str, source: str) -> None:
    _, arrays = unpack(pack(walk, (0, 1, 0), turn=0))
    for token, which in enumerate(arrays[f"{name}_which"].astype(int)):
        made = arrays[source][token] @ arrays[f"{name}_column"][token] + arrays[f"{name}_bias"][token]
        assert made == pytest.approx(arrays[name][token, which], abs=1e-5)
        assert abs(made) == pytest.approx(np.abs(arrays[name][token]).max(), abs=1e-5)


def test_the_code_of_a_step_is_that_of_the_mechanism(walk: Walk) -> None:
    header, _ = unpack(pack(walk, (0, 1, 0), turn=0))
    assert "def scores_of" in header["code"][3]
    assert "def softmax" in header["code"][4]
    assert "def encoder_layer" in header["code"][9]


@pytest.mark.parametrize(
    "sent",
    [None, {}, {"step": 99, "layer": 0, "head": 0}, {"step": 0, "layer": -1, "head": 0}, {"step": "1"}, "x"],
)
def test_a_place_that_there_is_not_is_ignored(walk: Walk, sent: Any) -> None:
    assert _place({"place": sent}, walk) is None


def test_a_place_that_there_is_is_taken(walk: Walk) -> None:
    assert _place({"place": {"step": 10, "layer": 1, "head": 3}}, walk) == (10, 1, 3)
