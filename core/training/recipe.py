"""The settings of a training run, and which of them suit which data.

Knows units, bounds and defaults. Does not know the data itself beyond its size; imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from core.errors import BadRecipe
from core.models.catalogue import BUNDLED, BUNDLED_NAMES

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
METHODS = ("auto", "quick", "full", "few", "lora")
LOSSES = ("cross-entropy", "focal")
AUTOMATIC_LENGTH = 256  # tokens: the most that is taken without asking; cost grows faster than length
SHORTEST_LENGTH = 8  # tokens


@dataclass(frozen=True)
class Recipe:
    """How to train. Each field's unit stands beside it; `problems(recipe)` gathers all faults."""

    method: str = (
        "auto"  # "auto" | "quick" (head on a frozen encoder) | "full" | "few" (contrastive) | "lora"
    )
    epochs: float = 3.0  # passes over the training texts
    batch_size: int = 32  # texts per optimizer step
    accumulation: int = 1  # parts that a batch is computed in, to save memory; the step stays the same
    learning_rate: float = 2e-4  # peak step size of the encoder (AdamW)
    head_learning_rate_factor: float = 5.0  # the head's rate as a multiple of the encoder's
    warmup_share: float = 0.1  # share of all steps in which the rate rises linearly, 0 to 1
    weight_decay: float = 0.01  # AdamW's decay, per step and rate; not on biases and norms
    layer_decay: float = 1.0  # the rate of each layer as a multiple of the one above it; 1: all alike
    dropout: float = 0.1  # share of values left out at random in the encoder while training, 0 to 1
    token_dropout: float = 0.1  # share of tokens hidden at random while training, 0 to 1
    train_embeddings: bool = False  # True: word embeddings learn too (slower; for other languages or jargon)
    max_length: int = 0  # tokens per text in training, special tokens included; 0: from the data
    windows: bool = False  # True: a long text is read in overlapping windows, whose answers are averaged
    layers: str = "all"  # which layers train: "all" | "head" | "last:K"
    class_weights: bool = False  # True: errors on rare classes weigh more, in inverse proportion
    loss: str = "cross-entropy"  # "cross-entropy" | "focal" (errors on hard texts weigh more)
    label_smoothing: float = 0.0  # share of each target that is spread over all classes, 0 to 1
    distillation: float = (
        0.0  # share of each target that the quick head's answer to the text makes up, 0 to 1
    )
    lora_rank: int = 16  # rank of LoRA's update of each weight matrix; only with method "lora"
    early_stopping: int = 0  # evaluations without improvement until the end; 0: never
    seed: int = 0  # of the head's start, the order of texts and the dropout
    average_weights: bool = True  # the mean of the last states is tried too, and kept where it measures best
    gradient_clip: float = 1.0  # largest gradient norm; 0: no clipping
    precision: str = "auto"  # "auto" | "fp32" | "bf16" | "fp16"
    snapshots: int = 8  # states on the way that are kept to watch attention change, at most 250 MB; 0: none

    @property
    def last_layers(self) -> int | None:
        """K of "last:K", 0 for the head alone, None for all. Raises BadRecipe."""
        if self.layers == "all":
            return None
        if self.layers == "head":
            return 0
        kind, _, number = self.layers.partition(":")
        if kind == "last" and number.isascii() and number.isdigit() and int(number) > 0:
            return int(number)
        raise BadRecipe(
            f"“{self.layers}” does not name layers to train. Use “all”, “head”, or “last:2” for the last two."
        )

    def steps_per_epoch(self, texts: int) -> int:
        return max(1, math.ceil(texts / self.batch_size))

    def steps(self, texts: int) -> int:
        """Optimizer steps in all, at least 1."""
        return max(1, math.ceil(self.epochs * self.steps_per_epoch(texts) - 1e-9))

    def rate_factor(self, step: int, steps: int) -> float:
        """The learning rate of step `step` (from 0) as a share of the peak: linear up, then linear down to 0."""
        warmup = min(steps - 1, round(self.warmup_share * steps))
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return (steps - step) / (steps - warmup)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Recipe:
        """The recipe of a JSON object; what it leaves out takes its default. Raises BadRecipe on anything
        else.
        """
        kinds = {f.name: type(f.default) for f in fields(Recipe)}
        unknown = sorted(set(data) - set(kinds))
        if unknown:
            raise BadRecipe(f"A recipe has no setting named “{unknown[0]}”. Remove it or correct its name.")
        return Recipe(**{name: _as(kinds[name], name, value) for name, value in data.items()})


