"""A closer look at a training run, one view at a time: classes, the optimizer, the first batch, the decisions.

Reads the events of the run; nothing of it is drawn until it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.records import Evaluated, FirstBatch
from ui import curves, parts, state
from ui.components.texts import show_texts
from ui.curves import ClassChange
from ui.events import EventLog
from ui.words import counted, escape_markdown, percent, shorten

MOST_CLASSES = 20  # shown at first: those that changed most
VIEWS = {
    "classes": "Classes",
    "optimizer": "Learning rate and gradients",
    "batch": "What the model sees",
    "notes": "Decisions",
}


def look_closer(log: EventLog, names: Sequence[str], *, key: str) -> None:
    """The choice of a view, none at first, and the view. `names`: of the classes, in the order of their figures."""
    looks = [e for e in log.evaluations if e.classes]
    there = {"classes": looks, "optimizer": log.steps, "batch": log.first_batch, "notes": log.notes}
    options = [view for view in VIEWS if there[view]]
    if not options:
        return
    view = st.segmented_control(
        "Look closer", options, format_func=lambda view: VIEWS[view], key=f"{key}_closer"
    )
    if view == "classes":
        _classes(looks, names, key)
    elif view == "optimizer":
        _optimizer(log, key)
    elif view == "batch" and log.first_batch is not None:
        _first_batch(log.first_batch, key)
    elif view == "notes":
        parts.notes(log.notes, limit=30)


# ------------------------------------------------------------------------------------- classes


def changes(looks: Sequence[Evaluated], names: Sequence[str]) -> list[ClassChange]:
    """Every class at the newest of these looks at the validation part; classes without a text there left out."""
    first, now = looks[0].classes, looks[-1].classes
    return [
        ClassChange(name, texts, right, begin[1], gained, lost)
        for name, begin, (texts, right, gained, lost) in zip(names, first, now, strict=True)
        if texts
    ]


def most_changed(classes: Sequence[ClassChange], most: int | None = MOST_CLASSES) -> list[ClassChange]:
    """Those that changed most since the last look, then since the first; least right on top. None: all."""
    ranked = sorted(classes, key=lambda c: (-c.changed, -abs(c.right - c.right_at_first), c.share, c.label))
    return sorted(ranked[:most], key=lambda c: (c.share, c.label))


def changes_in_words(classes: Sequence[ClassChange]) -> str:
    """What the run has learnt and forgotten since its last look, in a sentence or two."""
    gained, lost = sum(c.gained for c in classes), sum(c.lost for c in classes)
    if not gained and not lost:
        return "Since the last look no text has changed sides."
    learning = sum(c.gained > c.lost for c in classes)
    forgetting = sorted((c for c in classes if c.lost > c.gained), key=lambda c: c.gained - c.lost)
    said = f"Since the last look {counted(gained, 'text')} became right and {lost:,} wrong"
    said += f"; {counted(learning, 'class', 'classes')} gained"
    if not forgetting:
        return f"{said} and none lost."
    worst = ", ".join(f"“{shorten(c.label, 30)}” (−{c.lost - c.gained})" for c in forgetting[:3])
    more = f" and {len(forgetting) - 3} more" if len(forgetting) > 3 else ""
    return f"{said}. Losing: {worst}{more}."


def _classes(looks: Sequence[Evaluated], names: Sequence[str], key: str) -> None:
    every = changes(looks, names)
    st.caption(
        escape_markdown(
            f"{changes_in_words(every)} Looked at after step {looks[-1].step:,}; least right on top."
        )
    )
    most: int | None = MOST_CLASSES
    if len(every) > MOST_CLASSES:
        label = f"Show all {len(every):,} classes, not only the {MOST_CLASSES} that changed most"
        most = None if st.toggle(label, key=f"{key}_all_classes") else MOST_CLASSES
    parts.chart(
        curves.class_changes(most_changed(every, most), theme=state.current_theme()),
        key=f"{key}_changes",
        alt=changes_in_words(every),
    )


# ------------------------------------------------------------------------------------- optimizer, batch


def _optimizer(log: EventLog, key: str) -> None:
    started = log.started
    gpu = started is not None and not started.device.startswith("CPU")
    parts.chart(
        curves.optimizer_curves(log.steps, gpu=gpu, theme=state.current_theme(), revision=log.job_id),
        key=f"{key}_optimizer",
        alt="Learning rate and gradient norm over the optimizer steps",
    )
    st.caption(
        "The learning rate is the size of a step; it rises, then falls to zero. The gradient norm says how hard the "
        "batch pulled, before it was limited: a calm curve is a good sign."
    )


def _first_batch(batch: FirstBatch, key: str) -> None:
    st.caption(
        escape_markdown(
            f"The first batch, read back from the numbers that the model gets: {counted(batch.batch, 'text')} of "
            f"{counted(batch.width, 'token')} each; {percent(batch.padding, 0)} of them only fill up. "
            f"Shown: {counted(len(batch.texts), 'text')}."
        )
    )
    labels = [*batch.labels, *[""] * len(batch.texts)]
    items = [{"text": text, "title": label} for text, label in zip(batch.texts, labels, strict=False)]
    show_texts(items, key=f"{key}_batch", kind="block", max_height=140)
