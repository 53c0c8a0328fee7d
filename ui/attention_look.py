"""Looking at attention: all heads at a glance, one of them as lines and as a matrix, condensed, as numbers.

Knows the page's fields and the component that draws. Does not know how attention is read.
"""

from __future__ import annotations

import re
from io import BytesIO

import streamlit as st

from core.errors import FinesiftError
from core.workspace import Workspace
from ui import engines, parts
from ui.attention_asked import Asked
from ui.components.attention import Picture, attention_view
from ui.words import counted, escape_markdown, shorten

VIEWS = {"head": "One head", "average": "Average over heads", "rollout": "Rollout"}
VIEW_HELP = (
    "Rollout follows attention through the layers: heads are averaged, and half of each layer passes "
    "through unchanged (Abnar & Zuidema, 2020)."
)


def show(workspace: Workspace, asked: Asked) -> None:
    """The view."""
    try:
        with st.spinner("Reading the attention. The first time loads the model and takes a few seconds."):
            picture = engines.attention_picture(asked.place, asked.text, asked.pair)
    except FinesiftError as error:
        parts.fault(error)
        return
    _told(picture, asked.pair)
    _view(picture, trained=asked.trained, text=asked.text, pair=asked.pair)


def _told(picture: Picture, pair: str | None) -> None:
    """What did not fit."""
    if not picture.attention.cut:
        return
    cut = counted(picture.attention.cut, "token")
    where = "the end of the longer one" if pair else "its end"
    parts.hint(
        f"{'These texts are' if pair else 'This text is'} too long to be shown whole: "
        f"{cut} at {where} were left out, {picture.length} are shown."
    )


@st.fragment
def _view(picture: Picture, trained: bool, text: str, pair: str | None) -> None:
    st.space("small")
    mode = _steps(picture)
    layer, head = _place(picture)
    attention_view(picture, key="attention_view", mode=mode, layer=layer, head=head, on_select=_go_to)
    _address(layer, head)
    _caption(picture, trained, text, pair)
    _averaging(picture)
    _download(picture)


def _download(picture: Picture) -> None:
    st.download_button(
        "Download weights (.npz)",
        data=lambda: _npz(picture),
        file_name=f"attention-{re.sub(r'[^A-Za-z0-9._-]+', '-', picture.attention.model_name)[:60]}.npz",
        mime="application/octet-stream",
        on_click="ignore",
        key="attention_download",
        icon=":material/download:",
        help="Arrays: tokens (T) and weights (layers, heads, T, T), counted from 0.",
    )


def _steps(picture: Picture) -> str:
    """The choice of view, and the layer and head to step through. Returns the view's mode."""
    layer, head = _place(picture)
    st.session_state["attention_layer"], st.session_state["attention_head"] = layer + 1, head + 1
    with st.container(horizontal=True, key="attention_steps", gap="medium"):
        mode = st.segmented_control(
            "View", list(VIEWS), default="head", required=True, format_func=VIEWS.__getitem__,
            key="attention_mode", help=VIEW_HELP,
        )  # fmt: skip
        st.number_input(
            "Through layer" if mode == "rollout" else "Layer", 1, picture.layers, step=1, width=140,
            key="attention_layer", on_change=_stepped,
        )  # fmt: skip
        if mode == "head":
            st.number_input(
                "Head", 1, picture.heads, step=1, width=140, key="attention_head", on_change=_stepped
            )
    return str(mode)


def _place(picture: Picture) -> tuple[int, int]:
    """Layer and head on show, from 0: the tab's choice, else the address, within what the model has."""
    if "attention_place" not in st.session_state:
        numbers = (st.query_params.get(name, "1") for name in ("layer", "head"))
        layer, head = (int(n) - 1 if n.isascii() and n.isdigit() and len(n) < 5 else 0 for n in numbers)
    else:
        layer, head = st.session_state["attention_place"]
    return max(0, min(layer, picture.layers - 1)), max(0, min(head, picture.heads - 1))


def _go_to(layer: int, head: int) -> None:
    st.session_state["attention_place"] = (layer, head)


def _stepped() -> None:
    _go_to(
        int(st.session_state["attention_layer"]) - 1,
        int(st.session_state.get("attention_head", 1)) - 1,
    )


def _address(layer: int, head: int) -> None:
    for name, value in (("layer", str(layer + 1)), ("head", str(head + 1))):
        if st.query_params.get(name) != value:
            st.query_params[name] = value


def _caption(picture: Picture, trained: bool, text: str, pair: str | None) -> None:
    name = picture.attention.model_name + ("" if trained else " (not fine-tuned)")
    shown = f"“{shorten(text, 80)}”" + (f" with “{shorten(pair, 80)}”" if pair else "")
    size = (
        f"{counted(picture.length, 'token')}, {counted(picture.layers, 'layer')} "
        f"of {counted(picture.heads, 'head')}"
    )
    st.caption(
        f"{escape_markdown(name)} on {escape_markdown(shown)}: {size}. The figures are the model's own, "
        "read with eager attention and not recomputed. Attention shows where a head reads; "
        "it is not by itself an explanation of an answer."
    )


def _averaging(picture: Picture) -> None:
    """The layer that Finesift put behind the model's own is named as what it is."""
    at = picture.attention.averaging
    if at is not None:
        parts.hint(
            f"Layer {at + 1} is no learnt layer: Finesift added it to average the states of all tokens (mean "
            "pooling), so each of its heads attends to all tokens alike."
        )


def _npz(picture: Picture) -> bytes:
    from core.explain.attention import save_npz

    file = BytesIO()
    save_npz(picture.attention, file)
    return file.getvalue()
