"""Texts to logits: tokens, length-sorted batches, the forward pass. What training and inference share.

Knows tokenizers, padding and memory per token. Does not know labels, files or progress bars.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import DeviceLost, OutOfMemory

WINDOWED = 256  # texts read in windows at once
CHUNK = 4096  # texts tokenised and sorted at once: bounds memory and the time without a sign of life
# tokens in one forward pass, padding included; on a CPU few enough that one pass takes seconds at most
BATCH_TOKENS = {"cpu": 2048, "mps": 16384, "cuda": 65536}
BATCH_TEXTS = {"cpu": 64, "mps": 128, "cuda": 512}


_NO_MEMORY = ("out of memory", "allocate memory", "not enough memory")
_LOST = (
    "device-side assert",
    "unspecified launch failure",
    "no cuda-capable device",
    "gpu is lost",
    "device lost",
    "driver shutting down",
    "unknown error",
    "device unavailable",
    "ecc error",
)
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Encoded:
    """N tokenised texts, special tokens included, not padded."""

    ids: list[np.ndarray[Any, Any]]  # N arrays (T_i,) int32
    types: list[np.ndarray[Any, Any]] | None  # the same, 0 or 1: first or second text of a pair
    full: np.ndarray[Any, Any]  # (N,) tokens before the cut
    places: list[np.ndarray[Any, Any]] | None = None  # N arrays (T_i,) of positions; None: 0, 1, 2, …

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray[Any, Any]:
        """(N,) tokens after the cut."""
        return np.fromiter((len(i) for i in self.ids), dtype=np.int64, count=len(self.ids))

    def select(self, rows: Sequence[int] | np.ndarray[Any, Any]) -> Encoded:
        """Some of the texts, in the order of `rows`."""
        chosen = [int(row) for row in rows]
        return Encoded(
            [self.ids[row] for row in chosen],
            None if self.types is None else [self.types[row] for row in chosen],
            self.full[chosen],
            None if self.places is None else [self.places[row] for row in chosen],
        )

    @property
    def cut(self) -> int:
        """Texts that did not fit."""
        return int((self.full > self.lengths).sum())


def encode(
    tokenizer: Any, texts: Sequence[str], max_length: int, pairs: Sequence[str] | None = None
) -> Encoded:
    """Tokens of N texts (or pairs), each cut to `max_length` tokens, special tokens included.

    A pair is cut from its longer side first. Lone surrogates, which no tokenizer takes, become U+FFFD.
    """
    ids: list[np.ndarray[Any, Any]] = []
    types: list[np.ndarray[Any, Any]] | None = [] if "token_type_ids" in tokenizer.model_input_names else None
    full: list[int] = []
    for start in range(0, len(texts), CHUNK):
        first = [_clean(t) for t in texts[start : start + CHUNK]]
        second = None if pairs is None else [_clean(t) for t in pairs[start : start + CHUNK]]
        whole = _tokens(tokenizer, first, second, None)
        lengths = [len(row) for row in whole["input_ids"]]
        long = [i for i, n in enumerate(lengths) if n > max_length]
        if long:  # the whole length is wanted too, so only what is too long is read twice
            short = _tokens(
                tokenizer, [first[i] for i in long], second and [second[i] for i in long], max_length
            )
            for name, rows in short.items():
                for i, row in zip(long, rows, strict=True):
                    whole[name][i] = row
        ids.extend(np.asarray(row, dtype=np.int32) for row in whole["input_ids"])
        if types is not None:
            types.extend(np.asarray(row, dtype=np.int32) for row in whole["token_type_ids"])
        full.extend(lengths)
    return Encoded(ids, types, np.asarray(full, dtype=np.int64))


@dataclass(frozen=True)
class Windows:
    """How texts are read that are longer than one window: overlapping pieces, whose logits are averaged."""

    length: int  # tokens of a window, special tokens included
    overlap: int  # tokens that two neighbouring windows share

    @staticmethod
    def of(length: int) -> Windows:
        """Windows that share a quarter."""
        return Windows(length, length // 4)


def encode_windows(
    tokenizer: Any, texts: Sequence[str], windows: Windows
) -> tuple[Encoded, np.ndarray[Any, Any]]:
    """Every text as W >= N windows that cover it whole: the windows in order, and (W,) the text of each.

    `Encoded.full` then holds each window's own length: nothing is cut.
    """
    whole = encode(tokenizer, texts, 1 << 30)
    special = tokenizer.num_special_tokens_to_add()
    room = max(1, windows.length - special)
    step = max(1, room - windows.overlap)
    ids: list[np.ndarray[Any, Any]] = []
    types: list[np.ndarray[Any, Any]] | None = None if whole.types is None else []
    owner: list[int] = []
    for row, full in enumerate(whole.ids):
        if len(full) <= windows.length:
            pieces = [full]
        else:
            head, body, tail = _frame(full, special)
            starts = range(0, max(1, len(body) - windows.overlap), step)
            pieces = [np.concatenate([head, body[at : at + room], tail]) for at in starts]
        ids.extend(pieces)
        owner.extend([row] * len(pieces))
        if types is not None:
            types.extend(np.zeros(len(piece), dtype=np.int32) for piece in pieces)
    return Encoded(ids, types, np.asarray([len(i) for i in ids], dtype=np.int64)), np.asarray(
        owner, dtype=np.int64
    )


def _frame(ids: np.ndarray[Any, Any], special: int) -> tuple[np.ndarray[Any, Any], ...]:
    """The special tokens before a text, its own tokens, the special tokens behind it: one in front, if any, and
    the rest at the end, as the families with an encoder have it.
    """
    front = min(1, special)
    behind = special - front
    return ids[:front], ids[front : len(ids) - behind], ids[len(ids) - behind :]


def pool_windows(
    logits: np.ndarray[Any, Any], owner: np.ndarray[Any, Any], texts: int
) -> np.ndarray[Any, Any]:
    """(W, C) logits of windows to (N, C) of texts: the mean over each text's windows."""
    total = np.zeros((texts, logits.shape[1]), dtype=np.float64)
    np.add.at(total, owner, logits)
    count = np.bincount(owner, minlength=texts).clip(min=1)
    return np.asarray(total / count[:, None], dtype=np.float32)


