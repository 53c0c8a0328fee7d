"""Looking at attention: all heads at a glance, one of them or several, condensed, from inside, with a token exchanged.

Knows which views there are and puts them together; each is drawn by a component or a module of its own. Does not
know how attention is read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.look import Look
from core.explain.picture import Picture
from core.workspace import Workspace
from ui import (
    engines,
    look_exchange,
    look_link,
    look_neuron,
    look_reads,
    look_save,
    look_state,
    look_write,
    parts,
)
from ui.attention_asked import Asked
from ui.components.attention import attention_view
from ui.components.link import copy_link
from ui.look_state import MODES, Wanted
from ui.words import counted, escape_markdown, shorten

if TYPE_CHECKING:
    from core.explain.subject import Piece

VIEW_HELP = (
    "One head: which tokens each token reads. One token: what it reads in every layer. Average: over the heads of a "
    "layer. Rollout and flow follow attention through the layers, of which half passes through unchanged: rollout "
    "multiplies along the paths, flow asks how much fits through them (Abnar & Zuidema, 2020). Query and key: how one "
    "head comes to its weights (Vaswani et al., 2017)."
)
MOST_UNKNOWN = 6  # characters that are named


def show(workspace: Workspace, asked: Asked) -> None:
    """The view."""
    st.space("small")
    try:
        if look_reads.is_writer(asked.place):
            _writes(asked, look_state.wanted().look)
            return
        with st.spinner("Reading the attention. The first time loads the model and takes a few seconds."):
            read = look_reads.piece(asked.place, asked.text, asked.pair)
            picture = engines.attention_picture(asked.place, asked.text, asked.pair)
            unknown = look_reads.unknown(asked.place, read)
    except FinesiftError as error:
        parts.fault(error)
        return
    _told(picture, asked.pair, unknown)
    _reads(asked, picture, read, look_state.wanted(picture).look)


@st.fragment
def _reads(asked: Asked, picture: Picture, read: Piece, start: Look) -> None:
    """A model that reads: encoders, and decoders such as GPT-2. `start`: what was on show when the page was opened."""
    row = st.container(horizontal=True, key="attention_steps", gap="small", vertical_alignment="bottom")
    turned, before = look_exchange.panel(asked, read)
    now = _steps(row, picture, look_state.wanted(picture), (*picture.modes, "flow", "neuron"))
    shown = picture
    if turned is not None and not before:
        aligned = turned.exchanged.aligned and now.mode != "neuron"
        shown = look_reads.laid_over(picture, turned) if aligned else turned.picture
        read = turned.exchanged.after
    more: dict[str, np.ndarray[Any, Any]] = {}
    if now.mode == "neuron":
        layer, head = now.look.layer, now.look.head
        more = look_neuron.show(
            lambda: look_reads.neuron(asked.place, read, layer, head), shown.attention, layer, head
        )
    else:
        shown = _draw(shown, now, start)
    _end(asked, shown, now, more)


@st.fragment
def _writes(asked: Asked, start: Look) -> None:
    """A model that writes: the text, the target, and the attention within and between them."""
    try:
        found = look_write.read(asked)
    except FinesiftError as error:
        parts.fault(error)
        return
    kind = look_write.choice()
    picture = found.pictures[kind]
    _told(picture, asked.pair, [])
    row = st.container(horizontal=True, key="attention_steps", gap="small", vertical_alignment="bottom")
    square = picture.attention.columns is None
    modes = (*picture.modes, *(("flow",) if square else ()), "neuron")
    now = _steps(row, picture, look_state.wanted(picture), modes)
    st.caption(look_write.SAID[kind])
    more: dict[str, np.ndarray[Any, Any]] = {}
    if now.mode == "neuron":
        layer, head = now.look.layer, now.look.head
        more = look_neuron.show(
            lambda: look_reads.neuron_of_writer(asked.place, found, kind, layer, head),
            picture.attention,
            layer,
            head,
        )
    else:
        picture = _draw(picture, now, Look.from_json(start.to_json(), picture))
    look_write.token_by_token(found)
    _end(asked, picture, now, more)


# ------------------------------------------------------------------------------------- what is shown


def _steps(
    row: st.delta_generator.DeltaGenerator, picture: Picture, now: Wanted, modes: tuple[str, ...]
) -> Wanted:
    """The choice of view, and the layer and head to step through."""
    options = [mode for mode in MODES if mode in modes]
    now = now if now.mode in options else replace(now, mode="head")
    layer, head = now.look.layer, now.look.head
    st.session_state["attention_mode"] = now.mode
    st.session_state["attention_layer"], st.session_state["attention_head"] = layer + 1, head + 1
    with row:
        st.segmented_control(
            "View", options, required=True, format_func=MODES.__getitem__, key="attention_mode", help=VIEW_HELP,
            on_change=look_state.bound("mode", "attention_mode"),
        )  # fmt: skip
        if now.mode != "flow":
            st.number_input(
                "Through layer" if now.mode == "rollout" else "Layer", 1, picture.layers, step=1, width=130,
                key="attention_layer", on_change=_stepped,
            )  # fmt: skip
        if now.mode in ("head", "neuron"):
            st.number_input(
                "Head", 1, picture.heads, step=1, width=130, key="attention_head", on_change=_stepped
            )
        if now.mode == "flow":
            names = picture.shown
            st.session_state["attention_token"] = min(now.look.token, len(names) - 1)
            st.selectbox(
                "From token", range(len(names)), key="attention_token", width=200,
                format_func=lambda at: f"{at + 1}: {names[at]}", on_change=_followed,
            )  # fmt: skip
    return now


def _stepped() -> None:
    before = look_state.wanted().look
    look_state.go_to(
        int(st.session_state["attention_layer"]) - 1,
        int(st.session_state.get("attention_head", before.head + 1)) - 1,
    )


def _followed() -> None:
    look_state.want(look=replace(look_state.wanted().look, token=int(st.session_state["attention_token"])))


def _draw(picture: Picture, now: Wanted, start: Look) -> Picture:
    """Returns the picture that was drawn: with the flow, where that is asked for and can be had."""
    layer = min(now.look.layer, picture.layers - 1)  # a difference lacks a layer that only averages
    head = now.look.head
    if now.mode == "flow":
        try:
            with st.spinner("Working out the flow."):
                picture = look_reads.with_flow(picture, min(now.look.token, picture.length - 1))
        except FinesiftError as error:
            parts.fault(error)
            return picture
    attention_view(
        picture,
        key="attention_view",
        mode=now.mode,
        layer=layer,
        head=head,
        heads=start.heads,
        token=now.look.token,
        lens=start.lens,
        shape=start.shape,
        on_select=look_state.go_to,
        on_change=lambda look: look_state.want(look=look),
    )
    return picture


def _told(picture: Picture, pair: str | None, unknown: list[str]) -> None:
    """What did not fit, and what the model cannot read."""
    if picture.attention.cut:
        cut = counted(picture.attention.cut, "token")
        where = "the end of the longer one" if pair else "its end"
        parts.hint(
            f"{'These texts are' if pair else 'This text is'} too long to be shown whole: "
            f"{cut} at {where} were left out, {picture.length} are shown."
        )
    if unknown:
        named = ", ".join(f"“{shorten(each, 20)}”" for each in unknown[:MOST_UNKNOWN])
        more = f" and {len(unknown) - MOST_UNKNOWN} more" if len(unknown) > MOST_UNKNOWN else ""
        parts.hint(
            f"This model's vocabulary does not have {named}{more}: it reads the same token for unknown in place of each. "
            "A model for more languages may know them."
        )


# ------------------------------------------------------------------------------------- below the picture


def _end(asked: Asked, picture: Picture, now: Wanted, more: dict[str, np.ndarray[Any, Any]]) -> None:
    look_state.address(now)
    said = _caption(picture, asked)
    _averaging(picture)
    mode = now.mode if now.mode in picture.modes else "head"
    look = replace(now.look, mode=mode, layer=min(now.look.layer, picture.layers - 1))
    with st.container(horizontal=True, vertical_alignment="center", key="attention_end"):
        _link(asked, now)
        look_save.save(picture, look, said, key="attention", more=more)


def _caption(picture: Picture, asked: Asked) -> str:
    """What is shown, and how it came about. Returns the first sentence."""
    trained = asked.trained or not look_reads.is_base(asked.place)
    name = asked.place.name + ("" if trained else " (not fine-tuned)")
    shown = f"“{shorten(asked.text, 80)}”" + (f" with “{shorten(asked.pair, 80)}”" if asked.pair else "")
    size = (
        f"{counted(picture.length, 'token')}, {counted(picture.layers, 'layer')} "
        f"of {counted(picture.heads, 'head')}"
    )
    said = f"{name} on {shown}: {size}."
    st.caption(
        f"{escape_markdown(said)} The figures are the model's own, read with eager attention and not recomputed. "
        "Attention shows where a head reads; it is not by itself an explanation of an answer."
    )
    return said


def _averaging(picture: Picture) -> None:
    """The layer that Finesift put behind the model's own is named as what it is."""
    at = picture.attention.averaging
    if at is not None:
        parts.hint(
            f"Layer {at + 1} is no learnt layer: Finesift added it to average the states of all tokens (mean "
            "pooling), so each of its heads attends to all tokens alike."
        )


def _link(asked: Asked, now: Wanted) -> None:
    """A link that opens this view: model, texts, layer and head, and what was chosen in the picture."""
    texts = look_link.text_params(asked.text, asked.pair)
    if texts is None:
        st.caption("This text is too long for a link.")
        return
    known = asked.picked is not None and not st.query_params.get("base")
    model = {"model": asked.model} if known else {"base": asked.model}
    copy_link(look_link.query({**model, **texts, **look_state.to_params(now)}), key="attention_link")
