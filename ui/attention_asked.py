"""What the Attention page is asked about: the model, the text, and a second text if both are read as a pair.

Every view of the page starts from it. Knows the page's fields and session keys; loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.records import Dataset, Model, Run
from core.workspace import ModelPlace, Workspace
from ui import parts

EXAMPLE = "My card was charged twice for the same order."


@dataclass(frozen=True)
class Asked:
    picked: Model | str  # a trained model, or the name of a base model
    place: ModelPlace
    text: str
    pair: str | None

    @property
    def trained(self) -> bool:
        return isinstance(self.picked, Model)

    @property
    def model(self) -> str:
        """What `Workspace.find_model` takes: the id of a trained model, or a base model's name."""
        return self.picked.id if isinstance(self.picked, Model) else self.picked


def fields(workspace: Workspace) -> tuple[Model | str | None, str, str | None]:
    """Draws the fields. Texts come back when the user comes back."""
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
        st.button("Show", type="primary", key="attention_show")  # leaving the field does the same
    st.session_state["attention_asked"] = (text, pair)
    return picked, text, pair if pair.strip() else None


def origin(workspace: Workspace, asked: Asked) -> tuple[Run | None, Dataset | None]:
    """The run that made the model and its data set, where they are still there."""
    if not isinstance(asked.picked, Model) or asked.picked.run_id is None:
        return None, None
    runs: dict[str, Run] = {run.id: run for run in workspace.runs()}
    run = runs.get(asked.picked.run_id)
    sets: dict[str, Any] = {dataset.id: dataset for dataset in workspace.datasets()}
    return run, sets.get(run.dataset_id) if run is not None and run.dataset_id else None
