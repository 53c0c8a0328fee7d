"""The baseline ladder: what simple methods reach on the same texts, so that an analyst sees what each step buys.

Knows scikit-learn's word counts and logistic regression. Does not know encoders; the rungs above come from the
training loop.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.metrics import score
from core.evaluation.multilabel import choose, score_several, tune_thresholds
from core.records import Rung, Scores
from core.training.task import TrainingData

if TYPE_CHECKING:
    from collections.abc import Hashable

TITLES = {  # from the simplest to the most elaborate
    "majority": "Always the most frequent class",
    "tfidf": "Word counts (TF-IDF + logistic regression)",
    "quick": "Quick: frozen encoder + head",
    "few": "Few labels: contrastive fine-tuning",
    "lora": "LoRA: small updates to a frozen encoder",
    "full": "Full fine-tuning",
}

# Measured on one slow core. Banking77 (10,003 texts, 77 classes), test accuracy: words and pairs of words 88.8 % in
# 2 s, with parts of words 91.4 % in 6 s (C of 3; 91.6 % in 9 s with C of 10). With 10 texts per class C of 3, 10, 30
# reach 75.4, 76.0, 75.9 %. The dual solver takes two thirds of the primal's time. spam_assassin (10 million
# characters): words alone 97.3 %. Several labels at a threshold of 0.5 throughout: cooking_multilabel, macro-F1 of
# 0.31 where thresholds of their own give 0.65.
_WORD = r"(?u)\b\w+\b"  # single letters too, which scikit-learn leaves out
_STRENGTH = 10.0  # scikit-learn's C
_STRENGTH_OF_MUCH, _MUCH = 3.0, 30_000_000  # C from so much work on: it converges sooner
_TOLERANCE = 1e-2
_PARTS_UP_TO = 3_000_000  # characters of training text up to which parts of words are counted as well
_CHARACTERS = 20_000_000  # read of the training texts at most, and again of the validation texts
_LONGEST = 20_000  # characters read of one text
_WORK = 150_000_000  # filled cells of the table x classes that are fitted at most
_CELLS = 2.5  # filled cells per character, with parts of words
_WORK_PER_SECOND, _CHARACTERS_PER_SECOND = 20e6, 0.7e6
_HELD_BACK = 0.2  # share of the training texts that chooses the thresholds of several labels


def simple_rungs(data: TrainingData, seed: int = 0) -> Iterator[Rung]:
    """Majority class and TF-IDF with logistic regression, each learnt from the training part and measured on the
    validation part (accuracy with Wilson interval, macro-F1 with bootstrap).

    Stays within some ten seconds on two cores: of large data a sample is learnt from and measured on, which the
    rung's note says. The same seed gives the same figures. A method that cannot be fitted (one class only, no
    words at all) has no rung.
    """
    if not len(data.train_texts) or not len(data.validation_texts):
        return
    yield _majority(data)
    rung = _tfidf(data, seed)
    if rung is not None:
        yield rung


def expected_seconds(data: TrainingData) -> float:
    """About how long `simple_rungs` will take on one core."""
    read = min(_CHARACTERS, sum(map(len, data.train_texts)))
    work = min(_WORK, read * _CELLS * len(data.labels))
    return 0.5 + read / _CHARACTERS_PER_SECOND + work / _WORK_PER_SECOND


def table(rungs: Iterable[Rung]) -> list[dict[str, Any]]:
    """The ladder as rows for a page, simplest method first; of two rungs of one name the later one counts.

    Keys: name, title, accuracy and macro_f1 (Interval), gain (macro-F1 over the rung before; None for the first),
    seconds, kept, note.
    """
    latest = {rung.name: rung for rung in rungs}
    order = list(TITLES)
    ordered = sorted(latest.values(), key=lambda r: order.index(r.name) if r.name in TITLES else len(order))
    rows: list[dict[str, Any]] = []
    for at, rung in enumerate(ordered):
        rows.append(
            {
                "name": rung.name,
                "title": TITLES.get(rung.name, rung.name),
                "accuracy": rung.accuracy,
                "macro_f1": rung.macro_f1,
                "gain": rung.macro_f1.value - ordered[at - 1].macro_f1.value if at else None,
                "seconds": rung.seconds,
                "kept": rung.kept,
                "note": rung.note,
            }
        )
    return rows


# --------------------------------------------------------------------------- majority


def _majority(data: TrainingData) -> Rung:
    begun = time.perf_counter()
    frequent = _most_frequent(data.train_labels)
    scores = _score(data, data.validation_labels, [frequent] * len(data.validation_labels))
    note = f"Answers {_in_words(data, frequent)} to every text, without reading it."
    return Rung("majority", scores.accuracy, scores.macro_f1, time.perf_counter() - begun, note=note)


def _most_frequent(labels: Sequence[Any]) -> Any:
    """Of equally frequent ones the first in order. With several labels a text: the most frequent combination."""
    counts: Counter[Hashable] = Counter(
        tuple(sorted(x)) if isinstance(x, tuple | list) else x for x in labels
    )
    return min(counts, key=lambda x: (-counts[x], x))


def _in_words(data: TrainingData, answer: Any) -> str:
    chosen = answer if isinstance(answer, tuple) else (answer,)
    return " and ".join(f"“{data.labels[c]}”" for c in chosen) or "no label"


# --------------------------------------------------------------------------- word counts


def _tfidf(data: TrainingData, seed: int) -> Rung | None:
    begun = time.perf_counter()
    rng = np.random.default_rng(seed)
    rows = _affordable(data.train_texts, data.train_labels, rng)
    held = _affordable(data.validation_texts, None, rng)
    texts = [data.train_texts[i][:_LONGEST] for i in rows]
    parts = _counts_parts(texts, len(data.labels))
    found = _vectors(texts, parts)
    if found is None:
        return None
    counter, table = found
    kept = _within_work(table, [data.train_labels[i] for i in rows], len(data.labels), rng)
    table, rows = table[kept], rows[kept]
    labels = [data.train_labels[i] for i in rows]
    if len(set(labels)) < 2:
        return None
    unseen = counter.transform([data.validation_texts[i][:_LONGEST] for i in held])
    predicted = _answers(data, table, labels, unseen, rng)
    scores = _score(data, [data.validation_labels[i] for i in held], predicted)
    return Rung(
        "tfidf",
        scores.accuracy,
        scores.macro_f1,
        time.perf_counter() - begun,
        note=_note(data, parts, table.shape[1], len(rows), len(held)),
    )


def _note(data: TrainingData, parts: bool, features: int, learnt: int, measured: int) -> str:
    counted = "words, pairs of words and parts of words" if parts else "words and pairs of words"
    note = f"Counts {features:,} {counted}, rare ones weighing more, and knows no meaning."
    if learnt < len(data.train_texts):
        note += f" To stay quick it learnt from {learnt:,} of the {len(data.train_texts):,} texts."
    if measured < len(data.validation_texts):
        note += f" Measured on {measured:,} of the {len(data.validation_texts):,} validation texts."
    return note


def _counts_parts(texts: Sequence[str], classes: int) -> bool:
    characters = sum(map(len, texts))
    return characters <= _PARTS_UP_TO and characters * _CELLS * classes <= _WORK


def _vectors(texts: Sequence[str], parts: bool) -> tuple[Any, Any] | None:
    """The fitted counter and the (N, F) sparse table of weights; None where there is nothing to count."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    def words() -> Any:
        return TfidfVectorizer(ngram_range=(1, 2), token_pattern=_WORD, sublinear_tf=True, dtype=np.float32)

    def parts_of_words() -> Any:
        # pairs of characters stand for words in scripts that write without spaces
        rare = 2 if len(texts) >= 1000 else 1
        return TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), min_df=rare, sublinear_tf=True, dtype=np.float32
        )

    for counters in ((words, parts_of_words) if parts else (words,), (parts_of_words,)):
        counter = make_union(*(make() for make in counters))
        try:
            return counter, counter.fit_transform(texts).tocsr()
        except ValueError:  # an empty vocabulary, such as no word in texts of emoji alone
            continue
    return None


