"""The weights of a loaded model as the parts of `core.explain.mechanism`: its embedding tables, its layers, its head.

Knows where the families of BERT keep them. The arrays are views of the model's own memory. Does not compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.mechanism import Array, Layer, Linear, Norm
from core.explain.subject import Piece, Subject
from core.models.pooling import FAMILIES


@dataclass(frozen=True)
class Table:
    """One of the tables whose rows are added up to a token's first state."""

    name: str  # "word" | "position" | "segment"
    rows: Array  # (T,) int: the row that each token takes, from 0
    size: int  # rows there are
    values: Array  # (T, E) those rows


@dataclass(frozen=True)
class Embedding:
    tables: tuple[Table, ...]
    norm: Norm
    project: Linear | None  # E -> D, where the tables are narrower than the layers (ELECTRA)


@dataclass(frozen=True)
class Head:
    """From the state of the first token to C logits."""

    dense: Linear  # D -> D
    activation: str  # "tanh" | "relu" | "gelu"
    last: Linear  # D -> C


def check_family(subject: Subject) -> None:
    """Raises BadModel, with the reason, for a model that is not built of BERT's layers."""
    config = subject.model.config
    kind = getattr(config, "model_type", "")
    decoder = getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False)
    act = getattr(config, "hidden_act", None) or getattr(config, "activation", "gelu")
    if kind not in FAMILIES or decoder:
        why = "its layers are put together in another way than BERT's"
    elif act != "gelu":
        why = f"its neurons use {act}, not GELU"
    else:
        return
    raise BadModel(
        f"{subject.name} cannot be followed step by step here: {why}. "
        "Choose a model of BERT's kind: MiniLM, BERT, DistilBERT, RoBERTa, XLM-RoBERTa or ELECTRA."
    )


def layer_of(subject: Subject, number: int) -> Layer:
    """The layer of that number, from 0. Raises BadModel (see `check_family`), IndexError."""
    check_family(subject)
    family = FAMILIES[subject.model.config.model_type]
    layer = subject.encoder.get_submodule(family.layers)[number]
    attention = layer.get_submodule(family.attention)
    query, key, value, join = family.names
    return Layer(
        heads=subject.shape[1],
        query=_linear(attention.get_submodule(query)),
        key=_linear(attention.get_submodule(key)),
        value=_linear(attention.get_submodule(value)),
        join=_linear(layer.get_submodule(join)),
        norm_attention=_norm(layer.get_submodule(family.norms[0])),
        wide=_linear(layer.get_submodule(family.wide)),
        narrow=_linear(layer.get_submodule(family.narrow)),
        norm_output=_norm(layer.get_submodule(family.norms[1])),
    )


def embedding_of(subject: Subject, piece: Piece) -> Embedding:
    """The rows that a text's T tokens take of each table. Raises BadModel."""
    check_family(subject)
    module = subject.encoder.embeddings
    project = getattr(subject.encoder, "embeddings_project", None)
    count = len(piece)
    # RoBERTa's positions begin behind the number of its padding token
    first = int(module.padding_idx) + 1 if hasattr(module, "padding_idx") else 0
    tables = [
        _table("word", module.word_embeddings, piece.ids),
        _table("position", module.position_embeddings, np.arange(first, first + count)),
    ]
    if hasattr(module, "token_type_embeddings"):
        types = piece.types if piece.types is not None else np.zeros(count, dtype=np.int64)
        tables.append(_table("segment", module.token_type_embeddings, types))
    return Embedding(tuple(tables), _norm(module.LayerNorm), None if project is None else _linear(project))


def head_of(subject: Subject) -> Head | None:
    """The trained head; None for a base model. Raises BadModel."""
    check_family(subject)
    if not subject.labels:
        return None
    family = FAMILIES[subject.model.config.model_type]
    return Head(
        _linear(subject.model.get_submodule(family.dense)),
        family.activation,
        _linear(subject.model.get_submodule(family.last)),
    )


def _linear(module: Any) -> Linear:
    weight = module.weight.detach().numpy().T  # torch keeps (out, in)
    bias = (
        np.zeros(weight.shape[1], dtype=weight.dtype) if module.bias is None else module.bias.detach().numpy()
    )
    return Linear(weight, bias)


def _norm(module: Any) -> Norm:
    return Norm(module.weight.detach().numpy(), module.bias.detach().numpy(), float(module.eps))


def _table(name: str, module: Any, rows: Array) -> Table:
    weight = module.weight.detach().numpy()
    return Table(name, np.asarray(rows, dtype=np.int64), len(weight), weight[rows])
