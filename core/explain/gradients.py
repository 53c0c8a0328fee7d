"""Scores of tokens from the model's gradient: gradient x input and integrated gradients, on the word embeddings.

Knows embeddings, baselines and the path between them. Does not know words, classes or screens. Gradients are taken with
respect to what the embedding table gives for the tokens, before positions are added.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.aim import Aim
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.models.forward import memory_in_words
from core.records import Progress

Matrix = np.ndarray[Any, Any]

BASELINES = ("mask", "pad", "zero")
TOLERANCE = 0.005  # completeness error that is aimed at, as a share of the difference to explain
POINTS = 8  # gradients on one stretch of the path, at the points of Gauss and Legendre
STRETCHES = 2  # at the beginning
MOST = 800  # gradients in all
MOST_TOKENS = 1 << 16  # tokens in all of them: 128 gradients of a text of 512 tokens
ROUNDING = 1e-5  # of a figure in single precision, for figures near 1
SHORTEST = 2.0**-12  # of the path: below it, rounding is what is left of the error
BATCH_TOKENS = 1024  # in one pass with gradients, which keeps every layer's states


@dataclass(frozen=True)
class Path:
    """What the way from the baseline to the text adds up to."""

    scores: Matrix  # (T,) float64, special tokens included
    whole: float  # the figure of the text
    empty: float  # of the baseline
    error: float  # |sum of scores - (whole - empty)| / |whole - empty|, a share
    evaluations: int  # gradients


def choose_baseline(subject: Subject, baseline: str = "auto") -> str:
    """The one asked for, or "mask" where the model has a mask token, else "pad", else "zero"."""
    if baseline == "auto":
        return "mask" if subject.mask_token else "pad"
    if baseline not in BASELINES:
        raise ValueError(f"no baseline is called {baseline!r}")
    return baseline if baseline != "mask" or subject.mask_token else "pad"


def baseline_in_words(subject: Subject, baseline: str) -> str:
    """What stands in place of every word at the beginning of the path."""
    if baseline == "mask" and subject.mask_token:
        return f"every word replaced by {subject.mask_token[1]}"
    if baseline == "pad" and subject.tokenizer.pad_token is not None:
        return f"every word replaced by the padding token {subject.tokenizer.pad_token}"
    return "every word's embedding set to zero"


def gradient_x_input(subject: Subject, piece: Piece, aim: Aim) -> tuple[Matrix, float]:
    """(T,) float64: each token's embedding times the figure's gradient there, and the figure. One pass.

    Shrikumar, Greenside & Kundaje (2017), section 2. How the figure would begin to change; where it is saturated, it
    tells nothing.
    """
    import torch

    table = embedded(subject, piece.ids).requires_grad_(True)
    with _figure(subject, piece, aim) as figure:
        value = figure(table)
        (slope,) = torch.autograd.grad(value.sum(), table)
        scores = (slope * table).sum(dim=-1)[0]
    return scores.detach().double().numpy(), float(value.detach()[0])


def integrated(
    subject: Subject,
    piece: Piece,
    aim: Aim,
    baseline: str = "auto",
    tolerance: float = TOLERANCE,
    most: int | None = None,
) -> Generator[Progress, None, Path]:
    """Integrated gradients along the straight path from the baseline to the text.

    Sundararajan, Taly & Yan (2017), equations 1 and 3: by completeness the scores add up to the difference of the two
    figures, so the error of the numerical integral is known. captum integrates each stretch of the path; the stretch
    whose sum is farthest from its own difference is halved until the errors together are within `tolerance` of the
    whole difference, or `most` gradients are spent (None: what a minute or so allows). Special tokens are the same at
    both ends and get 0.
    """
    most = most or min(MOST, MOST_TOKENS // len(piece))
    ends = _ends(subject, piece, choose_baseline(subject, baseline))
    width = 1.0 / STRETCHES
    waiting = [(k * width, (k + 1) * width) for k in range(STRETCHES)]
    way = _Walk(subject, piece, aim, ends)
    pace = Pace(STRETCHES * POINTS)
    while True:
        for low, high in waiting:
            way.walk(low, high)
            yield pace.at(way.spent)
        low, high = way.worst()
        if way.known(tolerance) or way.spent + 2 * POINTS > most or high - low <= SHORTEST:
            return way.path()
        way.forget((low, high))
        waiting = [(low, (low + high) / 2), ((low + high) / 2, high)]
        pace.total += 2 * POINTS


def embedded(subject: Subject, ids: Matrix) -> Any:
    """(T,) token ids to (1, T, D) float32, what the model's embedding table gives. Raises BadModel."""
    import torch

    try:
        table = subject.model.get_input_embeddings()
    except NotImplementedError as error:
        raise BadModel(
            f"{subject.name} has no table of word embeddings, which gradients need. Choose another method, such as "
            "leave-one-out."
        ) from error
    with subject.alone(), torch.no_grad():
        return table(torch.from_numpy(ids)[None]).detach().clone()


