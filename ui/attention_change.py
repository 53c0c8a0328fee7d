"""What training changed: a text in two models, their heads ranked by how much they moved, and a head while it learnt.

Knows the choice of the second model and what two models need in common. Does not know how a change is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core.errors import FinesiftError
from core.models.catalogue import BUNDLED, BUNDLED_NAMES, CATALOGUE
from core.records import Dataset, Model, Run
from core.workspace import ModelPlace, Workspace
from ui import change_heads, change_learn, change_text, parts
from ui.attention_asked import Asked
from ui.words import escape_markdown, shorten, when_words

VIEWS = {"text": "On this text", "heads": "Over many texts", "learn": "While it learnt"}


@dataclass(frozen=True)
class Pairing:
    """Two models to compare, the earlier one first."""

    before: ModelPlace
    after: ModelPlace
    run: Run | None  # that made `after`
    dataset: Dataset | None  # of that run


def show(workspace: Workspace, asked: Asked) -> None:
    """The view."""
    if not asked.trained and not workspace.models():
        parts.empty_state(
            "Nothing has been trained yet",
            "This view sets a model that you trained against what it was before. Train one first.",
            "Train a model",
            "train",
            key="change_train",
        )
        return
    other = _pick_other(workspace, asked)
    if other is None:
        return
    try:
        with st.spinner("Finding the model."):
            place = workspace.find_model(other.id if isinstance(other, Model) else other)
    except FinesiftError as error:
        parts.fault(error)
        return
    pairing = _pairing(workspace, asked, other, place)
    _told(workspace, pairing)
    view = st.segmented_control(
        "What to compare", list(VIEWS), default="text", required=True, format_func=lambda v: VIEWS[str(v)],
        key="change_view", label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    if view == "heads":
        change_heads.show(workspace, pairing.before, pairing.after, pairing.dataset)
    elif view == "learn":
        change_learn.show(workspace, pairing.after, pairing.run, asked.text, asked.pair)
    else:
        change_text.show(pairing.before, pairing.after, asked.text, asked.pair)


# ------------------------------------------------------------------------------------- the second model


def _pick_other(workspace: Workspace, asked: Asked) -> Model | str | None:
    """What the model above is compared with: at first what it was trained from, or a model trained from it."""
    models = {model.id: model for model in workspace.models() if model.id != asked.model}
    bases = [base.name for base in CATALOGUE if base.name != asked.model]
    origin = _same(asked.picked.base_model) if isinstance(asked.picked, Model) else ""
    origin = next((model.id for model in models.values() if origin in (model.id, model.name)), origin)
    if origin:
        first = [origin]
    else:
        first = [model.id for model in models.values() if _same(model.base_model) == _same(asked.model)]
    options = list(dict.fromkeys([*first, *models, *bases]))

    def describe(option: str) -> str:
        came = " · what it was trained from" if option == origin else ""
        if option in models:
            model = models[option]
            return f"{shorten(model.name, 60)} · {when_words(model.created_at)}{came}"
        return f"{shorten(option, 60)} · not fine-tuned{came}"

    known = st.session_state.get("change_other_kept")
    if known is None:
        known = (asked.model, st.query_params.get("other"))  # the address opens the same comparison again
    same = known[0] == asked.model and known[1] in options
    st.session_state["change_other"] = known[1] if same else options[0]  # another model, another question
    picked = st.selectbox(
        "Compare with", options, format_func=describe, key="change_other", width=560,
        help="Any model with as many layers and heads that reads texts as the same tokens.",
    )  # fmt: skip
    st.session_state["change_other_kept"] = (asked.model, picked)
    if st.query_params.get("other") != picked:
        st.query_params["other"] = str(picked)
    return models.get(str(picked)) or str(picked)


def _same(name: str) -> str:
    """One name for the same base model."""
    return BUNDLED if name in BUNDLED_NAMES else name


def _pairing(workspace: Workspace, asked: Asked, other: Model | str, place: ModelPlace) -> Pairing:
    """A base model comes before a trained one, whichever of them was named first; of two trained models the one
    that the page is about comes last."""
    turned = not asked.trained and isinstance(other, Model)
    before, after = (asked.place, place) if turned else (place, asked.place)
    run_id = after.model.run_id if after.model is not None else None
    run = next((run for run in workspace.runs() if run.id == run_id), None) if run_id else None
    wanted = run.dataset_id if run is not None else None
    dataset = next((each for each in workspace.datasets() if each.id == wanted), None) if wanted else None
    return Pairing(before, after, run, dataset)


def _told(workspace: Workspace, pairing: Pairing) -> None:
    """What stands against what, and what two models of different descent have in common: little."""
    names = [escape_markdown(shorten(place.name, 60)) for place in (pairing.before, pairing.after)]
    st.caption(f"Before: **{names[0]}**. After: **{names[1]}**.")
    if _root(workspace, pairing.before) != _root(workspace, pairing.after):
        parts.hint(
            "These models do not come from the same base model. Heads of the same number then have nothing in common "
            "but their place, and a difference between them was not made by training."
        )


def _root(workspace: Workspace, place: ModelPlace) -> str:
    """The base model that a model comes from in the end."""
    models = {model.id: model for model in workspace.models()}
    by_name = {model.name: model for model in models.values()}
    name = place.name if place.model is None else place.model.base_model
    for _ in range(len(models) + 1):
        parent = models.get(name) or by_name.get(name)
        if parent is None:
            break
        name = parent.base_model
    return _same(name)
