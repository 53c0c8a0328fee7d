"""Mean pooling inside a plain Hugging Face folder: one further encoder layer that does nothing but average.

A standard sequence classifier reads the state of its first token, while the mean of all states makes the better
frozen features. A further encoder layer with zero queries and keys attends to all tokens alike; with identity
values, a scaled identity output and a zero feed-forward part it turns every state into
LayerNorm(SCALE x mean of all states + the state itself). The head's own dense layer is set to pass that on
unchanged, so a linear classifier sits right on the mean, in a folder that plain transformers reads.

Knows how the families of BERT build a layer and a head. Does not know training or labels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCALE = 10.0  # weight of the mean against the first token's own state
MARK = "mean_pooling_layer"  # in config.json: the number of the added layer, from 0

_SMALL = 1e-3  # tanh(x) = x within a millionth for x this small
_SHIFT = 8.0  # gelu(x) = x within 1e-9 for x above 6
_SHRINK = 0.1  # keeps a normalised state (mostly within 5, never beyond sqrt(hidden size)) near the shift


@dataclass(frozen=True)
class Family:
    """Where a family keeps the parts that matter here: paths from the classifier model."""

    dense: str  # the head's first linear layer
    last: str  # the head's last linear layer, out of which the logits come
    activation: str  # between them: "tanh" | "relu" | "gelu"
    attention: str  # from a layer to the parent of query, key and value
    names: tuple[
        str, str, str, str
    ]  # query, key, value (below `attention`), attention output (below the layer)
    wide: str  # feed-forward, first linear
    narrow: str  # feed-forward, second linear
    norms: tuple[str, str]
    layers: str  # the list of layers, from the encoder


_BERT_LAYER: dict[str, Any] = {
    "attention": "attention.self",
    "names": ("query", "key", "value", "attention.output.dense"),
    "wide": "intermediate.dense",
    "narrow": "output.dense",
    "norms": ("attention.output.LayerNorm", "output.LayerNorm"),
    "layers": "encoder.layer",
}
_ROBERTA = Family("classifier.dense", "classifier.out_proj", "tanh", **_BERT_LAYER)
FAMILIES: dict[str, Family] = {
    "bert": Family("bert.pooler.dense", "classifier", "tanh", **_BERT_LAYER),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": Family("classifier.dense", "classifier.out_proj", "gelu", **_BERT_LAYER),
    "distilbert": Family(
        "pre_classifier",
        "classifier",
        "relu",
        attention="attention",
        names=("q_lin", "k_lin", "v_lin", "attention.out_lin"),
        wide="ffn.lin1",
        narrow="ffn.lin2",
        norms=("sa_layer_norm", "output_layer_norm"),
        layers="transformer.layer",
    ),
}


def supported(config: Mapping[str, Any]) -> bool:
    """Whether a model of this config.json can take the averaging layer."""
    family = config.get("model_type")
    if family not in FAMILIES or config.get("is_decoder") or config.get("add_cross_attention"):
        return False
    return family != "electra" or config.get("hidden_act", "gelu") == "gelu"


def added_layer(config: Any) -> int | None:
    """The number, from 0, of the averaging layer in a model; None where there is none. Takes a config object or
    the content of config.json.
    """
    found = config.get(MARK) if isinstance(config, Mapping) else getattr(config, MARK, None)
    return found if isinstance(found, int) else None


def add_layer(model: Any) -> None:
    """Appends the averaging layer to a sequence classifier, in place, and lets the head pass it on.

    Raises ValueError for a family that is not supported.
    """
    import torch

    family = FAMILIES[model.config.model_type]
    encoder = getattr(model, model.base_model_prefix)
    layers = encoder.get_submodule(family.layers)
    layer = copy.deepcopy(layers[-1])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        attention = layer.get_submodule(family.attention)
        for module, size in (
            (attention.get_submodule(family.names[2]), 1.0),
            (layer.get_submodule(family.names[3]), SCALE),
        ):
            torch.nn.init.eye_(module.weight).mul_(size)
        for name in family.norms:
            torch.nn.init.ones_(layer.get_submodule(name).weight)
    layers.append(layer)
    setattr(model.config, _count(model.config), len(layers))
    setattr(model.config, MARK, len(layers) - 1)
    _pass_on(model, family)


def set_head(model: Any, weight: Any, bias: Any) -> None:
    """Makes the logits `features @ weight.T + bias` with weight (C, D) and bias (C,) on the averaging layer's
    first state.
    """
    import torch

    family = FAMILIES[model.config.model_type]
    last = model.get_submodule(family.last)
    size, shift = _linear(family)
    with torch.no_grad():
        last.weight.copy_(weight / size)
        last.bias.copy_(bias - shift * (weight / size).sum(dim=1))


def head(model: Any) -> tuple[Any, Any]:
    """(C, D) and (C,): what `set_head` was given."""
    family = FAMILIES[model.config.model_type]
    last = model.get_submodule(family.last)
    size, shift = _linear(family)
    weight = last.weight.detach() * size
    return weight, last.bias.detach() + shift * last.weight.detach().sum(dim=1)


def without_layer(model: Any) -> Any:
    """The encoder that ends before the averaging layer. It shares its modules and parameters with `model`."""
    import torch

    family = FAMILIES[model.config.model_type]
    encoder = getattr(model, model.base_model_prefix)
    shell = _shallow(encoder)
    parent_path, _, list_name = family.layers.rpartition(".")
    parent = _shallow(encoder.get_submodule(parent_path))
    kept = list(encoder.get_submodule(family.layers))[: added_layer(model.config)]
    parent._modules[list_name] = torch.nn.ModuleList(kept)
    shell._modules[parent_path] = parent
    if "pooler" in shell._modules:
        shell._modules["pooler"] = None
    return shell


def pool(states: Any, mask: Any, epsilon: float) -> Any:
    """(n, T, D) states and (n, T) mask to (n, D): what the averaging layer makes of the first state."""
    import torch

    weights = mask.to(states.dtype).unsqueeze(-1)
    mean = (states * weights).sum(dim=1) / weights.sum(dim=1)
    return torch.nn.functional.layer_norm(SCALE * mean + states[:, 0], states.shape[-1:], eps=epsilon)


def norm_epsilon(model: Any) -> float:
    """The small number in the model's layer norms."""
    family = FAMILIES[model.config.model_type]
    layer = getattr(model, model.base_model_prefix).get_submodule(family.layers)[0]
    return float(layer.get_submodule(family.norms[0]).eps)


def _pass_on(model: Any, family: Family) -> None:
    """The head's dense layer and its activation hand the first state on, up to a factor and a shift."""
    import torch

    dense = model.get_submodule(family.dense)
    size, shift = _linear(family)
    with torch.no_grad():
        torch.nn.init.eye_(dense.weight).mul_(size)
        dense.bias.fill_(shift)


def _linear(family: Family) -> tuple[float, float]:
    """The factor and the shift at which the activation is linear."""
    return (_SMALL, 0.0) if family.activation == "tanh" else (_SHRINK, _SHIFT)


def _count(config: Any) -> str:
    return "n_layers" if config.model_type == "distilbert" else "num_hidden_layers"


def _shallow(module: Any) -> Any:
    """A second module with a table of children of its own; children and parameters are shared."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin
