"""The attention view in a real browser, in a small app of its own, over weights that the test knows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import ROOT, free_port
from .steps import settle

pytestmark = pytest.mark.browser

SCRIPT = """
import time

import numpy as np
import streamlit as st

from core.explain.shape import Shape
from core.records import AttentionMap
from ui.components.attention import Picture, attention_view


@st.cache_resource
def picture(length, pair):
    scores = np.random.default_rng(length).normal(0, 2, (3, 4, length, length))
    weights = (np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)).astype(np.float32)
    words = ["<img/src=x/onerror=alert(1)>", "שלום", "👍"] + [f"w{k}" for k in range(length - 5)]
    segments = tuple(int(pair and k > length // 2) for k in range(length))
    special = (True, *(False,) * (length - 2), True)
    return Picture(AttentionMap(("[CLS]", *words, "[SEP]"), weights, segments, special, "random"))


def remember(layer, head):
    st.session_state.place = (layer, head)


asked = st.query_params
if "slow" in asked:
    time.sleep(0.05)
layer, head = st.session_state.get("place", (0, 0))
attention_view(
    picture(int(asked.get("length", 8)), "pair" in asked),
    key="view",
    mode=asked.get("mode", "head"),
    layer=layer,
    head=head,
    on_select=remember,
    **({"heads": [(1, 0)], "shape": Shape(hide_special=True)} if "wish" in asked else {}),
)
st.text(f"Python shows {layer}, {head}")
if st.button("Last head", key="last"):
    remember(2, 3)
    st.rerun()
"""


def weights(length: int = 8) -> np.ndarray:
    scores = np.random.default_rng(length).normal(0, 2, (3, 4, length, length))
    return (np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    script = tmp_path_factory.mktemp("attention") / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    port = free_port()
    log = (script.parent / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        assert process.poll() is None, Path(log.name).read_text()
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
            break
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(15)


@pytest.fixture
def view(page: Page, app: str) -> Page:
    return opened(page, app)


def opened(page: Page, app: str, **asked: object) -> Page:
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.goto(f"{app}/?" + "&".join(f"{name}={value}" for name, value in asked.items()))
    settle(page)
    expect(page.locator(".tokens.to .token").first).to_be_visible()
    return page


def head(page: Page, layer: int, number: int) -> Locator:
    return page.get_by_role("gridcell", name=f"Layer {layer}, head {number}", exact=True)


def title(page: Page) -> Locator:
    return page.locator(".lines .title")


def told(page: Page, layer: int, number: int) -> None:
    expect(page.get_by_text(f"Python shows {layer}, {number}")).to_be_visible()


def shows(page: Page, side: str, values: np.ndarray) -> None:
    """The figures beside the tokens of that side, and no others."""
    figures = ["<0.001" if v < 0.0005 else f"{v:.3f}" for v in values.astype(float)]
    expect(page.locator(".token[data-weighted] .weight")).to_have_text(figures)
    expect(page.locator(f".tokens.{side} .token[data-weighted]")).to_have_count(len(figures))


def ink(page: Page, canvas: str) -> int:
    """How many of the canvas's pixels are drawn on."""
    return int(
        page.locator(canvas).evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
            ".reduce((n, v, k) => n + (k % 4 === 3 && v > 8 ? 1 : 0), 0)"
        )
    )


def test_every_head_has_a_square_and_a_click_selects_it(view: Page) -> None:
    assert view.get_by_role("gridcell").count() == 12
    expect(title(view)).to_have_text("Layer 1, head 1")
    head(view, 2, 3).click()
    expect(title(view)).to_have_text("Layer 2, head 3")
    expect(head(view, 2, 3)).to_have_attribute("aria-selected", "true")
    told(view, 1, 2)
    expect(title(view)).to_have_text("Layer 2, head 3")


def test_arrow_keys_move_the_selection_and_stop_at_the_edge(view: Page) -> None:
    head(view, 1, 1).click()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):
        view.keyboard.press(key)
    expect(title(view)).to_have_text("Layer 3, head 2")
    view.keyboard.press("End")
    expect(title(view)).to_have_text("Layer 3, head 4")
    told(view, 2, 3)
    expect(head(view, 3, 4)).to_be_focused()


def test_an_answer_to_an_earlier_key_does_not_move_the_selection_back(page: Page, app: str) -> None:
    opened(page, app, slow=1)
    head(page, 1, 1).click()
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        page.wait_for_timeout(130)  # Python is told of each key; its answer comes after the next one
    told(page, 1, 3)
    settle(page)
    told(page, 1, 3)
    expect(title(page)).to_have_text("Layer 2, head 4")


def test_python_can_move_the_selection(view: Page) -> None:
    head(view, 2, 2).click()
    told(view, 1, 1)
    view.get_by_role("button", name="Last head").click()
    told(view, 2, 3)
    expect(title(view)).to_have_text("Layer 3, head 4")


def test_pointing_at_a_token_shows_its_weights_and_only_its_lines(view: Page) -> None:
    before = ink(view, ".wires canvas")
    view.locator(".tokens.from .token").nth(4).hover()
    shows(view, "to", weights()[0, 0, 4])
    assert 0 < ink(view, ".wires canvas") < before / 2
    view.locator(".tokens.to .token").nth(2).hover()
    shows(view, "from", weights()[0, 0, :, 2])
    view.locator(".heads h3").hover()
    expect(view.locator(".token[data-weighted]")).to_have_count(0)


