"""How fluid the map is: frames a second while 20,000 points are moved and zoomed, in a real browser.

    python -m bench.map [--points 20000] [--seconds 5] [--scale 1]

A real server with the map's view over a fresh home folder, a real headless Chromium without a graphics card. The
pointer drags to and fro as fast as the browser takes it; a frame counts when the points were drawn in it. Beside it
stand the time of one drawing, the time from the end of a lasso until the page shows its sample, and that from the
pointer's rest on a point until its text is there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from scripts.browser import FLAGS, find_or_install
from tests import homes, map_home
from tests.browser.conftest import free_port
from tests.browser.steps import settle

# Notes when the picture is put on the screen, and how long the script that did it had worked in this frame.
WATCH = """
window.drawn = [];
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...all) {
  put.apply(this, all);
  window.drawn.push([performance.now(), performance.now() - document.timeline.currentTime]);
};
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels per CSS pixel")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = homes.open_home(folder / "home")
        map_home.build(workspace, asked.points)
        workspace.close()
        with map_home.served(folder, free_port()) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(find_or_install()), args=list(FLAGS))
            context = browser.new_context(
                viewport={"width": 1280, "height": 900}, device_scale_factor=asked.scale
            )
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(url)
            settle(page)
            page.locator(".said").get_by_text("texts").wait_for()
            result: dict[str, Any] = {"points": asked.points, "device_pixels_per_pixel": asked.scale}
            result["panning"] = panning(page, asked.seconds)
            result["zooming"] = zooming(page, asked.seconds)
            result["hover_to_text_ms"] = hovering(page)
            result["lasso_to_sample_ms"] = lasso(page)
            browser.close()
    print(json.dumps(result, indent=2))


def panning(page: Page, seconds: float) -> dict[str, float]:
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("window.drawn = []")
    begun, at = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        at += 1
        page.mouse.move(x + 180 * np.sin(at / 12), y + 120 * np.sin(at / 9))
    took = time.perf_counter() - begun
    page.mouse.up()
    return frames(page, took)


def zooming(page: Page, seconds: float) -> dict[str, float]:
    x, y = middle(page)
    page.mouse.move(x, y)
    page.evaluate("window.drawn = []")
    begun, at = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        at += 1
        page.mouse.wheel(0, -40 if at % 80 < 40 else 40)
    took = time.perf_counter() - begun
    page.keyboard.press("0")
    return frames(page, took)


def frames(page: Page, seconds: float) -> dict[str, float]:
    """Frames a second, the slowest in a hundred and the script's work in one, in milliseconds."""
    drawn = page.evaluate("window.drawn")
    gaps = np.diff([at for at, _ in drawn])
    return {
        "frames_a_second": round(len(drawn) / seconds, 1),
        "gap_p50_ms": round(float(np.percentile(gaps, 50)), 1),
        "gap_p99_ms": round(float(np.percentile(gaps, 99)), 1),
        "drawing_p50_ms": round(float(statistics.median(work for _, work in drawn)), 1),
    }


def hovering(page: Page) -> float:
    """The median over points of one cloud."""
    box = page.locator(".stage").bounding_box()
    assert box
    times = []
    for step in range(9):
        page.mouse.move(box["x"] + 3, box["y"] + 3)
        page.locator(".tip").wait_for(state="hidden")
        begun = time.perf_counter()
        page.mouse.move(box["x"] + box["width"] / 2 + 6 * step - 24, box["y"] + 0.22 * box["height"])
        page.locator(".tip .text").filter(has_text="question").wait_for()
        times.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(times), 1)


def lasso(page: Page) -> float:
    box = page.locator(".stage").bounding_box()
    assert box
    page.get_by_role("button", name="Rectangle").click()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2, steps=10)
    begun = time.perf_counter()
    page.mouse.up()
    page.locator(".st-key-map_selection").get_by_text("A random 12").wait_for()
    return round(1000 * (time.perf_counter() - begun), 1)


def middle(page: Page) -> tuple[float, float]:
    box = page.locator(".stage").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


if __name__ == "__main__":
    main()
