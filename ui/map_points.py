"""What the map shows: the sheet that the assist job left, and a colour for every text on it.

Knows arrays, the scheme and the person's own answers. Does not know Streamlit, the store or other people's answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from core.labels.nouns import Scheme
from core.labels.pool import Pool
from ui.colors import ACCENT, MUTED, SEQUENTIAL, class_colors
from ui.components.map import Entry, Points

Array = np.ndarray[Any, Any]

SHEET = "xy.npy"
LABEL, PREDICTION, UNCERTAINTY, EVALUATION = "label", "prediction", "uncertainty", "evaluation"
KINDS = {
    LABEL: "Your labels",
    PREDICTION: "Prediction",
    UNCERTAINTY: "Uncertainty",
    EVALUATION: "Evaluation part",
}
OF_MODEL = (PREDICTION, UNCERTAINTY)
LIKELY = 0.5  # with several labels a text: from here on a label is given
# Bounds between five steps of certainty, and the places of their colours in SEQUENTIAL, the least certain first.
STEPS = {False: (0.4, 0.6, 0.8, 0.95), True: (0.6, 0.7, 0.8, 0.95)}
SHADES = (9, 7, 5, 4, 3)


@dataclass(frozen=True)
class Sheet:
    """Where the texts lie."""

    version: str
    xy: Array  # (n, 2) float32
    rows: Array  # (n,) int64, ascending


@dataclass(frozen=True)
class Mine:
    """What one person answered. N: rows of the data set."""

    answered: Array  # (N,) bool: labelled or skipped
    labels: Mapping[int, tuple[str, ...]]  # of labelled rows, as given


def open_sheet(folder: Path, labelable: Array) -> Sheet | None:
    """The sheet in the desk's folder; None before there is one, or where it is of other texts."""
    path = folder / SHEET
    try:
        written = path.stat().st_mtime_ns
        xy = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if xy.shape != (len(labelable), 2):
        return None
    rows = np.flatnonzero(labelable & np.isfinite(xy).all(axis=1))
    return Sheet(f"{folder.name}-{written}", xy[rows].astype(np.float32), rows) if len(rows) else None


def paint(
    kind: str, sheet: Sheet, scheme: Scheme, mine: Mine, evaluation: Array, pool: Pool | None, theme: str
) -> Points:
    """The points in the colours of that kind (KINDS). Of OF_MODEL there has to be a pool.

    `evaluation`: (N,) bool. Its texts show no prediction and no uncertainty: both would be a suggestion.
    """
    if kind == LABEL:
        hues, entries, title = _by_label(sheet, scheme, mine, theme)
    elif kind == EVALUATION or pool is None:
        hues = np.where(evaluation[sheet.rows], 0, 1)
        entries = [("Evaluation part", ACCENT[theme]), ("All others", "")]
        title = "Texts of the evaluation part"
    elif kind == PREDICTION:
        hues, entries, title = _by_prediction(sheet, scheme, evaluation, pool, theme)
    else:
        hues, entries, title = _by_certainty(sheet, evaluation, pool, theme)
    return _points(sheet, hues, entries, title)


def label_colors(scheme: Scheme, theme: str) -> list[str]:
    """Of every label of the scheme, in its order."""
    palette = class_colors([label.name for label in scheme.labels], theme)
    return [label.color or palette[label.name] for label in scheme.labels]


# ------------------------------------------------------------------------------------- details


def _labels(scheme: Scheme, theme: str) -> list[tuple[str, str]]:
    return [
        (label.name, color) for label, color in zip(scheme.labels, label_colors(scheme, theme), strict=True)
    ]


def _by_label(
    sheet: Sheet, scheme: Scheme, mine: Mine, theme: str
) -> tuple[Array, list[tuple[str, str]], str]:
    places = {label.id: at for at, label in enumerate(scheme.labels)}
    none, skipped, unlabelled = (len(places) + extra for extra in range(3))
    means: dict[tuple[str, ...], int] = {}
    hues = np.where(mine.answered, skipped, unlabelled)
    for row, ids in mine.labels.items():
        if ids not in means:
            now = scheme.now(ids)
            means[ids] = places[now[0]] if now else none if scheme.several and not ids else unlabelled
        hues[row] = means[ids]
    entries = [
        *_labels(scheme, theme),
        ("No label applies", MUTED[theme]),
        ("Skipped", ""),
        ("Not labelled", ""),
    ]
    title = "Your labels, the first of each text" if scheme.several else "Your labels"
    return hues[sheet.rows], entries, title


def _by_prediction(
    sheet: Sheet, scheme: Scheme, evaluation: Array, pool: Pool, theme: str
) -> tuple[Array, list[tuple[str, str]], str]:
    places = {label.id: at for at, label in enumerate(scheme.labels)}
    unknown, kept = len(places), len(places) + 1
    today = [scheme.now((label_id,)) for label_id in pool.label_ids]
    means = np.array([places[now[0]] if now else unknown for now in today] or [unknown])
    hues = means[np.asarray(pool.predicted[sheet.rows], dtype=np.int64)]
    if pool.several and pool.by == "model":
        best = np.asarray(pool.probabilities[sheet.rows].max(axis=1), dtype=np.float32)
        hues = np.where(best >= LIKELY, hues, unknown)
    hues = np.where(pool.known[sheet.rows], hues, unknown)
    hues = np.where(evaluation[sheet.rows], kept, hues)
    entries = [*_labels(scheme, theme), ("No prediction", ""), ("Evaluation part, not shown", "")]
    title = "What the model takes them for" if pool.by == "model" else "Most alike to the label's name"
    return hues, entries, title


def _by_certainty(
    sheet: Sheet, evaluation: Array, pool: Pool, theme: str
) -> tuple[Array, list[tuple[str, str]], str]:
    """In five steps of the best label's probability; with several labels a text, of the one that is least clear."""
    bounds = STEPS[pool.several]
    found = np.asarray(pool.probabilities[sheet.rows], dtype=np.float32)
    sure = np.maximum(found, 1 - found).min(axis=1) if pool.several else found.max(axis=1)
    hues = np.searchsorted(np.array(bounds, dtype=np.float32), sure, side="right")
    hues = np.where(evaluation[sheet.rows] | ~pool.known[sheet.rows], len(SHADES), hues)
    ends = [f"{100 * bound:.0f}" for bound in bounds]
    names = [f"below {ends[0]} %", *(f"{a} to {b} %" for a, b in pairwise(ends))]
    names.append(f"{ends[-1]} % and more")
    colors = [SEQUENTIAL[theme][shade] for shade in SHADES]
    entries = [*zip(names, colors, strict=True), ("Evaluation part, not shown", "")]
    title = "Certainty of the least clear label" if pool.several else "Probability of the best label"
    return hues, entries, title


def _points(sheet: Sheet, hues: Array, entries: Sequence[tuple[str, str]], title: str) -> Points:
    """With only those lines of the legend that have texts."""
    counts = np.bincount(hues, minlength=len(entries))
    kept = np.flatnonzero(counts)
    palette = tuple(Entry(entries[at][0], entries[at][1], int(counts[at])) for at in kept.tolist())
    return Points(sheet.version, sheet.xy, sheet.rows, np.searchsorted(kept, hues), palette, title)
