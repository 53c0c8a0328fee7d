"""Everything that must be green before a change lands, in order, each step under its heading.

Runs in .venv (scripts/setup.py --dev makes it). The first step that fails ends it with its exit status.

    python -m scripts.check [-k WORD …]    all; further words go to pytest
    python -m scripts.check --lint         no tests
    python -m scripts.check --slow         the tests marked slow
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from scripts import browser

ROOT = Path(__file__).resolve().parent.parent
NOTHING_COLLECTED = 5  # pytest's exit status


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint, types, import contract and tests.")
    parser.add_argument("--lint", action="store_true", help="no tests")
    parser.add_argument("--slow", action="store_true", help="the tests marked slow, nothing else")
    asked, words = parser.parse_known_args()
    return (0 if asked.slow else lint()) or (0 if asked.lint else tests(asked.slow, words))


def lint() -> int:
    return (
        step("Lint (ruff check)", "ruff", "check", ".")
        or step("Format (ruff format)", "ruff", "format", "--check", ".")
        or step("Types (mypy)", "mypy")
        or step("Import contract (lint-imports)", tool("lint-imports"))
    )


def tests(slow: bool, words: list[str]) -> int:
    heading("Chromium for the browser tests")
    try:
        path = browser.find_or_install()
    except browser.NoBrowser as error:
        say(str(error))
        return 1
    say(str(path))
    os.environ[browser.VARIABLE] = str(path)
    title = "Slow tests (pytest)" if slow else "Unit, page and browser tests (pytest)"
    # Two at a time, a whole file each: half of the tests wait for a server, a browser or a child process.
    side_by_side = (
        []
        if slow or (os.cpu_count() or 1) < 2
        else ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    )
    status = step(title, "pytest", "-m", "slow" if slow else "not slow", *side_by_side, *words)
    if status == NOTHING_COLLECTED:
        say("No test matched.")
    return status


def step(title: str, module: str, *arguments: str) -> int:
    """Runs one tool, by its module's name or its path."""
    heading(title)
    command = [module] if Path(module).is_absolute() else [sys.executable, "-m", module]
    return subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode


def tool(name: str) -> str:
    """A program of this environment that has no module to run."""
    return str(Path(sys.executable).with_name(name + (".exe" if os.name == "nt" else "")))


def heading(title: str) -> None:
    say(f"\n== {title}")


def say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