# --------------------------------------------------------------------------- the path in stretches


@dataclass
class _Walk:
    """The path as stretches, each integrated by captum, with the figures where they meet."""

    subject: Subject
    piece: Piece
    aim: Aim
    ends: tuple[Any, Any]  # (1, T, D): baseline and text
    spent: int = 0
    _figures: dict[float, float] = field(default_factory=dict)
    _sums: dict[tuple[float, float], Matrix] = field(default_factory=dict)  # (T,) scores of each stretch

    def walk(self, low: float, high: float) -> None:
        """Integrates the stretch from `low` to `high`, shares of the path."""
        from captum.attr import IntegratedGradients

        start, stop = self._at(low), self._at(high)
        with _figure(self.subject, self.piece, self.aim) as figure:
            self._know(figure, low, start)
            self._know(figure, high, stop)
            found = IntegratedGradients(figure).attribute(
                stop,
                baselines=start,
                n_steps=POINTS,
                method="gausslegendre",
                internal_batch_size=max(1, BATCH_TOKENS // len(self.piece)),
            )
        self.spent += POINTS
        self._sums[low, high] = found.detach().double().sum(dim=-1)[0].numpy()

    def forget(self, stretch: tuple[float, float]) -> None:
        del self._sums[stretch]

    def worst(self) -> tuple[float, float]:
        return max(self._sums, key=self._error)

    def known(self, tolerance: float) -> bool:
        """Whether the stretches' errors, whatever their signs, are within this share of the whole difference, or no
        more than rounding."""
        errors = sum(self._error(stretch) for stretch in self._sums)
        size = 1.0 + abs(self._figures[1.0]) + abs(self._figures[0.0])
        return errors <= max(tolerance * self._difference(), ROUNDING * size)

    def path(self) -> Path:
        scores = np.sum(list(self._sums.values()), axis=0)
        whole, empty = self._figures[1.0], self._figures[0.0]
        error = abs(float(scores.sum()) - (whole - empty)) / self._difference()
        return Path(scores, whole, empty, error, self.spent)

    def _error(self, stretch: tuple[float, float]) -> float:
        low, high = stretch
        return abs(float(self._sums[stretch].sum()) - (self._figures[high] - self._figures[low]))

    def _difference(self) -> float:
        return max(abs(self._figures[1.0] - self._figures[0.0]), 1e-9)

    def _at(self, share: float) -> Any:
        start, stop = self.ends
        return start + share * (stop - start)

    def _know(self, figure: Callable[[Any], Any], share: float, place: Any) -> None:
        import torch

        if share not in self._figures:
            with torch.no_grad():
                self._figures[share] = float(figure(place)[0])


def _ends(subject: Subject, piece: Piece, baseline: str) -> tuple[Any, Any]:
    """(1, T, D) embeddings of the baseline and of the text; special tokens are alike in both."""
    import torch

    stop = embedded(subject, piece.ids)
    inside = piece.words >= 0
    blank = {"mask": (subject.mask_token or (None,))[0], "pad": subject.tokenizer.pad_token_id}.get(baseline)
    if blank is not None:
        return embedded(subject, np.where(inside, int(blank), piece.ids)), stop
    return stop * torch.from_numpy(~inside)[None, :, None], stop


@contextmanager
def _figure(subject: Subject, piece: Piece, aim: Aim) -> Iterator[Callable[[Any], Any]]:
    """While inside: (b, T, D) embeddings to the (b,) figure that is explained, nobody else using the model."""
    given: list[Any] = []
    with subject.alone(), memory_in_words(max(1, BATCH_TOKENS // len(piece)), len(piece)):
        inputs = subject.tensors([piece])
        hook = subject.model.get_input_embeddings().register_forward_hook(lambda *_: given[0])

        def figure(embeddings: Any) -> Any:
            given[:] = [embeddings]
            repeated = {name: rows.expand(len(embeddings), -1) for name, rows in inputs.items()}
            return aim.of(subject.model(**repeated).logits.float())

        try:
            yield figure
        finally:
            hook.remove()
