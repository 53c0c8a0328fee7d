"""Which training texts a model takes to be most like a text: nearest by what its last layer is given to decide on.

Knows vectors and how a subject makes them. Does not know data sets or screens. A near text is like this one to the
model; that it made the model answer so is not shown by that: see Papernot & McDaniel (2018), "Deep k-Nearest
Neighbors", for the idea, and Koh & Liang (2017), "Understanding Black-box Predictions via Influence Functions", for
the question that it does not answer.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.pace import Pace
from core.explain.subject import BATCH_TOKENS, Piece, Subject
from core.models.forward import accepted, batches, collate, encode, memory_in_words
from core.models.loading import head_names
from core.records import Progress

Matrix = np.ndarray[Any, Any]

BATCH_TEXTS = 64


@dataclass(frozen=True)
class Neighbour:
    at: int  # which of the known texts, from 0
    similarity: float  # cosine after centring, -1 to 1


def embed(subject: Subject, texts: Sequence[str]) -> Generator[Progress, None, Matrix]:
    """(N, D) float32: of each text what the model's last layer is given, from which it makes the logits.

    Yields Progress in texts. Raises BadModel for a model without such a layer, OutOfMemory.
    """
    last = _last_linear(subject)
    with subject.alone():
        encoded = encode(subject.tokenizer, texts, subject.max_tokens)
    out = np.zeros((len(texts), int(last.in_features)), dtype=np.float32)
    pace, done = Pace(len(texts)), 0
    for rows in batches(encoded.lengths, BATCH_TOKENS, BATCH_TEXTS):
        with subject.alone():
            inputs = accepted(subject.model, collate(encoded, rows, subject.tokenizer))
            out[rows] = _seen(subject, last, inputs)
        done += len(rows)
        yield pace.at(done)
    return out


def embed_one(subject: Subject, piece: Piece) -> Matrix:
    """(D,) float32, the same of one piece. Errors as in `embed`."""
    last = _last_linear(subject)
    with subject.alone():
        return np.asarray(_seen(subject, last, subject.tensors([piece]))[0])


def nearest(known: Matrix, one: Matrix, count: int) -> list[Neighbour]:
    """The `count` of N known (N, D) vectors that are nearest to `one` (D,), the nearest first.

    Both sides are centred on the mean of the known ones, since all vectors of a model share a direction that tells
    nothing; what is left is compared by its cosine.
    """
    wide = known.astype(np.float32)
    mean = wide.mean(axis=0)
    cosines = _unit(wide - mean) @ _unit((one.astype(np.float32) - mean)[None])[0]
    order = np.argsort(-cosines, kind="stable")[:count]
    return [Neighbour(int(at), float(np.clip(cosines[at], -1.0, 1.0))) for at in order]


# --------------------------------------------------------------------------- details


def _seen(subject: Subject, last: Any, inputs: dict[str, Any]) -> Matrix:
    """(n, D) input of the last layer for some texts. A model that decides at every token decides at the last one."""
    import torch

    caught: list[Any] = []
    hook = last.register_forward_pre_hook(lambda _module, given: caught.append(given[0]))
    try:
        texts, tokens = inputs["input_ids"].shape
        with memory_in_words(texts, tokens), torch.inference_mode():
            subject.model(**inputs)
    finally:
        hook.remove()
    states = caught[0].float()
    if states.ndim == 3:
        places = torch.arange(tokens) * inputs["attention_mask"]
        states = states[torch.arange(texts), places.argmax(dim=1)]
    return np.asarray(states.numpy(), dtype=np.float32)


def _last_linear(subject: Subject) -> Any:
    """The linear layer out of which the logits come. Raises BadModel."""
    import torch

    if not subject.labels:
        subject.logits([])  # a base model: says so
    names = head_names(subject.model)
    found = [
        module
        for name, module in subject.model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.out_features == len(subject.labels)
        and f"{name}.weight" in names
    ]
    if not found:
        raise BadModel(
            f"{subject.name} ends in no linear layer over its classes, so its texts cannot be compared by what that "
            "layer is given. Choose another model."
        )
    return found[-1]


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
