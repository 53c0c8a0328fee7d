"""What each head does over the validation texts: a grid of roles, and the figures behind each.

Knows the findings of the study "roles". Computes nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.explain import roles
from core.explain.nouns import Findings
from core.jobs.study_roles import MOST, some_texts
from core.records import Dataset, Part
from core.workspace import Workspace
from ui import heads_save, parts, state
from ui.attention_asked import Asked
from ui.attention_heads import texts_of
from ui.colors import HUES
from ui.components.heads import Cell, Head, heads_grid
from ui.heads_look import head_words, look_at, tinted
from ui.study import study
from ui.words import counted, escape_markdown, percent, shorten

# role -> (word in the cell, what it does; {first} and {separator} are those tokens' names; hue)
ROLES = {
    "previous": ("before", "reads the token before", 0),
    "next": ("after", "reads the token after", 1),
    "same": ("itself", "reads the token itself", 2),
    "first": ("{first}", "rests on {first}", 7),
    "separator": ("{separator}", "rests on {separator}", 3),
    "punctuation": ("punct.", "reads punctuation", 5),
    "rare": ("rare", "reads the rarest words of a text", 4),
    "broad": ("all", "reads all tokens about alike", 6),
    "none": ("–", "no clear role", None),
}  # fmt: skip
BESIDES = {
    "previous": "otherwise the token before",
    "next": "otherwise the token after",
    "same": "otherwise the token itself",
    "punctuation": "otherwise punctuation",
    "rare": "otherwise the rarest words",
}
MEASURED = {
    "previous": "the token before",
    "next": "the token after",
    "same": "the token itself",
    "first": "{first}",
    "separator": "{separator}",
    "punctuation": "punctuation",
    "rare": "the rarest words",
}


def show(workspace: Workspace, asked: Asked) -> None:
    dataset = texts_of(workspace, asked, "What heads do is measured")
    if dataset is None:
        return
    texts = min(MOST, int(dataset.parts.get(Part.VALIDATION, 0)))
    study(
        workspace,
        "roles",
        {"model": asked.model, "dataset": dataset.id, "texts": texts},
        key="heads_roles",
        button="Measure what each head does",
        sentence=f"Reads {counted(texts, 'validation text')} of {dataset.name} and measures where each head looks: at the "
        "token before or after, at itself, at [CLS] or [SEP], at punctuation, at rare words.",
        draw=lambda found: _draw(workspace, dataset, found),
        name=asked.place.name,
    )


def _draw(workspace: Workspace, dataset: Dataset, found: Findings) -> None:
    _legend(found)
    place = _place(found)
    cells = _cells(found)
    heads_grid(
        cells,
        key="heads_roles_grid",
        chosen=[place],
        on_choose=_choose,
        many=False,
        name="Roles of the heads, one row a layer",
    )
    limit = percent(float(found.summary["clear"]), 0)
    st.caption(
        f"Over {counted(found.summary['texts'], 'text')}. A role is named where the head goes at least {limit} of the way "
        "from reading all tokens alike to doing nothing else, with 95 % certainty; the stronger the colour, the further it "
        "goes. Patterns after Clark et al. (2019) and Voita et al. (2019). A role tells where a head reads; whether the "
        "answer needs it is seen under Switch off and Importance."
    )
    measured = f"Over {counted(found.summary['texts'], 'text')} of {dataset.name}."
    heads_save.save(cells, "What each head does", measured, key="heads_roles")
    _one(workspace, dataset, found, *place)


def _place(found: Findings) -> Head:
    """The head on show: the user's choice, else the one with the clearest role."""
    layers, heads = found.arrays["role"].shape
    kept = st.session_state.get("heads_role_place")
    if kept is not None and kept[0] < layers and kept[1] < heads:
        return int(kept[0]), int(kept[1])
    best = [(_gain(found, layer, head), layer, head) for layer in range(layers) for head in range(heads)]
    _, layer, head = max(best)
    return layer, head


def _choose(chosen: list[Head]) -> None:
    if chosen:
        st.session_state["heads_role_place"] = chosen[0]


def _gain(found: Findings, layer: int, head: int) -> float:
    """How clear the role is, 0 to 1; below that for the layer that learnt nothing."""
    if layer == found.summary["averaging"]:
        return -1.0
    role = str(found.arrays["role"][layer, head])
    if role in roles.PATTERNS:
        return float(found.arrays["gain"][roles.PATTERNS.index(role), layer, head])
    return 0.3 if role == roles.BROAD else 0.0


