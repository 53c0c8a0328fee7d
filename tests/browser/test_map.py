"""The map in a real browser: what a lasso holds, what the pointer reads, what bulk labels do and undo takes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.desk import Desk
from core.labels.nouns import AnswerState
from core.store import labels as label_rows
from core.workspace import Workspace
from tests import homes, map_home

from .conftest import free_port
from .steps import by_key, choose, press, settle

pytestmark = pytest.mark.browser


@dataclass
class Map:
    page: Page
    ws: Workspace
    desk: Desk
    annotator_id: str

    def on_screen(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Where places of the sheet are in the window before anything was moved; as the component fits them."""
        box = self.page.locator(".stage").bounding_box()
        assert box
        xy = map_home.places(self.desk.rows)
        low, high = xy.min(axis=0), xy.max(axis=0)
        wide, tall = box["width"] - 2, box["height"] - 2  # without the border
        k = min((wide - 32) / (high[0] - low[0]), (tall - 32) / (high[1] - low[1]))
        middle = (low + high) / 2
        return [
            (box["x"] + 1 + wide / 2 + k * (x - middle[0]), box["y"] + 1 + tall / 2 - k * (y - middle[1]))
            for x, y in points.astype(float)
        ]

    def lasso(self, outline: np.ndarray) -> None:
        corners = self.on_screen(outline)
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*corner, steps=4)
        self.page.mouse.up()

    def answers(self) -> dict[int, tuple[str, ...]]:
        found = label_rows.answers(self.ws.db, self.desk.dataset.id, annotator_id=self.annotator_id)
        return {a.row: a.labels for _, a in found if a.state != AnswerState.CLEARED}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("map")
    ws = homes.open_home(folder / "home")
    map_home.build(ws)
    ws.close()
    with map_home.served(folder, free_port()) as address:
        yield address, folder / "home"


@pytest.fixture
def drawn(page: Page, url: tuple[str, Path]) -> Iterator[Map]:
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    ws = homes.open_home(url[1])
    dataset, _, me = map_home.find(ws)
    page.goto(url[0])
    settle(page)
    expect(page.locator(".said")).to_have_text("240 texts")
    yield Map(page, ws, Desk.open(ws, dataset.id), me.id)
    ws.close()


def cloud(number: int, radius: float = 0.7) -> np.ndarray:
    """An outline around one of the clouds, and around no other."""
    turn = np.linspace(0, 2 * np.pi, 14)
    return map_home.CENTRES[number] + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def test_a_lasso_holds_what_is_inside_and_its_bulk_label_can_be_taken_back(drawn: Map) -> None:
    page = drawn.page
    page.get_by_role("button", name="Lasso").click()
    drawn.lasso(cloud(1))
    expect(page.locator(".said")).to_have_text("80 texts selected")
    kept = int(drawn.desk.evaluation[1::3].sum())
    assert kept
    expect(page.get_by_text(f"Left out: {kept} texts of the evaluation part.")).to_be_visible()
    settle(page)
    choose(page, "map_label", "delivery")
    press(page, "map_give")
    expect(page.get_by_text(f"Labelled {80 - kept} texts as “delivery”.").first).to_be_visible()
    wanted = {row for row in range(1, 240, 3) if not drawn.desk.evaluation[row]}
    assert set(drawn.answers()) == wanted
    expect(page.locator(".said")).to_have_text("240 texts")
    expect(page.locator(".legend li").filter(has_text="delivery")).to_contain_text(str(len(wanted)))
    press(page, "map_undo")
    expect(by_key(page, "map_undo")).to_have_count(0)
    assert drawn.answers() == {}


def test_hovering_reads_the_whole_text_of_the_nearest_point(drawn: Map) -> None:
    page = drawn.page
    # the outermost point of a cloud, which no other one hides
    row = int(map_home.places(240)[:, 1].argmax())
    x, y = drawn.on_screen(map_home.places(240)[[row]])[0]
    page.mouse.move(x - 60, y + 60)
    page.mouse.move(x, y, steps=3)
    tip = page.locator(".tip")
    expect(tip.locator(".text")).to_have_text(
        f"{map_home.NAMES[row % 3]} question {row}\nsecond line of {row}"
    )
    expect(tip.locator(".name")).to_have_text(f"Not labelled · row {row + 1}")
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()


def test_a_rectangle_by_keyboard_and_a_name_of_the_legend_select_as_well(drawn: Map) -> None:
    page = drawn.page
    by_key(page, "map_kind").get_by_role("radio", name="Prediction").click()
    line = page.locator(".legend button").filter(has_text="refund")
    line.click()
    expect(line).to_have_attribute("aria-pressed", "true")
    refunds = int((~drawn.desk.evaluation[2::3]).sum())
    page.locator(".stage").focus()
    page.keyboard.press("r")
    for _ in range(60):  # wide and high enough for all three clouds
        page.keyboard.press("ArrowLeft")
    for _ in range(30):
        page.keyboard.press("ArrowUp")
    for _ in range(90):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range(60):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".said")).to_have_text(f"{refunds} texts inside")
    page.keyboard.press("Enter")
    expect(page.locator(".said")).to_have_text(f"{refunds} texts selected")
    expect(page.get_by_text(f"{refunds} texts selected").nth(1)).to_be_visible()
    page.locator(".stage").focus()
    page.keyboard.press("Escape")
    expect(by_key(page, "map_selection")).to_have_count(0)
    expect(page.locator(".said")).to_have_text("240 texts")


def test_moving_and_zooming_keep_the_points_under_the_pointer(drawn: Map) -> None:
    page = drawn.page
    page.get_by_role("button", name="Lasso").click()
    page.keyboard.press("m")
    start = drawn.on_screen(np.array([[0.0, 0.0]]))[0]
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 90, start[1] + 40, steps=4)
    page.mouse.up()
    page.keyboard.press("0")  # all of it again
    page.keyboard.press("l")
    drawn.lasso(cloud(2))
    expect(page.locator(".said")).to_have_text("80 texts selected")
    page.keyboard.press("Escape")
    centre = drawn.on_screen(map_home.CENTRES[[0]])[0]
    page.mouse.move(*centre)
    page.mouse.wheel(0, -600)
    outline = drawn.on_screen(cloud(0))
    zoomed = np.exp(600 * 0.0016)
    reach = [(centre[0] + zoomed * (x - centre[0]), centre[1] + zoomed * (y - centre[1])) for x, y in outline]
    page.mouse.move(*reach[0])
    page.mouse.down()
    for corner in reach[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    expect(page.locator(".said")).to_have_text("80 texts selected")
