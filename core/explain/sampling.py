"""Scores of words from answers to the text with words taken out: leave-one-out, LIME, kernel SHAP.

Knows sets of kept words and the figure that a model gives for each; `perturbed` makes the texts of such sets. Does not
know which model answers: the caller gives `value`, a generator that yields Progress and returns (n,) figures for (n, W)
sets, so that all texts go through the model in batches. A text with words taken out is unlike what the model has learnt
from; that holds for all methods here, and a masked word is a milder change than a missing one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.evaluation.metrics import Z95
from core.explain.subject import Piece, Subject
from core.explain.tokens import display_tokens
from core.records import Progress

Matrix = np.ndarray[Any, Any]
Value = Callable[[Matrix], Generator[Progress, None, Matrix]]

KERNEL_WIDTH = 25.0  # of LIME for texts, in hundredths of the cosine distance
RIDGE = 0.1  # weight of the penalty, for samples that weigh 1 on average


@dataclass(frozen=True)
class Scored:
    """What a method makes of W words."""

    scores: Matrix  # (W,) float64
    whole: float  # the figure of the text as it is
    empty: float  # the figure with no word left
    evaluations: int  # different sets that were answered
    margins: Matrix | None = (
        None  # (W,) half the 95 % interval that drawing the samples leaves; None: all were tried
    )


def default_samples(words: int) -> int:
    """Sets that LIME and SHAP draw for W words, where nobody says how many."""
    return int(np.clip(10 * words + 200, 300, 1000))


# --------------------------------------------------------------------------- the methods


def leave_one_out(words: int, value: Value) -> Generator[Progress, None, Scored]:
    """How much the figure falls when one word is taken out, the others staying: W + 2 texts.

    Also called occlusion; Zeiler & Fergus (2014), Li, Monroe & Jurafsky (2016). Two words that say the same hide each
    other: taking out one changes nothing.
    """
    kept = np.vstack([np.ones(words), np.zeros(words), 1 - np.eye(words)]).astype(bool)
    found, count = yield from _each_once(value, kept)
    return Scored(found[0] - found[2:], float(found[0]), float(found[1]), count)


def lime(
    words: int, value: Value, samples: int | None = None, seed: int = 0
) -> Generator[Progress, None, Scored]:
    """The weights of a linear model of the figure around this text: ridge regression on samples that count the more the
    fewer words they lack.

    Ribeiro, Singh & Guestrin (2016), section 3, with their choices for texts: the number of words taken out is uniform in
    1 … W, the kernel is sqrt(exp(-d² / 25²)) with d = 100 x the cosine distance between the sample and the text.
    """
    rng = np.random.default_rng(seed)
    count = samples or default_samples(words)
    fewer = words - rng.integers(1, words + 1, size=count)
    kept = np.vstack([np.ones(words, dtype=bool), np.zeros(words, dtype=bool), _drawn(rng, fewer, words)])
    found, count = yield from _each_once(value, kept)
    distance = 100.0 * (1.0 - np.sqrt(kept.mean(axis=1)))
    weights = np.exp(-((distance / KERNEL_WIDTH) ** 2) / 2.0)
    scores, margins = _ridge(kept.astype(np.float64), found, weights / weights.mean())
    return Scored(scores, float(found[0]), float(found[1]), count, margins)


def shap(
    words: int, value: Value, samples: int | None = None, seed: int = 0
) -> Generator[Progress, None, Scored]:
    """Shapley values of the words: a word's mean effect over all orders in which words may come in. They add up to the
    text's figure minus that of no word.

    Lundberg & Lee (2017), kernel SHAP: weighted least squares under that constraint. All sets are tried where they are no
    more than the samples (then the values are exact), else sets are drawn by the kernel's own weights, each with its
    complement (Covert & Lee 2021).
    """
    count = samples or default_samples(words)
    every = words < 30 and 2**words - 2 <= count
    if every:
        numbers = np.arange(1, 2**words - 1)
        sets = (numbers[:, None] >> np.arange(words)) & 1 == 1
        sizes = sets.sum(axis=1)
        weights = np.asarray([1.0 / (math.comb(words, k) * k * (words - k)) for k in sizes.tolist()])
    else:
        sets = _paired(np.random.default_rng(seed), count, words)
        weights = np.ones(len(sets))
    ends = np.vstack([np.ones((1, words), dtype=bool), np.zeros((1, words), dtype=bool)])
    kept = np.vstack([ends, sets.reshape(-1, words)])
    found, count = yield from _each_once(value, kept)
    whole, empty = float(found[0]), float(found[1])
    scores, margins = _constrained(kept[2:].astype(np.float64), found[2:] - empty, weights, whole - empty)
    return Scored(scores, whole, empty, count, None if every else margins)


# --------------------------------------------------------------------------- drawing sets, fitting


def _each_once(value: Value, kept: Matrix) -> Generator[Progress, None, tuple[Matrix, int]]:
    """(n,) figures of (n, W) sets, and how many different ones there are: a short text has few, drawn many times."""
    different, places = np.unique(kept, axis=0, return_inverse=True)
    found = yield from value(different)
    return found[places.reshape(-1)], len(different)


def _drawn(rng: np.random.Generator, sizes: Matrix, words: int) -> Matrix:
    """(n, W) random sets of the given (n,) sizes."""
    places = rng.random((len(sizes), words)).argsort(axis=1).argsort(axis=1)
    return np.asarray(places < sizes[:, None])


def _paired(rng: np.random.Generator, count: int, words: int) -> Matrix:
    """Sets of 1 … W - 1 words, of sizes as the kernel weighs them: 1 / (k (W - k)); each followed by its complement."""
    sizes = np.arange(1, words)
    chance = 1.0 / (sizes * (words - sizes))
    half = _drawn(rng, rng.choice(sizes, size=max(1, count // 2), p=chance / chance.sum()), words)
    return np.stack([half, ~half], axis=1).reshape(-1, words)


def _ridge(kept: Matrix, found: Matrix, weights: Matrix) -> tuple[Matrix, Matrix]:
    """(W,) coefficients, with an intercept that is not penalised, and their margins."""
    from sklearn.linear_model import Ridge

    fit = Ridge(alpha=RIDGE).fit(kept, found, sample_weight=weights)
    centred = kept - np.average(kept, axis=0, weights=weights)
    square = (centred * weights[:, None]).T @ centred + RIDGE * np.eye(kept.shape[1])
    rest = found - fit.predict(kept)
    return np.asarray(fit.coef_, dtype=np.float64), _margins(centred, weights, rest, square)


def _constrained(kept: Matrix, gain: Matrix, weights: Matrix, total: float) -> tuple[Matrix, Matrix]:
    """(W,) coefficients of gain ≈ kept @ scores with sum(scores) = total, and their margins. Where the sets are too few
    to tell words apart, the one that is nearest to equal shares."""
    words = kept.shape[1]
    if words == 1:
        return np.asarray([total]), np.zeros(1)
    equal = total / words
    free = kept - kept.mean(axis=1, keepdims=True)  # what is left of a set once the sum is fixed
    target = gain - kept.sum(axis=1) * equal
    root = np.sqrt(weights)[:, None]
    offsets, *_ = np.linalg.lstsq(free * root, target * root[:, 0], rcond=None)
    offsets = offsets - offsets.mean()
    square = (free * weights[:, None]).T @ free
    return equal + offsets, _margins(free, weights, target - free @ offsets, square, drawn=2)


def _margins(columns: Matrix, weights: Matrix, rest: Matrix, square: Matrix, drawn: int = 1) -> Matrix:
    """Half-widths of 95 % intervals from the scatter of the samples around the fit: the sandwich estimate of White
    (1980), widened for small samples. `drawn`: neighbouring samples that were drawn together and do not vary by
    themselves. NaN where there are no more samples than words."""
    n, words = columns.shape
    if n <= words + 1:
        return np.full(words, np.nan)
    inverse = np.linalg.pinv(square, hermitian=True)
    pull = columns * (weights * rest)[:, None] @ inverse
    pull = pull.reshape(n // drawn, drawn, words).sum(axis=1)
    return np.asarray(Z95 * np.sqrt((pull**2).sum(axis=0) * n / (n - words - 1)))


# --------------------------------------------------------------------------- texts without words


def replacement(subject: Subject, how: str = "auto") -> str:
    """How words are taken out: "mask" where the model has a mask token (or it is asked for), else "removal"."""
    if how == "auto":
        return "removal" if subject.mask_token is None else "mask"
    return "removal" if how == "mask" and subject.mask_token is None else how


def replacement_in_words(subject: Subject, how: str = "auto") -> str:
    """What takes a word's place, to be said beside every score."""
    if replacement(subject, how) == "removal" or subject.mask_token is None:
        return "the word is taken out of the text"
    return f"the word is replaced by {subject.mask_token[1]}"


