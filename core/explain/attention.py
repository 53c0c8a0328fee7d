"""Reads a model's own attention, and condenses it: average over heads, attention rollout.

Knows how to obtain attention weights that are exactly the model's (eager attention; the fused kernels of
SDPA and FlashAttention return none), and how to save a map.
Does not know where models live, and draws nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np

from core.errors import BadData, BadModel, FinesiftError, OutOfMemory
from core.explain.tokens import display_tokens as display_tokens
from core.models.forward import accepted
from core.models.loading import load_encoder, load_tokenizer, quiet
from core.models.pooling import added_layer
from core.records import AttentionMap

MAX_TOKENS = 512
"""Longest text whose attention is read, in tokens: the map grows with the square of the length."""

MAX_MAP_BYTES = 1024 * 1024 * 1024
"""Largest map that is held in memory; deep and wide models get fewer tokens for it."""

ROW_TOLERANCE = 1e-3  # float32 softmax rows sum to one far closer than this


# --------------------------------------------------------------------------- reading


@dataclass
class AttentionReader:
    """A model and its tokenizer, loaded once for many readings. May be shared between threads."""

    model: Any  # transformers.PreTrainedModel, eager attention, float32, on the CPU
    tokenizer: Any
    name: str
    max_tokens: int  # the longest input this reader passes to the model, special tokens included
    _lock: Lock = field(default_factory=Lock, repr=False)  # a fast tokenizer's truncation is shared state

    @staticmethod
    def load(folder: Path, name: str | None = None) -> AttentionReader:
        """Loads a model folder, be it a fine-tuned classifier or a base model that never was fine-tuned.

        `name` is what the maps will call the model; the folder's name if None.
        Raises BadModel when the folder is damaged or its family's attention cannot be read,
        UnsafeModel when it would need code or pickles.
        """
        folder = Path(folder)
        tokenizer = load_tokenizer(folder)
        model = load_encoder(folder, attention="eager")
        name = name or folder.name
        try:
            limit = _token_limit(model.config, tokenizer.model_max_length)
        except AttributeError as error:
            raise _unreadable(name, "it is not built of layers with attention heads") from error
        return AttentionReader(model, tokenizer, name, limit)

    def read(self, text: str, pair: str | None = None) -> AttentionMap:
        """The attention of every head for one text, or for two texts as a pair.

        Returns a map with `weights` (L, H, T, T) float32, whose rows (last axis) sum to one:
        `weights[l, h, i, j]` is the share of token j in what head h of layer l reads for token i.
        Tokens beyond `max_tokens` are cut from the end (of the longer text first, for a pair) and
        counted in `cut`.

        Raises BadData for an empty text, BadModel when the model gives no (T, T) attention.
        """
        text, pair = _checked(text, pair)
        with self._lock:
            encoding, cut = self._encode(text, pair)
            weights = self._attend(encoding)
        special = tuple(bool(s) for s in encoding["special_tokens_mask"][0].tolist())
        return AttentionMap(
            tokens=tuple(self.tokenizer.convert_ids_to_tokens(encoding["input_ids"][0].tolist())),
            weights=weights,
            segments=_segments(encoding),
            special=special,
            model_name=self.name,
            cut=cut,
            averaging=added_layer(self.model.config),
        )

    def _encode(self, text: str, pair: str | None) -> tuple[Any, int]:
        """The model's inputs, and how many tokens were cut. Padding and truncation that are baked into
        a tokenizer's file are overruled: the reader must see the whole text, and no padding."""
        plain = {"padding": False, "return_special_tokens_mask": True, "return_tensors": "pt"}
        with quiet():  # it would warn about every text that is too long; `cut` tells it instead
            whole = self.tokenizer(text, pair, truncation=False, **plain)["input_ids"].shape[1]
            encoding = self.tokenizer(
                text, pair, truncation="longest_first", max_length=self.max_tokens, **plain
            )
        return encoding, int(whole - encoding["input_ids"].shape[1])

    def _attend(self, encoding: Any) -> np.ndarray:
        """(L, H, T, T) float32 from one forward pass."""
        import torch

        inputs = accepted(self.model, {k: v for k, v in encoding.items() if k != "special_tokens_mask"})
        try:
            with torch.inference_mode():
                output = self.model(**inputs, output_attentions=True)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
            if _is_out_of_memory(error):
                raise OutOfMemory(
                    f"This machine has too little memory to read the attention of {self.name} for so long a "
                    "text. Shorten the text."
                ) from error
            raise _unreadable(self.name, f"it failed with: {error}") from error
        return _stacked(getattr(output, "attentions", None), inputs["input_ids"].shape[1], self.name)


