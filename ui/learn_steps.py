"""Learn, step by step: the user's sentence on its way through the model, and the code that computes it.

Knows the tab's fields and the component that draws. Does not know how a layer computes.
"""

from __future__ import annotations

import inspect

import numpy as np
import streamlit as st

from core.errors import BadModel, FinesiftError
from core.explain import mechanism, weights
from core.explain.steps import ExampleHead, Walk, example_head, follow, sample_examples
from core.explain.subject import Subject
from core.models.catalogue import BUNDLED
from core.workspace import Workspace
from ui import parts, state
from ui.components.learn import STEPS, Place, learn_view
from ui.words import counted, number_words

_PLACE = "learn_place"  # session key: step, layer and head on show, each from 0


def show(workspace: Workspace, subject: Subject, text: str) -> None:
    """The tab."""
    try:
        weights.check_family(subject)
    except BadModel as error:
        parts.fault(error)
        if st.button("Follow MiniLM (bundled) instead", key="learn_bundled"):
            state.choose(state.MODEL, BUNDLED)
            st.rerun()
        return
    _steps(subject, text)
    _onward(subject)


@st.fragment
def _steps(subject: Subject, text: str) -> None:
    place = _place(*subject.shape)
    try:
        walk = follow(subject, text, place[1], _stand_in(subject))
    except FinesiftError as error:
        parts.fault(error)
        return
    if walk.piece.cut:
        parts.hint(
            f"The first {counted(len(walk.piece), 'token')} are followed, so that every number can be seen: "
            f"{counted(walk.piece.cut, 'token')} at the end were left out."
        )
    learn_view(walk, place, key="learn_view", on_move=_go_to)
    _address(place)
    _code(walk)


def _stand_in(subject: Subject) -> ExampleHead | None:
    """What takes the place of a head where the model has none."""
    if subject.labels:
        return None
    mark = weights.layer_of(subject, 0).query.bias.tobytes()  # two models of one name differ in their weights
    return _example_head(subject.name, mark, subject)


@st.cache_resource(max_entries=4, show_spinner="Reading a few sample messages for the last step.")
def _example_head(name: str, mark: bytes, _subject: Subject) -> ExampleHead:
    return example_head(_subject, sample_examples())


def _place(layers: int, heads: int) -> Place:
    """Step, layer and head: the tab's choice, else the address, within what there is."""
    if _PLACE not in st.session_state:
        numbers = (st.query_params.get(name, "1") for name in ("step", "layer", "head"))
        found = [int(n) - 1 if n.isascii() and n.isdigit() and len(n) < 5 else 0 for n in numbers]
    else:
        found = st.session_state[_PLACE]
    limits = (STEPS, layers, heads)
    step, layer, head = (max(0, min(n, most - 1)) for n, most in zip(found, limits, strict=True))
    return step, layer, head


def _go_to(place: Place) -> None:
    st.session_state[_PLACE] = place


def _address(place: Place) -> None:
    for name, number in zip(("step", "layer", "head"), place, strict=True):
        if st.query_params.get(name) != str(number + 1):
            st.query_params[name] = str(number + 1)


def _code(walk: Walk) -> None:
    """The mechanism as it stands in its file, and how near it comes to the model."""
    parts.section("The whole mechanism, in one page of code")
    states = walk.errors[:-1]
    worst = int(states.argmax())
    where = f"layer {worst} of {len(states) - 1}" if worst else "the embedding"
    sentence = (
        "Every number above comes out of this code and the model's own weights. On this text, no state that it "
        f"computes differs from the model's own by more than {number_words(float(states[worst]))} "
        f"({where})"
    )
    if np.isfinite(walk.errors[-1]):
        sentence += f", and no logit by more than {number_words(float(walk.errors[-1]))}"
    st.caption(f"{sentence}: rounding, no more.")
    with st.expander("Multi-head attention and one encoder layer, from scratch"):
        st.code(inspect.getsource(mechanism), language="python", wrap_lines=True)


def _onward(subject: Subject) -> None:
    with st.container(horizontal=True, key="learn_onward"):
        st.page_link(state.page("attention"), label="See all heads of this model on Attention")
        if not subject.labels:
            st.page_link(state.page("train"), label="Teach this model your classes on Train")
