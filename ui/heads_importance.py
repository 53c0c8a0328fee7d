"""How much the answers need each head: by gradient, or by switching each head off. A grid, and the heads that matter most.

Knows the findings of the study "importance". Computes nothing but a rank correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.explain.nouns import Findings
from core.jobs.study_importance import MOST
from core.records import Dataset, JobState, Part
from core.workspace import Workspace
from ui import heads_charts, heads_save, parts, state
from ui.attention_asked import Asked
from ui.attention_heads import texts_of
from ui.components.heads import Cell, Head, heads_grid
from ui.heads_look import diverging, head_words, look_at, shaded
from ui.study import study
from ui.words import counted, interval_words, number_words, percent

Array = np.ndarray[Any, Any]

GRADIENT, ABLATION = "By gradient", "By switching off"
LOSS, ACCURACY = "Loss", "Accuracy"
SIZES = (100, 200, MOST)
TOP = 15  # heads that are listed
SENTENCES = {
    GRADIENT: "Measures on {texts} of {name} how strongly the loss would react if a head contributed a little less. One pass "
    "forward and one back a text.",
    ABLATION: "Switches off one head after the other, and each layer as a whole, and answers {texts} of {name} each time. "
    "That is exact and takes as many passes as there are heads.",
}


def show(workspace: Workspace, asked: Asked) -> None:
    if not asked.trained and asked.place.model is None and not _has_answer(asked):
        parts.hint(
            f"{asked.place.name} is a base model: it has not learnt any classes, so there is no answer that could need a "
            "head. Choose a trained model."
        )
        return
    dataset = texts_of(workspace, asked, "Importance is measured")
    if dataset is None:
        return
    with st.container(horizontal=True, key="heads_importance_row", gap="large", vertical_alignment="bottom"):
        by = st.segmented_control(
            "Measured", [GRADIENT, ABLATION], default=GRADIENT, required=True, key="heads_importance_by"
        )
        texts = _size(int(dataset.parts.get(Part.VALIDATION, 0)))
    study(
        workspace,
        "importance",
        _question(asked, dataset, str(by), texts),
        key=f"heads_importance_{'gradient' if by == GRADIENT else 'ablation'}",
        button="Measure the importance of each head",
        sentence=SENTENCES[str(by)].format(texts=counted(texts, "validation text"), name=dataset.name),
        draw=lambda found: _draw(workspace, asked, dataset, texts, str(by), found),
        name=asked.place.name,
    )


def _has_answer(asked: Asked) -> bool:
    """A folder of the user's own may hold a trained classifier."""
    from core.models.sources import check_folder

    try:
        kinds = check_folder(asked.place.folder).get("architectures") or ()
    except FinesiftError:
        return False
    return any(str(kind).endswith("ForSequenceClassification") for kind in kinds)


def _size(available: int) -> int:
    """How many texts: few are quick, many make narrow intervals."""
    sizes = [size for size in SIZES if size < available] + (
        [min(available, MOST)] if available <= MOST else []
    )
    return int(
        st.selectbox(
            "Validation texts",
            sizes,
            index=min(1, len(sizes) - 1),
            key="heads_importance_texts",
            width=180,
            help="More texts take longer and make the intervals narrower.",
        )
        or sizes[0]
    )


def _question(asked: Asked, dataset: Dataset, by: str, texts: int) -> dict[str, Any]:
    method = "gradient" if by == GRADIENT else "ablation"
    return {"method": method, "model": asked.model, "dataset": dataset.id, "texts": texts}


# ------------------------------------------------------------------------------------- findings


