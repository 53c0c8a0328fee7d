"""Colours of scored words: readable, centred on zero, linear; no text between words is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from core.explain.export import words
from core.explain.subject import Subject
from tests import tiny
from ui.colors import contrast
from ui.components.words import STEPS, Row, Written, _scales, packed, steps
from ui.explain_work import written


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_shade_is_readable(theme: str) -> None:
    scales = _scales(theme)
    assert (len(scales["signed"]), len(scales["amount"])) == (2 * STEPS + 1, STEPS + 1)
    assert min(contrast(*pair) for shades in scales.values() for pair in shades) >= 4.5


def test_shades_are_linear_and_zero_stays_zero() -> None:
    assert steps([0.0, 2.0, -1.0, 0.2, float("nan")]) == [0, STEPS, -STEPS // 2, 1, 0]
    assert steps([0.0, 0.0]) == [0, 0]
    assert steps([]) == []


@pytest.mark.parametrize(
    ("text", "pair"), [("  My card,\nwas 👍 late! ", None), ("my card", "שלום  again"), ("卡 refund", " x")]
)
def test_words_and_gaps_make_the_text_again(tmp_path: Path, text: str, pair: str | None) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model"))
    piece = subject.read(text, pair)
    sides = written(piece)
    again = ["".join(g + w for g, w in zip(s.gaps, s.words, strict=True)) + s.tail for s in sides]
    assert again == [side for side in (piece.text, piece.pair) if side is not None]
    assert [word for side in sides for word in side.words] == piece.word_list()


def data() -> dict[str, Any]:
    texts = [
        Written(("my", "<b>", "שלום", "卡"), ("", " ", "\n", " "), "!"),
        Written(("$a$", "@title@"), (" ", " "), ""),
    ]
    rows = [
        Row("IG", "a & b", [1.0, -1.0, 0.5, 0.0, 0.1, 0.2], ["+1"] * 6),
        Row("Attention", "", [0.1] * 6, ["10 %"] * 6, signed=False),
    ]
    return packed(texts, rows, ("against <x>", "for <x>"))


def test_a_saved_page_holds_the_words_as_data_and_needs_no_network() -> None:
    made = words.page(data(), "Why </title>?", "a <b> caption").decode()
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', made, re.DOTALL)
    assert held is not None
    assert json.loads(held[1]) == data()
    assert "<b>" not in made
    assert "</title>?" not in made
    assert "http" not in made.replace("http-equiv", "")
    assert "export default" not in made


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_saved_figure_shows_every_word(kind: str) -> None:
    made = words.figure(data(), "Why?", "caption", kind)
    assert made.startswith(b"\x89PNG" if kind == "png" else b"<?xml")
    if kind == "svg":
        for word in ("my", "&lt;b&gt;", "$a$", "@title@", "IG", "Attention"):
            assert f">{word}</text>" in made.decode()
    with pytest.raises(ValueError, match="png"):
        words.figure(data(), "Why?", kind="gif")
