"""Words of a class: which words speak most for and against each class, over texts of the data set.

Knows the study “words” and its figures.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.explain.nouns import Findings
from core.workspace import Workspace
from ui import explain_charts, parts, state
from ui.attention_asked import Asked, origin
from ui.explain_work import Answer
from ui.study import study
from ui.words import counted, escape_markdown, shorten

MOST_TEXTS = 500
BARS = 15


def show(workspace: Workspace, asked: Asked, answer: Answer) -> None:
    """The view."""
    parts.section(
        "Words of a class",
        "Which words speak for a class in general: how far its logit falls when the word is taken out, in the mean over the "
        "texts that hold it (leave-one-out, Li et al. 2016).",
    )
    _, dataset = origin(workspace, asked)
    if dataset is None:
        parts.hint("The data set that this model was trained on is not here, so there are no texts to measure on.")  # fmt: skip
        return
    study(
        workspace,
        "words",
        {"model": asked.model, "dataset": dataset.id, "texts": MOST_TEXTS},
        key="explain_words_study",
        button="Measure the words",
        sentence=f"Takes every word out of up to {MOST_TEXTS} texts, validation texts first. A minute for short texts on a CPU, ten and "
        "more for long ones; you can go on working.",
        draw=lambda found: _drawn(answer, found),
        name=f"Words of {asked.place.name}",
    )


@st.fragment
def _drawn(answer: Answer, found: Findings) -> None:
    classes = found.summary["classes"]
    ranked = [name for name in answer.ranked if name in classes]
    if st.session_state.get("explain_words_class") not in ranked:
        st.session_state.pop("explain_words_class", None)
    name = str(st.selectbox("Class", ranked, key="explain_words_class", width=320))
    own = classes[name]
    left, right = st.columns(2, gap="large")
    shown = shorten(name, 40)
    for column, side, told, some in (
        (left, "for", "Speak for", own["clear_for"]),
        (right, "against", "Speak against", own["clear_against"]),
    ):
        with column:
            st.markdown(f"**{told} {escape_markdown(shown)}**")
            if not own[side]:
                parts.hint(f"No word does so clearly: no 95 % interval lies {'above' if side == 'for' else 'below'} zero.")  # fmt: skip
                continue
            parts.chart(
                explain_charts.class_words(own[side][:BARS], name, state.current_theme()),
                key=f"explain_words_{side}",
                alt=f"The words that {told.lower()} {shown}, with intervals",
            )
            st.caption(f"{min(BARS, len(own[side]))} of the {counted(some, 'word')} that clearly do.")
    _caption(found)
    _table(found, name)


def _caption(found: Findings) -> None:
    summary = found.summary
    centred = (
        "Effects on a class are above its effect on the others in the mean. " if summary["centred"] else ""
    )
    by_chance = round(0.025 * summary["words"])
    st.caption(
        escape_markdown(
            f"Over {counted(summary['texts'], 'text')} ({summary['validation']:,} validation, the rest training texts), up to {summary['tokens']} tokens of each; "
            f"{summary['removal']}. {counted(summary['words'], 'word')} stand in at least {summary['fewest']} texts, of "
            f"{summary['seen']:,} in all. Bars are 95 % intervals over texts (Student), and words are ranked by the end "
            f"nearer to zero; about {by_chance} on either side would look clear by chance. {centred}"
            "In a single text a word may do otherwise."
        )
    )  # fmt: skip


def _table(found: Findings, name: str) -> None:
    with st.expander("All words", key="explain_words_all"):
        at = list(found.summary["classes"]).index(name)
        mean, half = found.arrays["mean"][:, at], found.arrays["half"][:, at]
        order = np.argsort(-mean, kind="stable")
        st.dataframe(
            pd.DataFrame(
                {
                    "Word": found.arrays["words"][order],
                    "Texts": found.arrays["texts"][order],
                    "Mean effect": mean[order],
                    "Low": (mean - half)[order],
                    "High": (mean + half)[order],
                }
            ),
            column_config={n: st.column_config.NumberColumn(format="%.3f") for n in ("Mean effect", "Low", "High")},
            hide_index=True,
            key="explain_words_table",
            alt="Every word with its mean effect on the class and its interval",
        )  # fmt: skip
