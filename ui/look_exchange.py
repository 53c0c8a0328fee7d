"""Mask or swap a token: choose it, say what shall stand there, and see what becomes of the answer.

Knows the panel's fields. What becomes of attention is drawn by the view itself.
"""

from __future__ import annotations

import streamlit as st

from core.errors import FinesiftError
from core.explain.subject import Piece
from core.workspace import ModelPlace
from ui import engines, look_reads, look_state, parts, state
from ui.attention_asked import Asked
from ui.colors import class_colors
from ui.components.tokens import pick_token
from ui.look_charts import before_after
from ui.look_reads import Turned
from ui.words import escape_markdown, percent, shorten

WAYS = {"mask": "Mask it", "word": "Another word", "out": "Leave it out"}
NAMES = ("as written", "changed")


def panel(asked: Asked, read: Piece) -> tuple[Turned | None, bool]:
    """The panel, folded away until it is wanted. Returns what was done to the text (None: nothing), and whether the
    text as written is to be shown all the same, where both cannot be shown at once."""
    at = _forget_other_texts(asked, read)
    with st.expander("Mask or swap a token", expanded=at is not None):
        pick_token(
            read.shown,
            key="exchange_tokens",
            chosen=at,
            fixed=read.special.tolist(),
            label="Token to mask or swap",
            on_pick=lambda place: look_state.want(at=place),
        )
        if at is None:
            st.caption("Choose a token of the text to see what becomes of attention and answer without it.")
            return None, False
        way = _fields(asked.place)
        word = look_state.wanted().swap.strip() if way == "word" else "" if way == "out" else None
        if way == "word" and not word:
            st.caption("Type what shall stand in its place.")
            return None, False
        try:
            with st.spinner("Reading the changed text."):
                found = look_reads.turned(asked.place, asked.text, asked.pair, at, word)
        except FinesiftError as error:
            parts.fault(error)
            return None, False
        if found.exchanged.same:
            parts.hint("The model reads the same tokens as before: nothing changes.")
            return None, False
        _became(asked.place, found)
        return found, _before(found)


def _before(found: Turned) -> bool:
    """Whether to show the text as written. Asked only where the two cannot be laid over each other."""
    if found.exchanged.aligned and look_state.wanted().mode != "neuron":
        return False
    shown = st.segmented_control(
        "Show below", ["As written", "Changed"], default="Changed", required=True, key="exchange_shown"
    )
    return bool(shown == "As written")


def _forget_other_texts(asked: Asked, read: Piece) -> int | None:
    """The place of the chosen token, if it was chosen in this text."""
    sign = (asked.model, asked.text, asked.pair)
    if st.session_state.setdefault("exchange_of", sign) != sign:
        st.session_state["exchange_of"] = sign
        look_state.want(at=None, swap="")
    at = look_state.wanted().at
    return at if at is not None and at < len(read) and not read.special[at] else None


def _fields(place: ModelPlace) -> str:
    """How the token is exchanged, and by which word."""
    masks = engines.subject(place).mask_token is not None
    ways = [way for way in WAYS if masks or way != "mask"]
    now = look_state.wanted()
    way = now.way if now.way in ways else ways[0]
    st.session_state["exchange_way"], st.session_state["exchange_word"] = way, now.swap
    with st.container(horizontal=True, vertical_alignment="bottom", key="exchange_fields"):
        st.segmented_control(
            "In its place", ways, required=True, format_func=WAYS.__getitem__, key="exchange_way",
            on_change=look_state.bound("way", "exchange_way"),
        )  # fmt: skip
        if way == "word":
            st.text_input(
                "Word", key="exchange_word", max_chars=200, width=220,
                on_change=look_state.bound("swap", "exchange_word"),
            )  # fmt: skip
        st.button("Take back", key="exchange_back", icon=":material/undo:", on_click=_take_back)
    if not masks:
        st.caption("This model has no token that masks a word.")
    return way


# ------------------------------------------------------------------------------------- what became of it


def _became(place: ModelPlace, found: Turned) -> None:
    subject = engines.subject(place)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown(escape_markdown(_done(found)))
        if found.answers is None:
            st.caption("A base model has no answer; what changes is its attention, below.")
        else:
            st.markdown(escape_markdown(_answer(subject.labels, found, subject.several)))
        _moved(found)
    if found.answers is not None:
        with right:
            theme = state.current_theme()
            figure = before_after(
                subject.labels, found.answers[0].tolist(), found.answers[1].tolist(), NAMES,
                colors=class_colors(subject.labels, theme), theme=theme,
            )  # fmt: skip
            parts.chart(figure, "exchange_answers", "Probability of each class before and after the change")
            st.caption("Grey: as written. In colour: changed.")


def _done(found: Turned) -> str:
    exchanged = found.exchanged
    before = exchanged.before.shown[exchanged.at]
    after = " ".join(exchanged.after.shown[place] for place in exchanged.places)
    if not exchanged.places:
        return f"“{before}” is left out."
    more = "" if len(exchanged.places) == 1 else f", which is {len(exchanged.places)} tokens to this model"
    return f"“{shorten(before, 40)}” became “{shorten(after, 60)}”{more}."


def _answer(labels: tuple[str, ...], found: Turned, several: bool) -> str:
    """What became of the answer, in a sentence."""
    assert found.answers is not None  # noqa: S101 - only asked of a trained model
    before, after = found.answers
    if several:
        most = int(abs(after - before).argmax())
        return (
            f"The largest change: {shorten(labels[most], 60)}, from {percent(float(before[most]))} to "
            f"{percent(float(after[most]))}."
        )
    first, then = int(before.argmax()), int(after.argmax())
    was, now = shorten(labels[first], 60), shorten(labels[then], 60)
    if first == then:
        return f"The answer stays {was}: {percent(float(before[first]))} before, {percent(float(after[first]))} after."
    return f"The answer was {was} ({percent(float(before[first]))}) and is now {now} ({percent(float(after[then]))})."


def _moved(found: Turned) -> None:
    """Which head's attention changed most, and the way to it."""
    if found.moved is None:
        st.caption(
            "The changed text has another number of tokens, so its attention cannot be laid over the first one; "
            "look at them in turn, below."
        )
        return
    layer, head = divmod(int(found.moved.argmax()), found.moved.shape[1])
    st.markdown(
        f"Attention moved most in layer {layer + 1}, head {head + 1}: {percent(float(found.moved[layer, head]))} of "
        "what a token reads, on average."
    )
    st.button("Show this head", key="exchange_show", on_click=_show_head, args=(layer, head))


def _take_back() -> None:
    look_state.want(at=None, swap="")


def _show_head(layer: int, head: int) -> None:
    look_state.want(mode="head")
    look_state.go_to(layer, head)
