"""Learn in a real browser: from the first step to the last, by button and by key, every box open to its numbers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.steps import open_page, settle

pytestmark = pytest.mark.browser

STEPS = 11


def enter(page: Page, server: Server, query: str = "") -> list[str]:
    """Open the page; what its scripts complain of is gathered."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    open_page(page, server.url, f"learn{query}")
    expect(page.locator(".learn .picture > *").first).to_be_visible(timeout=60_000)
    return faults


def where(page: Page, step: int) -> None:
    expect(page.locator(".learn .where")).to_have_text(f"Step {step} of {STEPS}")
    expect(page.locator(".learn .picture")).to_have_attribute("data-step", str(step))


def test_the_way_leads_from_the_first_step_to_the_last_and_back_by_key(page: Page, server: Server) -> None:
    faults = enter(page, server)
    titles = set()
    for step in range(1, STEPS + 1):
        where(page, step)
        titles.add(page.locator(".learn h2").text_content())
        assert page.locator(".learn .picture").bounding_box()["height"] > 100  # type: ignore[index]
        for box in page.locator(".learn .picture > *").all():
            area, frame = box.bounding_box(), page.locator(".learn article").bounding_box()
            assert area is not None
            assert frame is not None
            assert area["x"] + area["width"] <= frame["x"] + frame["width"] + 1
        if step < STEPS:
            page.locator(".learn .next").click()
    assert len(titles) == STEPS
    expect(page.locator(".learn .next")).to_be_disabled()
    expect(page.locator(".learn .answers")).to_be_visible()
    for step in range(STEPS - 1, 0, -1):
        page.keyboard.press("ArrowLeft")
        where(page, step)
    page.keyboard.press("End")
    where(page, STEPS)
    page.wait_for_url("**step=11*")
    settle(page)
    page.reload()
    where(page, STEPS)
    assert faults == []


def test_a_box_opens_to_its_numbers_and_they_say_how_they_come_about(page: Page, server: Server) -> None:
    faults = enter(page, server, "?step=4")
    where(page, 4)
    score = page.locator(".learn .equation .result b").text_content()
    page.locator(".learn .aside .strip").nth(2).click()  # the products
    numbers = page.locator(".learn .numbers .number")
    expect(numbers).to_have_count(32)
    total = sum(float(text.replace("−", "-").replace("e-", "e-")) for text in numbers.all_text_contents())
    assert abs(total / 32**0.5 - float(str(score).replace("−", "-"))) < 0.02
    expect(page.locator(".learn .numbers .how")).to_contain_text("×")
    page.keyboard.press("Escape")
    expect(page.locator(".learn .numbers")).to_be_hidden()
    page.locator(".learn .field").click(position={"x": 3, "y": 3})
    expect(page.locator(".learn .told")).to_contain_text("“[CLS]” reads “[CLS]”")
    assert faults == []


def test_layer_head_and_token_are_chosen_and_keys_typed_into_the_sentence_stay_there(
    page: Page, server: Server
) -> None:
    faults = enter(page, server, "?step=5")
    share = page.locator(".learn .softmax .bar[data-strong] .value")
    before = share.text_content()
    page.get_by_role("button", name="Next layer", exact=True).click()
    expect(page.locator(".learn .stepper.layer .value")).to_have_text("2 of 6")
    page.wait_for_url("**layer=2*")
    expect(page.locator(".learn")).not_to_have_attribute("data-waiting", "")
    assert share.text_content() != before
    page.locator(".learn .follow .token").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".learn .follow .token").first).to_be_focused()
    expect(page.locator(".learn .picture .mark").first).to_have_text("[CLS]")
    field = page.locator(".st-key-learn_text input")
    field.fill("Thank you for the quick help")
    field.press("ArrowLeft")
    where(page, 5)
    field.press("Enter")
    expect(page.locator(".learn .follow .tokens")).to_contain_text("quick")
    where(page, 5)
    page.locator(".learn .plan .box").nth(6).click()
    where(page, 7)
    page.wait_for_url("**step=7*")
    for tab in (
        "Why is it built so?",
        "Step by step",
    ):  # the picture is built anew, and gets its numbers anew
        page.get_by_role("radio", name=tab).click()
        settle(page)
    where(page, 7)
    expect(page.locator(".learn .thumb")).to_have_count(12)
    assert faults == []
