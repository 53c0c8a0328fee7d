"""What can be taken along: figures and pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.explain.attention import read_map
from core.explain.export import grid, palette
from core.explain.export.figure import MOST_TOKENS, figure
from core.explain.export.grid import Square
from core.explain.export.page import MOST_BYTES, page
from core.explain.look import Look
from core.explain.picture import Picture
from core.explain.subject import Subject
from tests import tiny
from ui import colors


def plane(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(columns), size=rows)


def test_a_picture_keeps_words_to_the_letter_and_no_markup() -> None:
    words = ["[CLS]", "$x^2$", "<b>bold</b>", "price\\$", "[SEP]"]
    found = figure(plane(5, 5), words, words, title="head <1>", kind="svg").decode()
    assert "$x^2$" in found
    assert "&lt;b&gt;bold" in found
    assert "<b>" not in found
    assert "head &lt;1&gt;" in found


def test_a_png_is_a_png_and_the_same_twice() -> None:
    words = ["a", "b", "中文", "😀", "مرحبا"]
    one, other = (figure(plane(5, 5), words, words, title="t", kind="png") for _ in range(2))
    assert one.startswith(b"\x89PNG")
    assert one == other


def test_rows_and_columns_may_differ_and_differences_have_a_sign() -> None:
    signed = plane(3, 6) - 0.2
    rows, columns = list("abc"), list("uvwxyz")
    found = figure(
        signed, rows, columns, title="cross", kind="svg", signed=True, colors=("#00f", "#eee", "#f80")
    ).decode()
    assert all(f">{name}</text>" in found for name in rows + columns)


def test_a_long_text_is_cut_and_says_so() -> None:
    words = [f"w{k}" for k in range(MOST_TOKENS + 5)]
    found = figure(plane(len(words), len(words)), words, words, title="t", kind="svg").decode()
    assert f"The first {MOST_TOKENS} tokens are drawn." in found
    assert f">w{MOST_TOKENS}<" not in found


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="png, svg"):
        figure(plane(2, 2), ["a", "b"], ["a", "b"], title="t", kind="gif")


def test_what_leaves_the_app_has_the_apps_colours() -> None:
    for name in ("SEQUENTIAL", "DIVERGING", "HUES", "ACCENT", "SECOND", "BACKGROUND"):
        assert getattr(palette, name) == getattr(colors, name)


def test_a_page_needs_nothing_else_and_takes_text_for_text(tmp_path: Path) -> None:
    subject = Subject.load(tiny.tiny_classifier(tmp_path / "model"))
    picture = Picture(read_map(subject, subject.read("my parcel </script><b>was</b> late")))
    made = page(picture, Look(layer=1, head=2), "<i>title</i> @script@", "a & b").decode()
    assert "<i>title" not in made
    assert "&lt;i&gt;title&lt;/i&gt; @script@" in made
    assert "</script><b>" not in made
    assert "src=" not in made.replace("img-src", "").replace("default-src", "").replace(
        "script-src", ""
    ).replace("style-src", "")
    assert "http" not in made.split('id="packet"')[0].split("</style>")[1]
    assert len(made) < MOST_BYTES


def test_a_long_text_of_a_large_model_is_still_one_file() -> None:
    from core.records import AttentionMap

    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(300, 0.05), size=(6, 12, 300)).astype(np.float32)
    tokens = tuple(f"w{k}" for k in range(300))
    found = AttentionMap(tokens, weights, (0,) * 300, (False,) * 300, "model")
    made = page(Picture(found), Look(), "long")
    assert len(made) < MOST_BYTES
    assert b"only what was on show" in made


def test_a_grid_of_heads_is_a_table_and_a_picture_with_words_to_the_letter() -> None:
    squares = [
        [
            Square("before", "#0068A8", "#FFFFFF", 'head "1" <b>'),
            Square("$a$\n<i>", "red;x:url(y)", "", "two"),
        ],
        [Square("–", "", "", "three"), Square("0", "#ffffff", "#000000", "four")],
    ]
    made = grid.page(squares, "<b>roles</b>", "over & under").decode()
    assert made.count("<td ") == 4
    assert "<b>" not in made
    assert "head &quot;1&quot; &lt;b&gt;" in made
    assert "$a$<br>&lt;i&gt;" in made
    assert "url(y)" not in made
    assert "@media (prefers-color-scheme: dark)" in made
    svg = grid.figure(squares, "roles <b>", "over", "svg").decode()
    assert "roles &lt;b&gt;" in svg
    assert "$a$" in svg
    assert grid.figure(squares, "roles", kind="png").startswith(b"\x89PNG")
