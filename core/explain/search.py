"""Where heads attend from one word to another: all texts that hold both, and how strongly each head goes from X to Y.

Knows words and attention weights. Does not know where texts come from. Every head is looked at in one pass, so the answer
for another head is there at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadData
from core.evaluation.many_means import mean_intervals
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.records import Note

Array = np.ndarray[Any, Any]

ANY = "any word"
MOST_READ = 500  # texts that hold both words and are read by the model
MOST_PATTERN = 200  # characters
MOST_PAIRS = 4000  # (X, Y) places in one text


@dataclass(frozen=True)
class Pattern:
    """Words to look for: several by comma, `*` for any letters, a special token by its name; nothing: any word."""

    words: tuple[str, ...]

    @staticmethod
    def of(text: str) -> Pattern:
        """Raises BadData where it is too long."""
        if len(text) > MOST_PATTERN:
            raise BadData(f"This is too long to look for: at most {MOST_PATTERN} characters.")
        words = tuple(word.strip().casefold() for word in text.split(",") if word.strip())
        return Pattern(() if any(not word.strip("*") for word in words) else words)

    @property
    def any(self) -> bool:
        return not self.words

    def fits(self, word: str, special: bool) -> bool:
        """A special token fits only its name, so that “any word” is a word of the text."""
        if self.any:
            return not special
        folded = word.casefold()
        return any(_fits(folded, pattern) for pattern in self.words)


def _fits(word: str, pattern: str) -> bool:
    """The pieces between stars in order, each at its first place: no way back, so no pattern can take long."""
    first, *rest = pattern.split("*")
    if not rest:
        return word == first
    if not word.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1]:
        found = word.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(word) - len(rest[-1]) >= at and word.endswith(rest[-1])


@dataclass(frozen=True)
class Units:
    """What a text is made of here: its words, and each special token by itself."""

    names: tuple[str, ...]
    special: tuple[bool, ...]
    tokens: tuple[Array, ...]  # places of the tokens of each

    @staticmethod
    def of(piece: Piece) -> Units:
        names, special, tokens = [], [], []
        for number in range(piece.word_count):
            names.append(piece.word(number))
            special.append(False)
            tokens.append(np.flatnonzero(piece.words == number))
        for place in np.flatnonzero(piece.special):
            names.append(piece.tokens[int(place)])
            special.append(True)
            tokens.append(np.asarray([int(place)]))
        return Units(tuple(names), tuple(special), tuple(tokens))

    def pairs(self, source: Pattern, target: Pattern) -> list[tuple[int, int]]:
        """(X, Y) unit numbers that fit, X and Y never the same place."""
        of_name = list(zip(self.names, self.special, strict=True))
        sources = [n for n, (name, special) in enumerate(of_name) if source.fits(name, special)]
        targets = [n for n, (name, special) in enumerate(of_name) if target.fits(name, special)]
        return [(i, j) for i in sources for j in targets if i != j][:MOST_PAIRS]


def between(weights: Array, units: Units, pairs: Sequence[tuple[int, int]]) -> Array:
    """(L, H, T, T) to (L, H, K): the attention of each pair of words, the sum over the target's tokens and the mean over
    the source's (Clark et al. 2019, section 4.1)."""
    sources = sorted({i for i, _ in pairs})
    targets = sorted({j for _, j in pairs})
    rows = np.stack([weights[:, :, units.tokens[i]].mean(axis=2) for i in sources], axis=2)  # (L, H, X, T)
    both = np.stack([rows[..., units.tokens[j]].sum(axis=-1) for j in targets], axis=-1)  # (L, H, X, Y)
    at_row = {i: n for n, i in enumerate(sources)}
    at_column = {j: n for n, j in enumerate(targets)}
    return np.asarray(both[:, :, [at_row[i] for i, _ in pairs], [at_column[j] for _, j in pairs]])


