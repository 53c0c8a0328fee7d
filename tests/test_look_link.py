"""What stands in the address of the Attention page, and comes out of it again."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64encode
from urllib.parse import parse_qsl

import numpy as np
import pytest

from core.explain.look import Look
from core.explain.shape import Shape
from ui import look_link
from ui.look_state import Wanted, from_params, to_params

TEXTS = ("My card.", "<b>&amp;</b> a=b&c%20d#e\n+", "שלום 👍🏽 你好", "word " * 2000, "字" * 3000)


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_out_of_an_address_as_it_went_in(text: str) -> None:
    params = look_link.text_params(text, "a second one")
    assert params is not None
    address = look_link.query(params)
    assert len(address) <= look_link.LONGEST + 20
    assert address.isascii()
    assert look_link.texts_of(dict(parse_qsl(address))) == (text, "a second one")


def test_a_text_that_no_address_holds_gives_none() -> None:
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), 60_000)
    assert look_link.text_params("".join(letters), None) is None


def test_what_is_not_a_packed_text_is_no_text() -> None:
    assert look_link.texts_of({}) == (None, None)
    for wrong in ("", "!!", "AAAA", "e", "ü"):
        assert look_link.texts_of({"text_z": wrong})[0] in (None, "")


def test_a_small_packet_does_not_become_a_huge_text() -> None:
    bomb = urlsafe_b64encode(zlib.compress(b"a" * 50_000_000, 9)).decode()
    text, _ = look_link.texts_of({"text_z": bomb})
    assert text is not None
    assert len(text) == look_link.MOST_CHARACTERS


def test_half_a_character_does_not_break_the_address() -> None:
    params = look_link.text_params("a\ud83d b", None)
    assert params is not None
    assert look_link.query(params) == "text=a%EF%BF%BD%20b"


def test_a_view_comes_out_of_an_address_as_it_went_in() -> None:
    look = Look(layer=3, head=7, heads=((1, 2),), token=5, shape=Shape(words=True, temperature=0.5))
    for wanted in (
        Wanted(),
        Wanted(mode="neuron", look=look, kind="decoder", target="das ist gut"),
        Wanted(look=look, at=4, way="word", swap="שלום & <b>"),
        Wanted(mode="flow", at=0, way="out"),
    ):
        params = dict(parse_qsl(look_link.query(to_params(wanted))))
        assert from_params(params) == wanted


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "x", "layer": "-1", "head": "²", "look": "[", "kind": "y", "changed": "0x1", "way": "z"},
        {"layer": "99999", "look": "[1]", "changed": "-3"},
        {"look": "[" * 100_000},
        {"look": '{"layer": 5, "shape": {"temperature": "NaN"}, "heads": 3, "lens": []}'},
    ],
)
def test_an_address_that_says_nonsense_shows_the_usual(params: dict[str, str]) -> None:
    found = from_params(params)
    assert (found.mode, found.look, found.kind, found.way) == ("head", Look(), "cross", "mask")
    assert found.at in (None, 0)
