"""Which parameters learn. Finds head, layers and embeddings of any encoder by structure, not by name."""

from __future__ import annotations

from core.errors import BadRecipe
from core.training.learner import Learner
from core.training.recipe import Recipe


def freeze(learner: Learner, recipe: Recipe) -> None:
    """Leaves trainable what the recipe names: all layers, the head alone, or the head and the last K layers;
    with the method "lora" low-rank updates and the head.

    The embedding block (word, position and type embeddings and their norm) learns only with all layers, and only
    if the recipe says so: its gradient is dense over the whole vocabulary though a batch touches few rows of it.
    Raises BadRecipe when K is more than the model has.
    """
    if recipe.method == "lora":
        learner.add_lora(recipe.lora_rank)
        return
    layers = learner.layers()
    last = recipe.last_layers
    if last is not None and last > len(layers):
        raise BadRecipe(
            f"The model has {len(layers)} layers, so the last {last} cannot be trained. Choose at most "
            f"{len(layers)}."
        )
    if last is None and recipe.train_embeddings:
        return
    head = learner.head_names()
    embedding = {id(p) for p in learner.embeddings().parameters()}
    for name, parameter in learner.named_parameters():
        kept = name in head if last is not None else id(parameter) not in embedding
        parameter.requires_grad_(kept)
    for layer in layers[len(layers) - last :] if last else ():
        layer.requires_grad_(True)
