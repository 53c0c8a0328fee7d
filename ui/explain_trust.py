"""Can the explanations be trusted? Whether answers fall when the words that a method names are taken out, on the user's
own validation texts, against random words, and how far the methods agree there.

Knows the study “faithfulness” and its figures.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.evaluation.means import mean_interval
from core.explain.attribution import METHODS
from core.explain.nouns import Findings
from core.workspace import Workspace
from ui import explain_charts, explain_work, parts, state
from ui.attention_asked import Asked, origin
from ui.explain_work import Answer
from ui.study import study
from ui.words import counted, escape_markdown, percent

SIZES = (50, 100, 200, 500)


def show(workspace: Workspace, asked: Asked, answer: Answer) -> None:
    """The view."""
    parts.section(
        "Can the explanations be trusted?",
        "If an answer hangs on the words that a method names, it must fall faster without them than without random words "
        "(DeYoung et al. 2020). Measured on your own validation texts, attention included.",
    )
    _, dataset = origin(workspace, asked)
    if dataset is None:
        parts.hint("The data set that this model was trained on is not here, so there are no texts to measure on.")  # fmt: skip
        return
    texts = st.segmented_control(
        "Texts", SIZES, default=100, required=True, key="explain_trust_texts", help="At most; more texts give narrower intervals and take longer."
    )  # fmt: skip
    study(
        workspace,
        "faithfulness",
        {"model": asked.model, "dataset": dataset.id, "texts": int(texts)},
        key=f"explain_trust_{texts}",
        button="Measure",
        sentence=f"Explains up to {texts} validation texts by all methods and takes their top words out. Some minutes on a "
        "CPU; you can go on working.",
        draw=lambda found: _drawn(found, explain_work.learnt_too(asked)),
        name=f"Faithfulness of {asked.place.name}",
    )


def _drawn(found: Findings, careful: str) -> None:
    summary = found.summary
    methods: dict[str, Any] = summary["methods"]
    known = {
        name: own
        for name, own in methods.items()
        if name in METHODS and own["gain"] is not None and own["sufficiency_gain"] is not None
    }
    if not known:
        parts.hint("The texts are too few to measure anything on them. Choose more.")
        return
    st.markdown(escape_markdown(_verdict(found, known)))
    names = [METHODS[name].label for name in known]
    theme = state.current_theme()
    parts.chart(
        explain_charts.gains(
            names, [own["gain"] for own in known.values()], [own["sufficiency_gain"] for own in known.values()], theme
        ),
        key="explain_gains",
        alt="Of each method, how much more the answer hangs on its words than on random ones",
    )  # fmt: skip
    skipped = f", {summary['skipped']} were too short" if summary["skipped"] else ""
    st.caption(
        escape_markdown(
            f"Over {counted(summary['texts'], 'validation text')}{skipped}; here {summary['removal']}. Right of the dashed "
            "line: better than random words. Circles (comprehensiveness): how much more the answer falls without the top "
            "words. Diamonds (sufficiency): how much less it falls when only they are left. Bars are 95 % intervals "
            "(bootstrap over texts). Methods that blank words themselves (leave one out, LIME, SHAP) are tested on their "
            f"own ground here.{careful}"
        )
    )
    _falls(summary, known, theme)
    _figures(summary, known)
    _agreement(summary["agreement"], theme)


def _verdict(found: Findings, known: dict[str, Any]) -> str:
    """The result in a few sentences."""
    best = max(known, key=lambda name: known[name]["gain"][0])
    if known[best]["gain"][1] <= 0:
        told = f"On {counted(found.summary['texts'], 'text')} no method is clearly better than random words."
    else:
        told = f"The most telling words here are those of {METHODS[best].label}: {_gain(known[best])} than without random words."
        alike = [METHODS[name].label for name in known if name != best and not _better(found, best, name)]
        told += f" Not clearly behind: {', '.join(alike)}." if alike else ""
    if "attention" in known and best != "attention":
        own = known["attention"]["gain"]
        if own[1] > 0:
            told += f" Attention: {_gain(known['attention'])}."
        elif own[2] < 0:
            told += " The words that attention names matter less than random ones: it is no explanation here."
        else:
            told += f" Attention is not clearly better than random words ({_points(own)}): it is no explanation here."
    return told


def _better(found: Findings, one: str, other: str) -> bool:
    """The first method's words matter more, compared text by text: the 95 % interval lies above zero."""
    order = list(found.summary["agreement"]["methods"])
    falls = found.arrays["comprehensiveness"]
    interval = mean_interval(falls[order.index(one)] - falls[order.index(other)])
    return interval is not None and interval.low > 0


def _gain(own: dict[str, Any]) -> str:
    return f"without them the answer falls {_points(own['gain'])} further"


def _points(triple: list[float]) -> str:
    value, low, high = (f"{100 * v:.1f}".replace("-", "−") for v in triple)
    return f"{value} points ({low} to {high})"


def _falls(summary: dict[str, Any], known: dict[str, Any], theme: str) -> None:
    whole = summary["probability"]
    parts.section("How fast does the answer fall?")
    parts.chart(
        explain_charts.falls(
            summary["shares"],
            whole[0] if whole else 1.0,
            {METHODS[name].label: own["removed"] for name, own in known.items()},
            summary["random"]["removed"],
            theme,
        ),
        key="explain_falls",
        alt="Mean probability of the answer against the share of words taken out",
    )
    st.caption("Means over the texts, the strongest words first. The steeper, the more the words mattered.")


def _figures(summary: dict[str, Any], known: dict[str, Any]) -> None:
    rows = {METHODS[name].label: own for name, own in known.items()} | {"Random words": summary["random"]}

    def cell(triple: list[float] | None) -> str:
        return "–" if triple is None else f"{triple[0]:.3f} ({triple[1]:.3f} to {triple[2]:.3f})"

    with st.expander("Figures", key="explain_trust_figures"):
        st.dataframe(
            pd.DataFrame(
                {
                    "Method": list(rows),
                    "Comprehensiveness (higher is better)": [
                        cell(own["comprehensiveness"]) for own in rows.values()
                    ],
                    "Sufficiency (lower is better)": [cell(own["sufficiency"]) for own in rows.values()],
                }
            ),
            hide_index=True,
            key="explain_trust_table",
            alt="Comprehensiveness and sufficiency of each method with intervals",
        )
        shares = ", ".join(percent(share, 0) for share in summary["shares"])
        st.caption(
            f"Mean change of the answer's probability over {shares} of the words, with 95 % intervals. Read up to "
            f"{summary['tokens']} tokens of a text."
        )


def _agreement(agreed: dict[str, Any], theme: str) -> None:
    if len(agreed["methods"]) < 2:
        return
    with st.expander("Do the methods agree?", key="explain_trust_agreement"):
        parts.chart(
            explain_charts.agreement(
                [METHODS[name].label for name in agreed["methods"]],
                _values(agreed["spearman"]),
                _values(agreed["overlap"]),
                theme,
            ),
            key="explain_trust_agreement_chart",
            alt="Mean rank correlation of the words' scores between each two methods",
        )
        widest = max((t[2] - t[1] for row in agreed["spearman"] for t in row if t is not None), default=0.0)
        st.caption(
            f"Mean rank correlation (Spearman) over the texts; every 95 % interval is within ± {widest / 2:.2f} or so. On "
            f"hover: share of top words in common; two random choices would share {percent(agreed['chance'])}."
        )


def _values(cells: list[list[list[float] | None]]) -> list[list[float | None]]:
    return [[None if triple is None else triple[0] for triple in row] for row in cells]
