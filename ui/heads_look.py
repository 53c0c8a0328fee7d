"""What the parts of the Heads view share: colours of cells, names of heads, the way to the Look view.

Knows session keys; draws and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ui import look_state
from ui.colors import BACKGROUND, DIVERGING, SEQUENTIAL, blend, text_on
from ui.components.heads import Cell, Head


def head_words(layer: int, head: int) -> str:
    return f"Layer {layer + 1}, head {head + 1}"


def heads_words(heads: Sequence[Head], per_layer: int) -> str:
    """“layer 2 head 3, all of layer 5”."""
    layers = sorted({layer for layer, _ in heads})
    words = []
    for layer in layers:
        own = sorted(head + 1 for at, head in heads if at == layer)
        if len(own) == per_layer:
            words.append(f"all of layer {layer + 1}")
        else:
            words.append(f"layer {layer + 1} head{'s' if len(own) > 1 else ''} {', '.join(map(str, own))}")
    return "; ".join(words)


def shaded(text: str, share: float, theme: str, told: str) -> Cell:
    """A cell on the one-hue scale; `share` 0 to 1."""
    scale = SEQUENTIAL[theme]
    color = _on(scale, share)
    return Cell(text, color, text_on(color), told)


def diverging(text: str, share: float, theme: str, told: str) -> Cell:
    """A cell on the scale that is neutral at zero; `share` -1 to 1."""
    color = _on(DIVERGING[theme], (share + 1) / 2)
    return Cell(text, color, text_on(color), told)


def tinted(text: str, hue: str, strength: float, theme: str, told: str) -> Cell:
    """A cell in a category's hue, the more the stronger (0 to 1)."""
    most = 0.5 if theme == "light" else 0.34  # on the dark page a hue glares sooner
    color = blend(hue, BACKGROUND[theme], 0.2 + most * min(1.0, max(0.0, strength)))
    return Cell(text, color, text_on(color), told)


def _on(scale: Sequence[str], share: float) -> str:
    """The colour at 0 to 1 of a scale, blended between its steps."""
    at = min(1.0, max(0.0, share)) * (len(scale) - 1)
    low = min(int(at), len(scale) - 2)
    return blend(scale[low + 1], scale[low], at - low)


def look_at(text: str, layer: int, head: int) -> Callable[[], None]:
    """For `on_click`: the Look view with this text and this head."""

    def go() -> None:
        st.session_state["attention_text"] = text
        st.session_state["attention_pair"] = ""
        st.session_state["attention_asked"] = (text, "")
        st.session_state["attention_page"] = "Look"
        look_state.want(mode="head")
        look_state.go_to(layer, head)

    return go
