"""The main job in a real browser: sample data, train and watch, reload, restart, stop, classify, attention."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROOT, Server
from tests.browser.steps import by_key, open_page, press, settle, wait_for_text

POINTS = """() => {
  const plot = document.querySelector('.st-key-live_curves .js-plotly-plot');
  return plot && plot.data ? Math.max(0, ...plot.data.map(t => (t.x || []).length)) : 0;
}"""


def points(page: Page) -> int:
    return int(page.evaluate(POINTS))


def wait_for_points(page: Page, more_than: int, seconds: int = 90) -> int:
    for _ in range(seconds * 2):
        found = points(page)
        if found > more_than:
            return found
        page.wait_for_timeout(500)
    raise AssertionError(f"the curve stayed at {points(page)} points")


def set_number(page: Page, key: str, value: str) -> None:
    box = by_key(page, key).locator("input").first
    box.fill(value)
    box.press("Enter")
    settle(page)


def start_training(page: Page, epochs: str) -> None:
    page.get_by_text("Advanced", exact=True).first.click()
    set_number(page, "epochs", epochs)
    press(page, "start_training")
    expect(by_key(page, "live_run")).to_be_visible(timeout=30_000)


def test_the_whole_tour(server: Server, page: Page, browser: Browser) -> None:
    open_page(page, server.url)
    press(page, "home_sample")
    expect(by_key(page, "start_training")).to_be_visible(timeout=60_000)

    start_training(page, epochs="9")
    first = wait_for_points(page, 1)
    second = wait_for_points(page, first)
    assert second > first

    address = page.url
    page.reload()
    settle(page)
    assert wait_for_points(page, second) > second

    other = browser.new_context(viewport={"width": 1280, "height": 900})
    there = other.new_page()
    open_page(there, server.url, "train")
    expect(by_key(there, "live_run")).to_be_visible()
    other.close()

    before = points(page)
    server.stop()
    server.start()
    page.goto(address)
    settle(page)
    assert wait_for_points(page, before) > before

    expect(by_key(page, "to_classify")).to_be_visible(timeout=180_000)
    wait_for_text(page, "validation texts right")

    press(page, "to_classify")
    box = by_key(page, "classify_text").locator("textarea")
    expect(box).to_be_visible(timeout=30_000)
    box.fill("Where is my parcel? It should have arrived last Tuesday.")
    press(page, "classify_ask")
    expect(by_key(page, "answer_bars").locator(".js-plotly-plot")).to_be_visible(timeout=90_000)
    expect(by_key(page, "answer")).to_contain_text("delivery", timeout=30_000)

    page.get_by_role("link", name="Attention").first.click()
    settle(page)
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible(timeout=90_000)
    page.wait_for_timeout(1000)
    colours = canvas.evaluate(
        """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const seen = new Set();
        for (let i = 0; i < d.length; i += 4) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size; }"""
    )
    assert colours > 20, "the picture of the heads is blank"


def test_the_downloaded_model_answers_the_same_without_finesift(
    server: Server, page: Page, tmp_path: Path
) -> None:
    """After the tour: the zip of the Runs page in a plain pipeline, against the command line."""
    open_page(page, server.url, "runs")
    with page.expect_download(timeout=60_000) as waiting:
        by_key(page, "run_download").locator("button").first.click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        archive.extractall(tmp_path)
    (folder,) = [path.parent for path in tmp_path.rglob("config.json")]
    texts = [
        "Where is my parcel?",
        "I was charged twice!",
        "Lovely, thank you 😀",
        "how do i reset my password",
    ]
    code = (
        "import json, sys; from transformers import pipeline\n"
        "texts = json.loads(sys.stdin.read())\n"
        f"print(json.dumps(pipeline('text-classification', model={str(folder)!r}, top_k=None)(texts)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    plain = json.loads(done.stdout.splitlines()[-1])
    source = tmp_path / "texts.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *[[text] for text in texts]])
    model = next(path.name for path in (server.home / "models").iterdir())
    subprocess.run(
        [
            sys.executable,
            "-m",
            "core",
            "--home",
            server.home,
            "classify",
            model,
            source,
            "--out",
            tmp_path / "out.csv",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        for row, answer in zip(csv.DictReader(file), plain, strict=True):
            assert row["predicted_label"] == answer[0]["label"]
            for entry in answer:
                assert float(row[entry["label"]]) == pytest.approx(entry["score"], abs=1e-4)


def test_stop_keeps_a_usable_model(server: Server, page: Page) -> None:
    open_page(page, server.url)
    if by_key(page, "home_sample").count():
        press(page, "home_sample")
    else:
        open_page(page, server.url, "train")
    if by_key(page, "new_run").count():
        press(page, "new_run")
    expect(by_key(page, "start_training")).to_be_visible(timeout=60_000)
    start_training(page, epochs="500")
    wait_for_points(page, 1)
    press(page, "stop_training")
    expect(by_key(page, "to_classify")).to_be_visible(timeout=60_000)
    wait_for_text(page, "Stopped on request")
    press(page, "to_classify")
    by_key(page, "classify_text").locator("textarea").fill("I want my money back, please.")
    press(page, "classify_ask")
    expect(by_key(page, "answer_bars").locator(".js-plotly-plot")).to_be_visible(timeout=90_000)


def test_a_dead_worker_is_said_and_the_run_can_be_repeated(server: Server, page: Page) -> None:
    open_page(page, server.url, "train")
    if by_key(page, "new_run").count():
        press(page, "new_run")
    expect(by_key(page, "start_training")).to_be_visible(timeout=60_000)
    start_training(page, epochs="500")
    wait_for_points(page, 0)
    for worker in server.workers():
        worker.kill()
    wait_for_text(page, "ended without a word")
    expect(by_key(page, "run_again")).to_be_visible()


def test_many_lines_are_classified_and_downloaded(server: Server, page: Page) -> None:
    open_page(page, server.url, "classify")
    page.get_by_role("tab", name="Many texts").click()
    settle(page)
    page.get_by_text("I paste them").click()
    settle(page)
    by_key(page, "classify_pasted").locator("textarea").fill(
        "Where is my parcel?\n=SUM(A1)\n\nI love it, thank you!"
    )
    press(page, "classify_lines_start")
    button = page.get_by_text("Download CSV").first
    expect(button).to_be_visible(timeout=90_000)
    with page.expect_download() as waiting:
        button.click()
    lines = waiting.value.path().read_text("utf-8").split("\n")
    assert lines[0].startswith("text,predicted_label,probability")
    assert [line.split(",")[0] for line in lines[1:4]] == ["Where is my parcel?", "'=SUM(A1)", '"I love it']
