"""Bytes and time to the first picture of a text's attention, beside bertviz.

    pip install bertviz==1.4.1 ipython
    python -m bench.attention [--tokens 32,128,512] [--repeats 3] [--base-size]

The bundled encoder (6 layers of 12 heads) reads texts of exactly so many tokens. bertviz writes its head view as HTML, as
a notebook would get it: its bytes, and the seconds from weights to HTML. Ours is the real app in a real browser: a
text is typed into the page of a tab that has looked at another one before; its bytes are all that the server sends from
then on until the first picture is drawn (and, beside it, with all that follows within a moment); its seconds are from leaving
the field to the first picture, the forward pass included, which is also timed by itself in this process. bertviz's HTML is
given to the same browser too, to see whether it opens: it does when the browser takes its script and runs it.

`--base-size` adds a BERT of base size (12 layers of 12 heads, random weights) at 512 tokens; bars: 2 MB and 1 s.
Bars for the bytes: at 128 tokens 25 times fewer, at 512 400 times. Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, sync_playwright
from playwright.sync_api import Error as BrowserError

from bench import common
from scripts.browser import FLAGS, find_or_install
from tests.browser.conftest import Server, free_port

BARS = {128: 25.0, 512: 400.0}  # times fewer bytes
MOST_BYTES, MOST_SECONDS = 2_000_000, 1.0  # with --base-size
SETTLED = 1.5  # seconds without a frame after which nothing more comes
OPENS = 60.0  # seconds that a file may take to open

# Notes when something is first drawn of a text with the expected number of tokens.
WATCH = """
window.firstPicture = null;
window.expected = 0;
for (const name of ["drawImage", "putImageData", "stroke"]) {
  const draw = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...all) {
    draw.apply(this, all);
    if (window.firstPicture !== null) return;
    const tokens = this.canvas.getRootNode().querySelectorAll?.(".tokens.from .token") ?? [];
    if (tokens.length === window.expected) window.firstPicture = Date.now();
  };
}
"""


# bertviz loads its libraries from the network. In their place: what notes that its script, which holds all weights as
# text, was taken by the browser and ran as far as asking for them.
STAND_IN = """<script>
window.require = window.requirejs = Object.assign(() => { window.opened = true; }, { config() {} });
</script>"""


@dataclass(frozen=True)
class Sight:
    """One text in our app."""

    bytes: int  # until the first picture
    all_bytes: int  # until nothing more came
    seconds: float  # from navigation to the first picture


@dataclass(frozen=True)
class Peer:
    bytes: int
    seconds: float
    opens: bool


def text_of(folder: Path, tokens: int, turn: int = 0) -> str:
    """A text of common words with exactly so many tokens, special ones included; another one each turn."""
    from core.models.loading import load_tokenizer

    tokenizer = load_tokenizer(folder)
    words = [w for w in tokenizer.get_vocab() if w.isascii() and w.isalpha() and 3 <= len(w) <= 8]
    chosen = random.Random(1000 * tokens + turn).sample(sorted(words), tokens - 2)
    text = " ".join(chosen)
    found = len(tokenizer(text)["input_ids"])
    if found != tokens:
        raise RuntimeError(f"the text has {found} tokens, not {tokens}")
    return text


# --------------------------------------------------------------------------- bertviz


def bertviz(folder: Path, text: str, browser: Browser) -> Peer:
    from bertviz import head_view  # type: ignore[import-not-found, unused-ignore]

    model, tokenizer, output = _attentions(folder, text)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])
    begun = time.perf_counter()
    html = head_view(output.attentions, tokens, html_action="return").data
    seconds = time.perf_counter() - begun
    del model
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "view.html"
        file.write_text(f"<!doctype html>{STAND_IN}{html}", encoding="utf-8")
        size = file.stat().st_size
        return Peer(size, seconds, _opens(browser, file))


def _opens(browser: Browser, file: Path) -> bool:
    page = browser.new_page()
    page.route("http*://**", lambda route: route.abort())
    try:
        page.goto(file.as_uri(), timeout=OPENS * 1000, wait_until="domcontentloaded")
        return bool(page.evaluate("window.opened === true"))
    except BrowserError:
        return False
    finally:
        with suppress(BrowserError):
            page.close()


def _attentions(folder: Path, text: str) -> tuple[Any, Any, Any]:
    import torch

    from core.models.loading import load_encoder, load_tokenizer

    model, tokenizer = load_encoder(folder, attention="eager"), load_tokenizer(folder)
    with torch.inference_mode():
        output = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    return model, tokenizer, output


def forward_seconds(folder: Path, text: str) -> float:
    """Of one pass with eager attention, the model loaded and warm; median of five."""
    import torch

    model, tokenizer, _ = _attentions(folder, text)
    inputs = tokenizer(text, return_tensors="pt")
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        with torch.inference_mode():
            model(**inputs, output_attentions=True)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


# --------------------------------------------------------------------------- ours


@contextmanager
def served() -> Iterator[str]:
    """The real app over a fresh home folder."""
    with tempfile.TemporaryDirectory() as name:
        app = Server(Path(name) / "home", free_port())
        app.start()
        try:
            yield app.url
        finally:
            app.end()


class Frames:
    """What the server has sent to a tab: (moment, bytes) of each frame and answer."""

    def __init__(self, page: Page) -> None:
        self.seen: list[tuple[float, int]] = []
        page.on("websocket", self._socket)
        page.on("response", lambda response: self._count(int(response.headers.get("content-length") or 0)))

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self._count(len(data)))

    def _count(self, size: int) -> None:
        self.seen.append((time.time(), size))

    def until(self, moment: float) -> int:
        return sum(size for at, size in self.seen if at <= moment)

    def settle(self, page: Page) -> int:
        while not self.seen or time.time() - self.seen[-1][0] < SETTLED:
            page.wait_for_timeout(100)
        return sum(size for _, size in self.seen)


def look(context: BrowserContext, url: str, base: str | None, text: str, count: int) -> Sight:
    """One look at one text of `count` tokens; the tab's page, its scripts and the model are already there."""
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.add_init_script(WATCH)
    frames = Frames(page)
    query = {"base": base} if base else {}
    page.goto(f"{url}/attention?{urlencode({**query, 'text': 'A first look.'})}")
    page.wait_for_function("document.querySelector('.st-key-attention_view')")
    frames.settle(page)
    page.evaluate(f"window.firstPicture = null; window.expected = {count}")
    frames.seen.clear()
    field = page.locator(".st-key-attention_text textarea")
    field.fill(text)
    begun = time.time()
    field.blur()
    page.wait_for_function("window.firstPicture !== null")
    first = float(page.evaluate("window.firstPicture")) / 1000
    whole = frames.settle(page)
    sight = Sight(frames.until(first), whole, first - begun)
    page.close()
    return sight


