"""AdamW with a faster head, and the linear schedule. Knows parameters by their shape and place."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.training.learner import Learner
from core.training.recipe import Recipe


def make_optimizer(learner: Learner, recipe: Recipe, device: str) -> Any:
    """AdamW (I. Loshchilov, F. Hutter, 2019) over what learns, in groups by rate and decay.

    Biases and norms (one-dimensional parameters) are not decayed. The head takes a larger rate than an encoder
    that already knows much. With `layer_decay` below 1 each layer takes that share of the rate of the one above
    it, the embeddings that of the first layer.
    """
    import torch

    head = learner.head_names()
    layers = learner.layers()
    depth = {id(p): at for at, layer in enumerate(layers) for p in layer.parameters()}
    groups: dict[tuple[float, bool], list[Any]] = {}
    for name, parameter in learner.trainable():
        below = len(layers) - 1 - depth.get(id(parameter), -1)  # layers between this one and the head
        factor = recipe.head_learning_rate_factor if name in head else recipe.layer_decay**below
        groups.setdefault((factor, parameter.ndim >= 2), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "peak": recipe.learning_rate * factor,
                "weight_decay": recipe.weight_decay if decayed else 0.0,
            }
            for (factor, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=recipe.learning_rate,
        fused=device in ("cpu", "cuda"),
    )


def set_rate(optimizer: Any, factor: float) -> float:
    """Every group to `factor` times its peak. Returns the smallest rate: the encoder's, in its lowest
    layer."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return float(min(group["lr"] for group in optimizer.param_groups))


def class_weights(targets: np.ndarray[Any, Any], classes: int, device: str) -> Any:
    """(C,) float32 from (N,) class indices: N / (C present x texts of the class), so that every class weighs the
    same in all; 0 if absent. From (N, C) booleans: texts without the label / texts with it, at most 100, the
    weight of a positive in the binary loss.
    """
    import torch

    if targets.ndim == 2:
        positive = torch.from_numpy(targets.sum(axis=0)).float()
        return ((len(targets) - positive) / positive.clamp(min=1)).clamp(max=100.0).to(device)
    counts = torch.bincount(torch.as_tensor(targets, dtype=torch.int64), minlength=classes).float()
    present = counts > 0
    weights = torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), torch.zeros(()))
    return weights.to(device)
