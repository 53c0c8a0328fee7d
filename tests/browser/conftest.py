"""A real server and a real headless Chromium for the browser tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from scripts.browser import FLAGS, find_or_install

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Server:
    """The app as a user starts it, over a home folder of its own."""

    home: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.home.parent / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)],
            cwd=ROOT,
            env={**os.environ, "FINESIFT_HOME": str(self.home), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        for _ in range(600):
            assert self.process.poll() is None, (self.home.parent / "server.log").read_text()
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError("the server did not answer")

    def stop(self) -> None:
        """The server alone, as Ctrl-C would; a worker goes on."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this home folder."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] and process.info["cmdline"][1:4] == ["-m", "core", "worker"]:
                try:
                    if process.environ().get("FINESIFT_HOME") == str(self.home):
                        found.append(process)
                except psutil.Error:
                    continue
        return found

    def end(self) -> None:
        self.stop()
        for worker in self.workers():
            worker.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("FINESIFT_CHROMIUM") or str(find_or_install())
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("app") / "home"
    running = Server(home, free_port())
    running.start()
    yield running
    running.end()


def free_port() -> int:
    with socket.socket() as seat:
        seat.bind(("127.0.0.1", 0))
        return int(seat.getsockname()[1])
