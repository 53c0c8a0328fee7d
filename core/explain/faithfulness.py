"""Whether an answer really hangs on the words that a method names: take them out, and see how far the answer falls.

Knows texts, methods and the erasure measures of DeYoung et al. (2020), "ERASER", section 4, next to words chosen at random.
Does not know where the texts come from or how the figures are drawn. Both measures ask about one and the same thing,
texts with words taken out, which are unlike ordinary texts (Hooker et al. 2019); that is why only the comparison with
random words, which are taken out in the same way, says anything. Methods that score words by blanking them are tested on
their own ground here.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadData
from core.evaluation.means import mean_interval
from core.explain import sampling
from core.explain.agreement import Agreement, agreement
from core.explain.attribution import METHODS, Aim, Attribution, aim_at, attribute
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.records import Interval, Progress

Matrix = np.ndarray[Any, Any]

DEFAULT = tuple(METHODS)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)  # of a text's words, at least one word each
DRAWS = 5  # random orders of words for each text
MOST_TOKENS = 128  # of a text that is measured: the cost grows with the square of its length
FEWEST_WORDS = 3  # of a text that tells anything


@dataclass(frozen=True)
class Erased:
    """The answer's probability with words taken out by M rankings, for S shares."""

    whole: float  # of the text as it is
    removed: Matrix  # (M, S) without the top words
    kept: Matrix  # (M, S) with nothing but the top words

    @property
    def comprehensiveness(self) -> Matrix:
        """(M,) mean fall of the probability when the top words go: higher is better."""
        return np.asarray(self.whole - self.removed.mean(axis=1))

    @property
    def sufficiency(self) -> Matrix:
        """(M,) mean fall when only the top words stay: lower is better."""
        return np.asarray(self.whole - self.kept.mean(axis=1))


def erase(
    subject: Subject,
    piece: Piece,
    target: int,
    rankings: Sequence[Matrix],
    shares: Sequence[float] = SHARES,
    how: str = "auto",
) -> Erased:
    """What becomes of the probability of class `target` when the words of the highest (W,) scores are taken out, and
    when only they stay. Sets of words that rankings share are answered once."""
    words = piece.word_count
    counts = [min(words, max(1, int(np.ceil(share * words)))) for share in shares]
    numbers: dict[bytes, int] = {}
    sets: list[Matrix] = []

    def number(kept: Matrix) -> int:
        key = np.packbits(kept).tobytes()
        if key not in numbers:
            numbers[key] = len(sets)
            sets.append(kept)
        return numbers[key]

    whole = number(np.ones(words, dtype=bool))
    removed, kept = (np.zeros((len(rankings), len(counts)), dtype=np.int64) for _ in range(2))
    for row, scores in enumerate(rankings):
        places = np.argsort(-np.asarray(scores), kind="stable").argsort()
        for column, count in enumerate(counts):
            top = places < count
            removed[row, column], kept[row, column] = number(~top), number(top)
    pieces = sampling.perturbed(subject, piece, np.asarray(sets), how)
    found = subject.probabilities(subject.logits(pieces))[:, target].astype(np.float64)
    return Erased(float(found[whole]), found[removed], found[kept])


def measure(
    subject: Subject,
    texts: Sequence[str],
    methods: Sequence[str] = DEFAULT,
    *,
    draws: int = DRAWS,
    samples: int | None = None,
    how: str = "auto",
    seed: int = 0,
) -> Study:
    """Comprehensiveness and sufficiency of each method, of random words, and how far the methods agree, over the texts.

    Each text is explained for its own answer. Texts of fewer than three words are skipped; a long one is read up to 128
    tokens. `samples`: of LIME and SHAP for each text. `how` words are taken out: "mask", "removal", or "auto", which is mask
    where the model has such a token. Yields Progress in texts. Returns Findings as in `_findings`.
    Raises BadData where fewer than two texts can be measured, BadModel, OutOfMemory.
    """
    pace = Pace(len(texts))
    rng = np.random.default_rng(seed)
    rows: list[Erased] = []
    agreed: list[Agreement] = []
    for number, text in enumerate(texts):
        piece = _readable(subject, text)
        if piece is not None:
            aim = aim_at(subject, piece)
            found = []
            for method in methods:
                work = attribute(subject, piece, method, aim, samples=samples, seed=seed + number)
                found.append((yield from _still(work, pace.at(number))))
            chance = [rng.random(piece.word_count) for _ in range(draws)]
            rows.append(_one(subject, piece, aim, [one.word_scores for one in found], chance, how))
            agreed.append(agreement(found))
        yield pace.at(number + 1)
    if len(rows) < 2:
        raise BadData(
            f"Only {len(rows)} of the {len(texts)} texts have at least {FEWEST_WORDS} words: too few to measure anything. "
            "Choose a data set with longer texts."
        )
    return _findings(
        rows, agreed, tuple(methods), len(texts), sampling.replacement_in_words(subject, how), seed
    )


