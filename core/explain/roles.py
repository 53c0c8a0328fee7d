"""What each head of a model does: how much of its attention goes to the token before, the one after, [SEP] and so on.

Measured over texts, with intervals, and set against a head that reads all tokens alike. Knows attention weights, tokens
and words. Does not know where texts come from. Nothing here says that a role matters for the answer (see `ablation`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import BadData
from core.evaluation.many_means import mean_intervals
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.records import Note

PATTERNS = ("previous", "next", "same", "first", "separator", "punctuation", "rare")
OWN = ("previous", "next", "same", "punctuation", "rare")  # patterns among the text's own tokens
MEASURES = (*PATTERNS, "entropy", "reach", *(f"rest_{name}" for name in OWN))
BROAD, NONE = "broad", "none"

CLEAR = 0.25  # of the way from a head that reads all alike to one that does nothing else
EVEN = 0.9  # of the entropy that reading all alike would have
MOST_RARE = 0.5  # a text whose rarest words are more than this share of its tokens has no rarest words
_TINY = 1e-12


def measure(
    weights: np.ndarray[Any, Any], piece: Piece, rarity: Mapping[str, int]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The figures of one text: (M, L, H) float64 of the model's heads, and (M, L) of a head that reads all tokens it
    may read alike; M in the order of MEASURES, NaN where the text has no such thing.

    Rows are the text's own tokens: what [CLS] and [SEP] read themselves is left out, as their rows do not read a word
    in its place. `previous`, `next`, `same`: the mean weight on the neighbour (where it is a token of the text) or
    itself. `first`, `separator`, `punctuation`, `rare`: the summed weight on the leading special token, the other
    special tokens, tokens of nothing but punctuation or symbols, and the words of this text that the fewest texts have
    (`rarity`: word -> texts). These are the patterns of Clark et al. (2019), "What Does BERT Look At?", section 3, and
    Voita et al. (2019), "Analyzing Multi-Head Self-Attention", section 5. `entropy`: bits, mean over rows. `reach`:
    tokens between a row and what it reads, over the text's own tokens only, since [SEP] is far without being distant.
    `rest_…`: a pattern as a share of the attention that goes to the text's own tokens at all: what a head does besides
    resting on [CLS] and [SEP].
    """
    layers, heads = weights.shape[:2]
    values = np.full((len(MEASURES), layers, heads), np.nan)
    even = np.full((len(MEASURES), layers), np.nan)
    if not (~piece.special).any():
        return values, even
    places = _Places(piece, rarity)
    for layer in range(layers):  # one at a time: a whole map of 512 tokens has 150 MB
        allowed = (weights[layer] > 0).any(axis=0)  # windows and later tokens that a model may not read
        alike = allowed / np.maximum(allowed.sum(axis=-1, keepdims=True), 1)
        planes = np.concatenate([weights[layer].astype(np.float64), alike[None]])
        found = places.figures(planes)
        values[:, layer], even[:, layer] = found[:, :-1], found[:, -1]
    return values, even


def study(subject: Subject, texts: Sequence[str], others: Sequence[str] = ()) -> Study:
    """Measures every head on N texts. `others`: more texts, to know how rare a word is.

    Findings.summary: texts, tokens (mean of a text), layers, heads, averaging (number of the added layer or None),
    first and separator (names of those tokens, or ""), even {measure: mean of a head that reads all alike},
    clear and even_share (the two limits). Arrays: values, low, high (M, L, H) means with 95 % intervals; gain,
    gain_low, gain_high (P, L, H): (value - alike) / (1 - alike) per text; breadth, breadth_low, breadth_high (L, H):
    entropy as a share of that of reading all alike; role and second (L, H) unicode: a name of PATTERNS, "broad",
    "none", "" for nothing besides; example (L, H) int: the text that shows the role best. Raises BadData where there is no
    text, BadModel for a model without such attention.
    """
    pieces, kept = readable(subject, texts)
    if len(pieces) < 2:
        raise BadData("There are fewer than two texts to look at. Choose a data set with more texts.")
    rarity = document_frequency([*pieces, *readable(subject, others)[0]])
    pace = Pace(len(pieces))
    values: list[Any] = [None] * len(pieces)
    even: list[Any] = [None] * len(pieces)
    done = 0
    yield pace.at(0)
    for rows in subject.groups(pieces):
        found, _ = subject.attend_all([pieces[int(row)] for row in rows])
        for row, weights in zip(rows, found, strict=True):
            values[row], even[row] = measure(weights, pieces[int(row)], rarity)
        done += len(rows)
        yield pace.at(done)
    cut = sum(piece.cut > 0 for piece in pieces)
    if cut:
        yield Note(f"{cut} of {len(pieces)} texts were cut at {subject.max_tokens} tokens.")
    return _summed(subject, pieces, kept, np.stack(values), np.stack(even))


