"""Which words speak for each class over many texts: take a word out of each text that holds it, and see how far each
class's logit falls, in the mean over the texts.

Knows texts, words and their effects on all classes at once. Does not know where the texts come from. A mean over many
texts is what a word does in most of its places; in a single text it may do otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import BadData
from core.explain import sampling
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject

Matrix = np.ndarray[Any, Any]

MOST_TOKENS = 128  # of a text that are read: the cost grows with the square of its length
FEWEST = 3  # texts that hold a word, below which nothing is said of it
TOP = 30  # words of a class that are told, for and against
LONGEST = 60  # characters of a word


def measure(subject: Subject, texts: Sequence[str]) -> Study:
    """The effect of every word on every class, over the texts.

    Leave-one-out (Li, Monroe & Jurafsky 2016): all places of a word in a text are masked together (or removed, where the
    model has no mask token) and the logits compared. Logits of a model with one label a text are centred on their mean
    first, since only their differences count. A word's figure is the mean over the texts that hold it, with Student's
    95 % interval over those texts. Yields Progress in texts. Raises BadModel for a base model, BadData where no word
    stands in at least three texts, OutOfMemory.
    """
    if not subject.labels:
        subject.logits([])  # a base model: says so
    pace, book, skipped = Pace(len(texts)), _Book(len(subject.labels)), 0
    for number, text in enumerate(texts):
        piece = subject.read(text, most=MOST_TOKENS) if text.strip() else None
        if piece is None or not piece.word_count:
            skipped += 1
        else:
            book.take(*effects(subject, piece))
        yield pace.at(number + 1)
    return _findings(subject, book, len(texts), skipped)


def effects(subject: Subject, piece: Piece) -> tuple[list[str], Matrix]:
    """The distinct words of a piece, as first written, and (V, C) how far each class's logit falls without each; above 0:
    the word speaks for the class. Words that differ only in case count as one; punctuation is left out."""
    names = piece.word_list()
    kinds: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if any(c.isalnum() for c in name):
            kinds.setdefault(key_of(name), []).append(number)
    kept = np.ones((len(kinds) + 1, piece.word_count), dtype=bool)
    for row, numbers in enumerate(kinds.values(), start=1):
        kept[row, numbers] = False
    logits = subject.logits(sampling.perturbed(subject, piece, kept)).astype(np.float64)
    if not subject.several:
        logits -= logits.mean(axis=1, keepdims=True)
    return [names[numbers[0]] for numbers in kinds.values()], logits[0] - logits[1:]


def key_of(word: str) -> str:
    """What makes two words the same."""
    return word.casefold()[:LONGEST]


# --------------------------------------------------------------------------- over the texts


@dataclass
class _Book:
    """Sums over texts, by word."""

    classes: int
    places: dict[str, int] = field(default_factory=dict)  # key -> row
    spellings: list[Counter[str]] = field(default_factory=list)
    rows: list[Matrix] = field(default_factory=list)  # each (3, C): how many texts, sum, sum of squares

    def take(self, words: Sequence[str], found: Matrix) -> None:
        for word, own in zip(words, found, strict=True):
            at = self.places.setdefault(key_of(word), len(self.rows))
            if at == len(self.rows):
                self.rows.append(np.zeros((3, self.classes)))
                self.spellings.append(Counter())
            self.rows[at] += np.stack([np.ones(self.classes), own, own**2])
            self.spellings[at][word[:LONGEST]] += 1

    def frequent(self) -> tuple[list[str], Matrix, Matrix, Matrix]:
        """Words in at least FEWEST texts as mostly written, (V,) their texts, (V, C) means and half-widths."""
        from scipy.stats import t

        table = np.stack(self.rows) if self.rows else np.zeros((0, 3, self.classes))
        rows = np.flatnonzero(table[:, 0, 0] >= FEWEST) if len(table) else np.zeros(0, dtype=np.int64)
        count, total, square = (table[rows, part] for part in range(3))
        mean = total / np.maximum(count, 1)
        spread = np.sqrt(np.maximum(square - count * mean**2, 0.0) / np.maximum(count - 1, 1))
        half = t.ppf(0.975, np.maximum(count - 1, 1)) * spread / np.sqrt(np.maximum(count, 1))
        words = [self.spellings[row].most_common(1)[0][0] for row in rows]
        return words, count[:, 0].astype(np.int64), mean, half


def _findings(subject: Subject, book: _Book, texts: int, skipped: int) -> Findings:
    """summary: "classes": {name: {"for": [[word, mean, low, high, texts], …], "against": […], "clear_for", "clear_against":
    how many words' intervals lie above or below zero}}, ranked by the end of the interval that is nearer to zero, so
    that a word in few texts does not lead by chance. arrays: "words" (V,), "texts" (V,), "mean", "half" (V, C)."""
    words, count, mean, half = book.frequent()
    if not words:
        raise BadData(
            f"No word stands in at least {FEWEST} of the {texts - skipped} texts, so there is nothing to say of words in "
            "general. Choose a data set with more texts."
        )
    low, high = mean - half, mean + half

    def told(order: Matrix, c: int) -> list[list[Any]]:
        return [
            [words[row], float(mean[row, c]), float(low[row, c]), float(high[row, c]), int(count[row])]
            for row in order[:TOP].tolist()
        ]

    classes: dict[str, Any] = {}
    for c, name in enumerate(subject.labels):
        up, down = np.flatnonzero(low[:, c] > 0), np.flatnonzero(high[:, c] < 0)
        classes[name] = {
            "for": told(up[np.argsort(-low[up, c], kind="stable")], c),
            "against": told(down[np.argsort(high[down, c], kind="stable")], c),
            "clear_for": len(up),
            "clear_against": len(down),
        }
    summary = {
        "texts": texts - skipped,
        "skipped": skipped,
        "tokens": MOST_TOKENS,
        "fewest": FEWEST,
        "seen": len(book.rows),
        "words": len(words),
        "removal": sampling.replacement_in_words(subject),
        "centred": not subject.several,
        "classes": classes,
    }
    arrays = {"words": np.asarray(words, dtype=np.str_), "texts": count, "mean": mean, "half": half}
    return Findings(summary, arrays)
