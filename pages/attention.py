"""Attention: what each head of a model reads in a text, as lines, as a matrix, and all heads at a glance."""

from __future__ import annotations

import re
from io import BytesIO

import streamlit as st

from core.errors import FinesiftError
from core.records import Model
from core.workspace import Workspace
from ui import engines, parts, state
from ui.components.attention import Picture, attention_view
from ui.words import counted, escape_markdown, shorten

EXAMPLE = "My card was charged twice for the same order."
VIEWS = {"head": "One head", "average": "Average over heads", "rollout": "Rollout"}
VIEW_HELP = (
    "Rollout follows attention through the layers: heads are averaged, and half of each layer passes "
    "through unchanged (Abnar & Zuidema, 2020)."
)


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Attention", "See which tokens each head of a model reads, in a text of your own.")
    picked, text, pair = _ask(workspace)
    if picked is None:
        return
    if not text.strip():
        parts.hint("There is no text yet. Type one above.")
        return
    try:
        with st.spinner("Reading the attention. The first time loads the model and takes a few seconds."):
            place = workspace.find_model(picked.id if isinstance(picked, Model) else picked)
            picture = engines.attention_picture(place, text, pair)
    except FinesiftError as error:
        parts.fault(error)
        return
    _told(picture, pair)
    _view(picture, trained=isinstance(picked, Model), text=text, pair=pair)


# ------------------------------------------------------------------------------------- what is asked


def _ask(workspace: Workspace) -> tuple[Model | str | None, str, str | None]:
    """The model, the text and, if any, the second text. Texts come back when the user comes back."""
    kept_text, kept_pair = st.session_state.get("attention_asked", (EXAMPLE, ""))
    st.session_state.setdefault("attention_text", kept_text)
    st.session_state.setdefault("attention_pair", kept_pair)
    left, right = st.columns([2, 3], gap="large")
    with left:
        picked = parts.pick_model(workspace, include_base=True, key="attention_model")
        with st.expander("Second text, to read both as a pair", expanded=bool(kept_pair)):
            pair = st.text_area("Second text", key="attention_pair", height=80, label_visibility="collapsed")
    with right:
        text = st.text_area("Text", key="attention_text", height=98)
        st.button("Show attention", type="primary", key="attention_show")  # leaving the field does the same
    st.session_state["attention_asked"] = (text, pair)
    return picked, text, pair if pair.strip() else None


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


# ------------------------------------------------------------------------------------- what is shown


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


main()
