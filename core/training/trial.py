"""A model made ready to learn as a recipe says, only to be timed and measured; its weights are thrown away.

Knows how a step and a forward pass are computed. Does not know what is made of their times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import OutOfMemory
from core.models.device import Device
from core.models.forward import Encoded, memory_in_words
from core.training import precision
from core.training.freezing import freeze
from core.training.learner import Learner
from core.training.losses import mass, total_loss
from core.training.material import Material
from core.training.optimizer import class_weights, make_optimizer
from core.training.reader import Reader
from core.training.recipe import Recipe
from core.training.task import TrainingData

_TEXTS, _CHARACTERS = 20_000, 5_000_000  # of each part that are read at most
_FLOAT = 4  # bytes


@dataclass(frozen=True)
class Sample:
    """As much of the data as is worth reading before a run."""

    data: TrainingData
    train_scale: float  # texts of the whole training part per text here
    validation_scale: float


def sample(data: TrainingData, seed: int) -> Sample:
    """All texts, or of large data a random sample of each part; the same for the same seed."""
    train = _chosen(data.train_texts, seed)
    held = _chosen(data.validation_texts, seed)
    part = replace(
        data,
        train_texts=[data.train_texts[i] for i in train],
        train_labels=[data.train_labels[i] for i in train],
        validation_texts=[data.validation_texts[i] for i in held],
        validation_labels=[data.validation_labels[i] for i in held],
    )
    return Sample(part, len(data.train_texts) / len(train), len(data.validation_texts) / len(held))


def _chosen(texts: Sequence[str], seed: int) -> np.ndarray[Any, Any]:
    order = np.random.default_rng(seed).permutation(len(texts))[:_TEXTS]
    read = np.cumsum([len(texts[i]) for i in order])
    return np.sort(order[: max(1, int(np.searchsorted(read, _CHARACTERS, side="right")))])


class Trial:
    """A learner with its optimizer and a part of its data."""

    def __init__(
        self, learner: Learner, tokenizer: Any, material: Material, recipe: Recipe, device: Device
    ) -> None:
        """`recipe` names a method other than "auto". Raises BadRecipe (layers that are not there), OutOfMemory."""
        self.learner, self.tokenizer, self.material = learner, tokenizer, material
        self.recipe, self.device = recipe, device
        self.parts = recipe.accumulation  # that a batch is computed in
        self.most_tokens = 0  # that were learnt from at once so far, padding included
        name = device.torch_name
        targets = material.train.targets
        self._weights = class_weights(targets, len(material.labels), name) if recipe.class_weights else None
        if self.takes_steps:
            freeze(
                learner, replace(recipe, method="full", layers="all") if recipe.method == "few" else recipe
            )
        with memory_in_words(1, 1):
            learner.to(name)
        self.optimizer = make_optimizer(learner, recipe, name) if self.takes_steps else None
        self.reader = Reader(learner, tokenizer, name, dropout=recipe.dropout, seed=recipe.seed)

    @property
    def takes_steps(self) -> bool:
        return self.recipe.method != "quick"

    @property
    def parameters(self) -> int:
        return sum(p.numel() for _, p in self.learner.named_parameters())

    @property
    def trainable(self) -> int:
        head = self.learner.head_names()
        named = self.learner.named_parameters()
        return sum(p.numel() for name, p in named if (p.requires_grad if self.takes_steps else name in head))

    @property
    def width(self) -> int:
        """D, numbers of a text that the head sees."""
        return int(self.learner.head.in_features)

    @property
    def lasting_bytes(self) -> int:
        """Weights, and for what learns a gradient and AdamW's two means."""
        return _FLOAT * (self.parameters + (3 * self.trainable if self.takes_steps else 0))

    def choose_precision(self) -> precision.Precision:
        """Times a few texts in each number format; the ones of median length, which stand for most."""
        rows = precision.stand_for_most(self.material.train.encoded.lengths)

        def once(dtype: Any) -> None:
            self.reader.dtype = dtype
            if self.optimizer is None:
                self.forward(self.material.train.encoded, rows)
            else:
                self._backward(rows, 1.0)
                self.optimizer.zero_grad(set_to_none=True)

        found = precision.choose(self.recipe.precision, self.device.torch_name, once)
        self.reader.dtype = found.dtype
        return found

    def step(self, rows: np.ndarray[Any, Any]) -> None:
        """One optimizer step on some rows of the training part, as training takes it. Returns when it is done."""
        import torch

        if self.optimizer is None:
            raise ValueError("a frozen encoder takes no steps")
        for part in np.array_split(rows, min(self.parts, len(rows))):
            self._backward(part, len(part) / len(rows))
        with memory_in_words(len(rows), 1):  # the optimizer's own state is made in its first step
            learning = [p for _, p in self.learner.trainable()]
            norm = torch.nn.utils.clip_grad_norm_(learning, self.recipe.gradient_clip or float("inf"))
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        float(norm)
        self._wait()

    def forward(self, encoded: Encoded, rows: np.ndarray[Any, Any]) -> None:
        """The logits of some rows, without anything to learn from. Returns when they are computed."""
        import torch

        with torch.inference_mode():
            self.reader.logits(encoded.select(rows))
        self._wait()

    def give_way(self) -> None:
        """After a step that did not fit in memory: from now on a batch is computed in twice as many parts. Raises
        OutOfMemory when each part is a single text already.
        """
        if self.parts >= self.recipe.batch_size or self.optimizer is None:
            raise OutOfMemory(
                "The device has too little memory to learn from a single text at a time. "
                "Choose a smaller maximum length, or a smaller model."
            )
        self.parts = min(2 * self.parts, self.recipe.batch_size)
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.torch_name == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _backward(self, rows: np.ndarray[Any, Any], share: float) -> None:
        import torch

        tokens = self.material.train.encoded.select(rows)
        width = int(tokens.lengths.max())
        logits = self.reader.logits(tokens, (0, rows))
        self.most_tokens = max(self.most_tokens, len(rows) * width)
        device = self.device.torch_name
        targets = torch.as_tensor(self.material.train.targets[self.material.train.owner[rows]], device=device)
        if targets.ndim == 2:
            targets = targets.float()
        with memory_in_words(len(rows), width):
            loss = total_loss(
                logits,
                targets,
                weights=self._weights,
                smoothing=self.recipe.label_smoothing,
                focal=self.recipe.loss == "focal",
            )
            (loss / mass(targets, weights=self._weights) * share).backward()

    def _wait(self) -> None:
        """A GPU works through a queue; its time counts only once the queue is empty."""
        import torch

        if self.device.torch_name == "cuda":
            torch.cuda.synchronize()
        elif self.device.torch_name == "mps":
            torch.mps.synchronize()