def _draw(workspace: Workspace, asked: Asked, dataset: Dataset, texts: int, by: str, found: Findings) -> None:
    measure = LOSS
    if by == ABLATION:
        measure = str(
            st.segmented_control(
                "What changes", [LOSS, ACCURACY], default=LOSS, required=True, key="heads_importance_measure",
                help="The loss reacts to every text; accuracy only where an answer turns.",
            )
        )  # fmt: skip
    mean, low, high = _figures(found, by, measure)
    place = _place(mean, measure)
    left, right = st.columns([3, 2], gap="large")
    with left:
        cells = _cells(mean, low, high, by, measure)
        heads_grid(
            cells,
            key="heads_importance_grid",
            chosen=[place],
            on_choose=lambda chosen: (
                st.session_state.update(heads_importance_place=chosen[0]) if chosen else None
            ),
            many=False,
            name="Importance of the heads, one row a layer",
        )
        st.caption(_told(found, by, measure))
        heads_save.save(cells, "Importance of each head", _told(found, by, measure), key="heads_importance")
        _agreement(workspace, asked, dataset, texts, mean, measure)
        layer, head = place
        st.markdown(f"**{head_words(layer, head)}**: {_worded(mean, low, high, layer, head, measure)}")
        st.button(
            "Look at this head in the text above",
            key="heads_importance_look",
            icon=":material/visibility:",
            on_click=look_at(asked.text, layer, head),
        )
        _least(asked, mean)
    with right:
        _most(mean, low, high, by, measure)
    if by == ABLATION:
        _layers(found, measure)


def _least(asked: Asked, mean: Array) -> None:
    """The way to switch off what matters least: whether the model can do without is then measured there."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="heads_importance_least"):
        number = st.number_input(
            "Least important heads",
            1,
            mean.size - 1,
            max(1, mean.size // 4),
            width=180,
            key="heads_importance_number",
        )
        order = np.argsort(mean, axis=None)[: int(number)]
        places = [np.unravel_index(int(i), mean.shape) for i in order]
        off = sorted((int(layer), int(head)) for layer, head in places)
        st.button(
            "Switch them off",
            key="heads_importance_off",
            icon=":material/power_settings_new:",
            help="Opens Switch off with these heads off. Michel et al. (2019) found that models can often do without a "
            "large share of their heads.",
            on_click=lambda: st.session_state.update(heads_off=(asked.model, off), heads_part="Switch off"),
        )


def _figures(found: Findings, by: str, measure: str) -> tuple[Array, Array, Array]:
    """(L', H) three times; a loss that grows and an accuracy that falls both count as importance above zero."""
    if by == GRADIENT:
        return found.arrays["mean"], found.arrays["low"], found.arrays["high"]
    return _signed(found, "", measure)


def _signed(found: Findings, prefix: str, measure: str) -> tuple[Array, Array, Array]:
    name = f"{prefix}{'loss' if measure == LOSS else 'accuracy'}"
    mean, low, high = (found.arrays[name + end] for end in ("", "_low", "_high"))
    return (mean, low, high) if measure == LOSS else (-mean, -high, -low)


def _place(mean: Array, measure: str) -> Head:
    kept = st.session_state.get("heads_importance_place")
    if kept is not None and kept[0] < mean.shape[0] and kept[1] < mean.shape[1]:
        return int(kept[0]), int(kept[1])
    layer, head = np.unravel_index(int(np.nanargmax(mean)), mean.shape)
    return int(layer), int(head)


def _cells(mean: Array, low: Array, high: Array, by: str, measure: str) -> list[list[Cell]]:
    theme = state.current_theme()
    top = max(1e-12, float(np.nanmax(np.abs(mean))))

    def cell(layer: int, head: int) -> Cell:
        value = float(mean[layer, head])
        text = _short(value, measure)
        told = f"{head_words(layer, head)}: {_worded(mean, low, high, layer, head, measure)}"
        if by == GRADIENT:
            return shaded(text, value / top, theme, told)
        return diverging(text, value / top, theme, told)

    return [[cell(layer, head) for head in range(mean.shape[1])] for layer in range(mean.shape[0])]


def _short(value: float, measure: str) -> str:
    if measure == ACCURACY:
        return "0" if abs(value) < 5e-4 else f"{100 * value:.1f}".replace("-", "−")
    return f"{value:.3f}"[:6].replace("-", "−").replace("0.", ".", 1)


def _worded(mean: Array, low: Array, high: Array, layer: int, head: int, measure: str) -> str:
    value, least, most = (float(a[layer, head]) for a in (mean, low, high))
    if measure == ACCURACY:
        return f"{100 * value:.1f} points ({100 * least:.1f} to {100 * most:.1f})".replace("-", "−")
    shown = [number_words(v) for v in (value, least, most)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})".replace("-", "−")


