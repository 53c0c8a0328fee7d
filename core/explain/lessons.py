"""Small experiments that show why attention is built as it is, on random vectors and on a model's own numbers.

Knows arithmetic on arrays, and a model only where an experiment needs to run it. Does not know pages or words on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.subject import Piece, Subject

Array = np.ndarray[Any, Any]


# --------------------------------------------------------------------------- why divide by √d


@dataclass(frozen=True)
class Saturation:
    """What softmax makes of dot products of random vectors, by their length."""

    dims: tuple[int, ...]  # S
    largest: dict[
        str, Array
    ]  # "scaled" | "plain" -> (S, 3): mean of the largest weight, 5 % and 95 % of the draws
    slope: dict[
        str, Array
    ]  # the same, of how much the weights still follow the scores (trace of softmax's Jacobian)


def saturation(
    dims: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256),
    keys: int = 8,
    draws: int = 400,
    seed: int = 0,
) -> Saturation:
    """Queries and keys with entries of mean 0 and variance 1 have dot products of variance d (Vaswani et al. 2017,
    footnote 4). Softmax over `keys` of them, divided by √d or not."""
    rng = np.random.default_rng(seed)
    largest: dict[str, list[Array]] = {"scaled": [], "plain": []}
    slope: dict[str, list[Array]] = {"scaled": [], "plain": []}
    for d in dims:
        query, key = rng.normal(size=(draws, 1, d)), rng.normal(size=(draws, keys, d))
        products = (query * key).sum(axis=-1)
        for name, scores in (("scaled", products / np.sqrt(d)), ("plain", products)):
            weights = softmax(scores)
            largest[name].append(_spread(weights.max(axis=-1)))
            slope[name].append(_spread((weights * (1 - weights)).sum(axis=-1)))
    return Saturation(
        dims, {k: np.asarray(v) for k, v in largest.items()}, {k: np.asarray(v) for k, v in slope.items()}
    )


def _spread(values: Array) -> Array:
    return np.asarray([values.mean(), *np.quantile(values, (0.05, 0.95))])


# --------------------------------------------------------------------------- why masks, self and cross


def softmax(scores: Array, allowed: Array | None = None) -> Array:
    """(..., T) scores to weights that sum to one along the last axis; where `allowed` is False the weight is 0. A row
    that is allowed nothing is all 0."""
    wide = np.where(True if allowed is None else allowed, scores.astype(np.float64), -np.inf)
    top = wide.max(axis=-1, keepdims=True)
    power = np.exp(wide - np.where(np.isfinite(top), top, 0.0))
    return np.asarray(power / np.maximum(power.sum(axis=-1, keepdims=True), 1e-300))


def causal(count: int) -> Array:
    """(T, T) bool: each token reads itself and what stands before it, as in a decoder."""
    return np.tril(np.ones((count, count), dtype=bool))


def padded(count: int, padding: int) -> Array:
    """(T, T) bool: nobody reads the last `padding` places, which only fill the batch."""
    allowed = np.ones((count, count), dtype=bool)
    allowed[:, count - padding :] = False
    return allowed


def crossed(query: Array, key: Array, scale: float) -> Array:
    """(T, d) queries of one text and (S, d) keys of another to (T, S) weights: cross-attention."""
    return softmax(scale * (query @ key.T))


# --------------------------------------------------------------------------- why positions


@dataclass(frozen=True)
class Shuffled:
    """A text and the same tokens in another order, read by one model, with its positions and without."""

    order: Array  # (T,): place k of the shuffled text holds the token of place order[k]
    moved: Array  # (T,) cosine distance of each token's last state between both orders, in the original order
    moved_without: Array  # (T,) the same where the model's position embeddings are zero
    answers: (
        Array | None
    )  # (4, C) probabilities: original, shuffled, and both without positions; None: base model


def shuffled(subject: Subject, piece: Piece, seed: int = 0) -> Shuffled:
    """Special tokens keep their places. Raises BadModel where the model's positions are not a table of embeddings."""
    inner = np.flatnonzero(~piece.special)
    order = np.arange(len(piece))
    rng = np.random.default_rng(seed)
    for _ in range(20):  # a shuffle that leaves short texts as they are would show nothing
        order[inner] = rng.permutation(inner)
        if len(inner) < 2 or (order != np.arange(len(piece))).any():
            break
    other = replace(piece, ids=piece.ids[order])
    with subject.alone():
        first, second = _states(subject, piece), _states(subject, other)
        answers = _answers(subject, [piece, other])
        with _without_positions(subject):
            bare, bare_second = _states(subject, piece), _states(subject, other)
            more = _answers(subject, [piece, other])
    back = np.argsort(order)
    return Shuffled(
        order,
        _distance(first, second[back]),
        _distance(bare, bare_second[back]),
        None if answers is None or more is None else np.concatenate([answers, more]),
    )


def _states(subject: Subject, piece: Piece) -> Array:
    """(T, D): the last states that the model's own layers give."""
    import torch

    with torch.inference_mode():
        found = subject.encoder(**subject.tensors([piece]), output_hidden_states=True).hidden_states
    own = len(found) - 1 if subject.averaging is None else subject.averaging
    return np.asarray(found[own][0].float().numpy())


def _answers(subject: Subject, pieces: list[Piece]) -> Array | None:
    return subject.probabilities(subject.logits(pieces)) if subject.labels else None


def _distance(one: Array, other: Array) -> Array:
    product = (one * other).sum(axis=-1)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(np.clip(1 - product / np.maximum(lengths, 1e-12), 0, 2))


@contextmanager
def _without_positions(subject: Subject) -> Iterator[None]:
    import torch

    tables = [
        module
        for name, module in subject.encoder.named_modules()
        if name.split(".")[-1] in ("position_embeddings", "wpe") and isinstance(module, torch.nn.Embedding)
    ]
    if not tables:
        raise BadModel(
            f"{subject.name} has no table of positions that could be left out: it knows order in another way (relative "
            "or rotated positions). Choose a BERT, DistilBERT, RoBERTa or ELECTRA."
        )
    kept = [table.weight.data for table in tables]
    try:
        for table in tables:
            table.weight.data = torch.zeros_like(table.weight.data)
        yield
    finally:
        for table, weight in zip(tables, kept, strict=True):
            table.weight.data = weight


# --------------------------------------------------------------------------- why many heads


@dataclass(frozen=True)
class Spread:
    """Where the heads of one layer look, for one token."""

    top: tuple[int, ...]  # H: the place that each head reads most
    weight: Array  # (H,) how much of its attention that is
    entropy: Array  # (H,) bits
    entropy_of_mean: float  # bits, of the heads' average: what one head would have to be that did it all


def spread(weights: Array, token: int) -> Spread:
    """`weights`: (H, T, T) attention of one layer. The entropy of a mean is never below the mean of the entropies."""
    rows = weights[:, token].astype(np.float64)
    top = rows.argmax(axis=-1)
    return Spread(
        tuple(int(t) for t in top), rows.max(axis=-1), entropy(rows), float(entropy(rows.mean(axis=0)))
    )


def entropy(shares: Array) -> Array:
    """(..., T) shares to (...,) bits."""
    safe = np.where(shares > 0, shares, 1.0)
    return np.asarray(-(shares * np.log2(safe)).sum(axis=-1))