def study(subject: Subject, texts: Sequence[str], source: str, target: str) -> Study:
    """Looks for texts in which heads attend from words X (`source`) to words Y (`target`).

    Findings.summary: texts (all), found (that hold both), read (at most MOST_READ of these), pairs, layers, heads,
    averaging, even (what a head that reads all tokens alike would give Y). Arrays: mean, low, high (L, H): attention
    from X to Y, mean over each text's pairs and then over texts, with 95 % bootstrap intervals; place (K,) of the texts
    read among all; best (K, L, H) float16: the largest of a text's pairs, and which (K, L, H) int32: its number in
    from_word, to_word (Q,) unicode. Raises BadData where no text holds both, or both fields are empty.
    """
    first, second = Pattern.of(source), Pattern.of(target)
    if first.any and second.any:
        raise BadData("Name at least one word: from any word to any word would find every text.")
    pace = Pace(len(texts))
    yield pace.at(0)
    pieces: list[Piece] = []
    units: list[Units] = []
    pairs: list[list[tuple[int, int]]] = []
    places: list[int] = []
    found = 0
    for place, text in enumerate(texts):
        piece = subject.read(text) if text.strip() else None
        own = Units.of(piece) if piece is not None else None
        hits = own.pairs(first, second) if own is not None else []
        if piece is not None and own is not None and hits:
            found += 1
            if len(pieces) < MOST_READ:
                pieces.append(piece)
                units.append(own)
                pairs.append(hits)
                places.append(place)
        if place % 200 == 199:
            yield pace.at(place + 1)
    if not pieces:
        raise BadData(
            f"None of the {len(texts):,} texts holds both “{source or ANY}” and “{target or ANY}”. Look for other words, or "
            "use * for any letters, as in refund*."
        )
    if found > len(pieces):
        yield Note(f"{found} texts hold both; the first {len(pieces)} are read.")
    found_in = yield from _read(subject, pieces, units, pairs)
    return _summed(subject, len(texts), found, places, pieces, units, pairs, *found_in)


def _read(
    subject: Subject, pieces: Sequence[Piece], units: Sequence[Units], pairs: Sequence[list[tuple[int, int]]]
) -> Any:
    """Best (K, L, H), the number of its pair (K, L, H), and the mean over pairs (K, L, H)."""
    shape = (len(pieces), *subject.shape)
    best, which, mean = np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape)
    pace, done = Pace(len(pieces)), 0
    yield pace.at(0)
    for rows in subject.groups(pieces):
        found, _ = subject.attend_all([pieces[int(row)] for row in rows])
        for row, weights in zip(rows, found, strict=True):
            each = between(weights, units[row], pairs[row])
            best[row], which[row], mean[row] = each.max(axis=-1), each.argmax(axis=-1), each.mean(axis=-1)
        done += len(rows)
        yield pace.at(done)
    return best, which, mean


def _summed(
    subject: Subject,
    texts: int,
    found: int,
    places: Sequence[int],
    pieces: Sequence[Piece],
    units: Sequence[Units],
    pairs: Sequence[list[tuple[int, int]]],
    best: Array,
    which: Array,
    mean: Array,
) -> Findings:
    value, low, high = mean_intervals(mean)
    if len(pieces) == 1:  # one text: a figure without an interval
        value = mean[0]
    names: dict[tuple[str, str], int] = {}
    numbered = np.zeros_like(which)
    for row, hits in enumerate(pairs):
        numbers = [names.setdefault((units[row].names[i], units[row].names[j]), len(names)) for i, j in hits]
        numbered[row] = np.asarray(numbers)[which[row]]
    even = [
        float(np.mean([len(units[row].tokens[j]) for _, j in hits])) / len(pieces[row])
        for row, hits in enumerate(pairs)
    ]
    summary = {
        "texts": texts,
        "found": found,
        "read": len(pieces),
        "pairs": sum(map(len, pairs)),
        "layers": subject.shape[0],
        "heads": subject.shape[1],
        "averaging": subject.averaging,
        "even": float(np.mean(even)),
    }
    arrays = {
        "mean": value, "low": low, "high": high,
        "place": np.asarray(places, dtype=np.int64),
        "best": best.astype(np.float16), "which": numbered.astype(np.int32),
        "from_word": np.asarray([source for source, _ in names], dtype=np.str_),
        "to_word": np.asarray([target for _, target in names], dtype=np.str_),
    }  # fmt: skip
    return Findings(summary, arrays)