def _told(found: Findings, by: str, measure: str) -> str:
    over = (
        f"Over {counted(found.summary['texts'], 'validation text')}, on which the model is right for "
        f"{interval_words(*found.summary['accuracy'])} and has a loss of {number_words(found.summary['loss'])}. "
    )
    if by == GRADIENT:
        return over + (
            "Each figure: mean over texts of the size of the loss’s derivative by the head’s contribution "
            "(Michel et al. 2019). It is a forecast for small changes; switching off tells what really happens."
        )
    if measure == LOSS:
        return (
            over
            + "Each figure: by how much the loss grows when that head alone is off. Below zero: it gets better without."
        )
    return (
        over
        + "Each figure: by how many points accuracy falls when that head alone is off. Below zero: it rises."
    )


def _most(mean: Array, low: Array, high: Array, by: str, measure: str) -> None:
    order = np.argsort(-mean, axis=None)[:TOP]
    places = [tuple(int(n) for n in np.unravel_index(int(i), mean.shape)) for i in order]
    factor = 100 if measure == ACCURACY else 1
    title = {
        (GRADIENT, LOSS): "sensitivity of the loss",
        (ABLATION, LOSS): "growth of the loss",
        (ABLATION, ACCURACY): "points of accuracy lost",
    }[by, measure]
    st.markdown(f"**The {len(places)} most important heads**, with 95 % intervals")
    st.caption(
        f"Of {mean.size} heads some look important by chance; what counts is an interval far from zero."
    )
    parts.chart(
        heads_charts.ranked(
            [f"layer {layer + 1}, head {head + 1}" for layer, head in places],
            *([factor * float(a[place]) for place in places] for a in (mean, low, high)),
            title=title,
            form=".1f" if measure == ACCURACY else ".4f",
            theme=state.current_theme(),
        ),
        key="heads_importance_top",
        alt="The most important heads with the intervals of their importance.",
    )


def _layers(found: Findings, measure: str) -> None:
    """Whole layers."""
    mean, low, high = _signed(found, "layer_", measure)
    changed = found.arrays["layer_changed"]
    parts.section(
        "Whole layers",
        "All heads of a layer off at once; its feed-forward part stays. The percentage: answers that turn.",
    )
    factor = 100 if measure == ACCURACY else 1
    parts.chart(
        heads_charts.ranked(
            [f"layer {n + 1} · {percent(float(changed[n]), 0)} turn" for n in range(len(mean))],
            *([factor * float(v) for v in a] for a in (mean, low, high)),
            title="points of accuracy lost" if measure == ACCURACY else "growth of the loss",
            form=".1f" if measure == ACCURACY else ".4f",
            theme=state.current_theme(),
        ),
        key="heads_importance_layers",
        alt="What switching off whole layers costs, with intervals.",
    )


def _agreement(
    workspace: Workspace, asked: Asked, dataset: Dataset, texts: int, mean: Array, measure: str
) -> None:
    """Where both measures are there: whether they rank heads alike."""
    both = {by: _kept(workspace, asked, dataset, texts, by) for by in (GRADIENT, ABLATION)}
    if not all(both.values()) or mean.size < 3:
        return
    from scipy.stats import spearmanr

    slope, loss = both[GRADIENT]["mean"].ravel(), both[ABLATION]["loss"].ravel()
    value = float(spearmanr(slope, loss).statistic)
    if np.isfinite(value):
        st.caption(f"Gradient and switching off rank the heads with a Spearman correlation of {value:.2f}.")


def _kept(workspace: Workspace, asked: Asked, dataset: Dataset, texts: int, by: str) -> dict[str, Array]:
    """The arrays of a finished study; {} where there is none."""
    job = jobs.find_study(workspace, "importance", _question(asked, dataset, by, texts))
    if job is None or job.state is not JobState.FINISHED:
        return {}
    try:
        return jobs.findings(workspace, job).arrays
    except FinesiftError:
        return {}
