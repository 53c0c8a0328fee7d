"""One head from inside: the queries and keys whose products are its scores, dimension by dimension.

score(i, j) = scale * sum over d of query[i, d] * key[j, d] + added(i, j), and the softmax of a row of scores is what
token i reads (Vaswani et al. 2017, equation 1; the picture is Vig's neuron view, 2019). Query and key are taken where
the model itself multiplies them, behind rotations of position (ModernBERT) and all else that a family does to them.

Knows the place in transformers that all families of the newer style pass through. Does not know screens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import BadModel
from core.explain.families import Reading, Writer, told
from core.explain.subject import Piece, Subject
from core.models.forward import memory_in_words

_NAME = "finesift_watched"  # our entry among transformers' attention functions
_FAR = -1e9  # what stands for "not looked at" in scores; transformers' own are the smallest floats
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Neuron:
    """Query, key and score of one head, for T tokens and d dimensions of the head. In cross-attention the keys are
    those of the S source tokens, and scores are (T, S)."""

    layer: int  # from 0
    head: int  # from 0
    query: np.ndarray[Any, Any]  # (T, d) float32
    key: np.ndarray[Any, Any]  # (T, d) float32
    scale: float  # by which the products are multiplied: 1/√d in most families, 1 in T5
    added: np.ndarray[
        Any, Any
    ]  # (T, T) float32: masks (_FAR where nothing is read) and relative positions; mostly 0
    scores: np.ndarray[Any, Any]  # (T, T) float32: scale * query @ key.T + added
    weights: np.ndarray[
        Any, Any
    ]  # (T, T) float32: the model's own attention, the softmax of each row of scores

    def product(self, reads: int, read: int) -> np.ndarray[Any, Any]:
        """(d,) what each dimension adds to the score of a pair of tokens; with `added` they sum to the score."""
        return np.asarray(self.query[reads] * self.key[read] * np.float32(self.scale))


def neuron(subject: Subject, piece: Piece, layer: int, head: int) -> Neuron:
    """Query, key and scores of a head, both counted from 0. Raises BadModel, with the reason, for a family whose
    scores are not one product of query and key, OutOfMemory; IndexError for a head that is not there."""
    import torch

    layers, heads = subject.shape
    if not (0 <= layer < layers and 0 <= head < heads):
        raise IndexError(f"no head {head} in layer {layer}: there are {layers} layers of {heads} heads")
    _check_family(subject)
    with (
        subject.alone(),
        told(subject.name),
        memory_in_words(1, len(piece)),
        torch.inference_mode(),
        _watched(subject.model, layer) as watch,
    ):
        subject.model(**subject.tensors([piece]))
    more = bool(
        getattr(subject.model.config, "is_encoder_decoder", False)
    )  # a classifier on BART: a decoder follows
    if watch.call is None or not (watch.passed == layers or (more and watch.passed > layers)):
        raise _unknown(subject.name, "its layers do not pass their queries and keys on in the usual way")
    return _consistent(watch.call.of(head, layer), subject.name)


def neuron_of_writer(writer: Writer, reading: Reading, kind: str, layer: int, head: int) -> Neuron:
    """The same for a model that writes, in what it read: `kind` is one of `families.KINDS`. Across, T queries of the
    target meet S keys of the source. Raises as `neuron`."""
    layers, heads = reading.maps[kind].weights.shape[:2]
    if not (0 <= layer < layers and 0 <= head < heads):
        raise IndexError(f"no head {head} in layer {layer}: there are {layers} layers of {heads} heads")
    depths = {name: len(each.weights) for name, each in reading.maps.items()}
    # the encoder's layers pass first; each layer of the decoder then reads itself, and looks across
    at = layer if kind == "self" else depths["self"] + 2 * layer + (kind == "cross")
    with writer.alone(), _watched(writer.model, at) as watch:
        writer.passed(reading.source_ids, reading.target_ids)
    if watch.passed != depths["self"] + 2 * depths["decoder"] or watch.call is None:
        raise _unknown(writer.name, "its layers do not pass their queries and keys on in the usual way")
    return _consistent(watch.call.of(head, layer), writer.name)


def _consistent(found: Neuron, name: str) -> Neuron:
    if np.abs(softmax_rows(found.scores) - found.weights).max() > TOLERANCE:
        raise _unknown(name, "its attention is more than the softmax of these products")
    return found


# --------------------------------------------------------------------------- watching


@dataclass(frozen=True)
class _Call:
    """What one layer handed to its attention function: tensors of one text."""

    query: Any  # (H, T, d)
    key: Any  # (H or fewer, T, d)
    added: Any  # (1 or H, T, T), or None
    scale: float
    weights: Any  # (H, T, T)

    def of(self, head: int, layer: int) -> Neuron:
        shared = self.query.shape[0] // self.key.shape[0]  # heads that share a key (grouped queries)
        query, key = self.query[head].float().numpy(), self.key[head // shared].float().numpy()
        added = np.zeros((len(query), len(key)), dtype=np.float32)
        if self.added is not None:
            added = self.added[min(head, self.added.shape[0] - 1)].float().clamp(min=_FAR).numpy()
            added = np.ascontiguousarray(np.broadcast_to(added, (len(query), len(key))))
        scores = (query @ key.T) * np.float32(self.scale) + added
        return Neuron(layer, head, query, key, self.scale, added, scores, self.weights[head].float().numpy())


@dataclass
class _Watch:
    layer: int  # that is noted; the others are only counted, as a long text's weights are large
    passed: int = 0
    call: _Call | None = None


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def _watched(model: Any, layer: int) -> Iterator[_Watch]:
    """Notes what a layer of the model hands to its attention function. For one thread at a time."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, eager_mask)
    before = model.config._attn_implementation
    watch = _Watch(layer)
    token = _watch.set(watch)
    model.set_attn_implementation(_NAME)
    try:
        yield watch
    finally:
        model.set_attn_implementation(before)
        _watch.reset(token)


