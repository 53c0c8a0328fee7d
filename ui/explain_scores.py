"""Which words an answer hangs on: the text in the shades of several methods, for a class or one class rather than
another, and how far the methods agree.

Knows the methods' names and how their scores are told. Does not know how they are computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.agreement import agreement
from core.explain.aim import Aim
from core.explain.attribution import METHODS, Attribution
from core.workspace import Workspace
from ui import explain_charts, explain_save, explain_work, parts, state
from ui.attention_asked import Asked
from ui.components.words import Row, packed, show_words
from ui.explain_work import Answer
from ui.words import counted, escape_markdown, number_words, percent, shorten

ANY = ""  # no other class: the class's own logit
FIRST = ("ig", "occlusion", "attention")  # methods on show at first
LONG = 120  # words, from which on only the quick ones are shown at first
QUICK = ("gradient", "attention")  # one pass each


def show(workspace: Workspace, asked: Asked, answer: Answer) -> None:
    """The view."""
    if answer.piece.word_count == 0:
        parts.hint(f"{answer.subject.name} reads no word in this text, so there is nothing to score.")
        return
    _words(asked, answer)


@st.fragment
def _words(asked: Asked, answer: Answer) -> None:
    aim, methods = _controls(answer)
    found: list[Attribution] = []
    for method in methods:
        try:
            found.append(explain_work.scored(answer, method, aim))
        except FinesiftError as error:
            parts.fault(f"{METHODS[method].label}: {error}")
    if not found:
        if not methods:
            parts.hint("Choose at least one method above.")
        return
    legend = _legend(answer, aim) if any(one.signed for one in found) else None
    data = packed(explain_work.written(answer.piece), [_row(one) for one in found], legend)
    show_words(data, key="explain_words")
    _told(found)
    if len(found) > 1 and answer.piece.word_count >= 3:
        _agreement(found)
    with st.container(horizontal=True, vertical_alignment="top", key="explain_more"):
        _about(found)
        explain_save.save(answer, aim, found, data)


def _controls(answer: Answer) -> tuple[Aim, list[str]]:
    """Class, the class it is set against, and the methods."""
    ranked = answer.ranked
    if st.session_state.get("explain_for") != answer.key:  # another text or model: its own answer first
        st.session_state["explain_for"] = answer.key
        for name in ("explain_class", "explain_against"):
            st.session_state.pop(name, None)
    _within("explain_class", ranked)
    _within("explain_against", [ANY, *ranked])
    long = answer.piece.word_count > LONG
    with st.container(horizontal=True, vertical_alignment="bottom", key="explain_controls"):
        target = st.selectbox(
            "Why", ranked, key="explain_class", width=260, help="The class whose logit is explained. The answer first."
        )  # fmt: skip
        against = st.selectbox(
            "rather than", [ANY, *(name for name in ranked if name != target)], key="explain_against", width=260,
            format_func=lambda name: name or "(by itself)",
            help="Another class: then the words are scored by how far they tell the two apart.",
        )  # fmt: skip
    methods = st.pills(
        "Methods", list(METHODS), selection_mode="multi", default=list(QUICK if long else FIRST),
        format_func=lambda name: METHODS[name].label, key="explain_methods", bind="query-params",
        help="\n".join(f"- **{m.label}**: {m.what} ({m.source})" for m in METHODS.values()),
    )  # fmt: skip
    index = answer.labels.index
    return Aim(index(target), index(against) if against else None), [m for m in METHODS if m in methods]


def _within(key: str, options: Sequence[str]) -> None:
    """A choice of another model is forgotten."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def _legend(answer: Answer, aim: Aim) -> tuple[str, str]:
    name = shorten(answer.labels[aim.target], 40)
    if aim.against is None:
        return f"speaks against {name}", f"speaks for {name}"
    return f"speaks for {shorten(answer.labels[aim.against], 40)}", f"speaks for {name}"


# ------------------------------------------------------------------------------------- rows


