"""Files of an explanation: a page, pictures, and the numbers. Knows what is on show; makes each file when it is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.explain.aim import Aim
from core.explain.attribution import METHODS, Attribution
from core.explain.export import words as files
from ui.explain_work import Answer
from ui.words import percent, shorten

TYPES = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml", "json": "application/json"}


def save(answer: Answer, aim: Aim, found: Sequence[Attribution], data: dict[str, Any]) -> None:
    """A quiet popover with the four files."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", answer.subject.name).strip("-.")[:60] or "model"
    title, caption = _title(answer, aim), _caption(answer)
    offers = (
        ("html", "Web page (.html)", "The words with their figures, to look at without Finesift.", lambda: files.page(data, title, caption)),
        ("png", "Picture (.png)", "What is on show.", lambda: files.figure(data, title, caption, "png")),
        ("svg", "Picture (.svg)", "What is on show, for print.", lambda: files.figure(data, title, caption, "svg")),
        ("json", "Numbers (.json)", "Tokens, words and scores of each method.", lambda: numbers(answer, found)),
    )  # fmt: skip
    with st.popover("Save", icon=":material/download:", key="explain_save"):
        for ending, label, sentence, made in offers:
            st.download_button(
                label,
                data=made,
                file_name=f"explanation-{name}.{ending}",
                mime=TYPES[ending],
                on_click="ignore",
                key=f"explain_save_{ending}",
                help=sentence,
                width="stretch",
            )


def numbers(answer: Answer, found: Sequence[Attribution]) -> bytes:
    """JSON: the answer, and of each method what `python -m core explain` prints of it."""
    content = {
        "model": answer.subject.name,
        "text": answer.piece.text,
        "pair": answer.piece.pair,
        "probabilities": dict(zip(answer.labels, answer.probabilities.astype(float).tolist(), strict=True)),
        "tokens": list(answer.piece.tokens),
        "methods": {one.method: _method(one) for one in found},
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def _method(one: Attribution) -> dict[str, Any]:
    margins = None
    if one.margins is not None:
        margins = [float(m) if np.isfinite(m) else None for m in one.margins]
    return {
        "source": METHODS[one.method].source,
        "class": one.class_name,
        "against": one.against_name,
        "scores": one.scores.tolist(),
        "words": list(one.words),
        "word_scores": one.word_scores.tolist(),
        "word_margins": margins,
        "value": one.value,
        "baseline": one.baseline,
        "baseline_value": one.baseline_value,
        "completeness_error": one.completeness_error,
        "evaluations": one.evaluations,
        "note": one.note,
    }


def _title(answer: Answer, aim: Aim) -> str:
    name = shorten(answer.labels[aim.target], 60)
    if aim.against is None:
        return f"Why “{name}”?"
    return f"Why “{name}” rather than “{shorten(answer.labels[aim.against], 60)}”?"


def _caption(answer: Answer) -> str:
    best = answer.best
    told = f"{shorten(answer.labels[best], 60)}, {percent(float(answer.probabilities[best]))}"
    return f"{answer.subject.name}. Most likely class: {told}."
