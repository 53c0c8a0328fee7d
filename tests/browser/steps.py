"""What a user does in the browser, as verbs for the tests."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

READY = "[data-testid=stApp][data-test-script-state=notRunning]"


def open_page(page: Page, url: str, name: str = "") -> None:
    page.goto(f"{url}/{name}")
    settle(page)


def settle(page: Page) -> None:
    """The script has run to its end."""
    page.wait_for_selector(READY, timeout=60_000)
    page.wait_for_timeout(250)
    page.wait_for_selector(READY, timeout=60_000)


def by_key(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}").first


def press(page: Page, key: str) -> None:
    """Click the button of that key."""
    button = by_key(page, key).locator("button").first
    expect(button).to_be_enabled(timeout=30_000)
    button.click()


def choose(page: Page, key: str, option: str) -> None:
    """Pick the option that begins with `option` in the select box of that key."""
    field = by_key(page, key).locator("input").first
    field.scroll_into_view_if_needed()  # a list that is open closes when the page scrolls
    page.wait_for_timeout(200)
    field.click()
    wanted = page.get_by_role("option", name=option).first
    try:
        wanted.wait_for(timeout=3_000)
    except PlaywrightTimeout:
        field.press("ArrowDown")
    wanted.click()
    settle(page)


def wait_for_text(page: Page, text: str, timeout: float = 60_000) -> None:
    expect(page.get_by_text(text).first).to_be_visible(timeout=timeout)
