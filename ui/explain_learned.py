"""Learned from these: the training texts that a model takes to be most like a text.

Knows the study that reads the training texts, and their rows in the data set.
"""

from __future__ import annotations

from collections import Counter

import streamlit as st

from core.errors import FinesiftError
from core.explain.neighbours import embed_one, nearest
from core.explain.nouns import Findings
from core.records import Dataset
from core.workspace import Workspace
from ui import explain_work, parts, state
from ui.attention_asked import Asked, origin
from ui.colors import class_colors
from ui.explain_work import Answer
from ui.study import study
from ui.words import counted, escape_markdown, shorten

SHOWN = 8


def show(workspace: Workspace, asked: Asked, answer: Answer) -> None:
    """The view."""
    parts.section(
        "Learned from these",
        "The training texts that look most alike to the model: nearest by what its last layer decides on (Papernot & "
        "McDaniel 2018). That they are near does not prove that they made the answer; it shows what it is like.",
    )
    _, dataset = origin(workspace, asked)
    if dataset is None:
        parts.hint("The data set that this model was trained on is not here, so its texts cannot be shown.")
        return
    study(
        workspace,
        "neighbours",
        {"model": asked.model, "dataset": dataset.id},
        key="explain_neighbours",
        button="Read the training texts",
        sentence="The model reads the texts that it learnt from, once; after that every text is compared with them at "
        "once.",
        draw=lambda found: _drawn(workspace, dataset, answer, found),
        name=f"Training texts of {asked.place.name}",
    )


def _drawn(workspace: Workspace, dataset: Dataset, answer: Answer, found: Findings) -> None:
    try:
        one = explain_work.kept(("vector", *answer.key), lambda: embed_one(answer.subject, answer.piece))
        near = nearest(found.arrays["vectors"], one, SHOWN)
        rows = workspace.shelf(dataset.id)[[int(found.arrays["rows"][each.at]) for each in near]]
    except FinesiftError as error:
        parts.fault(error)
        return
    labels, texts = rows["label"], rows["text"]
    _summary(answer, dataset, labels, found)
    same = {answer.piece.text.strip(), (answer.piece.pair or answer.piece.text).strip()}
    names = {part for label in labels for part in _parted(dataset, label)}
    colors = class_colors({*answer.labels, *names}, state.current_theme())
    for number, (each, label, text) in enumerate(zip(near, labels, texts, strict=True)):
        left, right = st.columns([1, 3], gap="medium", vertical_alignment="top")
        with left:
            parts.class_chips(
                [(part, colors[part], None) for part in _parted(dataset, label)],
                f"explain_near_label_{number}",
            )
            note = ", this very text" if text.strip() in same else ""
            st.caption(f"similarity {each.similarity:.3f}{note}".replace("-", "−"))
        with right:
            parts.text_block(text, key=f"explain_near_{number}", max_height=160)


def _summary(answer: Answer, dataset: Dataset, labels: list[str], found: Findings) -> None:
    name = answer.labels[answer.best]
    counts = Counter(part for label in labels for part in _parted(dataset, label))
    drawn = found.summary["texts"]
    of = f"{counted(drawn, 'text')} that the model learnt from"
    if drawn < found.summary["learnt"]:
        of = f"{drawn:,} of the {found.summary['learnt']:,} texts that the model learnt from, drawn at random"
    st.caption(
        escape_markdown(
            f"The {len(labels)} nearest of {of}. {counts[name]} of them carry “{shorten(name, 60)}”, the most likely class. "
            "Similarity is a cosine: 1 is the same direction, 0 unrelated."
        )
    )


def _parted(dataset: Dataset, label: str | None) -> list[str]:
    if not label:
        return []
    return (
        [part.strip() for part in label.split(dataset.separator) if part.strip()]
        if dataset.separator
        else [label]
    )
