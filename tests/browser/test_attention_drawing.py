"""The attention view's drawings in a real browser, without Streamlit, as the exported file has them: overlaid heads,
differences, one token through the layers, zoom, and weights shaped as core/explain/shape.py shapes them."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.explain.look import Look
from core.explain.picture import Picture
from core.explain.shape import Shape, punctuation, shape
from core.records import AttentionMap, Side
from ui.colors import SEQUENTIAL
from ui.components.attention import COLORS, FILES

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).resolve().parents[2] / "ui/components/attention"
TOKENS = ("[CLS]", "em", "##bed", "##ding", ",", "twice", "[SEP]", "yes", "!", "[SEP]")
SIDE = Side(
    TOKENS,
    segments=(0,) * 7 + (1,) * 3,
    special=(True, *(False,) * 5, True, False, False, True),
    words=(-1, 0, 0, 0, 1, 2, -1, 3, 4, -1),
)


def random_map(layers: int = 2, heads: int = 9, seed: int = 0, name: str = "random") -> AttentionMap:
    length = len(TOKENS)
    scores = np.random.default_rng(seed).normal(0, 2, (layers, heads, length, length))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return AttentionMap(
        TOKENS, weights.astype(np.float32), SIDE.segments, SIDE.special, name, words=SIDE.words
    )


def opened(page: Page, picture: Picture, options: str = "{ offline: true }", **packing: Any) -> Page:
    """A page that holds the view and nothing else."""
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))

    def read(ending: str) -> str:
        names = [name for name in FILES if name.endswith(ending) and name != "mount.js"]
        return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)

    data = base64.b64encode(picture.pack(**{"everything": True, "colors": COLORS, **packing})).decode()
    variables = f"--st-text-color: #222; --st-background-color: #fff; --st-primary-color: #0b6a88; --st-chart-sequential-colors: {','.join(SEQUENTIAL['light'])}"
    page.set_content(
        f"<meta charset=utf-8><style>:root {{ {variables} }} {read('.css')}</style>{read('.html')}"
        f"<script type=module>{read('.js')}\n"
        f"const bytes = Uint8Array.from(atob('{data}'), (c) => c.charCodeAt(0));\n"
        f"Object.assign(window, {{ frameOf, shaped, view: create(document.querySelector('.attention'), bytes, {options}) }});"
        "</script>"
    )
    page.wait_for_function("window.view !== undefined")
    return page


def cell(page: Page, layer: int, head: int) -> Any:
    return page.get_by_role("gridcell", name=f"Layer {layer}, head {head}", exact=True)


def figures(page: Page) -> list[str]:
    return page.locator(".token[data-weighted] .weight").all_inner_texts()


def told(value: float) -> str:
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


# --------------------------------------------------------------------------- shaping


def as_json(side: Side) -> dict[str, Any]:
    return {**asdict(side), "names": side.tokens, "punctuation": punctuation(side)}


def test_weights_are_shaped_as_the_reference_shapes_them(page: Page) -> None:
    opened(page, Picture(random_map()))
    rng = np.random.default_rng(5)
    plane = random_map().weights[0, 0].copy()
    plane[3] = 0  # a row without weight
    plane[4, :] = np.eye(10)[0]  # a row whose only weight may be hidden
    pairs = ("all", "a_to_b", "b_to_a", "within")
    for turn in range(48):
        flags = [bool(flag) for flag in rng.integers(0, 2, 3)]
        heat = float(rng.choice([0.25, 0.7, 1, 1, 3]))
        asked = Shape(heat, flags[0], flags[1], pairs[turn % 4], flags[2], float(rng.choice([0, 0.05])))
        expected = shape(plane, SIDE, asked)
        found = page.evaluate(
            """([weights, side, asked]) => {
                const plane = { weights: Float32Array.from(weights), rows: 10, columns: 10 };
                const frame = frameOf(side, side, asked);
                const { weights: own, hidden } = shaped(plane, frame, asked);
                const names = (list) => list.map((entry) => entry.name);
                const groups = (list) => list.map((entry) => entry.group);
                return { weights: [...own], hidden: [...hidden], rows: names(frame.rows),
                         columns: names(frame.columns), groups: groups(frame.columns) };
            }""",
            [plane.ravel().astype(float).tolist(), as_json(SIDE), asdict(asked)],
        )
        assert tuple(found["rows"]) == expected.row_names
        assert tuple(found["columns"]) == expected.column_names
        assert tuple(map(tuple, found["groups"])) == expected.columns
        np.testing.assert_allclose(found["hidden"], expected.hidden, atol=1e-6)
        weights = np.asarray(found["weights"]).reshape(expected.weights.shape)
        np.testing.assert_allclose(weights, expected.weights, atol=1e-6)


def test_the_bar_merges_words_hides_tokens_and_says_what_was_hidden(page: Page) -> None:
    attention = random_map()
    opened(page, Picture(attention))
    page.get_by_role("button", name="Whole words").click()
    page.get_by_role("button", name="Hide special tokens").click()
    expect(page.locator(".tokens.from .word")).to_have_text(["embedding", ",", "twice", "yes", "!"])
    page.locator(".tokens.from .token").first.hover()
    expected = shape(attention.weights[0, 0], SIDE, Shape(words=True, hide_special=True))
    assert figures(page) == [told(w) for w in expected.weights[0]]
    share = round(100 * float(expected.hidden.mean()))
    expect(page.locator(".lines .note").first).to_contain_text(f"The hidden tokens take {share} % of it")
    assert page.evaluate("view.heads.small.cells") == [5, 5]  # the squares follow
    page.get_by_role("button", name="Second → first").click()
    expect(page.locator(".tokens.from .word")).to_have_text(["yes", "!"])
    page.get_by_role("button", name="As it is").click()
    expect(page.locator(".tokens.from .token")).to_have_count(10)
    assert page.evaluate("view.heads.small.cells") == [10, 10]


def test_temperature_and_threshold_act_while_they_are_moved(page: Page) -> None:
    attention = random_map()
    opened(page, Picture(attention))
    page.get_by_role("button", name="Temperature, threshold").click()
    page.locator("[name=temperature]").fill("-1")
    page.locator("[name=threshold]").fill("0.05")
    page.locator(".tokens.from .token").nth(2).hover()
    expected = shape(attention.weights[0, 0], SIDE, Shape(temperature=0.5, threshold=0.05))
    assert figures(page) == [told(w) for w in expected.weights[2]]
    page.evaluate("view.go({ mode: 'rollout' })")
    expect(page.locator("[name=temperature]")).to_be_disabled()


def test_a_kept_token_stays_kept_when_others_are_hidden(page: Page) -> None:
    opened(page, Picture(random_map()))
    page.locator(".tokens.from .token").nth(5).click()
    page.get_by_role("button", name="Whole words").click()
    page.get_by_role("button", name="Hide special tokens").click()
    expect(page.locator(".tokens.from [data-pinned] .word")).to_have_text("twice")
    page.get_by_role("button", name="Second → first").click()
    expect(page.locator("[data-pinned]")).to_have_count(0)


def test_where_all_tokens_are_hidden_a_sentence_says_so(page: Page) -> None:
    weights = np.full((1, 1, 3, 3), 1 / 3, dtype=np.float32)
    marks = AttentionMap(("[CLS]", ".", "[SEP]"), weights, (0,) * 3, (True, False, True), "marks")
    opened(page, Picture(marks))
    page.get_by_role("button", name="Hide special tokens").click()
    page.get_by_role("button", name="Hide punctuation").click()
    expect(page.get_by_text("Nothing is left to show").first).to_be_visible()
    page.get_by_role("button", name="Hide punctuation").click()
    expect(page.get_by_text("Nothing is left to show").first).to_be_hidden()
    expect(page.locator(".tokens.from .token")).to_have_count(1)


# --------------------------------------------------------------------------- several heads


def test_heads_are_laid_over_each_other_and_taken_away(page: Page) -> None:
    attention = random_map()
    opened(page, Picture(attention))
    page.get_by_role("button", name="Overlay heads").click()
    cell(page, 2, 3).click()
    cell(page, 1, 5).click()
    expect(page.locator(".lines .title")).to_have_text("3 heads overlaid")
    expect(page.locator(".chosen li")).to_contain_text(
        ["Layer 1, head 1", "Layer 1, head 5", "Layer 2, head 3"]
    )
    page.locator(".tokens.from .token").nth(2).hover()
    most = np.max([attention.weights[0, 0], attention.weights[1, 2], attention.weights[0, 4]], axis=0)
    assert figures(page) == [told(w) for w in most[2]]
    page.get_by_role("button", name="Take away Layer 1, head 1").click()
    cell(page, 1, 5).click()
    expect(page.locator(".lines .title")).to_have_text("Layer 2, head 3")
    expect(cell(page, 2, 3)).to_have_attribute("aria-selected", "true")
    expect(cell(page, 1, 5)).to_have_attribute("aria-selected", "false")
    cell(page, 2, 3).click()  # the last one stays
    expect(page.locator(".chosen li")).to_have_count(1)


def test_heads_are_laid_over_each_other_by_keys_and_no_more_than_eight(page: Page) -> None:
    opened(page, Picture(random_map()))
    page.get_by_role("button", name="Overlay heads").click()
    cell(page, 1, 1).focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
    expect(page.locator(".lines .title")).to_have_text("8 heads overlaid")
    cell(page, 2, 1).click(modifiers=["Shift"])
    expect(page.locator(".chosen li")).to_have_count(8)
    expect(page.locator(".live")).to_contain_text("at most 8 heads")
    rings = page.locator(".chosen li").evaluate_all(
        "list => list.map((li) => li.style.getPropertyValue('--ring'))"
    )
    assert len(set(rings)) == 8


# --------------------------------------------------------------------------- two models


def test_a_difference_shows_signs_and_both_sides(page: Page) -> None:
    before, after = random_map(name="base"), random_map(seed=1, name="tuned")
    opened(page, Picture(after, before))
    expect(page.locator(".matrices h3")).to_have_text(["Before", "After", "Difference"])
    expect(page.locator(".matrices .note").first).to_have_text("base")
    cell(page, 2, 4).click()
    page.locator(".tokens.from .token").nth(3).hover()
    change = (after.weights - before.weights).astype(float)[1, 3, 3]
    signs = {-1: "−", 1: "+"}
    assert figures(page) == [
        (signs[int(np.sign(c))] if abs(c) >= 0.0005 else "") + f"{abs(c):.3f}" for c in change
    ]
    page.get_by_role("button", name="Before").click()
    page.locator(".tokens.from .token").nth(3).hover()
    assert figures(page) == [told(w) for w in before.weights[1, 3, 3]]


def test_pointing_at_one_matrix_names_before_after_and_difference(page: Page) -> None:
    before, after = random_map(), random_map(seed=1)
    opened(page, Picture(after, before))
    box = page.evaluate("(({ left, top, cell }) => ({ left, top, cell }))(view.matrices.all[1])")
    canvas = page.locator(".matrices .plot canvas").nth(1)
    canvas.hover(position={"x": box["left"] + 2.5 * box["cell"][0], "y": box["top"] + 1.5 * box["cell"][1]})
    was, now = (float(each.weights[0, 0, 1, 2]) for each in (before, after))
    expect(page.locator(".tip")).to_contain_text(f"{told(was)} before, {told(now)} after")
    expect(page.locator(".tokens.from [data-source] .word")).to_have_text("em")


# --------------------------------------------------------------------------- one token, zoom, cross


@pytest.mark.parametrize("file", [True, False])
def test_a_token_is_followed_through_the_layers(page: Page, file: bool) -> None:
    attention = random_map(layers=3)
    opened(page, Picture(attention), look=Look("token", layer=1, token=5), everything=file, bits=32)
    expect(page.locator(".follow .title")).to_have_text("What “twice” reads, layer by layer")
    page.get_by_role("button", name="yes", exact=True).click()
    layers, heads = page.evaluate(
        "['layers', 'heads'].map((role) => [...view.follow.panels[role].plane])"
    )  # what is painted
    np.testing.assert_allclose(layers, attention.weights[:, :, 7].mean(1).ravel(), atol=1e-6)
    np.testing.assert_allclose(heads, attention.weights[1, :, 7].ravel(), atol=1e-6)
    page.get_by_role("button", name="Whole words").click()
    page.get_by_role("button", name="embedding", exact=True).click()
    layers = np.asarray(page.evaluate("[...view.follow.panels.layers.plane]")).reshape(3, -1)
    for at, weights in enumerate(attention.weights.mean(1)):
        np.testing.assert_allclose(layers[at], shape(weights, SIDE, Shape(words=True)).weights[1], atol=1e-6)


def test_a_flow_is_no_share_and_stays_what_it_is_when_tokens_are_hidden(page: Page) -> None:
    flow = np.linspace(0.3, 0.9, 10)
    opened(page, Picture(random_map()).with_flow(flow, at=5), look=Look("flow"), everything=False)
    page.get_by_role("button", name="Hide special tokens").click()
    page.locator(".tokens.from .token").nth(4).hover()
    expect(page.locator(".tokens.from [data-source] .word")).to_have_text("twice")
    assert figures(page) == [told(w) for w, special in zip(flow, SIDE.special, strict=True) if not special]
    page.locator(".tokens.from .token").nth(0).hover()
    assert set(figures(page)) == {"–"}  # was not asked for
    expect(page.get_by_role("button", name="Whole words")).to_be_disabled()


def test_the_matrix_zooms_where_the_pointer_is_and_moves(page: Page) -> None:
    opened(page, Picture(random_map()))
    canvas = page.locator(".matrices .plot canvas")
    box = page.evaluate("(({ left, top, wide, high }) => ({ left, top, wide, high }))(view.matrices.all[0])")
    point = {"x": box["left"] + 0.95 * box["wide"], "y": box["top"] + 0.05 * box["high"]}
    canvas.hover(position=point)
    expect(page.locator(".tip")).to_contain_text("[CLS] → [SEP]")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -250)
    page.keyboard.up("Control")
    page.wait_for_function("view.matrices.zoom.factor > 2")
    canvas.hover(position={**point, "x": point["x"] - 1})
    expect(page.locator(".tip")).to_contain_text("[CLS] → [SEP]")
    corner = canvas.bounding_box()
    assert corner is not None
    y = corner["y"] + point["y"]
    page.mouse.move(corner["x"] + box["left"] + 0.2 * box["wide"], y)
    page.mouse.down()
    page.mouse.move(corner["x"] + box["left"] + 0.9 * box["wide"], y, steps=4)
    page.mouse.up()
    assert page.evaluate("view.matrices.zoom.x") < 0.5
    expect(page.locator("[data-pinned]")).to_have_count(0)  # a drag is no click
    page.get_by_role("button", name="Whole", exact=True).click()
    assert page.evaluate("view.matrices.zoom.factor") == 1


def test_cross_attention_draws_two_different_texts(page: Page) -> None:
    attention = random_map()
    source = Side(("le", "chat", "dort", "</s>"), (0,) * 4, (False, False, False, True), (0, 1, 2, -1))
    crossed = replace(attention, weights=attention.weights[..., :4], kind="cross", columns=source)
    opened(page, Picture(crossed))
    expect(page.locator(".tokens.from .token")).to_have_count(10)
    expect(page.locator(".tokens.to .word")).to_have_text(["le", "chat", "dort", "</s>"])
    page.locator(".tokens.to .token").nth(2).hover()
    assert figures(page) == [told(w) for w in crossed.weights[0, 0, :, 2]]
    expect(page.locator(".sides .left")).to_have_text("target")


# --------------------------------------------------------------------------- the boundary


def test_planes_that_are_missing_are_asked_for_and_drawn_when_they_come(page: Page) -> None:
    long = np.full((2, 9, 70, 70), 1 / 70, dtype=np.float32)
    tokens = tuple(f"t{k}" for k in range(70))
    picture = Picture(AttentionMap(tokens, long, (0,) * 70, (False,) * 70, "even"))
    options = "{ tell: (look) => { (window.asked ??= []).push(look); } }"
    opened(page, picture, options, everything=False, look=Look())
    cell(page, 2, 3).click()
    expect(page.locator(".attention")).to_have_attribute("data-waiting", "")
    page.wait_for_function("window.asked")
    asked = page.evaluate("asked.at(-1)")
    assert (asked["layer"], asked["head"], asked["known"]) == (1, 2, ["head:0:0"])
    look = Look.from_json(asked, picture)
    answer = picture.pack(look, asked["turn"], colors=COLORS, wish={}, known=frozenset(asked["known"]))
    page.evaluate(f"view.receive(Uint8Array.from({json.dumps(list(answer))}))")
    expect(page.locator(".attention")).not_to_have_attribute("data-waiting", "")
    page.evaluate("view.choose({ layer: 0, head: 0 })")  # what came before is still there
    expect(page.locator(".attention")).not_to_have_attribute("data-waiting", "")
    page.wait_for_function("asked.length === 2")  # told where the user is, a moment later
    assert set(page.evaluate("asked[1].known")) == {"head:0:0", "head:1:2"}


def test_a_file_says_which_weights_it_does_not_hold(page: Page) -> None:
    opened(page, Picture(random_map()), everything=False, look=Look())
    cell(page, 2, 3).click()
    expect(page.get_by_text("not part of this file")).to_be_visible()
    cell(page, 1, 3).click()
    expect(page.get_by_text("not part of this file")).to_be_hidden()