def test_a_click_keeps_a_token_until_escape(view: Page) -> None:
    view.locator(".tokens.from .token").nth(3).click()
    view.locator(".heads h3").hover()
    expect(view.locator(".tokens.from .token").nth(3)).to_have_attribute("aria-pressed", "true")
    shows(view, "to", weights()[0, 0, 3])
    head(view, 2, 1).click()  # the token stays when the head changes
    view.locator(".heads h3").hover()
    expect(title(view)).to_have_text("Layer 2, head 1")
    shows(view, "to", weights()[1, 0, 3])
    view.keyboard.press("Escape")
    expect(view.locator(".token[data-weighted]")).to_have_count(0)


def test_tokens_are_reached_by_keys(view: Page) -> None:
    view.locator(".tokens.from .token").first.focus()
    view.keyboard.press("ArrowDown")
    view.keyboard.press("ArrowDown")
    expect(view.locator(".tokens.from .token").nth(2)).to_be_focused()
    shows(view, "to", weights()[0, 0, 2])
    view.keyboard.press("ArrowRight")
    expect(view.locator(".tokens.to .token").nth(2)).to_be_focused()
    shows(view, "from", weights()[0, 0, :, 2])


def test_pointing_at_the_matrix_names_the_cell_and_its_weight(view: Page) -> None:
    canvas = view.locator(".matrices .plot canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    seen = set()
    for y in range(10, int(box["height"]), 12):
        view.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + y)
        view.wait_for_timeout(40)
        if view.locator(".tip[data-on]").count():
            seen.add(" ".join(view.locator(".tip span").all_inner_texts()))
    tokens = ["[CLS]", "<img/src=x/onerror=alert(1)>", "שלום", "👍", "w0", "w1", "w2", "[SEP]"]
    values = weights()[0, 0].astype(float)
    possible = {
        f"{tokens[i]} → {tokens[j]} {values[i, j]:.3f}".replace("0.000", "<0.001")
        for i in range(8)
        for j in range(8)
    }
    assert len(seen) == 8  # a column has eight cells
    assert seen <= possible


def test_what_a_user_typed_is_text_and_never_markup(view: Page) -> None:
    expect(view.locator(".tokens.from .token .word").nth(1)).to_have_text("<img/src=x/onerror=alert(1)>")
    assert view.locator(".attention img").count() == 0


def test_long_text_fetches_a_head_when_it_is_chosen(page: Page, app: str) -> None:
    opened(page, app, length=90)
    head(page, 3, 2).click()
    told(page, 2, 1)
    expect(title(page)).to_have_text("Layer 3, head 2")
    expect(page.locator(".attention")).not_to_have_attribute("data-waiting", "")
    page.locator(".tokens.from .token").nth(5).hover()
    shows(page, "to", weights(90)[2, 1, 5])


def test_average_shows_the_mean_of_the_layer(page: Page, app: str) -> None:
    opened(page, app, mode="average")
    head(page, 2, 4).click()
    expect(title(page)).to_have_text("Layer 2, average over 4 heads")
    page.locator(".tokens.from .token").nth(5).hover()
    shows(page, "to", weights()[1].mean(0)[5])


def test_rollout_shows_the_rollout_through_the_layer(page: Page, app: str) -> None:
    opened(page, app, mode="rollout")
    head(page, 2, 1).click()
    expect(title(page)).to_have_text("Rollout through layers 1 to 2")
    page.locator(".tokens.from .token").nth(5).hover()
    mixed = 0.5 * weights().astype(float).mean(1) + 0.5 * np.eye(8)
    shows(page, "to", (mixed[1] @ mixed[0])[5])


def test_a_pair_is_told_apart(page: Page, app: str) -> None:
    opened(page, app, pair=1)
    expect(page.get_by_text("second text")).to_be_visible()
    assert page.locator('.tokens.from .token[data-segment="1"]').count() == 3


def test_heads_of_a_long_text_are_fetched_as_they_are_laid_over(page: Page, app: str) -> None:
    opened(page, app, length=90)
    page.get_by_role("button", name="Overlay heads").click()
    for layer, number in ((3, 2), (2, 2)):
        head(page, layer, number).click()
        told(page, layer - 1, number - 1)
    settle(page)
    expect(title(page)).to_have_text("3 heads overlaid")
    expect(page.locator(".attention")).not_to_have_attribute("data-waiting", "")
    page.locator(".tokens.from .token").nth(5).hover()
    shows(page, "to", np.max([weights(90)[at] for at in ((0, 0), (2, 1), (1, 1))], axis=0)[5])


def test_what_the_page_wishes_is_shown_first_and_then_left_to_the_user(page: Page, app: str) -> None:
    opened(page, app, length=90, wish=1)
    expect(title(page)).to_have_text("2 heads overlaid")
    expect(page.locator(".tokens.from .token")).to_have_count(88)
    page.get_by_role("button", name="Hide special tokens").click()
    head(page, 3, 2).click()
    told(page, 2, 1)
    settle(page)
    expect(title(page)).to_have_text("3 heads overlaid")
    expect(page.locator(".attention")).not_to_have_attribute("data-waiting", "")
    expect(page.locator(".tokens.from .token")).to_have_count(90)