def _as(kind: type, name: str, value: Any) -> Any:
    plain_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and plain_number:
        return float(value)
    if kind is int and plain_number and float(value).is_integer():
        return int(value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    words = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
    raise BadRecipe(f"The setting {name} is “{value}”, but has to be {words[kind]}.")


def problems(recipe: Recipe) -> list[str]:
    """Every fault of a recipe as a sentence; empty when it can be used."""
    found = [
        sentence
        for fault, sentence in (
            (not 0 < recipe.epochs <= 1000, "Epochs have to be more than 0 and at most 1,000."),
            (not 1 <= recipe.batch_size <= 4096, "The batch size has to be between 1 and 4,096 texts."),
            (not 0 < recipe.learning_rate <= 1, "The learning rate has to be more than 0 and at most 1."),
            (not 0 < recipe.head_learning_rate_factor <= 1000, "The head's factor has to be in 0 to 1,000."),
            (not 0 <= recipe.warmup_share <= 1, "The warm-up share has to be between 0 and 1."),
            (not 0 <= recipe.weight_decay <= 1, "The weight decay has to be between 0 and 1."),
            (recipe.method not in METHODS, f"The method has to be one of {', '.join(METHODS)}."),
            (recipe.loss not in LOSSES, f"The loss has to be one of {', '.join(LOSSES)}."),
            (
                not 1 <= recipe.accumulation <= recipe.batch_size,
                "The accumulation has to be between 1 and the batch size.",
            ),
            (not 0 < recipe.layer_decay <= 1, "The layer decay has to be more than 0 and at most 1."),
            (not 0 <= recipe.dropout < 1, "The dropout has to be from 0 to below 1."),
            (not 0 <= recipe.token_dropout < 1, "The token dropout has to be from 0 to below 1."),
            (not 0 <= recipe.label_smoothing < 1, "The label smoothing has to be from 0 to below 1."),
            (not 0 <= recipe.distillation < 1, "The distillation has to be from 0 to below 1."),
            (not 1 <= recipe.lora_rank <= 1024, "The LoRA rank has to be between 1 and 1,024."),
            (
                recipe.max_length != 0 and not SHORTEST_LENGTH <= recipe.max_length <= 100_000,
                f"The maximum length has to be 0 (automatic) or at least {SHORTEST_LENGTH} tokens.",
            ),
            (
                not 0 <= recipe.early_stopping <= 10_000,
                "Early stopping has to be 0 (off) or a few evaluations.",
            ),
            (not 0 <= recipe.seed < 2**63, "The seed has to be a whole number from 0."),
            (not 0 <= recipe.gradient_clip <= 1e6, "The gradient limit has to be 0 (off) or more."),
            (not 0 <= recipe.snapshots <= 1000, "The states kept on the way have to be from 0 to 1,000."),
            (recipe.precision not in PRECISIONS, f"The precision has to be one of {', '.join(PRECISIONS)}."),
        )
        if fault
    ]
    try:
        recipe.last_layers  # noqa: B018 - asked for its fault
    except BadRecipe as error:
        found.append(str(error))
    return found


def check(recipe: Recipe) -> None:
    """Raises BadRecipe with all faults in one message."""
    found = problems(recipe)
    if found:
        raise BadRecipe(" ".join(found))


METHOD_WORDS = {
    "quick": "Quick: the encoder stays as it is, and a regularised regression on its states is fitted.",
    "full": "Full fine-tuning: the whole encoder learns, from the quick head on.",
    "few": "Few labels: the encoder learns by comparing texts of the same and of other classes.",
    "lora": "LoRA: small updates beside the frozen weights learn, and are merged into them at the end.",
}
FEW_NEEDS_ONE = (
    "Comparing texts (few labels) needs one label per text, but these texts may have several. Choose another method; "
    "“auto” takes one that fits."
)
FEW = 20  # training texts per class below which comparing texts beats fine-tuning
LARGE = 250_000_000  # parameters from which low-rank updates are chosen, for memory's sake


def choose_method(n_train: int, n_classes: int, several: bool, parameters: int) -> tuple[str, str]:
    """What “auto” takes for N training texts in C classes and an encoder of so many parameters, and a sentence
    that says why.
    """
    per_class = n_train / max(1, n_classes)
    if not several and per_class < FEW:
        return "few", (
            f"There are about {per_class:.0f} texts per class to learn from. Below {FEW}, comparing texts "
            "(contrastive fine-tuning) learns most, so that is what trains."
        )
    if parameters >= LARGE:
        return "lora", (
            f"The model has {parameters / 1e6:,.0f} million weights. Small updates beside them (LoRA) need a "
            "fraction of the memory, so those are what trains."
        )
    return "full", (
        f"There are {n_train:,} texts to learn from, enough to fine-tune the whole model, starting from a quick "
        "head. The better of the two is kept."
    )


def automatic_length(lengths: np.ndarray[Any, Any], readable: int) -> int:
    """The maximum length for training texts of these lengths (N,) in tokens: the 99.5th percentile, rounded
    up to a multiple of 8, at most 256 and at most what the model can read.
    """
    needed = int(np.ceil(np.percentile(lengths, 99.5))) if len(lengths) else SHORTEST_LENGTH
    rounded = max(SHORTEST_LENGTH, -(-needed // 8) * 8)
    return min(rounded, AUTOMATIC_LENGTH, readable)


def suggest(n_train: int, n_classes: int, base: str = BUNDLED, several: bool = False) -> Recipe:
    """A recipe that learns well without further thought, for N training texts in C classes.

    Small sets need enough optimizer steps rather than epochs, and more of them the more classes there are;
    large sets are learnt in a few passes. `several`: a text may have several labels.
    """
    batch_size = 16 if n_train < 1000 else 32
    per_epoch = max(1, math.ceil(n_train / batch_size))
    enough = max(_STEPS, _STEPS_PER_CLASS * n_classes)
    per_class = n_train / max(1, n_classes)  # what is shown often within one pass needs fewer of them
    fewest = 1 if n_train >= 200_000 else 2 if per_class >= 1000 else 3 if per_class >= 400 else 4
    epochs = min(max(fewest, math.ceil(enough / per_epoch)), _MOST_EPOCHS)
    return Recipe(
        epochs=float(epochs),
        batch_size=batch_size,
        learning_rate=_RATES.get(base, _RATE),
        distillation=0.0 if several else _DISTILLATION,
        token_dropout=_TOKEN_DROPOUT,
        early_stopping=5 if epochs > 5 else 0,
    )


# Measured on the bundled encoder (docs/decisions/0008-how-training-goes.md). The rates of larger encoders are the
# literature's, not measured.
_STEPS = 100  # optimizer steps that a small set needs
_STEPS_PER_CLASS = 4
_MOST_EPOCHS = 15
_DISTILLATION = 0.3
_TOKEN_DROPOUT = 0.1
_RATE = 3e-5  # for an encoder of unknown size
_RATES = {
    **dict.fromkeys(BUNDLED_NAMES, 2e-4),
    "bert-base-uncased": 5e-5,
    "distilbert-base-uncased": 5e-5,
}
