"""Watch a head learn: the attention to one text in the states that a training run kept, with a slider over them.

Knows runs and where they keep their states. Does not know how a model is put into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.picture import Picture
from core.jobs.adopt import snapshots_folder
from core.records import Run
from core.training.snapshots import Snapshot, kept
from core.workspace import ModelPlace, Workspace
from ui import change_charts, engines, parts, state
from ui.change_text import LEFT_OUT, chosen, end, go_to, name, remember
from ui.components.attention import attention_view
from ui.events import event_log
from ui.words import counted, escape_markdown, interval_words, shorten


@dataclass(frozen=True)
class Stage:
    label: str  # in words, for the slider
    step: int  # optimizer steps before it
    picture: Picture  # of the difference to the start
    distances: np.ndarray  # (L, H) from the start


def show(workspace: Workspace, after: ModelPlace, run: Run | None, text: str, pair: str | None) -> None:
    """The view. The start is what the run began from."""
    states = kept(snapshots_folder(workspace, run.id)) if run is not None else []
    if run is None or not states:
        parts.hint(_why_none(run))
        return
    try:
        with st.spinner("Reading the text in every state that the run kept."):
            base = workspace.find_model(run.base_model)
            files = tuple(str(each.path) for each in states)
            labels = _labels(states)
            pictures, distances = engines.attention_learning(base, after, files, labels, text, pair)
    except FinesiftError as error:
        parts.fault(error)
        return
    cut = pictures[0].attention.cut
    if cut:
        parts.hint(
            f"Only the first {counted(pictures[0].length, 'token')} of this text are read here, in every state: "
            f"{counted(cut, 'token')} more {'was' if cut == 1 else 'were'} left out."
        )
    steps = (0, *(each.step for each in states), int(run.summary.get("best_step") or 0))
    stages = [Stage(*each) for each in zip(labels, steps, pictures, distances, strict=True)]
    _view(workspace, run, stages, text, pair)


def _why_none(run: Run | None) -> str:
    if run is None:
        return "The later model was not trained here, so there are no states on its way to look at."
    method = str(run.summary.get("method", ""))
    if method in ("quick", "few"):
        how = (
            "fits a head and leaves the attention as it was"
            if method == "quick"
            else "keeps no states on the way"
        )
        return (
            f"The model of “{shorten(run.name, 60)}” was made by the method “{method}”, which {how}. Train with the "
            "method “Full” to watch a head learn."
        )
    return (
        f"The run “{shorten(run.name, 60)}” kept no states on its way. Train it again: in Advanced settings, “States kept on "
        "the way” says how many there will be."
    )


def _labels(states: Sequence[Snapshot]) -> tuple[str, ...]:
    """What to call the start, each state, and the end."""
    between = (f"Step {each.step:,} (epoch {each.epoch:.3g})" for each in states)
    return ("Before training", *between, "The model that was kept")


@st.fragment
def _view(workspace: Workspace, run: Run, stages: list[Stage], text: str, pair: str | None) -> None:
    layer, head = chosen(stages[-1].distances)
    if st.session_state.get("change_stage", 0) >= len(stages):
        st.session_state["change_stage"] = 0
    at = st.select_slider(
        "State of the model", range(len(stages)), format_func=lambda n: stages[n].label, key="change_stage",
        help="Move it with the arrow keys to watch the head change.",
    )  # fmt: skip
    stage = stages[at]
    distances = np.stack([each.distances for each in stages])
    parts.chart(
        change_charts.learning(
            [each.step for each in stages[:-1]],
            distances[:-1],
            (layer, head),
            at,
            (stages[-1].step, float(distances[-1, layer, head])),
            theme=state.current_theme(),
        ),
        key="change_learning",
        alt="How far each head has moved from the start in each state of the run, on this text.",
    )
    attention_view(
        stage.picture,
        key="change_learn_picture",
        mode="head",
        layer=layer,
        head=head,
        lens="after",
        on_select=go_to,
        on_change=remember("change_learn_look"),
    )
    st.caption(_in_words(workspace, run, stage, float(distances[at, layer, head]), layer, head))
    if stage.picture.left_out:
        st.caption(LEFT_OUT)
    end(stage.picture, "change_learn_look", "head", (layer, head), text, pair, stage.distances)


def _in_words(workspace: Workspace, run: Run, stage: Stage, moved: float, layer: int, head: int) -> str:
    looks = {e.step: e for e in event_log(workspace, run.job_id).evaluations}
    look = looks.get(stage.step)
    measured = (
        ""
        if look is None
        else " Validation accuracy of this state: "
        + interval_words(look.accuracy, look.accuracy_low, look.accuracy_high)
        + "."
    )
    return (
        f"{name(layer, head)}, {escape_markdown(stage.label[0].lower() + stage.label[1:])}: {moved:.3f} from the start on "
        f"this text.{measured}"
    )
