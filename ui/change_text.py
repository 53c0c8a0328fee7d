"""One text in two models: the attention of a head before, after, and the difference; which heads moved most here.

Knows the component that draws and the head that is chosen. Does not know which models stand for what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.change import distance
from core.explain.look import Look
from core.explain.picture import Picture
from core.workspace import ModelPlace
from ui import engines, look_link, look_save, look_state, parts
from ui.components.attention import attention_view
from ui.components.link import copy_link
from ui.words import counted, escape_markdown, number_words, shorten

MOST_HEADS = 5  # named as the most changed
MOST_TOKENS = 5
SAME = 1e-6  # a distance below it is rounding
DISTANCE_HELP = (
    "The Jensen-Shannon distance (Lin, 1991) between what a token reads before and after, averaged over the tokens: "
    "0 where the head reads the same as before, 1 where it reads other tokens altogether."
)


def show(before: ModelPlace, after: ModelPlace, text: str, pair: str | None) -> None:
    """The view."""
    try:
        with st.spinner("Reading the text with both models. The first time loads them."):
            picture, distances = engines.attention_change(before, after, text, pair)
    except FinesiftError as error:
        parts.fault(error)
        return
    cut = picture.attention.cut
    if cut:
        left = f"{counted(cut, 'token')} at its end {'was' if cut == 1 else 'were'} left out"
        parts.hint(f"This text is too long to be shown whole: {left}, {picture.length} are shown.")
    if float(distances.max()) < SAME:
        parts.hint(
            "Both models read this text alike: no head moved. A model of the quick method keeps its base model's encoder as it "
            "was, and learns only how to decide from it. Fine-tune with the method “full” to see heads change."
        )
        return
    _view(picture, distances, text, pair)


@st.fragment
def _view(picture: Picture, distances: np.ndarray, text: str, pair: str | None) -> None:
    layer, head = chosen(distances)
    _most_changed(distances, (layer, head))
    modes = [mode for mode in picture.modes if mode != "flow"]
    mode = st.segmented_control(
        "View", modes, default="head", required=True, format_func=look_state.MODES.__getitem__, key="change_mode",
        label_visibility="collapsed",
    )  # fmt: skip
    attention_view(
        picture,
        key="change_picture",
        mode=str(mode),
        layer=layer,
        head=head,
        on_select=go_to,
        on_change=remember("change_picture_look"),
    )
    if mode == "head":
        st.caption(_in_words(picture, distances, layer, head), help=DISTANCE_HELP)
    if picture.left_out:
        st.caption(LEFT_OUT)
    end(picture, "change_picture_look", str(mode), (layer, head), text, pair, distances)


LEFT_OUT = (
    "The layer that Finesift added to average the states of all tokens is left out: it learns nothing and has no "
    "counterpart in the other model."
)


def chosen(distances: np.ndarray) -> tuple[int, int]:
    """Layer and head on show, from 0, within what the models have: the user's choice here or in another view; where
    there is none, the head that moved most of these (L, H) distances."""
    look = look_state.wanted().look
    if (look.layer, look.head) == (0, 0) and not st.session_state.get("change_chosen"):
        layer, head = np.unravel_index(int(distances.argmax()), distances.shape)
        return int(layer), int(head)
    return min(look.layer, distances.shape[0] - 1), min(look.head, distances.shape[1] - 1)


def go_to(layer: int, head: int) -> None:
    """The user chose a head."""
    st.session_state["change_chosen"] = True
    look_state.go_to(layer, head)


def name(layer: int, head: int) -> str:
    return f"Layer {layer + 1}, head {head + 1}"


def remember(key: str) -> Callable[[Look], None]:
    """For `on_change` of a picture: what is looked at, for `end`."""

    def changed(look: Look) -> None:
        st.session_state[key] = look

    return changed


def end(
    picture: Picture, key: str, mode: str, place: tuple[int, int], text: str, pair: str | None, distances: np.ndarray
) -> None:  # fmt: skip
    """Below a picture of a difference: the link that opens it again, and its files. `key`: of `remember`."""
    layer, head = place
    for param, value in (("layer", str(layer + 1)), ("head", str(head + 1))):
        if st.query_params.get(param) != value:
            st.query_params[param] = value
    base = picture.base.model_name if picture.base is not None else ""
    shown = f"“{shorten(text, 80)}”" + (f" with “{shorten(pair, 80)}”" if pair else "")
    look = replace(st.session_state.get(key, Look()), mode=mode, layer=layer, head=head)
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_end"):
        if look_link.text_params(text, pair) is None:
            st.caption("This text is too long for a link.")
        else:
            copy_link(look_link.query(st.query_params.to_dict()), key=f"{key}_link")
        said = f"{picture.attention.model_name} against {base} on {shown}."
        look_save.save(picture, look, said, key=key, more={"distance": distances})


def _most_changed(distances: np.ndarray, now: tuple[int, int]) -> None:
    """Buttons to the heads that moved most on this text."""
    order = np.argsort(-distances, axis=None, kind="stable")[:MOST_HEADS]
    st.markdown("Changed most on this text", help=DISTANCE_HELP)
    with st.container(horizontal=True, gap="small", key="change_most"):
        for rank, flat in enumerate(order):
            layer, head = (int(n) for n in np.unravel_index(flat, distances.shape))
            st.button(
                f"{name(layer, head)} · {distances[layer, head]:.2f}",
                key=f"change_most_{rank}",
                type="primary" if (layer, head) == now else "secondary",
                on_click=go_to,
                args=(layer, head),
            )


def _in_words(picture: Picture, distances: np.ndarray, layer: int, head: int) -> str:
    base = picture.base
    assert base is not None  # noqa: S101
    rows = distance(base.weights[layer, head], picture.attention.weights[layer, head])
    order = np.argsort(-rows, kind="stable")[:MOST_TOKENS]
    moved = ", ".join(
        f"{escape_markdown(picture.shown[at])} {rows[at]:.2f}" for at in order.tolist() if rows[at] >= 0.005
    )
    own = number_words(float(distances[layer, head]))
    whole = f"{name(layer, head)} moved by {own} on this text; the mean of all heads is {number_words(float(distances.mean()))}."
    tokens = f" The tokens that read most differently: {moved}." if moved else ""
    return (
        f"{whole}{tokens} A difference shows where the head reads differently, not that the answer changed because "
        "of it."
    )