def read_attention(
    folder: Path, text: str, pair: str | None = None, model_name: str | None = None
) -> AttentionMap:
    """Loads the model folder and reads one map. See `AttentionReader.read`."""
    _checked(text, pair)  # before a model is loaded for nothing
    return AttentionReader.load(folder, model_name).read(text, pair)


def _checked(text: str, pair: str | None) -> tuple[str, str | None]:
    """Texts that a tokenizer accepts: not empty, and without lone surrogates (no tokenizer encodes them)."""
    if not text or not text.strip():
        raise BadData("There is no text to read attention for. Type a sentence.")
    if pair is not None and not pair.strip():
        pair = None
    return _encodable(text), None if pair is None else _encodable(pair)


def _encodable(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _segments(encoding: Any) -> tuple[int, ...]:
    """0 for the first text, 1 for the second; a special token belongs to the text before it."""
    segments: list[int] = []
    for sequence in encoding.sequence_ids(0):
        segments.append(sequence if sequence is not None else (segments[-1] if segments else 0))
    return tuple(segments)


def _stacked(attentions: Any, length: int, name: str) -> np.ndarray:
    """(L, H, T, T) from the model's tuple of (1, H, T, T), or a sentence on why there is no such thing."""
    if not attentions or any(a is None for a in attentions):
        raise _unreadable(name, "the model gives no attention weights")
    shapes = {tuple(a.shape) for a in attentions}
    if len(shapes) != 1 or shapes.pop() != (1, attentions[0].shape[1], length, length):
        raise _unreadable(name, "its layers do not attend from every token to every token")
    weights = np.stack([a[0].float().cpu().numpy() for a in attentions]).astype(np.float32, copy=False)
    if not np.isfinite(weights).all():
        raise _unreadable(name, "its weights are not numbers; the model may be damaged")
    if np.abs(weights.sum(axis=-1) - 1).max() > ROW_TOLERANCE:
        raise _unreadable(name, "its weights are not shares that sum to one")
    return weights


def _unreadable(name: str, why: str) -> FinesiftError:
    return BadModel(
        f"The attention of {name} cannot be read: {why}. "
        "Choose an encoder such as BERT, DistilBERT, RoBERTa, XLM-R, DeBERTa or ModernBERT."
    )


def _is_out_of_memory(error: Exception) -> bool:
    words = str(error).lower()
    return "out of memory" in words or "can't allocate memory" in words or "not enough memory" in words


# --------------------------------------------------------------------------- condensing


def head_average(weights: np.ndarray) -> np.ndarray:
    """(L, H, T, T) -> (L, T, T): the mean over the heads of each layer. Rows still sum to one."""
    return np.asarray(weights).mean(axis=1, dtype=np.float64).astype(np.float32)


def rollout_by_layer(weights: np.ndarray) -> np.ndarray:
    """(L, H, T, T) -> (L, T, T): attention rollout from the input up to and including each layer.

    Abnar & Zuidema (2020), "Quantifying Attention Flow in Transformers", ACL, section 3: heads are averaged,
    the residual connection counts as half of what a layer passes on, A = 0.5 W + 0.5 I, and
    rollout(l) = A(l) rollout(l - 1), rollout(1) = A(1). Element [l, i, j] is the share of input token j
    in position i after layer l; rows sum to one.
    """
    mean = np.asarray(weights).mean(axis=1, dtype=np.float64)
    mixed = 0.5 * mean + 0.5 * np.eye(mean.shape[-1])
    mixed /= mixed.sum(axis=-1, keepdims=True)
    steps = np.empty_like(mixed)
    steps[0] = mixed[0]
    for layer in range(1, len(mixed)):
        steps[layer] = mixed[layer] @ steps[layer - 1]
    return steps.astype(np.float32)


def rollout(weights: np.ndarray) -> np.ndarray:
    """(L, H, T, T) -> (T, T): attention rollout through all layers. See `rollout_by_layer`."""
    return np.asarray(rollout_by_layer(weights)[-1])


# --------------------------------------------------------------------------- saving


def save_npz(attention: AttentionMap, target: Path | IO[bytes]) -> None:
    """Writes `tokens` (T,) unicode and `weights` (L, H, T, T) float32; no pickle needed to read them."""
    arrays = {
        "tokens": np.asarray(attention.tokens, dtype=np.str_),
        "weights": np.ascontiguousarray(attention.weights, dtype=np.float32),
    }
    if isinstance(target, Path):
        with target.open("wb") as file:  # given a path, numpy would append .npz to the name
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    else:
        np.savez_compressed(target, **arrays)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- details


def _token_limit(config: Any, readable: int) -> int:
    """What the model's positions and this machine's memory allow, `MAX_TOKENS` at most."""
    layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    affordable = int((MAX_MAP_BYTES / (4 * layers * heads)) ** 0.5)
    return min(MAX_TOKENS, readable, affordable)
