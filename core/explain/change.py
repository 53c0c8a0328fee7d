"""What training changed in a model's attention: head by head, for one text and over many.

Two models read the same tokens; each head of the one is set against the head of the same number in the other.
Knows two `Subject`s and the distance between what they attend to. Does not know runs, jobs or screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.errors import BadData, BadModel
from core.evaluation.many_means import mean_intervals
from core.explain.attention import read_map
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.records import AttentionMap

MOST_TEXTS = 500  # of a study; more would narrow the intervals little
MOST_TOKENS = 256  # of each of its texts
_CELLS = 1 << 20  # attention weights that one pass of arithmetic holds in float64


@dataclass(frozen=True)
class Change:
    """One text, or a pair, as both models read it."""

    before: AttentionMap  # without the layer that Finesift may have added to average all states
    after: AttentionMap
    distances: np.ndarray[Any, Any]  # (L, H) float64, 0 to 1


# --------------------------------------------------------------------------- the distance


def distance(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(..., T) and (..., T) shares that sum to one, to their (...) Jensen-Shannon distances, 0 to 1, float64.

    The square root of the Jensen-Shannon divergence to base 2 (J. Lin, 1991), which is a metric (D. Endres and
    J. Schindelin, 2003): 0 where both rows are the same, 1 where they read no token in common.
    """
    from scipy.special import entr

    p, q = (np.asarray(each, dtype=np.float64) for each in (before, after))
    p, q = (each / each.sum(axis=-1, keepdims=True) for each in (p, q))
    mixed = entr((p + q) / 2).sum(axis=-1)
    own = (entr(p).sum(axis=-1) + entr(q).sum(axis=-1)) / 2
    return np.asarray(np.sqrt(np.clip((mixed - own) / np.log(2.0), 0.0, 1.0)))


def head_distances(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(L, H, T, T) and (L, H, T, T) attention to (L, H) distances: of each head the mean over the tokens that read."""
    flat = [np.asarray(each).reshape(-1, *each.shape[-2:]) for each in (before, after)]
    step = max(1, _CELLS // max(1, flat[0][0].size))
    found = [
        distance(flat[0][at : at + step], flat[1][at : at + step]).mean(axis=-1)
        for at in range(0, len(flat[0]), step)
    ]
    return np.concatenate(found).reshape(before.shape[:2])


# --------------------------------------------------------------------------- two models


def own_layers(subject: Subject) -> list[int]:
    """The layers, from 0, that are the model's own: without the one that Finesift adds to average all states."""
    return [layer for layer in range(subject.shape[0]) if layer != subject.averaging]


def check_heads(before: Subject, after: Subject) -> None:
    """Raises BadModel where heads of the same number are no counterparts, because the models are of other sizes."""
    sizes = [(len(own_layers(each)), each.shape[1]) for each in (before, after)]
    if sizes[0] != sizes[1]:
        words = [f"{layers} layers of {heads} heads" for layers, heads in sizes]
        raise BadModel(
            f"These models cannot be compared head by head: {before.name} has {words[0]}, {after.name} {words[1]}. "
            "Choose two models that were trained from the same base model."
        )


def read_both(
    before: Subject, after: Subject, text: str, pair: str | None = None, most: int | None = None
) -> tuple[Piece, Piece]:
    """The text as each model's tokens, which are the same. Raises BadData for an empty text, BadModel where they are
    not the same."""
    limit = min(most or before.max_tokens, before.max_tokens, after.max_tokens)
    pieces = before.read(text, pair, limit), after.read(text, pair, limit)
    if pieces[0].tokens != pieces[1].tokens:
        raise BadModel(
            f"These models cannot be compared token by token: {before.name} reads this text as other tokens than "
            f"{after.name}. Choose two models that were trained from the same base model."
        )
    return pieces


def both(before: Subject, after: Subject, text: str, pair: str | None = None) -> Change:
    """One text through both models. Raises BadData for an empty text, BadModel where they cannot be compared,
    OutOfMemory."""
    check_heads(before, after)
    one, two = read_both(before, after, text, pair)
    maps = own_map(before, one), own_map(after, two)
    return Change(*maps, head_distances(maps[0].weights, maps[1].weights))


def own_map(subject: Subject, piece: Piece) -> AttentionMap:
    """The attention to a text that was read, without a layer that Finesift added. Raises BadModel, OutOfMemory."""
    found = read_map(subject, piece)
    if found.averaging is None:
        return found
    return replace(found, weights=found.weights[own_layers(subject)], averaging=None)


# --------------------------------------------------------------------------- over many texts


def measure(before: Subject, after: Subject, texts: Sequence[str], rows: Sequence[int]) -> Study:
    """How far each head's attention moved, over some texts; `rows`: their numbers in the data set.

    Summary: texts, cut (texts longer than what was read), empty (left out), most_tokens, left_out (whether a layer
    that Finesift added was left out), ranking [[layer, head], …] from 0, the most changed first. Arrays: value, low,
    high (L, H): the mean distance with its 95 % bootstrap interval over texts; each (N, L, H) float32: of each text;
    rows (N,). Raises BadData for fewer than two texts, BadModel where the models cannot be compared, OutOfMemory.
    """
    check_heads(before, after)
    pieces, kept, cut = _pieces(before, after, texts, rows)
    layers = [own_layers(each) for each in (before, after)]
    pace = Pace(len(pieces))
    out = np.zeros((len(pieces), len(layers[0]), before.shape[1]), dtype=np.float32)
    done = 0
    yield pace.at(0)
    for group in before.groups([one for one, _ in pieces]):
        numbers = group.tolist()
        old, _ = before.attend_all([pieces[at][0] for at in numbers])
        new, _ = after.attend_all([pieces[at][1] for at in numbers])
        for at, own, other in zip(numbers, old, new, strict=True):
            out[at] = head_distances(own[layers[0]], other[layers[1]])
        done += len(numbers)
        yield pace.at(done)
    value, low, high = mean_intervals(out)
    order = np.argsort(-value, axis=None, kind="stable")
    return Findings(
        {
            "texts": len(pieces),
            "cut": cut,
            "empty": len(texts) - len(pieces),
            "most_tokens": MOST_TOKENS,
            "left_out": before.averaging is not None or after.averaging is not None,
            "ranking": [[int(n) for n in np.unravel_index(at, value.shape)] for at in order],
        },
        {"value": value, "low": low, "high": high, "each": out, "rows": np.asarray(kept, dtype=np.int64)},
    )


def _pieces(
    before: Subject, after: Subject, texts: Sequence[str], rows: Sequence[int]
) -> tuple[list[tuple[Piece, Piece]], list[int], int]:
    pieces, kept = [], []
    for text, row in zip(texts, rows, strict=True):
        if text.strip():
            pieces.append(read_both(before, after, text, most=MOST_TOKENS))
            kept.append(row)
    if len(pieces) < 2:
        raise BadData(
            "There are fewer than two validation texts, too few to measure a change over. Choose a model whose data "
            "set has a validation part."
        )
    return pieces, kept, sum(one.cut > 0 for one, _ in pieces)
