"""A race on a task that one must look far back for: one layer of attention against an LSTM, trained on the same texts.

A text states facts (“Ida: red”, “Ben: blue”, …) and ends with a name; the answer is what was said of it. Attention
compares the question with every fact at once; a recurrent network has to have kept the right one in its state
(D. Bahdanau et al., 2015; A. Vaswani et al., 2017, section 4). Knows torch and the toy task. Does not know jobs.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.evaluation.metrics import wilson
from core.explain.nouns import Findings
from core.records import Event, Measured, Progress

NAMES = [
    "Ida",
    "Ben",
    "Eva",
    "Max",
    "Lea",
    "Tom",
    "Amy",
    "Leo",
    "Zoe",
    "Sam",
    "Mia",
    "Jon",
    "Ann",
    "Eli",
    "Kim",
    "Ray",
    "Sue",
    "Gus",
    "Meg",
    "Ned",
    "Pia",
    "Rob",
    "Una",
    "Vic",
    "Wes",
    "Xia",
    "Yan",
    "Zak",
    "Ada",
    "Bo",
    "Cleo",
    "Dan",
]
FILLER = [
    "and",
    "then",
    "there",
    "was",
    "also",
    "a",
    "little",
    "more",
    "to",
    "say",
    "about",
    "the",
    "day",
    "which",
    "nobody",
    "had",
    "asked",
    "for",
    "at",
    "all",
]
COLOURS = ("red", "blue", "green", "black", "white", "brown", "pink", "grey")
MODELS = ("attention", "lstm")
TITLES = {"attention": "Attention, one layer", "lstm": "LSTM, one layer"}
CHANCE = 1.0 / len(COLOURS)
_WIDTH, _HEADS, _BATCH, _RATE = 48, 4, 64, 3e-3
_EVERY, _MEASURED, _FINAL = 25, 512, 3000  # steps between measurements, texts of each, texts of the last


@dataclass(frozen=True)
class Facts:
    """B texts of F facts each."""

    names: Any  # (B, F) int64 tensor, without repetition in a text
    colours: Any  # (B, F) int64
    asked: Any  # (B,) int64: which of the facts, from 0
    filler: Any  # (B, M) int64: words that say nothing, between the facts and the question

    @property
    def question(self) -> Any:
        """(B,) the names that are asked for."""
        return self.names.gather(1, self.asked[:, None])[:, 0]

    @property
    def answer(self) -> Any:
        return self.colours.gather(1, self.asked[:, None])[:, 0]

    def words(self, at: int) -> str:
        """One text as a person would read it."""
        told = ", ".join(
            f"{NAMES[n]}: {COLOURS[c]}"
            for n, c in zip(self.names[at].tolist(), self.colours[at].tolist(), strict=True)
        )
        between = " ".join(FILLER[w] for w in self.filler[at].tolist())
        return f"{told}. {between + '. ' if between else ''}And {NAMES[int(self.question[at])]}?"


def facts(texts: int, length: int, seed: int, filler: int = 0) -> Facts:
    """Random texts of `length` facts (at most one per name), then `filler` words that say nothing; the fact that is
    asked for stands anywhere among the facts."""
    import torch

    if not 1 <= length <= len(NAMES):
        raise ValueError(f"between 1 and {len(NAMES)} facts, not {length}")
    generator = torch.Generator().manual_seed(seed)
    names = torch.rand(texts, len(NAMES), generator=generator).argsort(dim=1)[:, :length]
    colours = torch.randint(len(COLOURS), (texts, length), generator=generator)
    asked = torch.randint(length, (texts,), generator=generator)
    return Facts(names, colours, asked, torch.randint(len(FILLER), (texts, filler), generator=generator))


def run(
    length: int = 4, filler: int = 0, steps: int = 1200, seed: int = 0
) -> Generator[Event, None, Findings]:
    """Trains both on the same batches, turn by turn. Yields Measured (accuracy on texts that are not learnt from, Wilson
    95 %) and Progress.

    `length`: facts in a text, `filler`: words that say nothing between them and the question. `summary`: these, steps,
    an example, and by model its parameters, seconds of learning and accuracy [value, low, high] on 3,000 new texts.
    """
    import torch

    torch.manual_seed(seed)
    racers = {name: Racer(name) for name in MODELS}
    measured = facts(_MEASURED, length, seed + 1, filler)
    begun = time.monotonic()
    for step in range(steps + 1):
        if step % _EVERY == 0 or step == steps:
            yield from (racer.measure(step, measured) for racer in racers.values())
            passed = time.monotonic() - begun
            rate = step / passed if passed > 0 else 0.0
            yield Progress(step, steps, rate * _BATCH, passed, (steps - step) / rate if rate else 0.0)
        if step < steps:
            batch = facts(_BATCH, length, seed + 1000 + step, filler)
            for racer in racers.values():
                racer.learn(batch)
    return _findings(racers, facts(_FINAL, length, seed + 2, filler), steps)


class Racer:
    """One of the two, with its optimizer and its clock."""

    def __init__(self, name: str) -> None:
        import torch

        self.name = name
        self.model = _attention() if name == "attention" else _lstm()
        self.parameters = sum(p.numel() for p in self.model.parameters())
        self.seconds = 0.0
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=_RATE)

    def learn(self, batch: Facts) -> None:
        import torch

        begun = time.monotonic()
        loss = torch.nn.functional.cross_entropy(self.model(batch), batch.answer)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        self.seconds += time.monotonic() - begun

    def right(self, texts: Facts) -> np.ndarray[Any, Any]:
        """(B,) bool."""
        import torch

        with torch.inference_mode():
            return np.asarray((self.model(texts).argmax(dim=1) == texts.answer).numpy())

    def measure(self, step: int, texts: Facts) -> Measured:
        right = self.right(texts)
        found = wilson(int(right.sum()), len(right))
        return Measured(self.name, step, found.value, found.low, found.high, self.seconds)


def _findings(racers: dict[str, Racer], texts: Facts, steps: int) -> Findings:
    models: dict[str, Any] = {}
    for name, racer in racers.items():
        right = racer.right(texts)
        whole = wilson(int(right.sum()), len(right))
        models[name] = {
            "parameters": racer.parameters,
            "seconds": racer.seconds,
            "accuracy": [whole.value, whole.low, whole.high],
        }
    _, length = texts.names.shape
    _, filler = texts.filler.shape
    summary = {
        "facts": int(length),
        "filler": int(filler),
        "steps": steps,
        "texts": len(texts.asked),
        "models": models,
        "example": texts.words(0),
    }
    return Findings(summary)


def _attention() -> Any:
    import torch
    from torch import nn

    class Attention(nn.Module):
        """The question attends to all facts at once; then one feed-forward step, as in an encoder layer."""

        def __init__(self) -> None:
            super().__init__()
            self.names = nn.Embedding(len(NAMES), _WIDTH)
            self.colours = nn.Embedding(len(COLOURS), _WIDTH)
            self.filler = nn.Embedding(len(FILLER), _WIDTH)
            self.attend = nn.MultiheadAttention(_WIDTH, _HEADS, batch_first=True)
            self.norm = nn.LayerNorm(_WIDTH)
            self.feed = nn.Sequential(nn.Linear(_WIDTH, 2 * _WIDTH), nn.GELU(), nn.Linear(2 * _WIDTH, _WIDTH))
            self.answer = nn.Linear(_WIDTH, len(COLOURS))

        def forward(self, texts: Facts) -> torch.Tensor:
            told = torch.cat(
                [self.names(texts.names) + self.colours(texts.colours), self.filler(texts.filler)], dim=1
            )
            question = self.names(texts.question)[:, None]
            read, _ = self.attend(question, told, told, need_weights=False)
            state = self.norm(question + read)[:, 0]
            out: torch.Tensor = self.answer(state + self.feed(state))
            return out

    return Attention()


def _lstm() -> Any:
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        """The facts one after the other, then the question; the answer comes from the last state."""

        def __init__(self) -> None:
            super().__init__()
            self.names = nn.Embedding(len(NAMES), _WIDTH)
            self.colours = nn.Embedding(len(COLOURS), _WIDTH)
            self.filler = nn.Embedding(len(FILLER), _WIDTH)
            self.read = nn.LSTM(_WIDTH, _WIDTH, batch_first=True)
            self.answer = nn.Linear(_WIDTH, len(COLOURS))

        def forward(self, texts: Facts) -> torch.Tensor:
            told = torch.cat(
                [self.names(texts.names) + self.colours(texts.colours), self.filler(texts.filler)], dim=1
            )
            _, (state, _) = self.read(torch.cat([told, self.names(texts.question)[:, None]], dim=1))
            out: torch.Tensor = self.answer(state[-1])
            return out

    return Recurrent()


# --------------------------------------------------------------------------- one sentence, read by both


def influence(states: np.ndarray[Any, Any], seed: int = 0) -> Iterator[np.ndarray[Any, Any]]:
    """How much each of T words still moves an LSTM's state, after each word that it reads.

    `states`: (T, D), the words as numbers. Yields T arrays (T,): after word t, the length of the gradient of the
    state's sum along a random direction with regard to each word, as shares that sum to one; words not read
    yet have none. The LSTM is untrained (width D, forget gate opened by a bias of 1 as is usual): what is seen is how
    the way through its steps thins out what was read first, not what a trained one would choose to keep.
    """
    import torch

    torch.manual_seed(seed)
    words = torch.from_numpy(np.ascontiguousarray(states, dtype=np.float32))[None]
    width = words.shape[-1]
    network = torch.nn.LSTM(width, width, batch_first=True)
    with torch.no_grad():
        dict(network.named_parameters())["bias_hh_l0"][width : 2 * width] = 1.0
    words = words / words.norm(dim=-1, keepdim=True).clamp(min=1e-6) * width**0.5
    direction = torch.randn(width)
    for t in range(words.shape[1]):
        read = words[:, : t + 1].clone().requires_grad_(True)
        _, (state, _) = network(read)
        (gradient,) = torch.autograd.grad((state[-1, 0] * direction).sum(), read)
        moved = np.zeros(words.shape[1])
        moved[: t + 1] = gradient[0].norm(dim=-1).numpy()
        yield moved / max(float(moved.sum()), 1e-12)