def _readable(subject: Subject, text: str) -> Piece | None:
    if not text.strip():
        return None
    piece = subject.read(text, most=MOST_TOKENS)
    return piece if piece.word_count >= FEWEST_WORDS else None


def _still(
    work: Generator[Progress, None, Attribution], known: Progress
) -> Generator[Progress, None, Attribution]:
    """A text's work, with a sign of life for each of its own: a study can be stopped in the middle of a text."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            found: Attribution = ended.value
            return found
        yield known


def _one(
    subject: Subject, piece: Piece, aim: Aim, scores: list[Matrix], chance: list[Matrix], how: str
) -> Erased:
    """(M + 1, S): the last row is the mean over the random orders."""
    found = erase(subject, piece, aim.target, [*scores, *chance], how=how)
    size = len(scores)

    def joined(rows: Matrix) -> Matrix:
        return np.vstack([rows[:size], rows[size:].mean(axis=0, keepdims=True)])

    return Erased(found.whole, joined(found.removed), joined(found.kept))


def _findings(
    rows: Sequence[Erased],
    agreed: Sequence[Agreement],
    methods: tuple[str, ...],
    texts: int,
    removal: str,
    seed: int,
) -> Findings:
    """summary: "methods": {name: {"comprehensiveness", "sufficiency", "gain" (comprehensiveness above random's, of the
    same text), "sufficiency_gain" (below random's), each [value, low, high] with a 95 % bootstrap interval over texts;
    "removed", "kept": mean probability of the answer, one for each of "shares"}}, "random" likewise, "agreement".
    arrays: "comprehensiveness", "sufficiency" (M + 1, N), random last; "removed", "kept" (M + 1, S) means."""
    arrays = {
        "comprehensiveness": np.stack([row.comprehensiveness for row in rows], axis=1),
        "sufficiency": np.stack([row.sufficiency for row in rows], axis=1),
        "removed": np.mean([row.removed for row in rows], axis=0),
        "kept": np.mean([row.kept for row in rows], axis=0),
    }
    figures = [_figures(arrays, at, seed) for at in range(len(methods) + 1)]
    whole = np.asarray([row.whole for row in rows])
    return Findings(
        {
            "texts": len(rows),
            "skipped": texts - len(rows),
            "tokens": MOST_TOKENS,
            "shares": list(SHARES),
            "removal": removal,
            "probability": _listed(mean_interval(whole, seed)),
            "methods": dict(zip(methods, figures[:-1], strict=True)),
            "random": figures[-1],
            "agreement": _agreement(agreed, methods, seed),
        },
        arrays,
    )


def _figures(arrays: Mapping[str, Matrix], at: int, seed: int) -> dict[str, Any]:
    falls, rests = arrays["comprehensiveness"], arrays["sufficiency"]
    return {
        "comprehensiveness": _listed(mean_interval(falls[at], seed)),
        "sufficiency": _listed(mean_interval(rests[at], seed)),
        "gain": _listed(mean_interval(falls[at] - falls[-1], seed)),
        "sufficiency_gain": _listed(mean_interval(rests[-1] - rests[at], seed)),
        "removed": arrays["removed"][at].tolist(),
        "kept": arrays["kept"][at].tolist(),
    }


def _agreement(agreed: Sequence[Agreement], methods: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Means over the texts, with intervals."""
    size = range(len(methods))

    def means(values: Matrix) -> list[list[Any]]:
        return [[_listed(mean_interval(values[:, i, j], seed)) for j in size] for i in size]

    return {
        "methods": list(methods),
        "spearman": means(np.stack([one.spearman for one in agreed])),
        "kendall": means(np.stack([one.kendall for one in agreed])),
        "overlap": means(np.stack([one.overlap for one in agreed])),
        "chance": float(np.mean([one.chance for one in agreed])),
    }


def _listed(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.value, interval.low, interval.high]
