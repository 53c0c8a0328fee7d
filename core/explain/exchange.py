"""One token of a text exchanged: masked, or replaced by another word, so that before and after can be compared.

Knows a subject and its pieces. Does not know how differences are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadData, BadModel
from core.explain.subject import Piece, Subject


@dataclass(frozen=True)
class Exchanged:
    """The same text before and after."""

    before: Piece
    after: Piece
    at: int  # the place of the token, in `before`
    places: tuple[int, ...]  # the places of what stands there now, in `after`; () where nothing does

    @property
    def aligned(self) -> bool:
        """Every other token is the same and stands at the same place: weights can be compared one by one."""
        return len(self.before) == len(self.after) and self.places == (self.at,)

    @property
    def same(self) -> bool:
        """The model reads what it read before."""
        return bool(np.array_equal(self.before.ids, self.after.ids))


def exchange(subject: Subject, piece: Piece, at: int, word: str | None = None) -> Exchanged:
    """The piece with the token at place `at` (0 to T - 1) masked, or, with a `word`, with that token's characters
    replaced by it and the text read anew: exactly what the model would have read.

    A word may be several tokens, and may be empty: the characters are then taken out. Raises BadData for a special
    token, a place outside, and a text that nothing is left of; BadModel where the model has no mask token.
    """
    if not 0 <= at < len(piece):
        raise BadData("The text has no such token. Choose another one.")
    if piece.special[at]:
        raise BadData(f"{piece.tokens[at]} is not part of the text, but set around it. Choose another token.")
    if word is None:
        if subject.mask_token is None:
            raise BadModel(f"{subject.name} knows no token that masks. Type another word instead.")
        return Exchanged(piece, piece.exchanged(at, *subject.mask_token), at, (at,))
    start, end = (int(edge) for edge in piece.spans[at])
    second = bool(piece.segments[at] == 1)
    source = (piece.pair or "") if second else piece.text
    if start == end:
        raise BadData("This token stands for no characters of the text. Choose another one.")
    blank = source[start:end][: len(source[start:end]) - len(source[start:end].lstrip())]
    changed = source[:start] + blank + word.strip() + source[end:]
    if not changed.strip():
        raise BadData("Nothing would be left of the text. Type another word.")
    texts = (piece.text, changed) if second else (changed, piece.pair)
    after = subject.read(texts[0], texts[1], len(piece) if piece.cut else None)
    return Exchanged(piece, after, at, _between(piece.ids, after.ids, at))


def moved(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(L, H, T, T) twice to (L, H): the mean over rows of the total variation distance, the share of a token's
    attention that went elsewhere, 0 to 1."""
    return np.asarray(np.abs(after - before).sum(axis=-1, dtype=np.float64).mean(axis=-1) / 2)


def _between(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any], at: int) -> tuple[int, ...]:
    """Which places of `after` took the place of `at`: what is left when the tokens before and behind it, which both
    have, are taken away."""
    head = 0
    while head < min(at, len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    most = min(len(before) - at - 1, len(after) - head)
    while tail < most and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return tuple(range(head, len(after) - tail))
