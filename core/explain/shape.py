"""A plane of attention as a reader asked for it: sharper or flatter, without special tokens, by words, filtered.

The reference for what the browser draws (`ui/components/attention`): the same steps in the same order. Knows
matrices of weights and the tokens along their sides. Does not know models or screens.

The steps, of which only the second and the first make rows sum to one again:

1. temperature   w -> w^(1/t) of a row, renormalised: the softmax of the row's scores divided by t
2. hiding        rows and columns of hidden tokens leave; what is left of a row is divided by its sum. (The first
                 two steps may change places: a power and a sum over fewer tokens commute.)
3. pair filter   cells outside the filter become 0; rows and columns with no cell inside leave
4. words         columns of a word's tokens are added, its rows averaged (Clark et al. 2019, section 4.1)
5. threshold     weights below it become 0
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.explain.tokens import display_tokens
from core.records import Side

PAIRS = ("all", "a_to_b", "b_to_a", "within")

Weights = np.ndarray[Any, Any]
Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Shape:
    """What is asked for. Raises ValueError for a temperature that is not above 0 or an unknown filter."""

    temperature: float = 1.0  # above 1: flatter; below 1: sharper
    hide_special: bool = False  # [CLS], [SEP] and their kin
    hide_punctuation: bool = False
    pair: str = "all"  # one of PAIRS; a special token counts to the text before it
    words: bool = False  # word pieces merged into words
    threshold: float = 0.0  # smaller weights are left out

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"a temperature is above 0, not {self.temperature}")
        if self.pair not in PAIRS:
            raise ValueError(f"a pair filter is one of {PAIRS}, not {self.pair!r}")


@dataclass(frozen=True)
class Shaped:
    """A plane as asked for: R rows and C columns, each one token or a word of several."""

    weights: Weights  # (R, C) float64
    rows: Groups  # R: the tokens of each row, by their places in the plane given
    columns: Groups  # C
    row_names: tuple[str, ...]  # R, for a reader
    column_names: tuple[str, ...]  # C
    hidden: Weights  # (R,) the share of attention that went to hidden tokens, before what is left was renormalised


def shape(plane: Weights, rows: Side, asked: Shape, columns: Side | None = None) -> Shaped:
    """(T, S) weights with their sides to what was asked for. `columns`: None where they are the rows.

    A row that has no weight left on what is shown is 0 throughout.
    """
    columns = columns or rows
    weights = temper(plane, asked.temperature)
    kept_rows, kept_columns = kept(rows, asked), kept(columns, asked)
    hidden = weights[np.ix_(kept_rows, np.setdiff1d(np.arange(len(columns)), kept_columns))].sum(axis=1)
    weights = renormalised(weights[np.ix_(kept_rows, kept_columns)], when=len(kept_columns) < len(columns))
    weights, kept_rows, kept_columns, hidden = _filtered(
        weights, kept_rows, kept_columns, hidden, rows, columns, asked.pair
    )
    row_groups, column_groups = (
        groups(rows, kept_rows, asked.words),
        groups(columns, kept_columns, asked.words),
    )
    weights = merged(weights, _places(row_groups, kept_rows), _places(column_groups, kept_columns))
    return Shaped(
        weights=np.where(weights < asked.threshold, 0.0, weights),
        rows=row_groups,
        columns=column_groups,
        row_names=names(rows, row_groups),
        column_names=names(columns, column_groups),
        hidden=np.asarray([hidden[list(g)].mean() for g in _places(row_groups, kept_rows)]),
    )


# --------------------------------------------------------------------------- the steps


def temper(weights: Weights, temperature: float) -> Weights:
    """(…, S) rows of shares to (…, S) float64: each to the power of 1/t, renormalised. As a row is the softmax of
    scores s, that is the softmax of s/t; a weight of 0 (masked) stays 0."""
    wide = np.asarray(weights, dtype=np.float64)
    if temperature == 1.0:
        return wide
    with np.errstate(divide="ignore"):
        logs = np.log(wide) / temperature
    top = logs.max(axis=-1, keepdims=True)
    power = np.exp(logs - np.where(np.isfinite(top), top, 0.0))  # the largest becomes 1: nothing overflows
    return renormalised(power)


def renormalised(weights: Weights, when: bool = True) -> Weights:
    """Rows divided by their sums; a row without weight stays 0."""
    if not when:
        return weights
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(weights, total, out=np.zeros_like(weights), where=total > 0))


def merged(weights: Weights, rows: Groups, columns: Groups) -> Weights:
    """(T, S) to (R, C): the sum over a group's columns, the mean over its rows. Where columns lose none, rows
    keep their sums."""
    across = (
        np.stack([weights[:, list(g)].sum(axis=1) for g in columns], axis=1) if columns else weights[:, :0]
    )
    return np.stack([across[list(g)].mean(axis=0) for g in rows]) if rows else across[:0]


def _filtered(
    weights: Weights, rows: Weights, columns: Weights, hidden: Weights, up: Side, across: Side, pair: str
) -> tuple[Weights, Weights, Weights, Weights]:
    """The pair filter. Weights inside stay what they are: a part of what the token reads."""
    if pair == "all":
        return weights, rows, columns, hidden
    reads, read = np.asarray(up.segments, dtype=int)[rows], np.asarray(across.segments, dtype=int)[columns]
    if pair == "within":
        return np.where(reads[:, None] == read[None, :], weights, 0.0), rows, columns, hidden
    first, second = (0, 1) if pair == "a_to_b" else (1, 0)
    down, right = reads == first, read == second
    return weights[np.ix_(down, right)], rows[down], columns[right], hidden[down]


# --------------------------------------------------------------------------- tokens and words


def punctuation(side: Side) -> tuple[bool, ...]:
    """Whether a token is nothing but punctuation (Unicode categories P…). Emoji and signs such as $ are not."""
    shown = display_tokens(side.tokens, side.special)
    return tuple(
        not special and bool(name) and all(unicodedata.category(c).startswith("P") for c in name)
        for name, special in zip(shown, side.special, strict=True)
    )


def kept(side: Side, asked: Shape) -> Weights:
    """Places of the tokens that are not hidden, in order."""
    hidden = np.zeros(len(side), dtype=bool)
    if asked.hide_special:
        hidden |= np.asarray(side.special, dtype=bool)
    if asked.hide_punctuation:
        hidden |= np.asarray(punctuation(side), dtype=bool)
    return np.flatnonzero(~hidden)


def groups(side: Side, places: Sequence[int] | Weights, words: bool) -> Groups:
    """The tokens of each row (or column): one each, or all of a word. A special token, and a token whose word is
    not known, stands alone."""
    found: list[list[int]] = []
    number_before = -1
    for place in (int(p) for p in places):
        number = side.words[place] if words and side.words else -1
        if found and number >= 0 and number == number_before:
            found[-1].append(place)
        else:
            found.append([place])
        number_before = number
    return tuple(tuple(g) for g in found)


def names(side: Side, found: Groups) -> tuple[str, ...]:
    """What a reader calls each group: its tokens as shown, joined, without the signs of continuation."""
    shown = display_tokens(side.tokens, side.special)
    return tuple(
        shown[g[0]] + "".join(_bare(shown[place]) for place in g[1:]) if len(g) > 1 else shown[g[0]]
        for g in found
    )


def _bare(name: str) -> str:
    return name[2:] if len(name) > 2 and name.startswith("##") else name


def _places(found: Groups, kept_places: Weights) -> Groups:
    """Groups by places in the plane that is left."""
    place = {int(p): at for at, p in enumerate(kept_places)}
    return tuple(tuple(place[p] for p in g) for g in found)
