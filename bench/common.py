"""What the measurements share: rows of a CSV file, a fresh process for each contender, tables of text."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


csv.field_size_limit(1 << 30)  # an e-mail with its attachments is one cell


def read_rows(*paths: Path) -> list[tuple[str, str]]:
    """(text, label) of every row of CSV files with the columns `text` and `label`, one file after the other."""
    found = []
    for path in paths:
        with path.open(encoding="utf-8", newline="") as lines:
            found += [(row["text"], row["label"]) for row in csv.DictReader(lines)]
    return found


def write_rows(path: Path, rows: Sequence[tuple[str, str]]) -> Path:
    """A CSV file that `read_rows` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *rows])
    return path


def train_file(folder: Path) -> Path:
    """train.csv in the folder, or in its banking77/."""
    return next(
        (p for p in (folder / "train.csv", folder / "banking77" / "train.csv") if p.is_file()), folder
    )


def bundled() -> Path:
    """The folder of the encoder that comes with the app."""
    from core.models.catalogue import BUNDLED
    from core.models.sources import resolve

    return Path(resolve(BUNDLED))


def in_fresh_process(module: str, job: dict[str, Any], **environment: str) -> dict[str, Any]:
    """`python -m module --job FILE` with the job as JSON; what its last line on stdout says, also as JSON.

    A fresh process has no warm caches, no threads and no memory of the contender before it. Raises RuntimeError
    with the process's last words when it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.json"
        path.write_text(json.dumps(job), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", module, "--job", str(path)],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-2000:]}")
    result = last_json(done.stdout)
    if result is None:
        raise RuntimeError(f"{module} said nothing:\n{done.stderr[-2000:]}")
    return result


def last_json(output: str) -> dict[str, Any] | None:
    """The JSON object on the last line that holds one; None where there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            return dict(json.loads(line))
    return None


def in_turn(names: Sequence[str], repeats: int) -> list[str]:
    """Every name `repeats` times, by turns; each turn begins with another one, so that none always follows the
    same.
    """
    return [names[(at + turn) % len(names)] for turn in range(repeats) for at in range(len(names))]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up, as bench/README.md takes it; the first column is words, the others
    figures.
    """
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.ljust(w) if at == 0 else cell.rjust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = [("-" * w if at == 0 else "-" * (w - 1) + ":") for at, w in enumerate(widths)]
    return "\n".join([line(header), line(rule), *map(line, rows)])
