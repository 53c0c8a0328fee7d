"""Every number on a text's way through a model, from its tokens to its answer: what the Learn page shows.

Computes with `core.explain.mechanism` from the model's own weights and compares with what the model says itself.
Knows one text and one layer at a time. Does not know screens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.explain.mechanism import (
    Array,
    Layer,
    Linear,
    Norm,
    encoder_layer,
    gelu,
    joined,
    scores_of,
    softmax,
    split,
)
from core.explain.subject import Piece, Subject
from core.explain.weights import Table, embedding_of, head_of, layer_of

MOST = 24  # tokens that fit on a picture


@dataclass(frozen=True)
class Start:
    """From tokens to the states that the first layer reads."""

    tables: tuple[Table, ...]
    total: Array  # (T, E) their sum
    norm: Norm
    normed: Array  # (T, E)
    states: Array  # (T, D) the same, or projected to the width of the layers


@dataclass(frozen=True)
class LayerSteps:
    """What happens in one layer. All float32; H heads of d numbers, F neurons."""

    number: int  # from 0
    states: Array  # (T, D) that the layer gets
    query: Array  # (H, T, d)
    key: Array  # (H, T, d)
    value: Array  # (H, T, d)
    scores: Array  # (H, T, T) dot products divided by the root of d
    weights: Array  # (H, T, T) rows sum to 1
    mixed: Array  # (H, T, d) what each head found
    joined: Array  # (T, D) the heads side by side
    attended: Array  # (T, D) mixed with one another
    parts: Array  # (H, T) length of what each head adds to it (Kobayashi et al. 2020)
    added: Array  # (T, D) states + attended
    middle: Array  # (T, D) brought to scale
    wide: Array  # (T, F) the neurons' sums
    active: Array  # (T, F) after GELU
    narrow: Array  # (T, D)
    summed: Array  # (T, D) middle + narrow
    out: Array  # (T, D) that the next layer gets
    learnt: Layer  # the weights behind all this


@dataclass(frozen=True)
class Answer:
    """From the state of the first token to the probabilities of C classes."""

    labels: tuple[str, ...]
    several: bool
    dense: Array | None  # (D,) after the head's first layer; None: the head has only one
    dense_of: Linear | None
    activation: str
    weight: Array  # (D, C) of the last layer
    bias: Array  # (C,)
    logits: Array  # (C,)
    probabilities: Array  # (C,)
    example: int  # 0: the model's own head; else the texts a class of a stand-in made from examples


@dataclass(frozen=True)
class Walk:
    name: str  # of the model
    averaging: int | None  # the layer, from 0, that Finesift added to average all states
    unknown: int | None  # the token that stands for what the vocabulary does not know
    piece: Piece
    start: Start
    hidden: Array  # (L + 1, T, D) the model's own states: before the first layer and after each
    means: Array  # (L, T, T) attention of each layer, averaged over its heads
    layer: LayerSteps
    answer: Answer | None
    errors: Array  # (L + 2,) largest difference from the model's own: embedding, layers, logits (nan: none)


def follow(subject: Subject, text: str, number: int = 0, example: ExampleHead | None = None) -> Walk:
    """A text's way through the model and, number by number, through the layer of that number (from 0).

    `example`: a stand-in for the head that a base model lacks. At most `MOST` tokens.
    Raises BadData for an empty text, BadModel for a family that is not built of BERT's layers, IndexError.
    """
    piece = subject.read(text, most=MOST)
    start = _start(subject, piece)
    hidden, means, logits = _own(subject, piece)
    layer = _layer_steps(subject, number, hidden[number])
    answer = _answer(subject, hidden[-1, 0], example)
    own = [start.states, *(encoder_layer(hidden[n], layer_of(subject, n)) for n in range(len(means)))]
    errors = [float(np.abs(a - b).max()) for a, b in zip(own, hidden, strict=True)]
    if answer is not None and logits is not None:
        errors.append(float(np.abs(answer.logits - logits).max()))
    else:
        errors.append(float("nan"))
    return Walk(
        subject.name, subject.averaging, subject.tokenizer.unk_token_id, piece, start, hidden, means, layer,
        answer, np.asarray(errors),
    )  # fmt: skip


@dataclass(frozen=True)
class ExampleHead:
    """A head with one layer, made from examples: each class is the middle of its texts' states.

    The nearest middle has the largest logit (Snell et al. 2017, section 2.4)."""

    labels: tuple[str, ...]
    weight: Array  # (D, C)
    bias: Array  # (C,)
    texts: int  # a class


def example_head(subject: Subject, examples: dict[str, list[str]]) -> ExampleHead:
    """From class names to example texts. For a model that has learnt no classes. Raises BadModel."""
    labels = tuple(sorted(examples))
    middles = np.stack([_first_states(subject, examples[label]).mean(axis=0) for label in labels])
    scale = np.float32(12.0 / middles.shape[1] ** 0.5)  # distances as soft as a trained head's logits are
    weight = scale * (middles - middles.mean(axis=0)).T
    bias = -0.5 * scale * ((middles**2).sum(axis=1) - (middles**2).sum(axis=1).mean())
    return ExampleHead(labels, weight, bias.astype(np.float32), min(len(t) for t in examples.values()))


def sample_examples(each: int = 8) -> dict[str, list[str]]:
    """Short texts of each class of the sample data set that comes with the app."""
    import csv

    from core.data.sample import sample_path

    found: dict[str, list[str]] = {}
    with Path(sample_path()).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text, label = row["text"].strip(), row["label"].strip()
            if label and 15 <= len(text) <= 90:
                found.setdefault(label, []).append(text)
    return {label: texts[:each] for label, texts in found.items() if len(texts) >= each}


# --------------------------------------------------------------------------- details


def _start(subject: Subject, piece: Piece) -> Start:
    embedding = embedding_of(subject, piece)
    total = np.sum([table.values for table in embedding.tables], axis=0)
    normed = embedding.norm(total)
    states = normed if embedding.project is None else embedding.project(normed)
    return Start(embedding.tables, total, embedding.norm, normed, states)


def _own(subject: Subject, piece: Piece) -> tuple[Array, Array, Array | None]:
    """What the model says itself: (L + 1, T, D) states, (L, T, T) mean attention, (C,) logits if it has a head."""
    import torch

    with subject.alone(), torch.inference_mode():
        output = subject.model(**subject.tensors([piece]), output_hidden_states=True, output_attentions=True)
    hidden = torch.cat([state.float() for state in output.hidden_states]).numpy()
    means = torch.cat([weights.float().mean(dim=1) for weights in output.attentions]).numpy()
    logits = output.logits[0].float().numpy() if subject.labels else None
    return hidden, means, logits


def _layer_steps(subject: Subject, number: int, states: Array) -> LayerSteps:
    """One layer as `mechanism.encoder_layer` computes it, with all that lies between kept."""
    layer = layer_of(subject, number)
    query, key, value = (split(part(states), layer.heads) for part in (layer.query, layer.key, layer.value))
    scores = scores_of(query, key)
    weights = softmax(scores)
    mixed = weights @ value
    side_by_side = joined(mixed)
    attended = layer.join(side_by_side)
    each = mixed.shape[-1]
    parts = np.linalg.norm(mixed @ layer.join.weight.reshape(layer.heads, each, -1), axis=-1)
    added = states + attended
    middle = layer.norm_attention(added)
    wide = layer.wide(middle)
    active = gelu(wide)
    narrow = layer.narrow(active)
    summed = middle + narrow
    out = layer.norm_output(summed)
    return LayerSteps(
        number, states, query, key, value, scores, weights, mixed, side_by_side, attended, parts, added,
        middle, wide, active, narrow, summed, out, layer,
    )  # fmt: skip


def _answer(subject: Subject, state: Array, example: ExampleHead | None) -> Answer | None:
    head = head_of(subject)
    if head is not None:
        dense = _ACTIVATIONS[head.activation](head.dense(state))
        logits = head.last(dense)
        return Answer(
            subject.labels, subject.several, dense, head.dense, head.activation, head.last.weight, head.last.bias, logits,
            subject.probabilities(logits[None])[0], 0,
        )  # fmt: skip
    if example is None:
        return None
    logits = state @ example.weight + example.bias
    return Answer(
        example.labels,
        False,
        None,
        None,
        "",
        example.weight,
        example.bias,
        logits,
        softmax(logits),
        example.texts,
    )


_ACTIVATIONS: dict[str, Any] = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), "gelu": gelu}


def _first_states(subject: Subject, texts: list[str]) -> Array:
    """(N, D): the last state of each text's first token."""
    import torch

    pieces = [subject.read(text, most=64) for text in texts]
    with subject.alone(), torch.inference_mode():
        states = subject.encoder(**subject.tensors(pieces)).last_hidden_state
    found: Array = states[:, 0].float().numpy()
    return found
