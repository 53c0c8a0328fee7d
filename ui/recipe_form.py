"""How to train, as one choice in plain words, and the settings behind it, of which only those that matter are shown.

Recipe in, recipe out: what is not shown or not changed stays as suggested. Knows the widgets; what suits which data
is `core.training.recipe`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.training.ladder import TITLES
from core.training.recipe import METHODS, Recipe, choose_method, problems
from ui import parts
from ui.words import escape_markdown

METHOD_NAMES = {"auto": "Automatic", "quick": "Quick", "full": "Full", "few": "Few labels", "lora": "LoRA"}
METHOD_WORDS = {
    "quick": "Takes seconds: the language model stays as it is, and a head on top of it learns your classes.",
    "full": "The whole model learns, from the quick head on, and the better of the two is kept. Takes longest.",
    "few": "For fewer than about 20 texts per class: the model learns by comparing texts of the same class with others.",
    "lora": "For big models: a small update beside the weights learns and is merged into them at the end. Saves memory.",
}
LAYERS = {"all": "All layers", "last": "The last layers", "head": "Only the head"}
LOSSES = {"cross-entropy": "All errors alike", "focal": "Hard texts count more (focal loss)"}

_ALWAYS = {"seed", "max_length", "windows", "precision", "class_weights"}
_CONTRAST = {"warmup_share", "weight_decay", "gradient_clip", "dropout", "token_dropout"}
_STEPS = _CONTRAST | {
    "epochs", "batch_size", "accumulation", "learning_rate", "early_stopping", "loss", "label_smoothing", "distillation",
    "snapshots",
}  # fmt: skip
SHOWN = {
    "quick": _ALWAYS,
    "few": _ALWAYS | _CONTRAST,
    "lora": _ALWAYS | _STEPS | {"lora_rank"},
    "full": _ALWAYS | _STEPS | {"layers", "layer_decay", "train_embeddings"},
}


def pick_method(n_train: int, n_classes: int, *, several: bool, parameters: int) -> tuple[str, str]:
    """The choice, with a sentence on what it means for this data. Returns (method of the recipe, the method that
    will train): they differ for “auto”. `parameters` of the base model, 0 where they are not known."""
    method = str(
        st.segmented_control(
            "How to train",
            [name for name in METHODS if name != "few" or not several],  # it compares single labels
            default="auto",
            required=True,
            format_func=lambda name: METHOD_NAMES[str(name)],
            key="method",
        )
    )
    if method != "auto":
        st.caption(METHOD_WORDS[method])
        return method, method
    picked, why = choose_method(n_train, n_classes, several, parameters)
    title = TITLES.get(picked, picked).split(":")[0]
    st.caption(escape_markdown(f"Recommended. Here that is {title}. {why}"))
    return method, picked


def advanced(recipe: Recipe, method: str) -> Recipe:
    """The settings that matter for this method, with their units; faults stand below them."""
    form = _Form(recipe, SHOWN[method])
    one, two, three = st.columns(3, gap="large")
    with one:
        _steps(form)
    with two:
        _texts(form)
    with three:
        _learning(form)
    changed = form.recipe
    for sentence in problems(changed):
        parts.fault(sentence)
    return changed


@dataclass
class _Form:
    """Widgets whose values land in the recipe; those that do not matter are not drawn."""

    recipe: Recipe
    shown: set[str]

    def number(
        self, field: str, label: str, low: float, high: float, step: float | None = None, help: str | None = None, **how: Any
    ) -> None:  # fmt: skip
        if field in self.shown:
            value = getattr(self.recipe, field)
            kind = type(value)
            got = st.number_input(
                label, kind(low), kind(high), value, None if step is None else kind(step), help=help,
                **{"key": field, **how},
            )  # fmt: skip
            self._set(field, kind(got))

    def choose(
        self, field: str, label: str, options: dict[str, str], help: str | None = None, **how: Any
    ) -> None:
        if field in self.shown:
            got = st.selectbox(
                label,
                list(options),
                format_func=lambda o: options.get(o, str(o)),
                help=help,
                key=field,
                **how,
            )
            self._set(field, str(got))

    def tick(self, field: str, label: str, help: str | None = None) -> None:
        if field in self.shown:
            self._set(field, bool(st.checkbox(label, getattr(self.recipe, field), key=field, help=help)))

    def layers(self) -> None:
        if "layers" not in self.shown:
            return
        kind = st.selectbox(
            "What trains",
            list(LAYERS),
            format_func=lambda kind: LAYERS[kind],
            key="layers_kind",
            help="Fewer layers train faster and need fewer texts; all layers learn most.",
        )
        if kind == "last":
            kind = f"last:{st.number_input('Layers from the end', 1, 100, 2, key='layers_count')}"
        self._set("layers", str(kind))

    def _set(self, field: str, value: Any) -> None:
        self.recipe = replace(self.recipe, **{field: value})


def _steps(form: _Form) -> None:
    form.number("epochs", "Epochs", 0.1, 1000, 1, "Passes over the training texts.", format="%g")
    form.number("batch_size", "Batch size", 1, 4096, help="Texts per optimizer step.")
    form.number(
        "accumulation", "Parts of a batch", 1, 4096,
        help="A batch is computed in so many parts, which saves memory; the step stays the same.",
    )  # fmt: skip
    form.number(
        "learning_rate", "Learning rate", 1e-7, 1, 1e-5, format="%.1e",
        help="The peak step size of the encoder. Larger learns faster, and may forget more.",
    )  # fmt: skip
    form.number("warmup_share", "Warm-up (share of steps)", 0, 1, 0.05, "Rising to the peak.", key="warmup")
    form.number(
        "early_stopping", "Early stopping", 0, 1000,
        help="Evaluations without improvement after which training ends; 0 = never.",
    )  # fmt: skip
    form.number(
        "gradient_clip", "Gradient limit", 0, 1e6, 0.5, "Largest norm of a step's gradient; 0 = no limit."
    )


def _texts(form: _Form) -> None:
    form.number(
        "max_length", "Maximum length", 0, 100_000, 8,
        "In tokens; longer texts are cut while training. 0 = automatic: covers 99.5 % of your texts, up to 256 tokens.",
    )  # fmt: skip
    form.tick(
        "windows", "Read long texts in windows",
        "Instead of a cut, a long text is read in overlapping pieces whose answers are averaged. Takes longer.",
    )  # fmt: skip
    form.choose(
        "loss", "What counts as an error", LOSSES, "Focal loss helps where a few classes are rare or hard."
    )
    form.tick("class_weights", "Rare classes count more", "Balanced class weights.")
    form.number(
        "label_smoothing", "Label smoothing", 0, 0.99, 0.05,
        "Share of each label that is spread over all classes; about 0.1 helps where some labels are wrong.",
    )  # fmt: skip
    form.number(
        "distillation", "Taught by the quick head", 0, 0.99, 0.1,
        "Share of each label that comes from quick heads which have not seen the text. A wrong label then does less "
        "harm, and classes that are alike are told to be. With one label per text.",
    )  # fmt: skip
    form.choose(
        "precision", "Precision", {name: name for name in ("auto", "fp32", "bf16", "fp16")},
        "Automatic takes a lower precision only where this machine gains from it.",
    )  # fmt: skip
    form.number("seed", "Seed", 0, 2**31 - 1, help="The same seed gives the same model on this machine.")


def _learning(form: _Form) -> None:
    form.layers()
    form.number(
        "layer_decay", "Layer decay", 0.01, 1, 0.05,
        "The rate of each layer as a multiple of the one above it; 1 = all alike.",
    )  # fmt: skip
    form.tick(
        "train_embeddings", "Word embeddings learn too",
        "For other languages or jargon that the base model does not know. Slower.",
    )  # fmt: skip
    form.number(
        "lora_rank",
        "LoRA rank",
        1,
        1024,
        8,
        "Size of the update of each weight matrix: larger can learn more.",
    )
    form.number("dropout", "Dropout", 0, 0.99, 0.05, "Share of values left out at random in the encoder.")
    form.number("token_dropout", "Hidden tokens", 0, 0.99, 0.05, "Share of tokens hidden at random.")
    form.number("weight_decay", "Weight decay", 0, 1, 0.01, "Pull of the weights towards zero.")
    form.number(
        "snapshots", "States kept on the way", 0, 1000,
        help="To watch attention change while the model learnt (Attention, Before and after). They take at most "
        "250 MB in all; 0 = none.",
    )  # fmt: skip