def _attend(module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any) -> tuple[Any, Any]:
    """The family's own eager attention, and a note of what went in."""
    own: Callable[..., tuple[Any, Any]] = sys.modules[type(module).__module__].eager_attention_forward
    output, weights = own(module, query, key, value, mask, **options)
    watch = _watch.get()
    if watch is not None:
        if watch.passed == watch.layer:
            watch.call = _noted(query, key, mask, weights, options)
        watch.passed += 1
    return output, weights


def _noted(query: Any, key: Any, mask: Any, weights: Any, options: dict[str, Any]) -> _Call:
    added = options.get("position_bias")  # T5's
    if mask is not None:
        mask = mask[..., : key.shape[-2]]
        added = mask if added is None else added + mask
    scale = options.get("scaling")
    return _Call(
        query[0],
        key[0],
        None if added is None else added[0],
        float(query.shape[-1] ** -0.5 if scale is None else scale),
        weights[0],
    )


def softmax_rows(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(…, T) scores to shares that sum to one."""
    wide = scores.astype(np.float64)
    power = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(power / power.sum(axis=-1, keepdims=True))


# --------------------------------------------------------------------------- why not

_OTHERWISE = {
    "deberta": "its scores are sums of three products, of contents and of positions (disentangled attention)",
    "deberta-v2": "its scores are sums of three products, of contents and of positions (disentangled attention)",
    "longformer": "its layers do not attend from every token to every token",
    "big_bird": "its layers do not attend from every token to every token",
}


def _check_family(subject: Subject) -> None:
    family = str(subject.model.config.model_type)
    if family in _OTHERWISE:
        raise _unknown(subject.name, _OTHERWISE[family])
    supports = getattr(subject.model, "_can_set_attn_implementation", None)
    if supports is None or not supports():
        raise _unknown(subject.name, "its layers do not pass their queries and keys on in the usual way")


def _unknown(name: str, why: str) -> BadModel:
    return BadModel(
        f"Queries and keys of {name} cannot be shown: {why}. Choose a model such as BERT, DistilBERT, RoBERTa, "
        "XLM-R, ELECTRA, ModernBERT or GPT-2; the other views work for this one too."
    )
