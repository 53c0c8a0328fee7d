"""The labelling desk: texts, labels and keys in the browser, answers straight to the API.

A Streamlit v2 component; its html, css and scripts lie beside. It holds a batch of texts and a cursor of its own, so
that no rerun stands between a key and the next text. Knows what the browser must be told once, and what it reports;
does not know how texts are chosen or answers kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.labels.nouns import Label
from ui.colors import class_colors
from ui.components.desk.keys import assign as assign

_HERE = Path(__file__).parent
_SCRIPTS = (  # one module: the last one exports
    "words.js", "outbox.js", "line.js", "labels.js", "card.js", "list.js", "answering.js", "controls.js", "keys.js",
    "desk.js",
)  # fmt: skip

ONE, LIST = "one", "list"


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_mount = st.components.v2.component(
    "finesift_desk", html=_read("desk.html"), css=_read("desk.css"), js=_read(*_SCRIPTS)
)


@dataclass(frozen=True)
class Wish:
    """What comes next: a queue of core.labels.queue.STRATEGIES and what it asks for."""

    strategy: str = "auto"
    query: str = ""
    pattern: bool = False
    label: str | None = None  # label id, for the queue “class”

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "query": self.query or None,
            "pattern": self.pattern,
            "label": self.label,
        }


@dataclass(frozen=True)
class Report:
    """What the browser says of itself, a moment after the last answer."""

    saved: int = 0  # answers that this desk knows to be committed
    unsaved: int = 0
    refused: str = ""  # a ticket that the server did not take


def desk_view(
    *,
    key: str,
    ticket: str,
    dataset_id: str,
    annotator_id: str,
    labels: Sequence[Label],
    several: bool,
    theme: str,
    wish: Wish,
    mode: str = ONE,
    suggestions: bool = True,
    spread: bool = True,
    progress: dict[str, Any] | None = None,
    on_report: Callable[[], None] = lambda: None,
) -> None:
    """Draws the desk. `mode`: ONE text at a time, or a LIST. `progress`: where the figures begin; later ones come
    with the answers. A change of `wish` gives the texts without answer back and fetches others.
    """
    data = {
        "ticket": ticket,
        "dataset": dataset_id,
        "person": annotator_id,
        "labels": _labels(labels, several, theme),
        "several": several,
        "wish": wish.to_json(),
        "mode": mode,
        "suggestions": suggestions,
        "spread": spread,
        "progress": progress,
    }
    _mount(key=key, data=data, on_report_change=on_report)


def reported(key: str) -> Report:
    """The browser's last report; what comes from a browser may be anything."""
    state = st.session_state.get(key)
    value = state.get("report") if state else None
    if not isinstance(value, dict):
        return Report()
    refused = value.get("refused")
    return Report(
        _count(value.get("saved")), _count(value.get("unsaved")), refused if isinstance(refused, str) else ""
    )


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _labels(labels: Sequence[Label], several: bool, theme: str) -> list[dict[str, str]]:
    keys = assign(labels, several=several)
    colors = class_colors([label.name for label in labels], theme)
    return [
        {
            "id": label.id,
            "name": label.name,
            "color": label.color or colors[label.name],
            "key": keys.get(label.id, ""),
            "definition": label.definition,
        }
        for label in labels
    ]