def batches(lengths: np.ndarray[Any, Any], tokens: int, texts: int) -> list[np.ndarray[Any, Any]]:
    """Row numbers in groups of like length, the longest first: each at most `tokens` with padding (one row
    always fits) and at most `texts` rows.
    """
    order = np.argsort(-lengths, kind="stable")
    groups: list[np.ndarray[Any, Any]] = []
    start = 0
    while start < len(order):
        size = max(1, min(texts, tokens // max(1, int(lengths[order[start]]))))
        groups.append(order[start : start + size])
        start += size
    return groups


def collate(
    encoded: Encoded,
    rows: Sequence[int] | np.ndarray[Any, Any],
    tokenizer: Any,
    limit: int | None = None,
    multiple: int = 1,
) -> dict[str, Any]:
    """The model's inputs for some rows: (n, T) int64 tensors, T the longest row, rounded up to a `multiple` (8
    suits a GPU's arithmetic; a CPU only computes more), never beyond `limit`, by default the length that the
    model reads.
    """
    import torch

    longest = max(len(encoded.ids[i]) for i in rows)
    rounded = -(-longest // multiple) * multiple
    width = max(longest, min(rounded, limit or tokenizer.model_max_length))
    left = tokenizer.padding_side == "left"
    shape = (len(rows), width)
    ids = np.full(shape, tokenizer.pad_token_id or 0, dtype=np.int64)
    mask = np.zeros(shape, dtype=np.int64)
    types = None if encoded.types is None else np.full(shape, tokenizer.pad_token_type_id, dtype=np.int64)
    for at, row in enumerate(rows):
        n = len(encoded.ids[row])
        place = slice(width - n, width) if left else slice(0, n)
        ids[at, place] = encoded.ids[row]
        mask[at, place] = 1
        if types is not None and encoded.types is not None:
            types[at, place] = encoded.types[row]
    inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
    if types is not None:
        inputs["token_type_ids"] = torch.from_numpy(types)
    return inputs


def multiple(device: str) -> int:
    """What a batch's width is best a multiple of."""
    return 1 if device == "cpu" else 8


def accepted(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Without token types where the model has no place for them (DistilBERT under BERT's tokenizer)."""
    if "token_type_ids" in inputs and "token_type_ids" not in inspect.signature(model.forward).parameters:
        return {name: value for name, value in inputs.items() if name != "token_type_ids"}
    return inputs


def iter_encoded(
    model: Any,
    tokenizer: Any,
    encoded: Encoded,
    device: str = "cpu",
    *,
    batch_tokens: int | None = None,
    batch_texts: int | None = None,
    autocast: Any = None,
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Yields (rows (n,) int64, logits (n, C) float32) a batch at a time, longest texts first.

    `autocast`: a torch dtype for mixed precision, None for the model's own. The model is put into evaluation
    mode and stays there. Raises OutOfMemory.
    """
    import torch

    model.eval()
    groups = batches(
        encoded.lengths,
        batch_tokens or BATCH_TOKENS.get(device, 4096),
        batch_texts or BATCH_TEXTS.get(device, 64),
    )
    for rows in groups:
        inputs = {
            k: v.to(device)
            for k, v in accepted(model, collate(encoded, rows, tokenizer, multiple=multiple(device))).items()
        }
        with (
            memory_in_words(len(rows), inputs["input_ids"].shape[1]),
            torch.inference_mode(),
            torch.autocast(device, dtype=autocast, enabled=autocast is not None),
        ):
            out = model(**inputs).logits.float().cpu().numpy()
        yield rows, out


def iter_logits(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    device: str = "cpu",
    *,
    max_length: int | None = None,
    batch_tokens: int | None = None,
    batch_texts: int | None = None,
    autocast: Any = None,
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Like `iter_encoded`, from texts, tokenised and sorted a few thousand at a time: constant memory beyond
    them.

    `max_length` is by default the length that the model can read.
    """
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        encoded = encode(
            tokenizer, texts[part], max_length or tokenizer.model_max_length, pairs[part] if pairs else None
        )
        for rows, out in iter_encoded(
            model,
            tokenizer,
            encoded,
            device,
            batch_tokens=batch_tokens,
            batch_texts=batch_texts,
            autocast=autocast,
        ):
            yield rows + start, out


def iter_windows(
    model: Any, tokenizer: Any, texts: Sequence[str], windows: Windows, device: str = "cpu"
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Like `iter_logits`, each text read whole in overlapping windows and answered by the mean of their logits. A
    few hundred texts at a time. Raises OutOfMemory.
    """
    for start in range(0, len(texts), WINDOWED):
        part = texts[start : start + WINDOWED]
        encoded, owner = encode_windows(tokenizer, part, windows)
        found = np.zeros((len(encoded), model.config.num_labels), dtype=np.float32)
        for rows, out in iter_encoded(model, tokenizer, encoded, device):
            found[rows] = out
        yield np.arange(start, start + len(part)), pool_windows(found, owner, len(part))


def logits(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    device: str = "cpu",
    **options: Any,
) -> np.ndarray[Any, Any]:
    """(N, C) float32 logits in the order of the texts. Options and errors as in `iter_logits`."""
    result = np.zeros((len(texts), model.config.num_labels), dtype=np.float32)
    for rows, out in iter_logits(model, tokenizer, texts, pairs, device, **options):
        result[rows] = out
    return result


def softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(N, C) logits to (N, C) float32 probabilities; rows sum to 1."""
    wide = scores.astype(np.float64)
    power = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return (power / power.sum(axis=-1, keepdims=True)).astype(np.float32)


@contextmanager
def memory_in_words(texts: int, tokens: int) -> Iterator[None]:
    """Turns torch's several ways of running out of memory into OutOfMemory, and of losing a GPU into DeviceLost."""
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        told = str(error).lower()
        if any(words in told for words in _LOST):
            raise DeviceLost(
                "The graphics card stopped answering while it was computing (taken out, reset, or its driver failed). "
                "Check it with the driver's own tool; the run can then be resumed from its last checkpoint."
            ) from error
        sure = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not sure and not any(words in told for words in _NO_MEMORY):
            raise
        raise OutOfMemory(
            f"The device has too little memory for {texts} texts of {tokens} tokens at once. "
            "Choose a smaller batch size or a smaller maximum length, or a smaller model."
        ) from error


def _tokens(
    tokenizer: Any, first: list[str], second: list[str] | None, max_length: int | None
) -> dict[str, list[list[int]]]:
    found = tokenizer(
        first,
        second,
        truncation=max_length is not None,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        verbose=False,  # it would warn of texts that are too long; the caller counts them instead
    )
    return {name: found[name] for name in ("input_ids", "token_type_ids") if name in found}


def _clean(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text)
