"""Reads a model's own attention, and condenses it: average over heads, attention rollout.

Knows how to obtain attention weights that are exactly the model's (eager attention; the fused kernels of
SDPA and FlashAttention return none), for encoders, decoders and encoder-decoders, and how to save a map.
Does not know where models live, and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from core.explain.families import KINDS, Reading, Writer, checked, proper, token_limit, told
from core.explain.families import MAX_TOKENS as MAX_TOKENS
from core.explain.subject import Piece, Subject
from core.explain.tokens import display_tokens as display_tokens
from core.models.loading import load_encoder, load_tokenizer, writes
from core.models.sources import check_folder
from core.records import AttentionMap

# --------------------------------------------------------------------------- reading


@dataclass
class AttentionReader:
    """A model and its tokenizer, loaded once for many readings. May be shared between threads."""

    source: Subject | Writer
    name: str
    max_tokens: int  # the longest input this reader passes to the model, special tokens included

    @staticmethod
    def load(folder: Path, name: str | None = None) -> AttentionReader:
        """Loads a model folder, be it a fine-tuned classifier or a base model that never was fine-tuned.

        `name` is what the maps will call the model; the folder's name if None.
        Raises BadModel when the folder is damaged or its family's attention cannot be read,
        UnsafeModel when it would need code or pickles.
        """
        folder = Path(folder)
        if writes(check_folder(folder)):
            writer = Writer.load(folder, name)
            return AttentionReader(writer, writer.name, writer.max_tokens)
        tokenizer = load_tokenizer(folder)
        model = load_encoder(folder, attention="eager")
        name = name or folder.name
        limit = token_limit(model.config, tokenizer.model_max_length, name)
        return AttentionReader(Subject(model, tokenizer, name, (), False, limit), name, limit)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of attention in this model, of `families.KINDS`: an encoder and a decoder have one each."""
        return tuple(KINDS) if isinstance(self.source, Writer) else ("self",)

    def read(
        self, text: str, pair: str | None = None, *, kind: str = "self", target: str | None = None
    ) -> AttentionMap:
        """The attention of every head for one text, or for two texts as a pair.

        Returns a map with `weights` (L, H, T, T) float32, whose rows (last axis) sum to one:
        `weights[l, h, i, j]` is the share of token j in what head h of layer l reads for token i.
        Tokens beyond `max_tokens` are cut from the end (of the longer text first, for a pair) and
        counted in `cut`.

        `kind` and `target` are for models that write (`families.Writer.read`).
        Raises BadData for an empty text, BadModel when the model gives no such attention, OutOfMemory.
        """
        if isinstance(self.source, Writer):
            return self.source.read(text, pair, target).maps[kind]
        return read_map(self.source, self.source.read(*checked(text, pair)))

    def read_all(self, text: str, pair: str | None = None, target: str | None = None) -> Reading:
        """All kinds of attention of a model that writes, from one pass. Raises as `read`; TypeError where the model
        does not write (`kinds` tells)."""
        if not isinstance(self.source, Writer):
            raise TypeError(f"{self.name} has one kind of attention")
        return self.source.read(text, pair, target)


def read_map(subject: Subject, piece: Piece) -> AttentionMap:
    """The attention of every head of an encoder or a decoder for a piece that it has read. Raises BadModel,
    OutOfMemory."""
    with told(subject.name):
        weights, _ = subject.attend(piece)
    return AttentionMap(
        tokens=piece.tokens,
        weights=proper(weights, subject.name),
        segments=tuple(piece.segments.tolist()),
        special=tuple(piece.special.tolist()),
        model_name=subject.name,
        cut=piece.cut,
        averaging=subject.averaging,
        words=tuple(piece.words.tolist()),
        causal=looks_back_only(weights),
    )


def looks_back_only(weights: np.ndarray[Any, Any]) -> bool:
    """Whether no token of (L, H, T, T) reads what follows it, as in a decoder."""
    if weights.shape[-1] < 2 or weights[:, :, 0, 1:].any():  # an encoder shows it in its first row
        return False
    above = np.triu_indices(weights.shape[-1], 1)
    return not weights[:, :, above[0], above[1]].any()


def read_attention(
    folder: Path,
    text: str,
    pair: str | None = None,
    model_name: str | None = None,
    *,
    kind: str = "self",
    target: str | None = None,
) -> AttentionMap:
    """Loads the model folder and reads one map. See `AttentionReader.read`."""
    checked(text, pair)  # before a model is loaded for nothing
    return AttentionReader.load(folder, model_name).read(text, pair, kind=kind, target=target)


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


def save_npz(attention: AttentionMap, target: Path | IO[bytes], **more: np.ndarray[Any, Any]) -> None:
    """Writes `tokens` (T,) unicode and `weights` (L, H, T, T) float32, for cross-attention (L, H, T, S) with `columns`
    (S,) unicode, and what `more` names; no pickle needed to read them."""
    arrays = {
        "tokens": np.asarray(attention.tokens, dtype=np.str_),
        "weights": np.ascontiguousarray(attention.weights, dtype=np.float32),
        **more,
    }
    if attention.columns is not None:
        arrays["columns"] = np.asarray(attention.column_tokens, dtype=np.str_)
    if isinstance(target, Path):
        with target.open("wb") as file:  # given a path, numpy would append .npz to the name
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    else:
        np.savez_compressed(target, **arrays)  # type: ignore[arg-type]
