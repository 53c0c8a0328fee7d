"""Which words speak for an answer: seven methods, one shape of result, all on words and on the logit of a class or the
difference of two.

Knows the methods and how tokens' scores become words'. The arithmetic is in `gradients`, `sampling` and, for attention,
`attention`; does not know screens, jobs or studies. None of the methods is the truth: they answer different questions,
`agreement` says how far they agree and `faithfulness` whether the answer really hangs on the words that they name.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from core.errors import BadData
from core.explain import gradients, sampling
from core.explain.aim import Aim, aim_at
from core.explain.attention import rollout
from core.explain.methods import METHODS, Method
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.models.pooling import SCALE
from core.records import Progress

__all__ = ["METHODS", "Aim", "Attribution", "Method", "aim_at", "attribute", "explain", "finish"]

Matrix = np.ndarray[Any, Any]
T = TypeVar("T")

FLAT = 0.02  # of all scores together, for or against: a smaller difference has no error that means anything
BLANK_MOVES = (
    0.25  # least score of a text's words, as a share of the most, from which on the blank itself does it
)
LONG_WORDS = 8  # tokens for each word, from which words are hardly words
ANSWERED_TOKENS = 8192  # tokens of perturbed texts between two signs of life


@dataclass(frozen=True)
class Attribution:
    """What a method makes of one text: W words, T tokens."""

    method: str
    aim: Aim
    class_name: str
    against_name: str | None
    words: tuple[str, ...]  # W
    word_scores: (
        Matrix  # (W,) float64: above 0 speaks for the class (rather than the other); attention: shares
    )
    scores: Matrix  # (T,) float64, special tokens included; a word's score is the sum over its tokens
    signed: bool  # False: attention
    value: float  # what is explained: the text's logit, or the difference of two
    baseline: str  # what stands for a word that is not there, in words
    baseline_value: float | None  # the same figure where no word is there
    completeness_error: (
        float | None
    )  # ig: a share, |sum - (value - baseline_value)| / |value - baseline_value|
    evaluations: int  # passes through the model
    note: str = ""  # a sentence on what to be careful about
    margins: Matrix | None = (
        None  # (W,) half the 95 % interval that sampling leaves (lime, shap); NaN: too few samples
    )

    @property
    def elsewhere(self) -> float:
        """What falls on special tokens, and so on no word."""
        return float(self.scores.sum() - self.word_scores.sum())

    def top(self, count: int) -> list[int]:
        """Numbers of the words that speak most for the class, the first first."""
        return [int(word) for word in np.argsort(-self.word_scores, kind="stable")[:count]]


def attribute(
    subject: Subject,
    piece: Piece,
    method: str,
    aim: Aim,
    *,
    samples: int | None = None,
    seed: int = 0,
    baseline: str = "auto",
) -> Generator[Progress, None, Attribution]:
    """The words' scores by one of METHODS; yields Progress in passes through the model.

    `samples`: sets that LIME and SHAP draw (None: 10 for each word and 200 more, 1,000 at most). `baseline`, of integrated gradients:
    "mask" | "pad" | "zero"; "auto" is the first that the model has, so that its scores and SHAP's add up to the same
    difference. Raises BadData for a text without words, BadModel for a base model or one without readable attention,
    OutOfMemory.
    """
    if method not in METHODS:
        raise BadData(f"There is no method “{method}”. There are {', '.join(METHODS)}.")
    if piece.word_count == 0:
        raise BadData(
            f"{subject.name} reads no word in this text, so there is nothing to score. Type a sentence."
        )
    if not subject.labels:
        subject.logits([piece])  # a base model: says so
    if method == "ig":
        return (yield from _integrated(subject, piece, aim, baseline))
    if method == "gradient":
        return _gradient(subject, piece, aim)
    if method == "attention":
        return _attention(subject, piece, aim)
    return (yield from _sampled(subject, piece, method, aim, samples, seed))


def finish(work: Generator[Any, None, T]) -> T:
    """What a generator of events returns, its events unseen."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            found: T = ended.value
            return found


