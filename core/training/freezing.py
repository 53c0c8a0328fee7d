"""Which parameters learn. Finds head, layers and embeddings of any transformers encoder by structure, not by
name.
"""

from __future__ import annotations

from typing import Any

from core.errors import BadRecipe
from core.models.loading import head_names
from core.training.recipe import Recipe


def encoder_layers(model: Any) -> list[Any]:
    """The L transformer layers, first to last: the longest list of modules in the encoder."""
    import torch

    encoder = getattr(model, model.base_model_prefix)
    wanted = getattr(model.config, "num_hidden_layers", None)
    lists = [m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    exact = [m for m in lists if len(m) == wanted]
    return list(
        max(exact or lists, key=lambda m: (len(m), sum(p.numel() for p in m.parameters())), default=())
    )


def freeze(model: Any, recipe: Recipe) -> None:
    """Leaves trainable what `recipe.layers` names: everything, the head alone, or the head and the last K
    layers.

    Embeddings and whatever else the encoder holds outside its layers train only with "all".
    Raises BadRecipe when K is more than the model has.
    """
    last = recipe.last_layers
    if last is None:
        return
    layers = encoder_layers(model)
    if last > len(layers):
        raise BadRecipe(
            f"The model has {len(layers)} layers, so the last {last} cannot be trained. Choose at most "
            f"{len(layers)}."
        )
    head = head_names(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in head)
    for layer in layers[len(layers) - last :]:
        layer.requires_grad_(True)
