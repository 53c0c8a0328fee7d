"""Switching attention heads off: what a model answers when some of its heads contribute nothing.

A head is switched off by multiplying its part of the attention's result with zero, before the layer's output
projection mixes the heads; the residual connection and the projection's bias stay. Knows where each family of encoders
projects. Does not know why a head is switched off, or what the answer is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from core.errors import BadData, BadModel
from core.explain.subject import Piece, Subject
from core.models.forward import batches, memory_in_words

Head = tuple[int, int]  # layer and head, from 0

BATCH_TOKENS = 2048  # of one pass
COPIED_TOKENS = 4096  # of one pass in which each text stands once for each head

# family -> the output projection of its attention, from a layer
_BERT = "attention.output.dense"
PROJECTIONS = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "deberta": _BERT,
    "deberta-v2": _BERT,
    "distilbert": "attention.out_lin",
    "albert": "attention.dense",
    "modernbert": "attn.Wo",
    "mpnet": "attention.attn.o",
}


def own_layers(subject: Subject) -> int:
    """Layers whose heads learnt something: all but the averaging layer that Finesift may have added."""
    return subject.averaging if subject.averaging is not None else subject.shape[0]


def whole_layer(subject: Subject, layer: int) -> list[Head]:
    return [(layer, head) for head in range(subject.shape[1])]


class Circuit:
    """The model with a gate in every head, while it is open (`opened`).

    `gates`: (L, H) or, a row for each text of the batch, (n, L, H) float32, multiplied with what each head
    contributes; None: all pass. `skip(layer, output)`: the layers before `layer` are not computed, the one that
    precedes it gives `output` instead. Layers are told apart by the order of their calls, because a family such as
    ALBERT uses one layer's weights many times.
    """

    def __init__(self) -> None:
        self.gates: Any = None
        self.kept: list[Any] | None = None  # a list: each layer's output is put into it
        self._skipped, self._output = 0, None
        self._at = 0

    def skip(self, layer: int, output: Any) -> None:
        self._skipped, self._output = layer, output

    def begin(self, *_: Any) -> None:
        self._at = 0

    def layer(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """A layer's forward pass that may be skipped or listened to."""

        def forward(*args: Any, **options: Any) -> Any:
            if self._at < self._skipped:
                self._at += 1
                return self._output
            output = original(*args, **options)
            self._at += 1
            if self.kept is not None:
                self.kept.append(output)
            return output

        return forward

    def project(self, _module: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The heads' results, side by side (n, T, H x d), times their gates."""
        if self.gates is None:
            return None
        gates = self.gates[..., self._at, :]
        states = args[0]
        n, length, width = states.shape
        parts = states.reshape(n, length, gates.shape[-1], -1) * gates.reshape(-1, 1, gates.shape[-1], 1)
        return (parts.reshape(n, length, width), *args[1:])


@contextmanager
def opened(subject: Subject) -> Iterator[Circuit]:
    """Nobody else uses the model meanwhile; afterwards it is as before. Raises BadModel for a family whose heads
    cannot be switched off."""
    with subject.alone():
        found = _places(subject)
        circuit = Circuit()
        hooks = [subject.encoder.register_forward_pre_hook(circuit.begin)]
        try:
            for layer, projection in found:
                layer.forward = circuit.layer(layer.forward)  # on the instance: its class stays as it is
                hooks.append(projection.register_forward_pre_hook(circuit.project))
            yield circuit
        finally:
            for hook in hooks:
                hook.remove()
            for layer, _ in found:
                layer.__dict__.pop("forward", None)


def gates_without(subject: Subject, heads: Sequence[Head]) -> Any:
    """(L, H) float32 tensor: 0 for the heads that are off, 1 for the others. Raises BadData for a head that the
    model does not have."""
    import torch

    gates = torch.ones(subject.shape)
    for layer, head in heads:
        if not (0 <= layer < subject.shape[0] and 0 <= head < subject.shape[1]):
            raise BadData(
                f"{subject.name} has no head {head + 1} in layer {layer + 1}: it has {subject.shape[0]} layers of "
                f"{subject.shape[1]} heads."
            )
        gates[layer, head] = 0.0
    return gates


def logits_without(
    subject: Subject, pieces: Sequence[Piece], heads: Sequence[Head]
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Yields (rows (n,), logits (n, C) float32) a batch at a time, with these heads off. Raises BadModel for a base
    model, OutOfMemory."""
    import torch

    needs_answer(subject)
    gates = gates_without(subject, heads)
    for rows in by_length(pieces, BATCH_TOKENS):
        some = [pieces[int(row)] for row in rows]
        with (
            opened(subject) as circuit,
            memory_in_words(len(some), max(map(len, some))),
            torch.inference_mode(),
        ):
            circuit.gates = gates
            logits = subject.model(**subject.tensors(some)).logits.float().numpy()
        yield rows, logits


def answer_without(subject: Subject, piece: Piece, heads: Sequence[Head]) -> np.ndarray[Any, Any]:
    """(C,) float32 logits of one piece with these heads off."""
    ((_, logits),) = logits_without(subject, [piece], heads)
    return np.asarray(logits[0])


def each_head(
    subject: Subject, pieces: Sequence[Piece]
) -> Iterator[tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """What the model answers with one head off, for every head of its own layers, one at a time.

    Yields (layer, rows (n,), logits (n, H, C), logits with the whole layer off (n, C)), all own layers of one batch
    of texts after the other. What lies before the layer is computed once for the batch.
    """
    import torch

    needs_answer(subject)
    heads = subject.shape[1]
    copies = heads + 1  # one with each head off, one with the whole layer off
    for rows in by_length(pieces, max(1, COPIED_TOKENS // copies)):
        some = [pieces[int(row)] for row in rows]
        kept: list[Any] = []
        with (
            opened(subject) as circuit,
            memory_in_words(len(some), max(map(len, some))),
            torch.inference_mode(),
        ):
            circuit.kept = kept
            subject.model(**subject.tensors(some))
        for layer in range(own_layers(subject)):
            found = _one_layer(subject, some, layer, kept[layer - 1] if layer else None)
            yield layer, rows, found[:, :heads], found[:, heads]


def _one_layer(subject: Subject, some: Sequence[Piece], layer: int, before: Any) -> np.ndarray[Any, Any]:
    """(n, H + 1, C) float32 logits of n texts with each head of a layer off, and with all of them off; `before`: what
    the layer before it gave for these texts."""
    import torch

    layers, heads = subject.shape
    copies = heads + 1
    gates = torch.ones((len(some), copies, layers, heads))
    gates[:, torch.arange(heads), layer, torch.arange(heads)] = 0.0
    gates[:, heads, layer, :] = 0.0
    with (
        opened(subject) as circuit,
        memory_in_words(len(some) * copies, max(map(len, some))),
        torch.inference_mode(),
    ):
        inputs = subject.tensors(some)
        many = {name: tensor.repeat_interleave(copies, dim=0) for name, tensor in inputs.items()}
        circuit.gates = gates.reshape(-1, layers, heads)
        if layer:
            circuit.skip(layer, _repeated(before, copies))
        found = subject.model(**many).logits.float().numpy()
    return np.asarray(found).reshape(len(some), copies, -1)


def by_length(pieces: Sequence[Piece], tokens: int) -> list[np.ndarray[Any, Any]]:
    """Row numbers in batches of like length."""
    return batches(np.asarray([len(p) for p in pieces], dtype=np.int64), tokens, 64)


def needs_answer(subject: Subject) -> None:
    """Raises BadModel for a base model."""
    if not subject.labels:
        raise BadModel(
            f"{subject.name} is a base model: it has not learnt any classes, so it has no answer that a head could "
            "change. Choose a trained model."
        )


def _places(subject: Subject) -> list[tuple[Any, Any]]:
    """(layer, its attention's output projection) of each distinct layer. Raises BadModel."""
    config = subject.model.config
    suffix = "." + PROJECTIONS.get(config.model_type, "?")
    encoder = subject.encoder
    found = [
        (encoder.get_submodule(name.removesuffix(suffix)), module)
        for name, module in encoder.named_modules()
        if name.endswith(suffix)
    ]
    if not found or getattr(config, "inner_group_num", 1) != 1:
        raise BadModel(
            f"The heads of {subject.name} cannot be switched off: Finesift does not know where its kind of model "
            f"({config.model_type}) joins them. This works for BERT, DistilBERT, RoBERTa, XLM-R, ELECTRA, ALBERT, "
            "DeBERTa, ModernBERT and MPNet."
        )
    return found


def _repeated(output: Any, copies: int) -> Any:
    """A layer's output for a batch in which every text stands `copies` times."""
    if isinstance(output, tuple):
        return tuple(_repeated(each, copies) for each in output)
    return None if output is None else output.repeat_interleave(copies, dim=0)