def readable(subject: Subject, texts: Iterable[str]) -> tuple[list[Piece], list[int]]:
    """The texts that have tokens of their own, and their places among all."""
    pieces, places = [], []
    for place, text in enumerate(texts):
        if text and text.strip():
            piece = subject.read(text)
            if not piece.special.all():
                pieces.append(piece)
                places.append(place)
    return pieces, places


def document_frequency(pieces: Iterable[Piece]) -> dict[str, int]:
    """Word -> pieces that have it; small and capital letters are the same."""
    count: Counter[str] = Counter()
    for piece in pieces:
        count.update({word.casefold() for word in piece.word_list()})
    return dict(count)


class _Places:
    """Where in a text the patterns look."""

    def __init__(self, piece: Piece, rarity: Mapping[str, int]) -> None:
        own = ~piece.special
        self.rows = np.flatnonzero(own)
        self.backward = self.rows[(self.rows > 0) & own[self.rows - 1]]
        inner = self.rows[self.rows + 1 < len(piece)]
        self.forward = inner[own[inner + 1]]
        special = np.flatnonzero(piece.special)
        leads = bool(len(special)) and special[0] == 0
        self.first = special[:1] if leads else special[:0]
        self.separator = special[1:] if leads else special
        self.punctuation = np.asarray(
            [i for i in self.rows if is_punctuation(piece.shown[i])], dtype=np.int64
        )
        self.rare = _rarest(piece, rarity)
        self.distance = np.abs(self.rows[:, None] - self.rows[None, :])

    def figures(self, planes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(G, T, T) attention to (M, G)."""
        read = planes[:, self.rows]
        own = np.maximum(read[:, :, self.rows].sum(axis=-1), _TINY)  # (G, R)
        at = dict(zip(self.rows.tolist(), range(len(self.rows)), strict=True))
        backward, forward = ([at[int(i)] for i in places] for places in (self.backward, self.forward))
        previous = planes[:, self.backward, self.backward - 1]
        following = planes[:, self.forward, self.forward + 1]
        same = planes[:, self.rows, self.rows]
        logs = np.log2(np.maximum(read, _TINY))
        inner = read[:, :, self.rows]
        return np.stack(
            [
                _mean(previous),
                _mean(following),
                _mean(same),
                _share(read, self.first),
                _share(read, self.separator),
                _share(read, self.punctuation),
                _share(read, self.rare),
                -(read * logs).sum(axis=-1).mean(axis=-1),
                (inner * self.distance).sum(axis=(1, 2)) / own.sum(axis=1),
                _of(previous, own[:, backward]),
                _of(following, own[:, forward]),
                _of(same, own),
                _of(read[:, :, self.punctuation].sum(axis=-1), own, len(self.punctuation)),
                _of(read[:, :, self.rare].sum(axis=-1), own, len(self.rare)),
            ]
        )


def is_punctuation(shown: str) -> bool:
    """Nothing but punctuation marks."""
    return bool(shown) and all(unicodedata.category(c).startswith("P") for c in shown)


def _mean(picked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(G, K) to (G,); NaN where there is no place."""
    return picked.mean(axis=-1) if picked.shape[-1] else np.full(len(picked), np.nan)


def _share(read: np.ndarray[Any, Any], columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(G, R, T) to (G,): the summed weight on some columns, mean over rows; NaN where there are none."""
    if not len(columns):
        return np.full(len(read), np.nan)
    return np.asarray(read[:, :, columns].sum(axis=-1).mean(axis=-1))


def _of(
    picked: np.ndarray[Any, Any], own: np.ndarray[Any, Any], places: int | None = None
) -> np.ndarray[Any, Any]:
    """(G, K) as a share of the (G, K) attention to own tokens; NaN where there is no place."""
    if not picked.shape[-1] or places == 0:
        return np.full(len(picked), np.nan)
    return np.asarray(picked.sum(axis=-1) / own.sum(axis=-1))


def _rarest(piece: Piece, rarity: Mapping[str, int]) -> np.ndarray[Any, Any]:
    """Tokens of the rarest words; none where too many words are equally rare. Punctuation is no word."""
    words = piece.word_list()
    count = {
        n: rarity.get(word.casefold(), 0) for n, word in enumerate(words) if any(c.isalnum() for c in word)
    }
    if not count:
        return np.zeros(0, dtype=np.int64)
    least = min(count.values())
    found = np.flatnonzero(np.isin(piece.words, [n for n, c in count.items() if c == least]))
    return found if len(found) <= MOST_RARE * int((~piece.special).sum()) else found[:0]


def _summed(
    subject: Subject,
    pieces: Sequence[Piece],
    kept: Sequence[int],
    values: np.ndarray[Any, Any],
    even: np.ndarray[Any, Any],
) -> Findings:
    """(N, M, L, H) and (N, M, L) to means, intervals and roles."""
    at = MEASURES.index("entropy")
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = even[:, :, :, None]
        beyond = np.where(alike < 1 - _TINY, (values - alike) / (1 - alike), np.nan)
        gains, rests = beyond[:, : len(PATTERNS)], beyond[:, -len(OWN) :]
        breadths = np.where(even[:, at, :, None] > 0, values[:, at] / even[:, at, :, None], np.nan)
    mean, low, high = mean_intervals(values)
    gain, gain_low, gain_high = mean_intervals(gains)
    breadth, breadth_low, breadth_high = mean_intervals(breadths)
    _, rest_low, _ = mean_intervals(rests)
    role, second = name_roles(gain, gain_low, breadth_low, rest_low)
    layers, heads = subject.shape
    even_mean = {
        name: _known_mean(even[:, n]) for n, name in enumerate(MEASURES)
    }  # over layers, too: they differ only where a model reads in windows
    summary = {
        "texts": len(pieces),
        "tokens": float(np.mean([len(p) for p in pieces])),
        "layers": layers,
        "heads": heads,
        "averaging": subject.averaging,
        "first": _token_name(pieces, True),
        "separator": _token_name(pieces, False),
        "even": even_mean,
        "clear": CLEAR,
        "even_share": EVEN,
    }
    arrays = {
        "values": mean, "low": low, "high": high,
        "gain": gain, "gain_low": gain_low, "gain_high": gain_high,
        "breadth": breadth, "breadth_low": breadth_low, "breadth_high": breadth_high,
        "role": role, "second": second,
        "example": np.asarray(kept)[_examples(role, gains, breadths)],
    }  # fmt: skip
    return Findings(summary, arrays)


def name_roles(
    gain: np.ndarray[Any, Any],
    gain_low: np.ndarray[Any, Any],
    breadth_low: np.ndarray[Any, Any],
    rest_low: np.ndarray[Any, Any],
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(P, L, H) gains and the low ends of their intervals, the (L, H) low ends of breadth, and the (P', L, H) low ends
    of the gains among own tokens, to the (L, H) names of the role and of what the head does besides.

    A pattern is clear where even the low end of its gain reaches CLEAR; the role is the clear pattern of the largest
    gain. A head without one that spreads as reading all alike would is "broad", any other has "none". Besides: the
    clearest pattern among the text's own tokens, where it is clear and not the role already.
    """
    shape = gain.shape[1:]
    role = np.full(shape, NONE, dtype="<U12")
    second = np.full(shape, "", dtype="<U12")
    for place in np.ndindex(*shape):
        own = gain[(slice(None), *place)]
        clear = [p for p in range(len(PATTERNS)) if gain_low[(p, *place)] >= CLEAR]
        if clear:
            role[place] = PATTERNS[max(clear, key=lambda p: own[p])]
        elif breadth_low[place] >= EVEN:
            role[place] = BROAD
        besides = np.nan_to_num(rest_low[(slice(None), *place)], nan=-1.0)
        best = int(np.argmax(besides))
        if besides[best] >= CLEAR and OWN[best] != role[place]:
            second[place] = OWN[best]
    return role, second


def _examples(
    role: np.ndarray[Any, Any], gains: np.ndarray[Any, Any], breadths: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """(L, H) number of the text in which each head shows its role best; without a role, that of its best pattern."""
    out = np.zeros(role.shape, dtype=np.int64)
    for place in np.ndindex(*role.shape):
        if role[place] == BROAD:
            scores = breadths[(slice(None), *place)]
        elif role[place] == NONE:
            scores = np.nan_to_num(gains[(slice(None), slice(None), *place)], nan=-1.0).max(axis=1)
        else:
            scores = gains[(slice(None), PATTERNS.index(role[place]), *place)]
        out[place] = int(np.argmax(np.nan_to_num(scores, nan=-1.0)))
    return out


def _known_mean(values: np.ndarray[Any, Any]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _token_name(pieces: Sequence[Piece], first: bool) -> str:
    """The special token at the front, or the most frequent other one; "" where there is none."""
    found: Counter[str] = Counter()
    for piece in pieces:
        special = np.flatnonzero(piece.special)
        leads = bool(len(special)) and special[0] == 0
        chosen = special[:1] if leads else special[:0]
        if not first:
            chosen = special[1:] if leads else special
        found.update(piece.tokens[int(i)] for i in chosen)
    return found.most_common(1)[0][0] if found else ""