def _cells(found: Findings) -> list[list[Cell]]:
    theme = state.current_theme()
    layers, heads = found.arrays["role"].shape
    return [[_cell(found, layer, head, theme) for head in range(heads)] for layer in range(layers)]


def _cell(found: Findings, layer: int, head: int, theme: str) -> Cell:
    role = str(found.arrays["role"][layer, head])
    word, _, hue = ROLES[role]
    told = f"{head_words(layer, head)}: {_in_words(found, layer, head)}"
    if layer == found.summary["averaging"]:
        return Cell("mean", "", "", f"{head_words(layer, head)}: averages all tokens, learnt nothing")
    second = str(found.arrays["second"][layer, head])
    besides = f"\n{ROLES[second][0]}" if second else ""
    if hue is None:
        return Cell(word + besides, "", "", told)
    return tinted(_named(word, found) + besides, HUES[theme][hue], _gain(found, layer, head), theme, told)


def _in_words(found: Findings, layer: int, head: int) -> str:
    role, second = str(found.arrays["role"][layer, head]), str(found.arrays["second"][layer, head])
    words = _named(ROLES[role][1], found)
    return f"{words}, {BESIDES[second]}" if second else words


def _named(words: str, found: Findings) -> str:
    for noun in ("first", "separator"):
        words = words.replace("{" + noun + "}", shorten(found.summary[noun] or noun, 12))
    return words


def _legend(found: Findings) -> None:
    """The roles that occur, with the number of heads."""
    hues = HUES[state.current_theme()]
    own = found.arrays["role"]
    if found.summary["averaging"] is not None:
        own = own[: found.summary["averaging"]]
    count = Counter(str(role) for role in own.ravel())
    parts.class_chips(
        [
            (_named(words, found), "#8A929C" if hue is None else hues[hue], str(count[role]))
            for role, (_, words, hue) in ROLES.items()
            if count[role]
        ],
        key="heads_roles_legend",
    )


def _one(workspace: Workspace, dataset: Dataset, found: Findings, layer: int, head: int) -> None:
    parts.section(head_words(layer, head))
    if layer == found.summary["averaging"]:
        parts.hint(
            "This is no learnt layer: Finesift added it to average the states of all tokens, so each of its heads "
            "attends to all tokens alike."
        )
        return
    words = _in_words(found, layer, head)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(escape_markdown(words[0].upper() + words[1:] + "."))
        st.dataframe(pd.DataFrame(_figures(found, layer, head)), hide_index=True, key="heads_roles_figures")
    with right:
        _example(workspace, dataset, found, layer, head)


def _figures(found: Findings, layer: int, head: int) -> list[dict[str, Any]]:
    values, low, high = (found.arrays[name][:, layer, head] for name in ("values", "low", "high"))
    even = found.summary["even"]
    rows = []
    for n, name in enumerate(roles.MEASURES):
        if name not in MEASURED or not math.isfinite(values[n]):
            continue
        rows.append(
            {
                "Attention to": _named(MEASURED[name], found),
                "This head (95 % interval)": f"{100 * values[n]:.1f} % ({100 * low[n]:.1f}–{100 * high[n]:.1f})",
                "Reading all alike": "–" if even[name] is None else percent(even[name]),
            }
        )
    for name, words, unit in (
        ("entropy", "Spread (entropy)", "bits"),
        ("reach", "Reach (mean distance)", "tokens"),
    ):
        n = roles.MEASURES.index(name)
        if math.isfinite(values[n]):
            rows.append(
                {
                    "Attention to": words,
                    "This head (95 % interval)": f"{values[n]:.2f} {unit} ({low[n]:.2f}–{high[n]:.2f})",
                    "Reading all alike": "–" if even[name] is None else f"{even[name]:.2f} {unit}",
                }
            )
    return rows


def _example(workspace: Workspace, dataset: Dataset, found: Findings, layer: int, head: int) -> None:
    """The text in which the head shows its role best."""
    try:
        texts = some_texts(workspace, dataset.id, MOST)
        text = texts[int(found.arrays["example"][layer, head])]
    except (FinesiftError, IndexError):
        return  # the data set has gone since
    st.caption("A text in which it shows")
    parts.text_block(text, key="heads_roles_example", max_height=140)
    st.button(
        "Look at this head in this text",
        key="heads_roles_look",
        icon=":material/visibility:",
        on_click=look_at(text, layer, head),
    )
