"""How much a model's answers need each head: by the gradient of the loss, by switching each head off, and for any set of
heads that are off together.

Knows texts with their true classes. Does not know data sets or how a head is switched off (`ablation`). The two
measures answer different questions: the gradient asks what a little less of a head would change, ablation what its
loss changes; a head whose work another head can do matters little to either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadData
from core.evaluation.many_means import mean_intervals
from core.evaluation.metrics import wilson
from core.explain import ablation
from core.explain.ablation import Head
from core.explain.nouns import Findings, Study
from core.explain.pace import Pace
from core.explain.subject import Piece, Subject
from core.models.forward import memory_in_words
from core.records import Interval

Array = np.ndarray[Any, Any]
GRADIENT_TOKENS = 1024  # of one pass that keeps what the gradient needs


@dataclass(frozen=True)
class Task:
    """N texts with the truth about them."""

    texts: Sequence[str]
    truth: Array  # (N,) int64 class indices, or (N, C) bool where a text may have several labels
    thresholds: Array | None = None  # (C,) from which probability on a label holds; several labels only

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.truth):
            raise ValueError("as many texts as truths")
        if len(self.texts) < 2:
            raise BadData(
                "There are fewer than two labelled texts to measure on. Choose a data set with more."
            )

    def losses(self, logits: Array, rows: Any = slice(None)) -> Array:
        """(n, ..., C) logits to (n, ...) float64: cross-entropy, or the mean over labels of the binary one."""
        wide = logits.astype(np.float64)
        true = self.truth[rows]
        between = (1,) * (wide.ndim - 2)
        if self.truth.ndim == 1:
            top = wide.max(axis=-1, keepdims=True)
            total = np.log(np.exp(wide - top).sum(axis=-1)) + top[..., 0]
            own = np.take_along_axis(wide, true.reshape(-1, *between, 1), axis=-1)[..., 0]
            return np.asarray(total - own)
        sign = np.where(true.reshape(len(true), *between, -1), 1.0, -1.0)
        return np.asarray(np.logaddexp(0.0, -sign * wide).mean(axis=-1))

    def answers(self, logits: Array) -> Array:
        """(n, ..., C) logits to the (n, ...) classes, or (n, ..., C) bool for several labels."""
        if self.truth.ndim == 1:
            return np.asarray(logits.argmax(axis=-1))
        limits = np.full(logits.shape[-1], 0.5) if self.thresholds is None else self.thresholds
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))) >= limits)

    def right(self, logits: Array, rows: Any = slice(None)) -> Array:
        """(n, ..., C) logits to (n, ...) bool: the answer is right, of several labels every one."""
        found, true = self.answers(logits), self.truth[rows]
        between = (1,) * (logits.ndim - 2)
        if self.truth.ndim == 1:
            return np.asarray(found == true.reshape(-1, *between))
        return np.asarray((found == true.reshape(len(true), *between, -1)).all(axis=-1))


def gradient(subject: Subject, task: Task) -> Study:
    """Importance of each own head by the gradient: the mean over texts of |dLoss / dGate|, the gate being a factor on
    what the head contributes, at 1. Source: P. Michel, O. Levy, G. Neubig (2019), "Are Sixteen Heads Really Better than
    One?", equation 2.

    Findings.summary: texts, loss, accuracy (I), averaging; I = [value, low, high]. Arrays: mean, low, high (L', H) with
    95 % bootstrap intervals over texts; L' = the model's own layers. Raises BadModel, OutOfMemory.
    """
    ablation.needs_answer(subject)
    pieces = _read(subject, task.texts)
    layers = ablation.own_layers(subject)
    found = np.zeros((len(pieces), layers, subject.shape[1]))
    logits = np.zeros((len(pieces), len(subject.labels)))
    pace, done = Pace(len(pieces)), 0
    yield pace.at(0)
    for rows in ablation.by_length(pieces, GRADIENT_TOKENS):
        slopes, logits[rows] = _slopes(subject, [pieces[int(row)] for row in rows], task.truth[rows])
        found[rows] = np.abs(slopes[:, :layers])
        done += len(rows)
        yield pace.at(done)
    mean, low, high = mean_intervals(found)
    summary = {**_whole(task, logits), "averaging": subject.averaging}
    return Findings(summary, {"mean": mean, "low": low, "high": high})


def by_ablation(subject: Subject, task: Task) -> Study:
    """Importance of each own head, and of each own layer as a whole, by switching it off.

    Findings.summary: texts, loss, accuracy (I), averaging. Arrays: loss, loss_low, loss_high (L', H): by how much the
    loss grows without the head, paired by text, mean with 95 % bootstrap interval; accuracy, accuracy_low,
    accuracy_high (L', H): by how much the share of right answers changes (below zero: it falls); changed (L', H): share
    of answers that become others; layer_loss…, layer_accuracy…, layer_changed the same (L',) for whole layers. Raises
    BadModel, OutOfMemory.
    """
    ablation.needs_answer(subject)
    pieces = _read(subject, task.texts)
    layers, heads = ablation.own_layers(subject), subject.shape[1]
    n = len(pieces)
    whole = _logits(subject, pieces, [])
    losses, right, answers = task.losses(whole), task.right(whole), task.answers(whole)
    worse, better, changed = (np.zeros((n, layers, heads + 1)) for _ in range(3))
    pace, done = Pace(n * layers), 0
    yield pace.at(0)
    for layer, rows, each, all_off in ablation.each_head(subject, pieces):
        logits = np.concatenate([each, all_off[:, None]], axis=1)  # (n', H + 1, C)
        worse[rows, layer] = task.losses(logits, rows) - losses[rows, None]
        better[rows, layer] = task.right(logits, rows).astype(float) - right[rows, None]
        other = task.answers(logits) != answers[rows, None]
        changed[rows, layer] = other if other.ndim == 2 else other.any(axis=-1)
        done += len(rows)
        yield pace.at(done)
    arrays: dict[str, Array] = {}
    for name, values in (("loss", worse), ("accuracy", better), ("changed", changed)):
        for end, figures in zip(("", "_low", "_high"), mean_intervals(values), strict=True):
            arrays[name + end] = figures[:, :heads]
            arrays[f"layer_{name}{end}"] = figures[:, heads]
    return Findings({**_whole(task, whole), "averaging": subject.averaging}, arrays)


def without(subject: Subject, task: Task, heads: Sequence[Head]) -> Study:
    """What the model is worth with some heads off together.

    Findings.summary: texts, loss, accuracy (I) of the whole model; without: {loss, accuracy (I)}; difference: {loss (I),
    accuracy (I)}: without minus whole, paired by text; changed: how many answers became others. Arrays: place (K,) of
    those texts among all, was and became (K,) class indices, or (K, C) bool for several labels. Raises BadData for a
    head that the model does not have, BadModel, OutOfMemory.
    """
    ablation.needs_answer(subject)
    pieces = _read(subject, task.texts)
    pace, done = Pace(2 * len(pieces)), 0
    yield pace.at(0)
    both: list[Array] = []
    for off in ([], list(heads)):
        out = np.zeros((len(pieces), len(subject.labels)))
        for rows, logits in ablation.logits_without(subject, pieces, off):
            out[rows] = logits
            done += len(rows)
            yield pace.at(done)
        both.append(out)
    whole, less = both
    before, after = task.answers(whole), task.answers(less)
    other = before != after
    places = np.flatnonzero(other if other.ndim == 1 else other.any(axis=-1))
    pairs = {
        "loss": task.losses(less) - task.losses(whole),
        "accuracy": task.right(less).astype(float) - task.right(whole).astype(float),
    }
    summary = {
        **_whole(task, whole),
        "without": {key: value for key, value in _whole(task, less).items() if key != "texts"},
        "difference": {
            name: [float(end) for end in mean_intervals(values)] for name, values in pairs.items()
        },
        "changed": len(places),
    }
    return Findings(summary, {"place": places, "was": before[places], "became": after[places]})


def _read(subject: Subject, texts: Sequence[str]) -> list[Piece]:
    return [subject.read(text) for text in texts]


def _logits(subject: Subject, pieces: Sequence[Piece], heads: Sequence[Head]) -> Array:
    out = np.zeros((len(pieces), len(subject.labels)))
    for rows, logits in ablation.logits_without(subject, pieces, heads):
        out[rows] = logits
    return out


def _slopes(subject: Subject, pieces: Sequence[Piece], truth: Array) -> tuple[Array, Array]:
    """(n, L, H) derivatives of each text's loss by each head's gate, and the (n, C) logits."""
    import torch
    from torch.nn import functional

    with (
        ablation.opened(subject) as circuit,
        memory_in_words(len(pieces), max(map(len, pieces))),
        torch.enable_grad(),
    ):
        gates = torch.ones((len(pieces), *subject.shape), requires_grad=True)
        circuit.gates = gates
        logits = subject.model(**subject.tensors(pieces)).logits.float()
        if truth.ndim == 1:
            loss = functional.cross_entropy(logits, torch.from_numpy(truth), reduction="sum")
        else:
            wanted = torch.from_numpy(truth.astype(np.float32))
            loss = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1).sum()
        # texts do not meet in the loss: the sum's gradient has each text's own
        (slopes,) = torch.autograd.grad(loss, gates)
        return slopes.numpy(), logits.detach().numpy()


def _whole(task: Task, logits: Array) -> dict[str, Any]:
    right = task.right(logits)
    return {
        "texts": len(right),
        "loss": float(task.losses(logits).mean()),
        "accuracy": _ends(wilson(int(right.sum()), len(right))),
    }


def _ends(interval: Interval) -> list[float]:
    return [interval.value, interval.low, interval.high]