def _answers(data: TrainingData, table: Any, labels: Sequence[Any], unseen: Any, rng: Any) -> list[Any]:
    """Predicted class indices, or tuples of them where a text may have several."""
    if not data.several:
        fitted = _regression(table, len(data.labels)).fit(table, np.asarray(labels))
        return [int(c) for c in fitted.predict(unseen)]
    truth = _indicator(labels, len(data.labels))
    order = rng.permutation(len(labels))
    back = order[: max(1, int(_HELD_BACK * len(order)))]
    front = order[len(back) :]
    # at 0.5 rare classes would hardly ever be chosen, which flatters whatever stands above on the ladder
    thresholds = tune_thresholds(truth[back], _probabilities(table[front], truth[front], table[back]))
    chosen = choose(_probabilities(table, truth, unseen), thresholds)
    return [tuple(np.flatnonzero(row).tolist()) for row in chosen]


def _regression(table: Any, classes: int) -> Any:
    """One logistic regression per class; the dual solver is the fastest on tables as wide and empty as these."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    strength = _STRENGTH_OF_MUCH if table.nnz * classes > _MUCH else _STRENGTH
    return OneVsRestClassifier(
        LogisticRegression(C=strength, solver="liblinear", dual=True, tol=_TOLERANCE, random_state=0)
    )


def _probabilities(table: Any, truth: np.ndarray[Any, Any], unseen: Any) -> np.ndarray[Any, Any]:
    """(M, C) float64 of the unseen rows; a class that all or none of the texts have keeps its constant."""
    result = np.tile(truth.mean(axis=0, dtype=np.float64), (unseen.shape[0], 1))
    learnable = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    regression = _regression(table, len(learnable))
    if len(learnable) == 1:  # scikit-learn takes a single column for a choice between two classes
        (c,) = learnable
        result[:, c] = regression.estimator.fit(table, truth[:, c]).predict_proba(unseen)[:, 1]
    elif len(learnable):
        result[:, learnable] = regression.fit(table, truth[:, learnable]).predict_proba(unseen)
    return result


# --------------------------------------------------------------------------- sizes, classes, scores


def _affordable(texts: Sequence[str], labels: Sequence[Any] | None, rng: Any) -> np.ndarray[Any, Any]:
    """Row numbers, in order: all of them, or a random sample of as many characters as may be read."""
    sizes = np.fromiter((min(len(text), _LONGEST) for text in texts), dtype=np.int64, count=len(texts))
    if sizes.sum() <= _CHARACTERS:
        return np.arange(len(texts))
    order = _mixed(labels, len(texts), rng)
    within = int(np.searchsorted(np.cumsum(sizes[order]), _CHARACTERS, side="right"))
    return np.sort(order[: max(1, within)])


def _within_work(table: Any, labels: Sequence[Any], classes: int, rng: Any) -> np.ndarray[Any, Any]:
    """Positions of the rows that can be fitted in time."""
    columns = 1 if classes == 2 else classes
    share = _WORK / max(1, table.nnz * columns)
    if share >= 1:
        return np.arange(table.shape[0])
    order = _mixed(labels, table.shape[0], rng)
    return np.sort(order[: max(min(len(order), 2 * classes), int(share * len(order)))])


def _mixed(labels: Sequence[Any] | None, n: int, rng: Any) -> np.ndarray[Any, Any]:
    """A random order of n rows in which a row of every class comes first."""
    order = np.asarray(rng.permutation(n))
    if labels is None:
        return order
    seen: set[Any] = set()
    first = np.zeros(n, dtype=bool)
    for at, row in enumerate(order):
        label = labels[row]
        new = set(label if isinstance(label, tuple | list) else (label,)) - seen
        first[at] = bool(new)
        seen |= new
    return np.concatenate([order[first], order[~first]])


def _indicator(labels: Sequence[Any], classes: int) -> np.ndarray[Any, Any]:
    """(N, C) bool: which text has which label."""
    found = np.zeros((len(labels), classes), dtype=bool)
    for row, label in enumerate(labels):
        found[row, list(label)] = True
    return found


def _score(data: TrainingData, truth: Sequence[Any], predicted: Sequence[Any]) -> Scores:
    if not data.several:
        return score(truth, predicted, data.labels)
    classes = len(data.labels)
    return score_several(_indicator(truth, classes), _indicator(predicted, classes), data.labels)
