"""How soon each page shows its first content, idle and while a training runs.

    python -m bench.pages [--repeats 5]

A real server over a fresh home folder with the sample data set and one trained model; a real headless
Chromium; each visit in a new browser context. First content: the page's heading is visible. Visits idle and
under training follow each other page by page within each half; the ratio is of medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from core import jobs
from core.data.intake import read_table
from core.data.sample import SAMPLE_NAME, sample_path
from core.models.catalogue import BUNDLED
from core.records import Step
from core.settings import read_settings
from core.training.recipe import Recipe
from core.workspace import Workspace
from scripts.browser import FLAGS, find_or_install
from tests.browser.conftest import Server, free_port

PAGES = ("home", "data", "train", "runs", "classify", "attention")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        workspace = Workspace.open(read_settings({"FINESIFT_HOME": str(home)}))
        table = read_table(sample_path(), "sample.csv", workspace.settings)
        dataset = workspace.add_dataset(table, name=SAMPLE_NAME, text_column=1, label_column=2)
        recipe = Recipe(epochs=1, batch_size=16, learning_rate=2e-4)
        trained = jobs.submit_training(workspace, dataset, BUNDLED, recipe)
        while not workspace.job(trained.job_id).state.ended:
            time.sleep(0.5)
        server = Server(home, free_port())
        server.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=str(find_or_install()), args=list(FLAGS))
                for page in PAGES:
                    visit(browser, server.url, page)  # the server's first visit imports what pages need
                idle = measure(browser, server.url, repeats)
                run = jobs.submit_training(workspace, dataset, BUNDLED, replace(recipe, epochs=1000))
                while workspace.last_event(run.job_id, Step.kind) is None:
                    time.sleep(0.5)
                busy = measure(browser, server.url, repeats)
                jobs.request_stop(workspace, run.job_id)
                browser.close()
        finally:
            server.end()
    result = {
        page: {
            "idle": round(idle[page], 2),
            "training": round(busy[page], 2),
            "ratio": round(busy[page] / idle[page], 2),
        }
        for page in PAGES
    }
    print(json.dumps(result, indent=2))


def measure(browser: Browser, url: str, repeats: int) -> dict[str, float]:
    """Median seconds to the first content of each page."""
    times: dict[str, list[float]] = {page: [] for page in PAGES}
    for _ in range(repeats):
        for page in PAGES:
            times[page].append(visit(browser, url, page))
    return {page: statistics.median(found) for page, found in times.items()}


def visit(browser: Browser, url: str, page: str) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    begun = time.perf_counter()
    tab.goto(f"{url}/{'' if page == 'home' else page}")
    tab.get_by_role("heading", level=1).wait_for(state="visible", timeout=60_000)
    seconds = time.perf_counter() - begun
    tab.wait_for_timeout(500)
    context.close()
    return seconds


if __name__ == "__main__":
    main()
