"""The Look view in a real browser: a token masked and swapped, queries and keys, and the link that opens it again."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests import homes

from .conftest import Server, free_port
from .steps import by_key, open_page, settle

pytestmark = pytest.mark.browser
TEXT = "my card was charged twice"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Server(homes.build_finished(tmp_path_factory.mktemp("look")), free_port())
    running.start()
    yield running.url
    running.end()


def opened(page: Page, app: str, **asked: str) -> Page:
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    query = "&".join(f"{name}={value}" for name, value in {"text": TEXT.replace(" ", "%20"), **asked}.items())
    open_page(page, app, f"attention?{query}")
    return page


def params(page: Page) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(page.url).query))


def test_a_token_is_chosen_masked_and_swapped_and_answer_and_attention_follow(page: Page, app: str) -> None:
    opened(page, app)
    by_key(page, "attention_view").get_by_role("gridcell").first.wait_for()
    page.get_by_text("Mask or swap a token").click()
    tokens = by_key(page, "exchange_tokens")
    expect(tokens.get_by_role("radio", name="Token 1: [CLS]")).to_be_disabled()
    tokens.get_by_role("radio", name="Token 3: card").click()
    expect(page.get_by_text("“card” became “[MASK]”.")).to_be_visible()
    expect(page.get_by_text("The answer", exact=False).first).to_be_visible()
    by_key(page, "exchange_answers").locator(".js-plotly-plot").wait_for()
    expect(by_key(page, "attention_view").get_by_text("[card→[MASK]]").first).to_be_visible()
    page.get_by_role("radio", name="Another word").click()
    word = by_key(page, "exchange_word").locator("input")
    word.fill("invoice")
    word.press("Enter")
    expect(page.get_by_text("“card” became “invoice”.")).to_be_visible()
    settle(page)
    asked = params(page)
    assert (asked["changed"], asked["way"], asked["swap"]) == ("3", "word", "invoice")
    by_key(page, "exchange_back").locator("button").click()
    expect(page.get_by_text("became")).to_have_count(0)
    settle(page)
    assert "changed" not in params(page)


def test_tokens_are_stepped_through_by_arrow_keys(page: Page, app: str) -> None:
    opened(page, app, changed="3")
    tokens = by_key(page, "exchange_tokens")
    chosen = tokens.get_by_role("radio", name="Token 3: card")
    expect(chosen).to_have_attribute("aria-checked", "true")
    chosen.focus()
    page.keyboard.press("ArrowRight")
    expect(tokens.get_by_role("radio", name="Token 4: was")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("“was” became “[MASK]”.")).to_be_visible()


def test_queries_and_keys_make_the_weights_that_the_head_has(page: Page, app: str) -> None:
    opened(page, app, mode="head", layer="2", head="3")
    view = by_key(page, "attention_view")
    view.locator(".tokens.from .token").nth(2).click()
    expect(view.locator(".tokens.to .token[data-weighted]").first).to_be_visible()
    own = view.locator(".tokens.to .weight").all_inner_texts()
    page.get_by_role("radio", name="Query and key").click()
    neuron = by_key(page, "attention_neuron")
    neuron.locator(".names.from .name").nth(2).click()
    expect(neuron.locator(".names.from .name").nth(2)).to_have_attribute("aria-pressed", "true")
    shares = [float(t.replace("<", "")) for t in neuron.locator(".names.to .weight").all_inner_texts()]
    assert shares == pytest.approx([float(t.replace("<", "")) for t in own], abs=1.1e-3)
    neuron.locator(".names.to .name").nth(4).hover()
    expect(neuron.locator(".sum h4")).to_contain_text("From card to charged: score")
    settle(page)
    assert params(page)["look"] == '{"token":2}'


def test_a_dimension_under_the_pointer_says_its_numbers(page: Page, app: str) -> None:
    opened(page, app, mode="neuron")
    neuron = by_key(page, "attention_neuron")
    sheet = neuron.locator(".sheet canvas")
    box = sheet.bounding_box()
    assert box is not None
    sheet.hover(position={"x": box["width"] / 2, "y": 3.5 * 22})
    expect(neuron.locator(".tip")).to_contain_text("product")
    expect(neuron.locator(".names.to .name").nth(3)).to_have_attribute("data-on", "")


def test_the_copied_link_opens_the_same_view(page: Page, app: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, app, mode="average", layer="2")
    view = by_key(page, "attention_view")
    view.get_by_role("button", name="Hide special tokens").click()
    settle(page)
    copy = by_key(page, "attention_link").get_by_role("button", name="Copy link")
    copy.click()
    expect(by_key(page, "attention_link").get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = page.context.new_page()
    other.goto(link)
    settle(other)
    expect(by_key(other, "attention_text").locator("textarea")).to_have_value(TEXT)
    assert {k: v for k, v in params(other).items() if k != "model"} == {
        "text": TEXT,
        "mode": "average",
        "layer": "2",
        "head": "1",
        "look": '{"shape":{"hide_special":true}}',
    }
    expect(by_key(other, "attention_view").locator(".lines .title")).to_contain_text("Layer 2, average")
    expect(
        by_key(other, "attention_view").get_by_role("button", name="Hide special tokens")
    ).to_have_attribute("aria-pressed", "true")


def test_the_map_is_saved_as_a_page_that_needs_no_server(page: Page, app: str) -> None:
    opened(page, app)
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Web page (.html)").click()
    path = waiting.value.path()
    assert path.stat().st_size < 3_000_000
    assert b"<!doctype html>" in path.read_bytes()[:100].lower()