def base_size(folder: Path) -> Path:
    """A BERT of base size with random weights, beside the bundled tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    from core.models.loading import load_tokenizer

    torch.manual_seed(0)
    BertModel(BertConfig()).save_pretrained(folder)
    load_tokenizer(common.bundled()).save_pretrained(folder)
    return folder


# --------------------------------------------------------------------------- all of it


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", default="32,128,512")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--base-size", action="store_true")
    asked = parser.parse_args()
    counts = [int(n) for n in asked.tokens.split(",")]
    missed: list[str] = []
    with (
        tempfile.TemporaryDirectory() as name,
        served() as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(find_or_install()), args=list(FLAGS))
        context = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
        rows = []
        for count in counts:
            text = text_of(common.bundled(), count)
            row, fault = _row(browser, context, url, None, common.bundled(), text, count, asked.repeats)
            rows.append(row)
            missed += fault
        if asked.base_size:
            folder = base_size(Path(name) / "base-size")
            text = text_of(folder, 512)
            row, fault = _row(browser, context, url, str(folder), folder, text, 512, asked.repeats, base=True)
            rows.append(row)
            missed += fault
        browser.close()
    print(
        common.table(
            [
                "text", "bertviz, MB", "s to HTML", "opens", "ours, MB", "with what follows", "s to the picture", "forward pass, s",
                "times fewer bytes",
            ],
            rows,
        )
    )  # fmt: skip
    if missed:
        print("Missed: " + "; ".join(missed))
        sys.exit(1)


def _row(
    browser: Browser,
    context: BrowserContext,
    url: str,
    name: str | None,
    folder: Path,
    text: str,
    count: int,
    repeats: int,
    base: bool = False,
) -> tuple[list[str], list[str]]:
    peer = bertviz(folder, text, browser)
    sights = [look(context, url, name, text_of(folder, count, turn), count) for turn in range(1, repeats + 1)]
    size = int(statistics.median(s.bytes for s in sights))
    whole = int(statistics.median(s.all_bytes for s in sights))
    seconds = statistics.median(s.seconds for s in sights)
    forward = forward_seconds(folder, text)
    ratio = peer.bytes / max(1, whole)
    missed = []
    title = f"{count} tokens" + (", base size" if base else "")
    if base:
        if whole > MOST_BYTES:
            missed.append(f"{title}: {whole / 1e6:.2f} MB")
        if seconds - forward > MOST_SECONDS:
            missed.append(f"{title}: {seconds - forward:.2f} s after the forward pass")
    elif ratio < BARS.get(count, 0.0):
        missed.append(f"{title}: {ratio:.0f} times fewer bytes, not {BARS[count]:.0f}")
    figures = [
        f"{peer.bytes / 1e6:,.2f}", f"{peer.seconds:.2f}", "yes" if peer.opens else "no", f"{size / 1e6:.3f}",
        f"{whole / 1e6:.3f}", f"{seconds:.2f}", f"{forward:.2f}", f"{ratio:,.0f}",
    ]  # fmt: skip
    return [title, *figures], missed


if __name__ == "__main__":
    main()
