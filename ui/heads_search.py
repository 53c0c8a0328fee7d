"""Texts in which a head attends from one word to another: two fields, a grid of all heads, and the texts of one of them.

Knows the findings of the study "search". Computes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.explain.nouns import Findings
from core.explain.search import ANY, MOST_PATTERN
from core.jobs.study_search import ALL, texts_in
from core.records import Dataset, Part
from core.workspace import Workspace
from ui import heads_save, parts, state
from ui.attention_asked import Asked
from ui.attention_heads import texts_of
from ui.components.heads import Cell, Head, heads_grid
from ui.heads_look import head_words, look_at, shaded
from ui.study import study
from ui.words import counted, escape_markdown, part_words, percent

SHOWN = 200  # texts listed
HELP = "One word, or several by comma. * stands for any letters: refund*. A special token by its name: [SEP]. Empty: any word."


def show(workspace: Workspace, asked: Asked) -> None:
    dataset = texts_of(workspace, asked, "Words are looked for", validation=False)
    if dataset is None:
        return
    source, target, part = _fields(dataset)
    if not source.strip(" ,*") and not target.strip(" ,*"):
        st.caption("Name at least one word, to find the texts in which heads attend from it or to it.")
        return
    study(
        workspace,
        "search",
        {"model": asked.model, "dataset": dataset.id, "part": part, "from": source, "to": target},
        key="heads_search",
        button="Search",
        sentence=f"Finds the texts of {dataset.name} that hold both, and reads how strongly each head goes from "
        f"“{source or ANY}” to “{target or ANY}”.",
        draw=lambda found: _draw(workspace, dataset, part, source, target, found),
        name=asked.place.name,
    )


def _fields(dataset: Dataset) -> tuple[str, str, str]:
    for key, value in (("heads_search_from", ""), ("heads_search_to", "")):
        st.session_state.setdefault(key, st.session_state.get(f"{key}_kept", value))
    left, middle, right = st.columns([2, 2, 1], gap="medium")
    with left:
        source = st.text_input(
            "From the word", key="heads_search_from", placeholder="charged", max_chars=MOST_PATTERN, help=HELP
        )
    with middle:
        target = st.text_input(
            "To the word",
            key="heads_search_to",
            placeholder="card, account",
            max_chars=MOST_PATTERN,
            help=HELP,
        )
    with right:
        options = [p.value for p in Part if dataset.parts.get(p, 0)] + [ALL]
        start = options.index(Part.VALIDATION) if Part.VALIDATION in options else 0
        part = st.selectbox(
            "Among", options, index=start, key="heads_search_part",
            format_func=lambda p: "All texts" if p == ALL else f"{part_words(p)} texts",
        )  # fmt: skip
    st.session_state["heads_search_from_kept"] = source
    st.session_state["heads_search_to_kept"] = target
    return source.strip(), target.strip(), str(part)


def _draw(
    workspace: Workspace, dataset: Dataset, part: str, source: str, target: str, found: Findings
) -> None:
    layer, head = _place(found)
    left, right = st.columns([3, 2], gap="large")
    with left:
        cells = _cells(found)
        heads_grid(
            cells,
            key="heads_search_grid",
            chosen=[(layer, head)],
            on_choose=lambda chosen: (
                st.session_state.update(heads_search_place=chosen[0]) if chosen else None
            ),
            many=False,
            name="Attention from the one word to the other, one row a layer",
        )
        title = f"From “{source or ANY}” to “{target or ANY}”"
        heads_save.save(cells, title, _told(found), key="heads_search")
    with right:
        st.markdown(f"**{head_words(layer, head)}**")
        st.markdown(
            f"From “{escape_markdown(source or ANY)}” to “{escape_markdown(target or ANY)}”: "
            f"{_figure(found, layer, head)} of its attention. A head that reads all tokens alike would "
            f"give {percent(found.summary['even'])}."
        )
        st.caption(_told(found))
    _texts(workspace, dataset, part, found, layer, head)


def _told(found: Findings) -> str:
    summary = found.summary
    words = f"{counted(summary['found'], 'text')} of {summary['texts']:,} hold both"
    if summary["read"] < summary["found"]:
        words += f", of which the first {summary['read']:,} were read"
    return (
        f"{words}. Each figure in the grid: percent of the attention of X that goes to Y, mean over "
        f"{counted(summary['pairs'], 'pair')} of words and then over texts."
    )


def _place(found: Findings) -> Head:
    mean = _mean(found)
    layers, heads = mean.shape
    kept = st.session_state.get("heads_search_place")
    if kept is not None and kept[0] < layers and kept[1] < heads:
        return int(kept[0]), int(kept[1])
    layer, head = np.unravel_index(int(np.nanargmax(mean)), (layers, heads))
    return int(layer), int(head)


def _mean(found: Findings) -> np.ndarray[Any, Any]:
    """(L', H) of the model's own layers: the one that Finesift added reads all tokens alike."""
    return np.asarray(found.arrays["mean"][: found.summary["averaging"]])


def _cells(found: Findings) -> list[list[Cell]]:
    theme = state.current_theme()
    mean = _mean(found)
    top = max(1e-9, float(np.nanmax(mean)))

    def cell(layer: int, head: int) -> Cell:
        value = float(mean[layer, head])
        told = f"{head_words(layer, head)}: {_figure(found, layer, head)}"
        return shaded(f"{100 * value:.0f}", value / top, theme, told)

    return [[cell(layer, head) for head in range(mean.shape[1])] for layer in range(mean.shape[0])]


def _figure(found: Findings, layer: int, head: int) -> str:
    mean, low, high = (float(found.arrays[name][layer, head]) for name in ("mean", "low", "high"))
    if not math.isfinite(low):
        return percent(mean)
    return f"{percent(mean)} ({100 * low:.1f}–{100 * high:.1f})"


def _texts(workspace: Workspace, dataset: Dataset, part: str, found: Findings, layer: int, head: int) -> None:
    """The texts, those first in which the head does it most."""
    best = found.arrays["best"][:, layer, head]
    order = np.argsort(-best.astype(np.float64), kind="stable")[:SHOWN]
    texts = texts_in(workspace, dataset.id, part)
    which = found.arrays["which"][:, layer, head]
    rows = [
        {
            "Attention": 100 * float(best[k]),
            "From": str(found.arrays["from_word"][which[k]]),
            "To": str(found.arrays["to_word"][which[k]]),
            "Text": texts[int(found.arrays["place"][k])][1],
        }
        for k in order
        if int(found.arrays["place"][k]) < len(texts)
    ]
    parts.section("Texts", "Those first in which this head goes from the one word to the other most.")
    chosen = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="heads_search_texts",
        height=min(38 + 35 * len(rows), 420),
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Attention": st.column_config.ProgressColumn(
                "Attention", format="%.1f %%", min_value=0, max_value=100, width="small"
            ),
            "From": st.column_config.TextColumn(width="small"),
            "To": st.column_config.TextColumn(width="small"),
            "Text": st.column_config.TextColumn(width="large"),
        },
    )
    picked = chosen["selection"]["rows"]
    if not picked or picked[0] >= len(rows):
        st.caption("Choose a row to look at it.")
        return
    text = str(rows[picked[0]]["Text"])
    parts.text_block(text, key="heads_search_text", max_height=160)
    st.button(
        "Look at this head in this text",
        key="heads_search_look",
        icon=":material/visibility:",
        on_click=look_at(text, layer, head),
    )
