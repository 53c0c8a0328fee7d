"""Coloured words in a real browser, in the page that is saved: it draws with the app's own script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.explain.export import words
from ui.components.words import Row, Written, packed

pytestmark = pytest.mark.browser

NASTY = "<img/src=x/onerror=alert(1)>"


@pytest.fixture
def view(page: Page, tmp_path: Path) -> Page:
    texts = [
        Written(("my", NASTY, "שלום"), ("  ", " ", "\n"), " …", unread=True),
        Written(("👍",), ("",), ""),
    ]
    rows = [
        Row("One", "note", [1.0, -0.5, 0.0, 0.25], ["+1", "−0.5", "0", "+0.25"]),
        Row("Two", "", [0.1, 0.2, 0.3, 0.4], ["10 %", "20 %", "30 %", "40 %"], signed=False),
    ]
    file = tmp_path / "page.html"
    file.write_bytes(words.page(packed(texts, rows, ("against", "for")), f"Why {NASTY}?"))
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("dialog", lambda dialog: pytest.fail("a word was run as code"))
    page.goto(file.as_uri())
    expect(page.locator(".word")).to_have_count(8)
    return page


def test_pointing_at_a_word_tells_its_figures_in_every_row(view: Page) -> None:
    view.locator(".word").nth(1).hover()
    tip = view.locator(".tip")
    expect(tip).to_be_visible()
    assert tip.locator(".name").inner_text() == NASTY
    assert tip.locator(".figure").all_inner_texts() == ["−0.5", "20 %"]
    expect(view.locator(".word.same")).to_have_count(2)
    view.locator("h1").hover()
    expect(tip).to_be_hidden()


def test_arrow_keys_go_from_word_to_word(view: Page) -> None:
    view.locator(".text").nth(2).focus()
    names = []
    for _ in range(3):
        view.keyboard.press("ArrowRight")
        names.append(view.locator(".tip .name").inner_text())
    assert names == ["my", NASTY, "שלום"]
    view.keyboard.press("Escape")
    expect(view.locator(".tip")).to_be_hidden()


def test_shades_follow_the_theme_and_the_text_stays_to_the_letter(view: Page) -> None:
    assert view.locator(".text").first.text_content() == f"  my {NASTY}\nשלום …"
    expect(view.locator(".unread").first).to_have_text(" …")
    look = "node => getComputedStyle(node).backgroundColor"
    before = view.locator(".word").first.evaluate(look)
    view.get_by_role("button", name="Light or dark").click()
    assert view.locator(".word").first.evaluate(look) != before
    expect(view.locator(".word")).to_have_count(8)