def _row(found: Attribution) -> Row:
    method = METHODS[found.method]
    strongest = float(np.abs(found.word_scores).max(initial=0.0))
    note = f"full shade: {number_words(strongest)}" if found.signed else f"full shade: {percent(strongest)}"
    return Row(
        title=method.label,
        note=f"{note} · {method.source}",
        scores=found.word_scores.tolist(),
        figures=figures(found),
        signed=found.signed,
        spoken=_spoken(found),
    )


def figures(found: Attribution) -> list[str]:
    """Each word's score as it is shown: a share for attention, else with its sign, and its margin where samples leave one."""
    if not found.signed:
        return [percent(float(score)) for score in found.word_scores]
    told = [signed(float(score)) for score in found.word_scores]
    if found.margins is None:
        return told
    return [
        f"{score} ± {number_words(float(margin))}" if np.isfinite(margin) else f"{score} (rough)"
        for score, margin in zip(told, found.margins, strict=True)
    ]


def signed(value: float) -> str:
    """0.82 -> “+0.820”, with a true minus sign."""
    return f"{'−' if value < 0 else '+'}{number_words(abs(value))}" if value else "0"


def _spoken(found: Attribution) -> str:
    told = figures(found)
    top = np.argsort(-np.abs(found.word_scores), kind="stable")[:5]
    named = ", ".join(f"{found.words[at]} {told[at]}" for at in top.tolist())
    return f"{METHODS[found.method].label}. The strongest words: {named}."


def _told(found: Sequence[Attribution]) -> None:
    """What the figures are, and what to be careful about."""
    first = found[0]
    what = f"logit of {first.class_name}"
    if first.against_name is not None:
        what = f"logit of {first.class_name} minus that of {first.against_name}"
    sentences = [f"Figures are in units of the {what}, which is {number_words(first.value)} for this text."]
    for one in found:
        label = METHODS[one.method].label
        if one.completeness_error is not None and one.baseline_value is not None:
            sentences.append(
                f"{label}: the scores add up to {number_words(one.value - one.baseline_value)}, the difference to a text "
                f"with {one.baseline}, with an error of {percent(one.completeness_error, 2)} of it."
            )
        if one.margins is not None:
            sentences.append(
                f"{label}: {counted(one.evaluations, 'sample')} were drawn; ± is half the 95 % interval that leaves."
            )
        if one.note:
            sentences.append(f"{label}: {one.note}")
    parts.notes(sentences)


def _about(found: Sequence[Attribution]) -> None:
    with st.expander("What the methods do", key="explain_about"):
        for one in found:
            method = METHODS[one.method]
            replaced = f" {one.baseline[0].upper()}{one.baseline[1:]}." if one.baseline else ""
            st.markdown(
                f"**{escape_markdown(method.label)}** {escape_markdown(method.what + replaced)} "
                f"({escape_markdown(method.source)}; {counted(one.evaluations, 'pass', 'passes')} through the model)"
            )


# ------------------------------------------------------------------------------------- agreement


def _agreement(found: Sequence[Attribution]) -> None:
    agreed = agreement(found)
    parts.section("Do the methods agree on this text?")
    names = [METHODS[method].label for method in agreed.methods]
    left, right = st.columns([3, 2], gap="large")
    with left:
        parts.chart(
            explain_charts.agreement(names, agreed.spearman.tolist(), agreed.overlap.tolist(), state.current_theme()),
            key="explain_agreement",
            alt="Rank correlation of the words' scores between each two methods",
        )  # fmt: skip
    with right:
        pairs = agreed.spearman[np.triu_indices(len(names), 1)]
        known = pairs[np.isfinite(pairs)]
        mean = f"In the mean over pairs {number_words(float(known.mean()))}. " if len(known) else ""
        st.caption(
            escape_markdown(
                "The figure in each field is the rank correlation (Spearman) of the words' scores: 1 is the same order, "
                f"0 none in common, −1 the reverse. {mean}On hover: how many of the {counted(agreed.k, 'top word')} both "
                f"name; two random choices would share {percent(agreed.chance)}. With attention, which knows no sign, "
                "words are ranked by how much. One text tells little: “Can it be trusted?” measures it on many."
            )
        )
