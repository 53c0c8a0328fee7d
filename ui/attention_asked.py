"""What the Attention page is asked about: the model, the text, and a second text if both are read as a pair.

Every view of the page starts from it, and the page's address holds it. Knows the page's fields and session keys;
loads no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.models.sources import looks_like_path
from core.records import Dataset, Model, Run
from core.workspace import ModelPlace, Workspace
from ui import look_link, parts

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
    """Draws the fields. Texts come from the address at first, and come back when the user comes back."""
    if "attention_asked" not in st.session_state:
        text, pair = look_link.texts_of(st.query_params.to_dict())
        st.session_state["attention_asked"] = (EXAMPLE if text is None else text, pair or "")
    kept_text, kept_pair = st.session_state["attention_asked"]
    st.session_state.setdefault("attention_text", kept_text)
    st.session_state.setdefault("attention_pair", kept_pair)
    left, right = st.columns([2, 3], gap="large")
    with left:
        picked = parts.pick_model(workspace, include_base=True, key="attention_model")
        other = _other_base(workspace, picked)
    with right:
        text = st.text_area("Text", key="attention_text", height=98)
        with st.expander("Second text, to read both as a pair", expanded=bool(kept_pair)):
            pair = st.text_area("Second text", key="attention_pair", height=80, label_visibility="collapsed")
        st.button("Show", type="primary", key="attention_show")  # leaving the field does the same
    st.session_state["attention_asked"] = (text, pair)
    pair = pair if pair.strip() else None
    _address(text, pair, other)
    return other or picked, text, pair


def _other_base(workspace: Workspace, picked: Model | str | None) -> str | None:
    """A base model that the list does not name, by its name on the Hub or its folder. It stays until the list is
    used again."""
    beside = picked.id if isinstance(picked, Model) else picked
    if "attention_base_kept" not in st.session_state:
        st.session_state["attention_base_kept"] = st.query_params.get("base", "")
    elif st.session_state.get("attention_beside") != beside:
        st.session_state["attention_base_kept"] = st.session_state["attention_base"] = ""
    st.session_state["attention_beside"] = beside
    kept = st.session_state["attention_base_kept"]
    st.session_state.setdefault("attention_base", kept)
    demo = workspace.settings.demo
    with st.expander("Another base model", expanded=bool(kept)):
        typed = st.text_input(
            "Name on the Hugging Face Hub" if demo else "Name on the Hugging Face Hub, or a folder here",
            key="attention_base",
            placeholder="gpt2, t5-small, Helsinki-NLP/opus-mt-en-de",
            help="Encoders, decoders such as GPT-2, and translation models such as T5 and Marian. It is shown "
            "in place of the model above.",
        ).strip()
        if typed and demo and looks_like_path(typed):
            parts.fault(
                "This is a public demo, where folders of the server cannot be read. Name a Hub model."
            )
            typed = ""
    st.session_state["attention_base_kept"] = typed
    return typed or None


def _address(text: str, pair: str | None, other: str | None) -> None:
    """The address opens the same question again, as far as it is short enough for one."""
    asked = {} if (text, pair) == (EXAMPLE, None) else look_link.text_params(text, pair) or {}
    if other:
        asked["base"] = other
    for name in ("text", "text_z", "pair", "pair_z", "base"):
        if name not in asked:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != asked[name]:
            st.query_params[name] = asked[name]


def origin(workspace: Workspace, asked: Asked) -> tuple[Run | None, Dataset | None]:
    """The run that made the model and its data set, where they are still there."""
    if not isinstance(asked.picked, Model) or asked.picked.run_id is None:
        return None, None
    runs: dict[str, Run] = {run.id: run for run in workspace.runs()}
    run = runs.get(asked.picked.run_id)
    sets: dict[str, Any] = {dataset.id: dataset for dataset in workspace.datasets()}
    return run, sets.get(run.dataset_id) if run is not None and run.dataset_id else None