def explain(
    subject: Subject,
    text: str,
    method: str = "ig",
    class_name: str | None = None,
    *,
    against: str | None = None,
    pair: str | None = None,
    samples: int | None = None,
) -> dict[str, Any]:
    """The explanation of an answer as JSON, what `python -m core explain` prints. Errors as in `attribute`, `aim_at` and
    `Subject.read`."""
    piece = subject.read(text, pair)
    logits = subject.logits([piece])
    aim = aim_at(subject, piece, class_name, against)
    found = finish(attribute(subject, piece, method, aim, samples=samples))
    return {
        "model": subject.name,
        "method": found.method,
        "class": found.class_name,
        "against": found.against_name,
        "answer": subject.labels[int(logits[0].argmax())],
        "probability": float(subject.probabilities(logits)[0, aim.target]),
        "tokens": list(piece.tokens),
        "scores": found.scores.tolist(),
        "words": list(found.words),
        "word_scores": found.word_scores.tolist(),
        "word_margins": _listed(found.margins),
        "value": found.value,
        "baseline": found.baseline,
        "baseline_value": found.baseline_value,
        "completeness_error": found.completeness_error,
        "evaluations": found.evaluations,
        "cut": piece.cut,
        "note": found.note,
    }


def _listed(margins: Matrix | None) -> list[float | None] | None:
    """JSON knows no NaN."""
    return None if margins is None else [float(m) if np.isfinite(m) else None for m in margins]


# --------------------------------------------------------------------------- the methods, in one shape


def _integrated(
    subject: Subject, piece: Piece, aim: Aim, baseline: str
) -> Generator[Progress, None, Attribution]:
    chosen = gradients.choose_baseline(subject, baseline)
    path = yield from gradients.integrated(subject, piece, aim, chosen)
    careful = ""
    if (
        path.error > 2 * gradients.TOLERANCE
        and abs(path.whole - path.empty) < FLAT * np.abs(path.scores).sum()
    ):
        careful = (
            "What the words add up to is close to nothing here: they speak for and against in equal parts."
        )
    elif path.error > 2 * gradients.TOLERANCE:
        careful = (
            f"After {path.evaluations} steps the scores still miss the difference that they should add up to by "
            f"{path.error:.0%}: take them as rough."
        )
    return _attribution(
        subject,
        piece,
        "ig",
        aim,
        path.scores,
        value=path.whole,
        baseline=gradients.baseline_in_words(subject, chosen),
        baseline_value=path.empty,
        completeness_error=path.error,
        evaluations=path.evaluations,
        note=careful,
    )


def _gradient(subject: Subject, piece: Piece, aim: Aim) -> Attribution:
    scores, value = gradients.gradient_x_input(subject, piece, aim)
    return _attribution(
        subject,
        piece,
        "gradient",
        aim,
        scores,
        value=value,
        baseline="nothing is replaced: the gradient at the text itself",
        evaluations=1,
    )


def _attention(subject: Subject, piece: Piece, aim: Aim) -> Attribution:
    weights, logits = subject.attend(piece)
    if subject.averaging is not None:
        weights = weights[: subject.averaging]
    scores = reading(subject, len(piece)) @ rollout(weights).astype(np.float64)
    return _attribution(
        subject,
        piece,
        "attention",
        aim,
        scores,
        value=float(aim.of(np.asarray(logits))),
        baseline="nothing is replaced: attention is read, the text stays as it is",
        evaluations=1,
        note="Attention is the same for every class: it shows where the model reads, not what speaks for an answer.",
    )


