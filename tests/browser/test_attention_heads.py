"""Heads switched off in a real browser: a click, a whole layer and the keys change the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import homes
from tests.browser.conftest import Server, free_port
from tests.browser.steps import by_key, open_page, press, settle, wait_for_text

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Server(homes.build_finished(tmp_path_factory.mktemp("heads")), free_port())
    running.start()
    yield running.url
    running.end()


def off(page: Page) -> set[str]:
    """The heads that the grid draws as off."""
    cells = by_key(page, "heads_off_grid").locator(".cell[aria-pressed=true]")
    return set(cells.evaluate_all("nodes => nodes.map((node) => node.dataset.place)"))


def test_switching_heads_off_by_click_and_by_key_changes_the_answer(page: Page, url: str) -> None:
    open_page(page, url, "attention?attention_page=Heads&heads_part=Switch+off")
    grid = by_key(page, "heads_off_grid")
    expect(grid.locator(".cell")).to_have_count(8, timeout=60_000)
    assert off(page) == set()

    grid.locator("[data-place='1:2']").click()
    wait_for_text(page, "Without 1 head")
    settle(page)
    assert off(page) == {"1:2"}

    grid.get_by_role("button", name="Layer 1", exact=True).click()
    wait_for_text(page, "Without 5 heads")
    settle(page)
    assert off(page) == {"0:0", "0:1", "0:2", "0:3", "1:2"}
    expect(page.get_by_text("Off: all of layer 1; layer 2 head 3.")).to_be_visible()

    grid.locator("[data-place='1:2']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for_text(page, "Without 6 heads")
    settle(page)
    assert "1:3" in off(page)

    press(page, "heads_off_clear")
    wait_for_text(page, "Switch a head off above first.")
    settle(page)
    assert off(page) == set()
