"""Why a model gives its answer to one text: the answer, the words that it hangs on, what would change it, the texts it
was learnt from, and how far any of that can be trusted.

Knows the page's fields and which view is asked for; each view is a module of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

import streamlit as st

from core.errors import FinesiftError
from core.workspace import Workspace
from ui import charts, engines, explain_work, parts, state
from ui.attention_asked import Asked
from ui.colors import class_colors
from ui.explain_work import Answer
from ui.words import counted, percent

VIEWS = {
    "Words": "explain_scores",
    "What would change it": "explain_changes",
    "Learned from these": "explain_learned",
    "Can it be trusted?": "explain_trust",
    "Words of a class": "explain_classes",
}
MOST_BARS = 5


def show(workspace: Workspace, asked: Asked) -> None:
    """The view."""
    try:
        with st.spinner("Reading the text. The first time loads the model and takes a few seconds."):
            subject = engines.subject(asked.place)
            answer = explain_work.answer(asked) if subject.labels else None
    except FinesiftError as error:
        parts.fault(error)
        return
    if answer is None:
        parts.empty_state(
            "No answer to explain",
            f"{asked.place.name} is a base model: it has not learnt any classes yet. Choose a trained model above, or "
            "train one on it.",
            "Train a model",
            "train",
            key="explain_train",
        )
        return
    _answer(answer)
    view = st.segmented_control(
        "What to explain",
        list(VIEWS),
        default="Words",
        required=True,
        key="explain_view",
        label_visibility="collapsed",
        bind="query-params",
    )
    _view(VIEWS[str(view)])(workspace, asked, answer)


def _view(module: str) -> Callable[[Workspace, Asked, Answer], None]:
    """Only the view that is looked at is imported."""
    found: Callable[[Workspace, Asked, Answer], None] = importlib.import_module(f"ui.{module}").show
    return found


def _answer(answer: Answer) -> None:
    theme = state.current_theme()
    colors = class_colors(answer.labels, theme)
    left, right = st.columns([3, 2], gap="large", vertical_alignment="top")
    with left:
        st.caption("The model says")
        chips: list[tuple[str, str, str | None]] = [
            (answer.labels[c], colors[answer.labels[c]], percent(float(answer.probabilities[c])))
            for c in answer.chosen
        ]
        if chips:
            parts.class_chips(chips, "explain_answer")
        else:
            parts.hint("No label: none of the probabilities reaches its threshold.")
        limits = answer.thresholds
        parts.chart(
            charts.probabilities(
                answer.labels, answer.probabilities.tolist(), top=MOST_BARS, thresholds=limits, colors=colors, theme=theme
            ),
            key="explain_bars",
            alt=f"Probabilities of the classes, {answer.labels[answer.best]} the highest",
        )  # fmt: skip
        if len(answer.labels) > MOST_BARS:
            st.caption(f"The {MOST_BARS} most likely of {len(answer.labels)} classes.")
    with right:
        st.markdown(
            "**Attention shows where a head reads; it is not by itself an explanation** (Jain & Wallace 2019)."
        )
        st.caption(
            "Here other methods ask what the answer hangs on. None of them is the truth: they answer different questions. "
            "Compare them, and measure whether they can be trusted."
        )
        if answer.piece.cut:
            parts.hint(
                f"The text is longer than is read here: {counted(answer.piece.cut, 'token')} at its end were left out."
            )
