"""What the assist job knows of all texts of a data set: probabilities, what to ask next, how sure it is.

A folder holds arrays (.npy) and one small pool.json that names them; the JSON is replaced last, so a reader sees the
old state or the new one, whole. Knows files and arrays. Does not know how they are computed (core.jobs.assist_job),
nor texts, answers or the store.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = "pool.json"
ASKED = "asked"  # touched by whoever looks at the pool: the assist job ends when nobody does
ARRAYS = ("probabilities", "margins", "entropies", "predicted", "doubts", "diverse", "auto", "known")
_KEPT = 3  # generations whose files stay: a reader of the one before has not opened them all yet


@dataclass(frozen=True)
class Pool:
    """One generation. N: all rows of the data set, C: labels of the scheme at that time."""

    folder: Path
    generation: int
    trained_on: int  # newest trail number that the head knows
    scheme_version: int
    label_ids: tuple[str, ...]  # C; columns of `probabilities`
    several: bool
    by: str  # "names": from label names and definitions, no label yet; "model": the quick head
    labelled: int  # texts that the head learnt from
    probabilities: np.ndarray[Any, Any]  # (N, C) float16; rows sum to 1 unless `several`
    margins: np.ndarray[Any, Any]  # (N,) float16: probability of the best less that of the second label
    entropies: np.ndarray[Any, Any]  # (N,) float16, nats
    predicted: np.ndarray[Any, Any]  # (N,) int16 into label_ids: the most probable
    doubts: np.ndarray[Any, Any]  # (N,) float16: see `suspects`; NaN where nothing was answered
    diverse: np.ndarray[Any, Any]  # (≤ 1,000,) int32 rows, farthest first
    auto: np.ndarray[Any, Any]  # (≤ 1,000,) int32 rows: what the default queue asks next
    known: np.ndarray[Any, Any]  # (N,) bool: rows with a text; the others are 0 everywhere
    certainty: Mapping[str, Any] = field(default_factory=dict)  # {"share", "threshold", "rest"}
    evaluation: Mapping[str, Any] | None = None  # {"n", "right", "value", "low", "high"}
    curve: Mapping[str, Any] | None = None  # core.labels.curve.Curve as JSON
    at: float = 0.0  # when it was written, seconds since 1970

    @staticmethod
    def open(folder: Path) -> Pool | None:
        """The newest generation, or None before there is one. Cheap where it was read before: arrays are mapped,
        and a generation is read once."""
        for _ in range(3):
            try:
                status = (folder / FILE).stat()
                return _read(folder, status.st_mtime_ns, status.st_ino)
            except FileNotFoundError:
                if not (folder / FILE).is_file():
                    return None
            except (OSError, ValueError, KeyError, TypeError):
                pass
            time.sleep(0.01)  # between reading the JSON and opening its files newer ones took their place
        return None

    @property
    def rows(self) -> int:
        return len(self.known)

    def column(self, label_id: str) -> np.ndarray[Any, Any] | None:
        """(N,) probabilities of one label; None for a label that this generation does not know."""
        if label_id not in self.label_ids:
            return None
        return np.asarray(self.probabilities[:, self.label_ids.index(label_id)])

    def suggestion(self, row: int) -> dict[str, Any] | None:
        """{"labels": [ids], "probability": 0..1, "by"}; None where there is nothing to suggest.

        With several labels a text: those of at least 0.5, with the smallest of their probabilities.
        """
        if not 0 <= row < self.rows or not self.known[row] or not self.label_ids:
            return None
        found = np.asarray(self.probabilities[row], dtype=np.float64)
        best = int(found.argmax())
        chosen = [best]
        if self.several and self.by == "model":
            chosen = [int(c) for c in np.flatnonzero(found >= 0.5)]
            if not chosen:
                return None
        return {
            "labels": [self.label_ids[c] for c in chosen],
            "probability": round(float(found[chosen].min()), 4),
            "by": self.by,
        }

    def suspects(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Those of the rows whose answer the model doubts, the most doubtful first. The doubt is how much more
        probable another label is, by heads that were fitted without the text; at most 0: no doubt.
        """
        doubts = np.asarray(self.doubts[rows], dtype=np.float64)
        doubtful = np.flatnonzero(doubts > 0)  # NaN is not
        return np.asarray(rows[doubtful[np.argsort(-doubts[doubtful], kind="stable")]])


@lru_cache(maxsize=8)
def _read(folder: Path, _changed: int, _inode: int) -> Pool:
    data = json.loads((folder / FILE).read_text("utf-8"))
    arrays = {
        name: np.load(folder / data["files"][name], mmap_mode="r", allow_pickle=False) for name in ARRAYS
    }
    return Pool(
        folder=folder,
        generation=data["generation"],
        trained_on=data["trained_on"],
        scheme_version=data["scheme_version"],
        label_ids=tuple(data["label_ids"]),
        several=data["several"],
        by=data["by"],
        labelled=data["labelled"],
        certainty=data["certainty"],
        evaluation=data["evaluation"],
        curve=data["curve"],
        at=data["at"],
        **arrays,
    )


def write(folder: Path, arrays: Mapping[str, np.ndarray[Any, Any]], facts: Mapping[str, Any]) -> None:
    """A new generation: `arrays` are those of ARRAYS, `facts` the other fields of Pool but `at`, as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    generation = int(facts["generation"])
    files: dict[str, str] = {}
    for name in ARRAYS:
        files[name] = f"{name}-{generation:06d}.npy"
        with (folder / files[name]).open("wb") as stream:
            np.save(stream, arrays[name], allow_pickle=False)
    draft = folder / f"tmp-{os.getpid()}-{FILE}"
    draft.write_text(json.dumps({**facts, "at": time.time(), "files": files}) + "\n", "utf-8")
    draft.replace(folder / FILE)
    _forget(folder, generation)


def _forget(folder: Path, generation: int) -> None:
    """Files of generations that nobody reads any more, also those that a killed worker left behind."""
    for name in ARRAYS:
        for path in folder.glob(f"{name}-*.npy"):
            number = path.stem.rpartition("-")[2]
            if number.isdigit() and not generation - _KEPT < int(number) <= generation:
                path.unlink(missing_ok=True)


def ask(folder: Path) -> None:
    """Says that somebody looks at the pool, which keeps the assist job awake. Never a fault."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ASKED).touch()
    except OSError:
        return


def asked_at(folder: Path) -> float:
    """When somebody last looked, seconds since 1970; 0: never."""
    try:
        return (folder / ASKED).stat().st_mtime
    except OSError:
        return 0.0
