"""Models that write (T5, Marian and their like): the text they should have written, and which attention to see.

Knows the fields. How such a model is run is core's.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.explain.families import MOST_WRITTEN
from ui import look_reads, look_state
from ui.attention_asked import Asked
from ui.look_reads import Written
from ui.look_state import KINDS
from ui.words import counted, escape_markdown, shorten

SAID = {
    "cross": "Each row is a token that was written; it shows which tokens of the text the model looked at meanwhile.",
    "self": "The encoder: each token of the text reads all others.",
    "decoder": "The decoder: each token that was written reads itself and those before it, never what follows.",
}


def target() -> str:
    """The text that the model should have written; "" for its own."""
    st.session_state["attention_target"] = look_state.wanted().target
    st.text_input(
        "What the model should have written",
        key="attention_target",
        placeholder="Empty: the model writes itself",
        on_change=look_state.bound("target", "attention_target"),
        help="For a translation model, a translation of the text. Left empty, the model writes what it finds most "
        f"probable, token by token, {MOST_WRITTEN} tokens at most.",
    )
    return look_state.wanted().target


def read(asked: Asked) -> Written:
    """What the model did with the text and its target. Raises BadData, BadModel, OutOfMemory."""
    wanted = target()
    with st.spinner("The model reads and writes. The first time loads it and takes a few seconds."):
        found = look_reads.written(asked.place, asked.text, asked.pair, wanted)
    if found.reading.generated:
        text = shorten(found.reading.target, 400) or "(nothing)"
        st.markdown(f"The model wrote: **{escape_markdown(text)}**")
    return found


def choice() -> str:
    """Which attention to see, of KINDS."""
    st.session_state["attention_kind"] = look_state.wanted().kind
    st.segmented_control(
        "Attention", list(KINDS), required=True, format_func=KINDS.__getitem__, key="attention_kind",
        on_change=look_state.bound("kind", "attention_kind"), help=" ".join(SAID.values()),
    )  # fmt: skip
    return look_state.wanted().kind


def token_by_token(found: Written) -> None:
    """How sure the model was of each token that was written."""
    with st.expander(f"Token by token, {counted(len(found.shown), 'token')}"):
        st.dataframe(
            pd.DataFrame({"Token": list(found.shown), "Probability": found.reading.chances.astype(float)}),
            hide_index=True,
            height=min(36 * (len(found.shown) + 1), 300),
            column_config={"Probability": st.column_config.NumberColumn(format="percent")},
            key="attention_written",
        )
        st.caption(
            "How probable the model finds each token, after the text and the tokens written before it."
        )
