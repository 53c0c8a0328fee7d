"""Words of a text coloured by their scores, one row a method, and texts with words left out or replaced.

A Streamlit v2 component; its css and script lie beside. Knows colours and how scores become shades. Does not know how
they came about. A user's words reach the page by `textContent` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from ui.colors import DIVERGING, SEQUENTIAL, blend, text_on

STEPS = 10  # shades on either side of zero

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "finesift_words",
    html="<div class='root'></div>",
    css=(_HERE / "words.css").read_text("utf-8"),
    js=(_HERE / "words.js").read_text("utf-8"),
)


@dataclass(frozen=True)
class Written:
    """A text as W words with what stands between them; a pair has two."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]  # W: before each word
    tail: str  # behind the last word
    unread: bool = False  # the tail did not fit into the model


@dataclass(frozen=True)
class Row:
    """One colouring of all the words, of both texts in order."""

    title: str
    note: str  # quiet, beside the title
    scores: Sequence[float]
    figures: Sequence[str]  # each word's score as it is shown on hover
    signed: bool = True  # False: shares, 0 and more
    spoken: str = ""  # what a screen reader says instead of the colours


def packed(texts: Sequence[Written], rows: Sequence[Row], legend: tuple[str, str] | None) -> dict[str, Any]:
    """What the script draws, as JSON; `core.explain.export.words` makes files of the same. `legend`: what the two ends of
    the signed scale mean, below zero first; None: no row is signed."""
    return {
        "kind": "scores",
        "texts": [_written(text) for text in texts],
        "rows": [
            {
                "title": row.title,
                "note": row.note,
                "signed": row.signed,
                "steps": steps(row.scores),
                "figures": list(row.figures),
                "spoken": row.spoken,
            }
            for row in rows
        ],
        "scales": {theme: _scales(theme) for theme in ("light", "dark")},
        "legend": list(legend) if legend else None,
        "zero": STEPS,
    }


def show_words(data: dict[str, Any], *, key: str) -> None:
    """Draws what `packed` made: each row's words in its shades, the strongest score of a row in the full shade."""
    _mount(key=key, data=data)


def show_edits(texts: Sequence[Written], edits: Sequence[Mapping[int, str]], *, key: str) -> None:
    """Draws the text once for each of `edits`: word number, over both texts -> what stands there instead; "": nothing."""
    data = {
        "kind": "edits",
        "texts": [_written(text) for text in texts],
        "edits": [{str(word): new for word, new in one.items()} for one in edits],
    }
    _mount(key=key, data=data)


def steps(scores: Sequence[float]) -> list[int]:
    """-STEPS to STEPS for each score, linear in it, the largest one at the end; 0 where it is no number."""
    values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(np.abs(values).max(initial=0.0))
    return [int(step) for step in np.rint(STEPS * values / top)] if top > 0 else [0] * len(values)


@cache
def _scales(theme: str) -> dict[str, list[list[str]]]:
    """Background and text colour of each shade: signed from -STEPS to STEPS, amounts from 0 to STEPS."""
    signed = [_shade(DIVERGING[theme], k / (2 * STEPS)) for k in range(2 * STEPS + 1)]
    amount = [_shade(SEQUENTIAL[theme], k / STEPS) for k in range(STEPS + 1)]
    return {"signed": [[c, text_on(c)] for c in signed], "amount": [[c, text_on(c)] for c in amount]}


def _shade(stops: Sequence[str], share: float) -> str:
    at = share * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    return blend(stops[low + 1], stops[low], at - low)


def _written(text: Written) -> dict[str, Any]:
    return {"words": list(text.words), "gaps": list(text.gaps), "tail": text.tail, "unread": text.unread}
