"""The heads of two models ranked by how far they moved over the validation texts, and the texts where one moved most.

Knows the study “change” and how its findings are looked at. Does not know how it measures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.explain.nouns import Findings
from core.records import Dataset
from core.workspace import ModelPlace, Workspace
from ui import change_charts, parts, state
from ui.change_text import DISTANCE_HELP, LEFT_OUT, chosen, go_to, name
from ui.study import study
from ui.words import counted, escape_markdown, shorten

MOST_TEXTS = 500
SHOWN = 20  # texts of a head


def show(workspace: Workspace, before: ModelPlace, after: ModelPlace, dataset: Dataset | None) -> None:
    """The view."""
    if dataset is None:
        parts.hint(
            "There are no texts to measure over: the later model was not trained here, or its data set was deleted. "
            "Choose a model whose data set is still there."
        )
        return
    texts = min(MOST_TEXTS, dataset.parts.get("validation", 0))

    def draw(found: Findings) -> None:
        _draw(workspace, dataset, found)

    study(
        workspace,
        "change",
        question(before, after, dataset),
        key="change_study",
        button="Rank the heads",
        sentence=f"Reads {counted(texts, 'validation text')} of “{shorten(dataset.name, 60)}” with both models and "
        "ranks the heads by how far their attention moved. It runs beside the page and can be stopped.",
        draw=draw,
        name=f"{shorten(after.name, 40)}: what training changed",
    )


def question(before: ModelPlace, after: ModelPlace, dataset: Dataset) -> dict[str, Any]:
    """What the study is asked."""
    return {
        "before": before.model.id if before.model is not None else before.name,
        "after": after.model.id if after.model is not None else after.name,
        "dataset": dataset.id,
        "fingerprint": dataset.fingerprint,  # other texts are another question
        "texts": MOST_TEXTS,
    }


@st.fragment
def _draw(workspace: Workspace, dataset: Dataset, found: Findings) -> None:
    value = found.arrays["value"]
    layer, head = chosen(value)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        parts.section("How far each head moved", "One square a head. Choose one to see its texts.")
        st.plotly_chart(
            change_charts.grid(
                value, found.arrays["low"], found.arrays["high"], (layer, head), theme=state.current_theme()
            ),
            key="change_grid",
            on_select=_picked_square,
            selection_mode="points",
            config={"displayModeBar": False, "displaylogo": False, "scrollZoom": False},
            alt="The mean distance of each head between both models, layers by row, heads by column.",
        )
    with right:
        parts.section("Ranked", "Tick a row to see its texts.")
        _table(found)
    _caption(dataset, found)
    _texts(workspace, dataset, found, layer, head)


def _picked_square() -> None:
    """A click on the grid. What comes from a browser may be anything."""
    event: Any = st.session_state.get("change_grid")
    try:
        layer, head = event["selection"]["points"][0]["customdata"][:2]
        go_to(max(0, int(layer)), max(0, int(head)))
    except (KeyError, IndexError, TypeError, ValueError):
        return


def _table(found: Findings) -> None:
    ranking = [(int(layer), int(head)) for layer, head in found.summary["ranking"]]
    at = tuple(np.asarray(ranking).T)
    value, low, high = (found.arrays[key][at] for key in ("value", "low", "high"))
    frame = pd.DataFrame(
        {
            "Head": [name(*place) for place in ranking],
            "Distance": value,
            "95 % interval": [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)],
        }
    )

    def picked() -> None:
        event: Any = st.session_state.get("change_table")
        try:
            go_to(*ranking[int(event["selection"]["rows"][0])])
        except (KeyError, IndexError, TypeError, ValueError):
            return

    st.dataframe(
        frame,
        hide_index=True,
        height=360,
        key="change_table",
        on_select=picked,
        selection_mode="single-row",
        column_config={
            "Distance": st.column_config.NumberColumn(format="%.3f", help=DISTANCE_HELP),
        },
    )


def _caption(dataset: Dataset, found: Findings) -> None:
    summary = found.summary
    cut = (
        f" Of {counted(int(summary['cut']), 'longer text')} only the first {summary['most_tokens']} tokens were read."
        if summary["cut"]
        else ""
    )
    empty = f" {counted(int(summary['empty']), 'empty text')} left out." if summary["empty"] else ""
    st.caption(
        f"Mean over {counted(int(summary['texts']), 'validation text')} of “{escape_markdown(shorten(dataset.name, 60))}”, "
        f"with 95 % intervals over texts (bootstrap).{cut}{empty} "
        "Distance: 0 where a head reads the same as before, 1 where it reads other tokens altogether "
        "(Jensen-Shannon, Lin 1991). In BERT, fine-tuning often changes the last layers most (Kovaleva et al., 2019)."
    )
    if summary["left_out"]:
        st.caption(LEFT_OUT)


def _texts(workspace: Workspace, dataset: Dataset, found: Findings, layer: int, head: int) -> None:
    """The texts where a head moved most, and the way to look at one of them."""
    each = found.arrays["each"][:, layer, head]
    order = np.argsort(-each, kind="stable")[:SHOWN]
    rows, texts, _ = workspace.part_texts(dataset.id, "validation")
    known = dict(zip(rows, texts, strict=True))
    own = [int(row) for row in found.arrays["rows"][order] if int(row) in known]
    value, low, high = (float(found.arrays[key][layer, head]) for key in ("value", "low", "high"))
    parts.section(
        f"{name(layer, head)}: the texts where it moved most",
        f"On average it moved by {value:.3f} (95 % interval {low:.3f} to {high:.3f}).",
    )
    frame = pd.DataFrame({"Distance": each[order][: len(own)], "Text": [known[row] for row in own]})
    event = st.dataframe(
        frame,
        hide_index=True,
        key=f"change_texts_{layer}_{head}",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Distance": st.column_config.NumberColumn(format="%.3f", width=80),
            "Text": st.column_config.TextColumn(width=900),
        },
    )
    picked = [at for at in event["selection"]["rows"] if at < len(own)]
    if st.button(
        "Look at this text in both models",
        key="change_look",
        icon=":material/visibility:",
        disabled=not picked,
        help=None if picked else "Tick a text first.",
        on_click=_look_at,
        args=(known[own[picked[0]]] if picked else "",),
    ):
        st.rerun()  # the whole page: it asks about another text
    if picked:
        parts.text_block(known[own[picked[0]]], key="change_text_whole")


def _look_at(text: str) -> None:
    """The page asks about this text from now on."""
    if not text:
        return
    st.session_state["attention_text"], st.session_state["attention_pair"] = text, ""
    st.session_state["attention_asked"] = (text, "")
    st.session_state["change_view"] = "text"
