"""Before and after in a real browser: the difference, a head chosen among all, its texts, and the slider over a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from core import jobs
from core.records import JobState
from tests import homes
from tests.trained import build_trained
from ui.change_heads import question

from .conftest import Server, free_port
from .steps import by_key, open_page, press, settle

pytestmark = pytest.mark.browser
TEXT = "my card was charged twice"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = build_trained(tmp_path_factory.mktemp("change"))
    _rank(home)
    running = Server(home, free_port())
    running.start()
    yield running.url
    running.end()


def _rank(home: Path) -> None:
    """The heads ranked, as a worker would."""
    ws = homes.open_home(home)
    run, model = homes.only(ws.runs()), homes.only(ws.models())
    asked = question(ws.find_model(run.base_model), ws.find_model(model.id), ws.dataset(str(run.dataset_id)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.jobs.studies.ensure_workers", lambda *_: None)
        jobs.submit_study(ws, "change", asked)
        assert homes.work(ws, "study").state is JobState.FINISHED
    ws.close()


def opened(page: Page, app: str, view: str) -> Page:
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    words = {"attention_page": "Before and after", "change_view": view, "text": TEXT}
    open_page(page, app, "attention?" + "&".join(f"{name}={quote(value)}" for name, value in words.items()))
    return page


def test_a_head_is_shown_before_and_after_and_as_difference(page: Page, app: str) -> None:
    opened(page, app, "On this text")
    picture = by_key(page, "change_picture")
    expect(picture.get_by_role("heading", name="Difference")).to_be_visible()
    title = picture.locator(".lines .title")
    press(page, "change_most_1")
    settle(page)
    named = re.match(r"Layer \d+, head \d+", by_key(page, "change_most_1").inner_text())
    assert named is not None
    expect(title).to_have_text(named[0])
    picture.get_by_role("gridcell", name="Layer 1, head 2", exact=True).click()
    expect(title).to_have_text("Layer 1, head 2")
    expect(page.get_by_text("Layer 1, head 2 moved by")).to_be_visible()


def test_a_click_on_a_head_lists_its_texts_and_one_opens_in_both_models(page: Page, app: str) -> None:
    opened(page, app, "Over many texts")
    squares = by_key(page, "change_grid").locator(".scatterlayer .points path")
    squares.nth(5).wait_for()
    box = squares.nth(5).bounding_box()  # of the second layer the second head
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("heading", name="Layer 2, head 2: the texts where it moved most")).to_be_visible()
    settle(page)
    table = page.locator("[class*=st-key-change_texts_] .dvn-scroller").first
    table.scroll_into_view_if_needed()
    table.click(position={"x": 14, "y": 52})  # the tick of the first row
    settle(page)
    press(page, "change_look")
    expect(by_key(page, "change_picture").get_by_role("heading", name="Difference")).to_be_visible()
    expect(by_key(page, "attention_text").locator("textarea")).not_to_have_value(TEXT)
    expect(by_key(page, "change_picture").locator(".lines .title")).to_have_text("Layer 2, head 2")


def test_the_slider_walks_through_the_states_of_the_run(page: Page, app: str) -> None:
    opened(page, app, "While it learnt")
    slider = by_key(page, "change_stage").get_by_role("slider")
    expect(page.get_by_text("before training: 0.000 from the start")).to_be_visible()
    slider.focus()
    slider.press("ArrowRight")
    expect(page.get_by_text(re.compile(r"step \d+ \(epoch .*from the start"))).to_be_visible()
    for _ in range(9):
        slider.press("ArrowRight")
    expect(page.get_by_text("the model that was kept: ", exact=False)).to_be_visible()
    expect(by_key(page, "change_learn_picture").get_by_text("The model that was kept")).to_be_visible()
