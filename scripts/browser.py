"""Finds a Chromium for the browser tests, and installs one if there is none.

The one place that knows where browsers lie. Order: FINESIFT_CHROMIUM, the system's own, Playwright's;
then apt-get, then Playwright's download. A browser counts only if it starts.

    python scripts/browser.py    prints the path; what it does on the way goes to stderr
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "FINESIFT_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/usr/bin",
    "/usr/local/bin",
    "/snap/bin",
    "/opt/google/chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
WINDOWS_ROOTS = ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")


class NoBrowser(Exception):
    """No Chromium here, and none to be had; the message says what to do."""


def main() -> int:
    try:
        sys.stdout.write(f"{find_or_install()}\n")
    except NoBrowser as error:
        say(str(error))
        return 1
    return 0


def find_or_install() -> Path:
    """A Chromium that starts. Raises NoBrowser if there is none and none could be installed."""
    found = find()
    for way in (apt_get, playwright_download):
        if found is None and way():
            found = find()
    if found is None:
        raise NoBrowser(
            "The browser tests need Chromium, and neither apt-get nor Playwright could install it here. "
            f"Install Chromium or Chrome by hand, or set {VARIABLE} to the path of one, and run again."
        )
    return found


def find() -> Path | None:
    """A Chromium that starts, or None. Raises NoBrowser if FINESIFT_CHROMIUM names something else."""
    named = os.environ.get(VARIABLE)
    if named:
        if not starts(Path(named)):
            raise NoBrowser(f"{VARIABLE} is “{named}”, which does not start. Correct it or unset it.")
        return Path(named)
    return next((path for path in candidates() if starts(path)), None)


def candidates() -> Iterator[Path]:
    for name in NAMES:
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)
    for place in map(Path, PLACES):
        yield from (place / name for name in NAMES) if place.is_dir() else [place]
    for root in filter(None, map(os.environ.get, WINDOWS_ROOTS)):
        yield Path(root) / "Google/Chrome/Application/chrome.exe"
        yield Path(root) / "Chromium/Application/chrome.exe"
    yield from playwrights_own()


def playwrights_own() -> Iterator[Path]:
    """Where Playwright keeps what it downloads; asked in a process of its own, as Playwright cannot be nested."""
    question = (
        "from playwright.sync_api import sync_playwright as s\n"
        "with s() as p: print(p.chromium.executable_path)"
    )
    asked = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    if asked.returncode == 0:
        yield Path(asked.stdout.strip())


def starts(path: Path) -> bool:
    """Whether the file is a browser that can run here; Ubuntu's placeholder for its snap, say, is none."""
    if not path.is_file():
        return False
    if os.name == "nt":  # chrome.exe --version opens a window there
        return True
    try:
        asked = subprocess.run(
            [path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def apt_get() -> bool:
    apt = shutil.which("apt-get")
    if apt is None:
        return False
    before: list[str] = []
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None:
            return False
        before = [sudo] if sys.stdin is not None and sys.stdin.isatty() else [sudo, "-n"]
    say("Installing Chromium with apt-get …")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "install", "-y", "--no-install-recommends", "chromium", "fonts-liberation"]
    # An update that fails for one source need not stop the install.
    run([*before, apt, "update", "-qq"], environment)
    return run([*before, *install], environment)


def playwright_download() -> bool:
    say("Installing Chromium with Playwright …")
    return run([sys.executable, "-m", "playwright", "install", "chromium"], dict(os.environ))


def run(command: list[str], environment: dict[str, str]) -> bool:
    """Runs a command with its output on stderr, since stdout is for the path alone."""
    try:
        done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    except OSError as error:
        say(str(error))
        return False
    return done.returncode == 0


def say(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
