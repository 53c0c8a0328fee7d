"""Switching heads off: a grid of switches, the answer to the text with and without them, and the validation texts.

Knows the page's text and the session key of the switches. Does not know how a head is switched off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.explain import ablation
from core.explain.nouns import Findings
from core.explain.subject import Piece, Subject
from core.jobs.study_importance import MOST, labelled
from core.records import Dataset, Model, Part
from core.workspace import Workspace
from ui import engines, heads_charts, heads_save, parts, state
from ui.attention_asked import Asked
from ui.attention_heads import texts_of
from ui.components.heads import Cell, Head, heads_grid
from ui.heads_look import diverging, head_words, heads_words
from ui.study import study
from ui.words import counted, escape_markdown, interval_words, percent, shorten

Array = np.ndarray[Any, Any]

AT_ONCE = 6e10  # multiplications that measuring every head on the text may cost without being asked for
SHOWN_CHANGES = 100


def show(workspace: Workspace, asked: Asked) -> None:
    try:
        subject = engines.subject(asked.place)
        ablation.needs_answer(subject)
        piece = subject.read(asked.text, asked.pair)
        off = _off(asked, subject)
        whole = subject.probabilities(subject.logits([piece]))[0]
        less = subject.probabilities(ablation.answer_without(subject, piece, off)[None])[0] if off else whole
        effects = _effects(asked, subject, piece)
    except FinesiftError as error:
        parts.fault(error)
        return
    answer = int(whole.argmax())
    left, right = st.columns([3, 2], gap="large")
    with left:
        _switches(asked, subject, off, whole, effects, answer)
    with right:
        _answers(subject, piece, off, whole, less)
    _validation(workspace, asked, subject, off)


# ------------------------------------------------------------------------------------- the switches


def _off(asked: Asked, subject: Subject) -> list[Head]:
    """The heads that are off in this tab, of this model."""
    model, heads = st.session_state.get("heads_off", ("", []))
    if model != asked.model:
        return []
    layers = ablation.own_layers(subject)
    return [(layer, head) for layer, head in heads if layer < layers and head < subject.shape[1]]


def _switches(
    asked: Asked, subject: Subject, off: list[Head], whole: Array, effects: Array | None, answer: int
) -> None:
    name = escape_markdown(shorten(subject.labels[answer], 40))
    st.markdown(
        "Click heads to switch them off, or a layer’s name for all of its heads."
        + (
            ""
            if effects is None
            else f" The figures: by how many points the probability of **{name}** changes without that head alone."
        )
    )
    cells = _cells(subject, effects, whole, answer)
    heads_grid(
        cells,
        key="heads_off_grid",
        chosen=off,
        on_choose=lambda chosen: st.session_state.update(heads_off=(asked.model, chosen)),
        many=True,
        name="Switches of the heads, one row a layer",
    )
    with st.container(horizontal=True, vertical_alignment="center", key="heads_off_row"):
        if effects is None:
            st.button(
                "Measure each head on this text",
                key="heads_off_measure",
                icon=":material/play_arrow:",
                help="The text is long for this model: it takes a while.",
                on_click=lambda: st.session_state.update(heads_off_measured=_measured(asked)),
            )
        st.button(
            "Switch all on",
            key="heads_off_clear",
            type="tertiary",
            icon=":material/restart_alt:",
            disabled=not off,
            on_click=lambda: st.session_state.pop("heads_off", None),
        )
        heads_save.save(
            cells,
            "Heads switched off, one at a time",
            f"By how many points the probability of “{shorten(subject.labels[answer], 60)}” changes, for “{shorten(asked.text, 80)}”.",
            key="heads_off",
        )
    if subject.averaging is not None:
        st.caption(
            f"Layer {subject.averaging + 1} is left out: Finesift added it to average the states of all tokens; it learnt "
            "nothing."
        )


def _measured(asked: Asked) -> tuple[str, str, str | None]:
    return asked.model, asked.text, asked.pair


def _effects(asked: Asked, subject: Subject, piece: Piece) -> Array | None:
    """(L', H, C) probabilities with one head off; None: not asked for yet, as it takes long."""
    layers, heads = subject.shape
    size = int(subject.model.config.hidden_size)
    cost = (heads + 1) * layers * len(piece) * 12 * size**2 * (layers + 1) / 2
    if cost > AT_ONCE and st.session_state.get("heads_off_measured") != _measured(asked):
        return None
    folder = asked.place.folder
    return _each(
        subject, piece, str(folder), (folder / "config.json").stat().st_mtime, asked.text, asked.pair
    )


@st.cache_data(max_entries=30, show_spinner="Switching each head off once.")
def _each(
    _subject: Subject, _piece: Piece, folder: str, changed: float, text: str, pair: str | None
) -> Array:
    found = [each for _, _, each, _ in ablation.each_head(_subject, [_piece])]  # a (1, H, C) for each layer
    return np.stack([_subject.probabilities(each[0]) for each in found])


def _cells(subject: Subject, effects: Array | None, whole: Array, answer: int) -> list[list[Cell]]:
    theme = state.current_theme()
    layers, heads = ablation.own_layers(subject), subject.shape[1]
    if effects is None:
        return [
            [Cell("", "", "", head_words(layer, head)) for head in range(heads)] for layer in range(layers)
        ]
    change = effects[:, :, answer] - whole[answer]
    top = max(0.02, float(np.abs(change).max()))  # below two points nothing is to look strong
    label = shorten(subject.labels[answer], 60)
    return [
        [
            diverging(
                _points(change[layer, head]),
                float(change[layer, head]) / top,
                theme,
                f"{head_words(layer, head)} off: {label} {percent(float(effects[layer, head, answer]))} instead of "
                f"{percent(float(whole[answer]))}",
            )
            for head in range(heads)
        ]
        for layer in range(layers)
    ]


def _points(change: float) -> str:
    points = 100 * float(change)
    if abs(points) < 0.05:
        return "0"
    return f"{points:+.1f}".replace("-", "−")


# ------------------------------------------------------------------------------------- the answers


def _answers(subject: Subject, piece: Piece, off: list[Head], whole: Array, less: Array) -> None:
    before, after = int(whole.argmax()), int(less.argmax())
    st.markdown("**The answer to the text above**")
    if not off:
        st.markdown(
            f"With all heads: **{escape_markdown(subject.labels[before])}**, {percent(float(whole[before]))}."
        )
    else:
        turned = before != after
        st.markdown(
            f"With all heads: **{escape_markdown(subject.labels[before])}**, {percent(float(whole[before]))}. "
            f"Without {counted(len(off), 'head')}: **{escape_markdown(subject.labels[after])}**, "
            f"{percent(float(less[after]))}." + (" The answer turns." if turned else "")
        )
    parts.chart(
        heads_charts.before_after(
            subject.labels,
            whole.tolist(),
            less.tolist() if off else None,
            counted(len(off), "head"),
            theme=state.current_theme(),
        ),
        key="heads_off_answers",
        alt="Probability of the likeliest classes with all heads, and without those that are off.",
    )
    if piece.cut:
        st.caption(f"The text was cut at {len(piece)} tokens.")
    if off:
        st.caption(f"Off: {heads_words(off, subject.shape[1])}.")


# ------------------------------------------------------------------------------------- validation texts


def _validation(workspace: Workspace, asked: Asked, subject: Subject, off: list[Head]) -> None:
    parts.section(
        "On the validation texts",
        "One answer tells little. The same heads are switched off for all validation texts, and the answers counted.",
    )
    if not off:
        st.caption("Switch a head off above first.")
        return
    dataset = texts_of(workspace, asked, "Accuracy is measured")
    if dataset is None:
        return
    texts = min(MOST, int(dataset.parts.get(Part.VALIDATION, 0)))
    study(
        workspace,
        "importance",
        {
            "method": "off",
            "model": asked.model,
            "dataset": dataset.id,
            "texts": texts,
            "off": [list(head) for head in off],
        },
        key="heads_off_study",
        button=f"Measure without {counted(len(off), 'head')}",
        sentence=f"Answers {counted(texts, 'validation text')} of {dataset.name} twice: with all heads, and with "
        f"{heads_words(off, subject.shape[1])} off.",
        draw=lambda found: _measured_off(workspace, asked, dataset, subject, found),
        name=asked.place.name,
    )


def _measured_off(
    workspace: Workspace, asked: Asked, dataset: Dataset, subject: Subject, found: Findings
) -> None:
    what = "all labels right" if subject.several else "accuracy"
    whole, without = found.summary["accuracy"], found.summary["without"]["accuracy"]
    change = found.summary["difference"]["accuracy"]
    parts.figures(
        [
            (f"With all heads, {what}", interval_words(*whole), "In brackets: the 95 % Wilson interval."),
            ("Without these heads", interval_words(*without)),
            (
                "Change, in points",
                f"{_points(change[0])} ({_points(change[1])} to {_points(change[2])})",
                "Paired by text, with a 95 % bootstrap interval: an interval that holds 0 tells of no change.",
            ),
            ("Answers that turned", f"{found.summary['changed']:,} of {found.summary['texts']:,}"),
        ],
        key="heads_off_result",
    )
    _turned(workspace, asked, dataset, subject, found)


def _turned(workspace: Workspace, asked: Asked, dataset: Dataset, subject: Subject, found: Findings) -> None:
    """The texts whose answer became another."""
    if not len(found.arrays["place"]) or not isinstance(asked.picked, Model):
        return
    texts, classes = labelled(workspace, dataset.id, subject.labels, subject.several, MOST)
    rows = [
        {
            "Text": texts[int(place)],
            "With all heads": _names(subject, was),
            "Without these": _names(subject, became),
            "True": ", ".join(subject.labels[c] for c in classes[int(place)]) or "none",
        }
        for place, was, became in zip(
            *(found.arrays[name][:SHOWN_CHANGES] for name in ("place", "was", "became")), strict=True
        )
        if int(place) < len(texts)
    ]
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="heads_off_turned", height=min(35 * len(rows) + 38, 330)
    )
    if found.summary["changed"] > SHOWN_CHANGES:
        st.caption(f"The first {SHOWN_CHANGES} of them.")


def _names(subject: Subject, answer: Any) -> str:
    if np.ndim(answer) == 0:
        return subject.labels[int(answer)]
    return ", ".join(subject.labels[c] for c in np.flatnonzero(answer)) or "none"