def _sampled(
    subject: Subject, piece: Piece, method: str, aim: Aim, samples: int | None, seed: int
) -> Generator[Progress, None, Attribution]:
    how = sampling.replacement(subject, "removal" if method == "removal" else "auto")

    def value(kept: Matrix) -> Generator[Progress, None, Matrix]:
        return answered(subject, piece, aim, kept, how)

    words = piece.word_count
    if method == "lime":
        scored = yield from sampling.lime(words, value, samples, seed)
    elif method == "shap":
        scored = yield from sampling.shap(words, value, samples, seed)
    else:
        scored = yield from sampling.leave_one_out(words, value)
    careful = ""
    if scored.margins is not None and not np.isfinite(scored.margins).all():
        careful = (
            f"{scored.evaluations} samples are too few to tell {words} words apart: take the scores as rough, or "
            "draw more."
        )
    if method == "occlusion" and words > 2 and scored.scores.min() > BLANK_MOVES * scored.scores.max():
        careful = (
            "Every word seems to matter: the blank itself moves this model's answer. Compare the words with one another, "
            "or take them out instead."
        )
    return _attribution(
        subject,
        piece,
        method,
        aim,
        _spread(piece, scored.scores),
        value=scored.whole,
        baseline=sampling.replacement_in_words(subject, how),
        baseline_value=scored.empty,
        evaluations=scored.evaluations,
        margins=scored.margins,
        note=careful,
    )


def answered(
    subject: Subject, piece: Piece, aim: Aim, kept: Matrix, how: str = "auto"
) -> Generator[Progress, None, Matrix]:
    """(n,) float64 figures of the text with only the words of each row of `kept` (n, W) bool, in batches."""
    found = np.zeros(len(kept))
    size = max(1, ANSWERED_TOKENS // len(piece))
    pace = Pace(len(kept))
    for start in range(0, len(kept), size):
        rows = slice(start, start + size)
        found[rows] = aim.of(subject.logits(sampling.perturbed(subject, piece, kept[rows], how)))
        yield pace.at(min(start + size, len(kept)))
    return found


def reading(subject: Subject, tokens: int) -> Matrix:
    """(T,) shares of the encoder's last states in what is classified: the first token's, the last one's in a decoder, or
    the mean of all. With Finesift's averaging layer: as that weighs the mean against the first (core.models.pooling)."""
    first, mean = np.zeros(tokens), np.full(tokens, 1.0 / tokens)
    first[0] = 1.0
    if subject.averaging is not None:
        return np.asarray((SCALE * mean + first) / (SCALE + 1))
    if getattr(subject.model.config, "classifier_pooling", "cls") == "mean":
        return mean
    return first if subject.tokenizer.cls_token is not None else first[::-1].copy()


def _spread(piece: Piece, word_scores: Matrix) -> Matrix:
    """(W,) to (T,): a word's score in equal shares on its tokens; special tokens get none."""
    out = np.zeros(len(piece))
    inside = piece.words >= 0
    numbers = piece.words[inside]
    out[inside] = (word_scores / np.bincount(numbers, minlength=len(word_scores)))[numbers]
    return out


def _attribution(
    subject: Subject,
    piece: Piece,
    method: str,
    aim: Aim,
    scores: Matrix,
    *,
    value: float,
    baseline: str,
    evaluations: int,
    baseline_value: float | None = None,
    completeness_error: float | None = None,
    note: str = "",
    margins: Matrix | None = None,
) -> Attribution:
    sentences = [note] if note else []
    if piece.cut:
        sentences.insert(0, f"The last {piece.cut} tokens did not fit into the model and have no score.")
    if int((piece.words >= 0).sum()) > LONG_WORDS * piece.word_count:
        sentences.append(
            "This model's tokenizer sees few words here, as in a text without blanks: each is scored whole."
        )
    return Attribution(
        method=method,
        aim=aim,
        class_name=subject.labels[aim.target],
        against_name=None if aim.against is None else subject.labels[aim.against],
        words=tuple(word.strip() or word for word in piece.word_list()),
        word_scores=piece.by_word(scores),
        scores=scores,
        signed=METHODS[method].signed,
        value=value,
        baseline=baseline,
        baseline_value=baseline_value,
        completeness_error=completeness_error,
        evaluations=evaluations,
        note=" ".join(sentences),
        margins=margins,
    )