def perturbed(subject: Subject, piece: Piece, kept: Matrix, how: str = "auto") -> list[Piece]:
    """The piece with only the words of each row of `kept` (n, W) bool: the others masked, token by token, or removed.
    Special tokens stay. For answers, not for showing: masked pieces keep their names, the words keep their numbers."""
    mask = subject.mask_token
    if replacement(subject, how) == "mask" and mask is not None:
        stays = _token_rows(piece, kept)
        ids = np.where(stays, piece.ids, mask[0])
        return [replace(piece, ids=row) for row in ids]
    return [_without(subject, piece, row) for row in _token_rows(piece, kept)]


def _token_rows(piece: Piece, kept: Matrix) -> Matrix:
    """(n, W) kept words to (n, T) kept tokens."""
    stays = np.ones((len(kept), len(piece)), dtype=bool)
    inside = piece.words >= 0
    stays[:, inside] = kept[:, piece.words[inside]]
    return stays


def _without(subject: Subject, piece: Piece, stays: Matrix) -> Piece:
    """The tokens that stay, moved together. Where none is left, as with a model without special tokens, one token of
    padding is read."""
    if stays.all():
        return piece
    if not stays.any():
        blank = int(subject.tokenizer.pad_token_id)
        first = np.zeros(1, dtype=np.int64)
        return replace(
            piece,
            ids=first + blank,
            types=None if piece.types is None else first,
            tokens=(subject.tokenizer.pad_token,),
            shown=(subject.tokenizer.pad_token,),
            special=first == 0,
            segments=first,
            words=first - 1,
            spans=np.zeros((1, 2), dtype=np.int64),
        )
    tokens = tuple(token for token, stay in zip(piece.tokens, stays, strict=True) if stay)
    special = piece.special[stays]
    return replace(
        piece,
        ids=piece.ids[stays],
        types=None if piece.types is None else piece.types[stays],
        tokens=tokens,
        shown=tuple(display_tokens(tokens, special.tolist())),
        special=special,
        segments=piece.segments[stays],
        words=piece.words[stays],
        spans=piece.spans[stays],
    )
