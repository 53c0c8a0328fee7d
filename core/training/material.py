"""Texts as the model reads them: tokens of the training and the validation part, whole, cut or in windows.

Knows tokens, lengths and who owns which window. Does not know models or optimizers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.models.forward import Encoded, Windows, collate, encode, encode_windows
from core.records import FirstBatch
from core.training import recipe as recipes
from core.training.recipe import Recipe
from core.training.task import TrainingData

_SHOWN = 8  # texts of the first batch that are shown


@dataclass(frozen=True)
class Part:
    """N texts as W >= N pieces; without windows each text is one piece."""

    encoded: Encoded  # W pieces
    owner: np.ndarray[Any, Any]  # (W,) the text of each piece
    texts: int  # N
    targets: np.ndarray[Any, Any]  # (N,) int64, or (N, C) bool for several labels

    @property
    def share(self) -> np.ndarray[Any, Any] | None:
        """(W,) float32: the weight of each piece, 1 / pieces of its text; None where all are one."""
        if len(self.encoded) == self.texts:
            return None
        pieces = np.bincount(self.owner, minlength=self.texts)
        return np.asarray(1.0 / pieces[self.owner], dtype=np.float32)


def joined(parts: list[Part]) -> Part:
    """The texts of several parts as one."""
    encoded = [part.encoded for part in parts]
    offsets = np.cumsum([0] + [part.texts for part in parts])
    types = None
    if all(e.types is not None for e in encoded):
        types = [row for e in encoded for row in e.types or []]
    return Part(
        Encoded([row for e in encoded for row in e.ids], types, np.concatenate([e.full for e in encoded])),
        np.concatenate([part.owner + at for part, at in zip(parts, offsets[:-1], strict=True)]),
        int(offsets[-1]),
        np.concatenate([part.targets for part in parts]),
    )


@dataclass(frozen=True)
class Material:
    train: Part
    validation: Part
    max_length: int  # tokens a piece has at most in training
    windows: Windows | None  # how long texts are read, in training and in use
    cut: int  # training texts that lose their end in training
    labels: tuple[str, ...]
    several: bool


def prepare(tokenizer: Any, data: TrainingData, recipe: Recipe) -> Material:
    """Both parts, tokenised once: training texts cut to the maximum length, validation texts to what the model
    reads, as in use; or both in the same windows.
    """
    readable = int(tokenizer.model_max_length)
    whole = encode(tokenizer, data.train_texts, min(recipe.max_length or readable, readable))
    length = min(recipe.max_length or recipes.automatic_length(whole.full, readable), readable)
    train_targets, validation_targets = data.train_targets, data.validation_targets
    if recipe.windows and whole.full.max() > length:
        windows = Windows.of(length)
        parts = []
        for texts, targets in (
            (data.train_texts, train_targets),
            (data.validation_texts, validation_targets),
        ):
            encoded, owner = encode_windows(tokenizer, texts, windows)
            parts.append(Part(encoded, owner, len(texts), targets))
        return Material(parts[0], parts[1], length, windows, 0, tuple(data.labels), data.several)
    cut = whole if whole.lengths.max() <= length else encode(tokenizer, data.train_texts, length)
    validation = encode(tokenizer, data.validation_texts, readable)
    return Material(
        Part(cut, np.arange(len(cut)), len(cut), train_targets),
        Part(validation, np.arange(len(validation)), len(validation), validation_targets),
        length,
        None,
        cut.cut,
        tuple(data.labels),
        data.several,
    )


def first_batch(
    tokenizer: Any, material: Material, data: TrainingData, rows: np.ndarray[Any, Any], multiple: int
) -> FirstBatch:
    """What the model sees of these pieces, turned back into words."""
    inputs = collate(material.train.encoded, rows, tokenizer, multiple=multiple)
    mask = inputs["attention_mask"].numpy().astype(bool)
    shown = [
        tokenizer.decode(inputs["input_ids"][at][mask[at]].tolist()) for at in range(min(_SHOWN, len(rows)))
    ]
    owners = material.train.owner[rows[: len(shown)]]
    return FirstBatch(
        texts=tuple(shown),
        labels=tuple(data.label_words(int(row)) for row in owners),
        batch=len(rows),
        width=int(mask.shape[1]),
        padding=float(1.0 - mask.mean()),
    )
