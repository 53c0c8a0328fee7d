"""A model under examination: one text in, its tokens and words, its answer, its attention, with tokens exchanged if asked.

Knows one loaded encoder, with or without a trained head, in eager attention (the only one that gives its weights),
fp32. Does not know studies, jobs or screens. What looks deeper (heads switched off, gradients) works on
`Subject.model` under `Subject.alone()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from core.errors import BadData, BadModel
from core.explain.tokens import display_tokens
from core.models.forward import Encoded, accepted, batches, collate, memory_in_words, softmax
from core.models.loading import class_names, is_several, load_classifier, load_encoder, load_tokenizer
from core.models.pooling import added_layer
from core.models.sources import check_folder

MOST_TOKENS = 512  # of a text that is looked at
BATCH_TOKENS = 2048  # of texts that are only answered
ATTENDED = 1 << 24  # attention weights (L x H x T x T, all texts) that one pass may hold


@dataclass(frozen=True)
class Piece:
    """One text, or a pair, as the model's T tokens."""

    text: str
    pair: str | None
    ids: np.ndarray[Any, Any]  # (T,) int64
    types: np.ndarray[Any, Any] | None  # (T,) int64; None: this model knows none
    tokens: tuple[str, ...]  # as the tokenizer names them
    shown: tuple[str, ...]  # as a reader wants them (`display_tokens`)
    special: np.ndarray[Any, Any]  # (T,) bool: [CLS], [SEP] and their like
    segments: np.ndarray[
        Any, Any
    ]  # (T,) int: 0 first text, 1 second; a special token belongs to the text before it
    words: np.ndarray[
        Any, Any
    ]  # (T,) int: number of the word that the token is part of, over both texts; -1: special
    spans: np.ndarray[Any, Any]  # (T, 2) int: the token's characters in its text, [start, end)
    cut: int  # tokens that did not fit and were left out

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def word_count(self) -> int:
        return int(self.words.max(initial=-1)) + 1

    def word(self, number: int) -> str:
        """The characters of a word."""
        own = np.flatnonzero(self.words == number)
        source = self.text if self.segments[own[0]] == 0 else (self.pair or "")
        found = source[int(self.spans[own, 0].min()) : int(self.spans[own, 1].max())]
        return found.strip() or found  # some tokenizers count the blank before a word to it

    def word_list(self) -> list[str]:
        return [self.word(number) for number in range(self.word_count)]

    def by_word(self, scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(..., T) scores to (..., W): the sum over each word's tokens; special tokens are left out."""
        out = np.zeros((*scores.shape[:-1], self.word_count))
        for number in range(self.word_count):
            out[..., number] = scores[..., self.words == number].sum(axis=-1)
        return out

    def exchanged(self, at: int, token_id: int, token: str) -> Piece:
        """The same piece with another token at one place."""
        ids = self.ids.copy()
        ids[at] = token_id
        tokens = (*self.tokens[:at], token, *self.tokens[at + 1 :])
        return replace(
            self, ids=ids, tokens=tokens, shown=tuple(display_tokens(tokens, self.special.tolist()))
        )


@dataclass
class Subject:
    """A loaded model. May be shared between threads: they take turns (`alone`)."""

    model: Any  # transformers.PreTrainedModel, eager attention, float32, on the CPU, evaluation mode
    tokenizer: Any
    name: str
    labels: tuple[str, ...]  # C class names; () for a base model, which has no answer
    several: bool  # a text may have several labels
    max_tokens: int
    _turn: RLock = field(default_factory=RLock, repr=False)

    @staticmethod
    def load(folder: Path, name: str | None = None) -> Subject:
        """A fine-tuned classifier with its head, or a base model's encoder. Raises BadModel, UnsafeModel."""
        folder = Path(folder)
        config = check_folder(folder)
        trained = any(str(a).endswith("ForSequenceClassification") for a in config.get("architectures") or ())
        model = (load_classifier if trained else load_encoder)(folder, attention="eager")
        tokenizer = load_tokenizer(folder)
        model.requires_grad_(False)
        return Subject(
            model,
            tokenizer,
            name or folder.name,
            class_names(model) if trained else (),
            trained and is_several(model),
            min(MOST_TOKENS, int(tokenizer.model_max_length)),
        )

    @property
    def encoder(self) -> Any:
        """The model without its head."""
        return self.model.base_model

    @property
    def averaging(self) -> int | None:
        """The layer, from 0, that Finesift added to average all states; None: all layers are the model's own."""
        return added_layer(self.model.config)

    @property
    def mask_token(self) -> tuple[int, str] | None:
        """Id and name of the token that stands for any word; None: this model has none."""
        token = self.tokenizer.mask_token
        return None if token is None else (int(self.tokenizer.mask_token_id), str(token))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else uses model or tokenizer meanwhile: for hooks, gradients, batches of one's own."""
        with self._turn:
            yield

    # ----------------------------------------------------------------- texts

    def read(self, text: str, pair: str | None = None, most: int | None = None) -> Piece:
        """A text as the model's tokens, at most `most` of them (default: what the model reads, 512 at most).
        Raises BadData for an empty text."""
        if not text or not text.strip():
            raise BadData("There is no text to look at. Type a sentence.")
        text = clean(text)
        pair = clean(pair) if pair is not None and pair.strip() else None
        limit = min(most or self.max_tokens, self.max_tokens)
        with self._turn:
            whole = self.tokenizer(text, pair, truncation=False, padding=False, verbose=False)
            found = self.tokenizer(
                text,
                pair,
                truncation="longest_first",
                max_length=limit,
                padding=False,
                return_special_tokens_mask=True,
                return_offsets_mapping=True,
                verbose=False,
            )
        ids = np.asarray(found["input_ids"], dtype=np.int64)
        types = found.get("token_type_ids")
        special = np.asarray(found["special_tokens_mask"], dtype=bool)
        sides = [side if side is not None else -1 for side in found.sequence_ids(0)]
        tokens = tuple(self.tokenizer.convert_ids_to_tokens(ids.tolist()))
        return Piece(
            text=text,
            pair=pair,
            ids=ids,
            types=None if types is None else np.asarray(types, dtype=np.int64),
            tokens=tokens,
            shown=tuple(display_tokens(tokens, special.tolist())),
            special=special,
            segments=_segments(sides),
            words=_words(found.word_ids(0), sides),
            spans=np.asarray(found["offset_mapping"], dtype=np.int64).reshape(-1, 2),
            cut=len(whole["input_ids"]) - len(ids),
        )

    def token(self, word: str) -> tuple[int, str] | None:
        """Id and name of a word that is one token, for `Piece.exchanged`; None: it is several, or none."""
        with self._turn:
            ids = self.tokenizer(" " + clean(word), add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            return None
        return int(ids[0]), str(self.tokenizer.convert_ids_to_tokens(int(ids[0])))

    def tensors(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The model's inputs for some pieces: (n, T) int64 tensors, padded to the longest."""
        return accepted(self.model, collate(_encoded(pieces), range(len(pieces)), self.tokenizer))

    def word_vectors(self, piece: Piece) -> np.ndarray[Any, Any]:
        """(T, D) float32: the embedding of each token by itself, without positions."""
        import torch

        with self._turn, torch.inference_mode():
            return np.asarray(self.model.get_input_embeddings()(torch.from_numpy(piece.ids)).float().numpy())

    # ----------------------------------------------------------------- answers and attention

    def logits(self, pieces: Sequence[Piece]) -> np.ndarray[Any, Any]:
        """(N, C) float32, in the order of the pieces. Raises BadModel for a base model, OutOfMemory."""
        import torch

        self._needs_head()
        out = np.zeros((len(pieces), len(self.labels)), dtype=np.float32)
        lengths = np.asarray([len(p) for p in pieces], dtype=np.int64)
        for rows in batches(lengths, BATCH_TOKENS, 64):
            some = [pieces[int(row)] for row in rows]
            with self._turn, memory_in_words(len(some), int(lengths[rows].max())), torch.inference_mode():
                out[rows] = self.model(**self.tensors(some)).logits.float().numpy()
        return out

    def probabilities(self, logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, C) logits to (N, C) float32: softmax of a row, or each logit's sigmoid for several labels."""
        if not self.several:
            return softmax(logits)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), dtype=np.float32)

    def attend(self, piece: Piece) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
        """(L, H, T, T) float32 attention of one piece, rows summing to one, and its (C,) logits (None: base model).
        Raises BadModel where the family gives no such attention, OutOfMemory."""
        (weights,), logits = self.attend_all([piece])
        return weights, None if logits is None else logits[0]

    def attend_all(
        self, pieces: Sequence[Piece]
    ) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any] | None]:
        """Of each piece its own (L, H, T, T), without padding, and the (N, C) logits. For a handful of pieces: all is
        held in memory; `groups` cuts many into such handfuls."""
        import torch

        lengths = [len(p) for p in pieces]
        with self._turn, memory_in_words(len(pieces), max(lengths)), torch.inference_mode():
            inputs = self.tensors(pieces)
            output = self.model(**inputs, output_attentions=True)
        # a classifier on an encoder-decoder (BART): its encoder's
        found = getattr(output, "attentions", None) or getattr(output, "encoder_attentions", None)
        if not found or any(a is None or a.shape[-2:] != inputs["input_ids"].shape[-1:] * 2 for a in found):
            raise BadModel(
                f"The attention of {self.name} cannot be read: its layers do not attend from every token to every "
                "token. Choose an encoder such as BERT, DistilBERT, RoBERTa, XLM-R, DeBERTa or ModernBERT."
            )
        stacked = torch.stack([a.float() for a in found], dim=1).numpy()  # (n, L, H, T, T)
        left = self.tokenizer.padding_side == "left"
        width = stacked.shape[-1]
        places = [slice(width - n, width) if left else slice(0, n) for n in lengths]
        weights = [
            np.ascontiguousarray(each[:, :, place, place])
            for each, place in zip(stacked, places, strict=True)
        ]
        logits = output.logits.float().numpy() if self.labels else None
        return weights, logits

    def groups(self, pieces: Sequence[Piece]) -> list[np.ndarray[Any, Any]]:
        """Row numbers of pieces in handfuls for `attend_all`, of like length, the longest first."""
        layers, heads = self.shape
        lengths = np.asarray([len(p) for p in pieces], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        found: list[np.ndarray[Any, Any]] = []
        at = 0
        while at < len(order):
            each = layers * heads * int(lengths[order[at]]) ** 2
            size = max(1, min(32, ATTENDED // max(1, each)))
            found.append(order[at : at + size])
            at += size
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """(L, H). Raises BadModel where the model has no such thing."""
        try:
            return int(self.model.config.num_hidden_layers), int(self.model.config.num_attention_heads)
        except AttributeError as error:
            raise BadModel(
                f"The attention of {self.name} cannot be read: it is not built of layers with attention heads."
            ) from error

    def _needs_head(self) -> None:
        if not self.labels:
            raise BadModel(
                f"{self.name} is a base model: it has not learnt any classes yet, so it has no answer to explain. "
                "Choose a trained model."
            )


def clean(text: str) -> str:
    """Without lone surrogates, which no tokenizer takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _segments(sides: Sequence[int]) -> np.ndarray[Any, Any]:
    out, last = [], 0
    for side in sides:
        last = side if side >= 0 else last
        out.append(last)
    return np.asarray(out, dtype=np.int64)


def _words(numbers: Sequence[int | None], sides: Sequence[int]) -> np.ndarray[Any, Any]:
    """Numbers of words over both texts, 0, 1, 2, … without gaps."""
    out: list[int] = []
    seen: dict[tuple[int, int], int] = {}
    for number, side in zip(numbers, sides, strict=True):
        if number is None or side < 0:
            out.append(-1)
        else:
            out.append(seen.setdefault((side, number), len(seen)))
    return np.asarray(out, dtype=np.int64)


def _encoded(pieces: Sequence[Piece]) -> Encoded:
    types = [p.types for p in pieces]
    known = None if any(t is None for t in types) else [t for t in types if t is not None]
    return Encoded([p.ids for p in pieces], known, np.asarray([len(p) for p in pieces], dtype=np.int64))
