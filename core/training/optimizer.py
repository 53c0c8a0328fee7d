"""AdamW with a faster head, and the linear schedule. Knows parameters by their shape and place."""

from __future__ import annotations

from typing import Any

from core.models.loading import head_names
from core.training.recipe import Recipe


def make_optimizer(model: Any, recipe: Recipe, device: str) -> Any:
    """AdamW (I. Loshchilov, F. Hutter, 2019) over what trains: four groups, encoder or head, decayed or not.

    Biases and norms (one-dimensional parameters) are not decayed. A new head starts from noise and takes a
    larger rate than an encoder that already knows much.
    """
    import torch

    head = head_names(model)
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name in head, parameter.ndim >= 2), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "peak": recipe.learning_rate * (recipe.head_learning_rate_factor if of_head else 1.0),
                "weight_decay": recipe.weight_decay if decayed else 0.0,
            }
            for (of_head, decayed), parameters in sorted(groups.items())
        ],
        lr=recipe.learning_rate,
        fused=device in ("cpu", "cuda"),
    )


def set_rate(optimizer: Any, factor: float) -> float:
    """Every group to `factor` times its peak. Returns the encoder's rate (the head's, when only that trains)."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
    return float(min(group["lr"] for group in optimizer.param_groups))


def class_weights(labels: Any, classes: int, device: str) -> Any:
    """(C,) float32: N / (C present x texts of the class), so that every class weighs the same in all; 0 if
    absent.
    """
    import torch

    counts = torch.bincount(torch.as_tensor(labels, dtype=torch.int64), minlength=classes).float()
    present = counts > 0
    weights = torch.where(present, counts.sum() / (present.sum() * counts.clamp(min=1)), torch.zeros(()))
    return weights.to(device)
