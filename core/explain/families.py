"""Models that write: an encoder reads the source, a decoder writes the target and looks back at the source.

Three kinds of attention live in them (Vaswani et al. 2017, section 3.2.3): the encoder's own, the decoder's own
(causal: no token sees what follows) and cross-attention, from the target to the source, the picture that
translation made known (Bahdanau et al. 2015). Knows how such a model is run and how its tokens are named. Does not
know screens; encoders and decoder-only models (GPT-2) are `core.explain.subject`'s.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from core.errors import BadData, BadModel, FinesiftError, OutOfMemory
from core.explain.subject import clean
from core.explain.tokens import display_tokens
from core.models.forward import memory_in_words
from core.models.loading import load_tokenizer, load_writer, quiet
from core.models.sources import check_folder
from core.records import AttentionMap, Side

KINDS = {
    "self": "Encoder: the text reads itself",
    "decoder": "Decoder: what was written reads itself",
    "cross": "Across: what was written reads the text",
}
MOST_WRITTEN = 128  # tokens that a model may write when it is asked to
MAX_TOKENS = 512
"""Longest text whose attention is read, in tokens: the map grows with the square of the length."""

MAX_MAP_BYTES = 1024 * 1024 * 1024
"""Largest map that is held in memory; deep and wide models get fewer tokens for it."""

ROW_TOLERANCE = 1e-3  # float32 softmax rows sum to one far closer than this


@dataclass(frozen=True)
class Reading:
    """What a model that writes did with a text: three maps from one pass."""

    maps: dict[str, AttentionMap]  # by KINDS: (L, H, S, S), (L', H', T, T), (L', H', T, S)
    target: str  # the text that the decoder read
    generated: bool  # by the model itself; else it was given
    written: tuple[
        str, ...
    ]  # T tokens: what each row of the decoder goes on to write; the row's own is what it reads
    chances: np.ndarray[Any, Any]  # (T,) float32: the probability that the model gives to what is written
    source_ids: tuple[int, ...]  # S
    target_ids: tuple[int, ...]  # T, as the decoder read them


@dataclass
class Writer:
    """A loaded encoder-decoder. May be shared between threads: they take turns."""

    model: Any  # transformers.PreTrainedModel with a head over the vocabulary, eager, float32, on the CPU
    tokenizer: Any
    name: str
    max_tokens: int  # of source and of target
    _turn: RLock = field(default_factory=RLock, repr=False)

    @staticmethod
    def load(folder: Path, name: str | None = None) -> Writer:
        """T5, BART, Marian and their like, from safetensors. Raises BadModel, UnsafeModel, OutOfMemory."""
        folder = Path(folder)
        check_folder(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Marian's recommends a further package
            tokenizer = load_tokenizer(folder, fast=False)
        model = load_writer(folder, attention="eager")
        model.requires_grad_(False)
        limit = token_limit(model.config, tokenizer.model_max_length, name or folder.name, maps=len(KINDS))
        return Writer(model, tokenizer, name or folder.name, limit)

    def read(self, text: str, pair: str | None = None, target: str | None = None) -> Reading:
        """The attention of all three kinds for a text and its `target`; None or empty: the model writes one itself,
        taking the most probable token at each step (greedily), MOST_WRITTEN at most.

        The decoder's rows are the tokens that it reads: its start symbol, then the target without its last token.
        Row i looks back while token i + 1 of the target is written (`Reading.written`).
        Raises BadData for an empty text or an unwanted second one, BadModel, OutOfMemory.
        """
        import torch

        text, pair = checked(text, pair)
        with self.alone():
            source, cut = self._source(text, pair)
            given = target is not None and bool(target.strip())
            if given and target is not None:
                ids, target_cut = self._target(clean(target))
            else:
                ids, target_cut = self._written(source), 0
                target = self.tokenizer.decode(ids[1:], skip_special_tokens=True)
            output = self.passed(source[0].tolist(), ids[:-1], output_attentions=True)
            chances = output.logits[0].float().softmax(-1)[torch.arange(len(ids) - 1), ids[1:]].numpy()
        left = self._side(source[0].tolist(), self._source_names, self._ends_first(text, pair))
        right = self._side(ids[:-1], self.tokenizer.convert_ids_to_tokens, None)
        across = (len(right), len(left))
        found = {
            "self": (output.encoder_attentions, (len(left),) * 2, left, None, cut),
            "decoder": (output.decoder_attentions, (len(right),) * 2, right, None, target_cut),
            "cross": (output.cross_attentions, across, right, left, cut),
        }
        maps = {
            kind: self._map(kind, stacked(weights, shape, self.name), rows, columns, lost)
            for kind, (weights, shape, rows, columns, lost) in found.items()
        }
        written = tuple(self.tokenizer.convert_ids_to_tokens(ids[1:]))
        sides = tuple(source[0].tolist()), tuple(ids[:-1])
        return Reading(maps, str(target), not given, written, chances, *sides)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else uses model or tokenizer meanwhile; what a family raises from inside becomes a sentence."""
        import torch

        with (
            self._turn,
            quiet(),
            told(self.name),
            memory_in_words(1, self.max_tokens),
            torch.inference_mode(),
        ):
            yield

    def passed(self, source: Sequence[int], target: Sequence[int], **options: Any) -> Any:
        """The model's output for S source ids and the T ids that its decoder reads. Within `alone`."""
        import torch

        ids = torch.tensor([list(source)])
        return self.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            decoder_input_ids=torch.tensor([list(target)]),
            use_cache=False,
            **options,
        )

    # ----------------------------------------------------------------- details

    def _source(self, text: str, pair: str | None) -> tuple[Any, int]:
        """(1, S) ids, and how many tokens did not fit."""
        if pair is not None and not self.tokenizer.is_fast:
            raise BadData(
                f"{self.name} reads one text at a time and cannot take a second one. Leave the second text empty; what "
                "the model should have written goes into the target text."
            )
        whole = self.tokenizer(text, pair, truncation=False, padding=False, verbose=False)["input_ids"]
        found = self.tokenizer(
            text,
            pair,
            truncation="longest_first",
            max_length=self.max_tokens,
            padding=False,
            return_tensors="pt",
        )["input_ids"]
        return found, len(whole) - found.shape[1]

    def _target(self, target: str) -> tuple[list[int], int]:
        """The start symbol and the target's ids, its end symbol last; and how many tokens did not fit."""
        whole = self.tokenizer(text_target=target, truncation=False, padding=False, verbose=False)[
            "input_ids"
        ]
        ids = self.tokenizer(
            text_target=target, truncation=True, max_length=self.max_tokens, padding=False, verbose=False
        )["input_ids"]
        return [self._start(), *ids], len(whole) - len(ids)

    def _written(self, source: Any) -> list[int]:
        """What the model writes, start symbol first."""
        import torch

        self._start()
        found = self.model.generate(
            input_ids=source,
            attention_mask=torch.ones_like(source),
            do_sample=False,
            num_beams=1,
            max_new_tokens=min(MOST_WRITTEN, self.max_tokens - 1),
        )
        return [int(i) for i in found[0].tolist()]

    def _start(self) -> int:
        settings = (getattr(self.model, "generation_config", None), self.model.config)
        for found in settings:
            start = getattr(found, "decoder_start_token_id", None)
            if start is not None:
                return int(start)
        raise unreadable(self.name, "its config does not say with which symbol its decoder starts")

    def _ends_first(self, text: str, pair: str | None) -> int | None:
        """Tokens of the first text of a pair; None: there is one text."""
        if pair is None:
            return None
        found = self.tokenizer(
            text, pair, truncation="longest_first", max_length=self.max_tokens, padding=False, verbose=False
        )
        sides = found.sequence_ids(0)
        return sides.index(1) if 1 in sides else len(sides)

    def _source_names(self, ids: list[int]) -> list[str]:
        """Marian may have a vocabulary for each language, and names ids by the target's."""
        if getattr(self.tokenizer, "separate_vocabs", False):
            names = {number: token for token, number in self.tokenizer.get_src_vocab().items()}
            return [names.get(i, self.tokenizer.unk_token) for i in ids]
        return list(self.tokenizer.convert_ids_to_tokens(ids))

    def _side(self, ids: list[int], named: Callable[[list[int]], list[str]], first: int | None) -> Side:
        names = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        special = tuple(i in names for i in ids)
        tokens = tuple(named(ids))
        segments = tuple(int(first is not None and at >= first) for at in range(len(ids)))
        return Side(tokens, segments, special, words_of(tokens, special))

    def _map(self, kind: str, weights: Any, rows: Side, columns: Side | None, cut: int) -> AttentionMap:
        return AttentionMap(
            tokens=rows.tokens,
            weights=weights,
            segments=rows.segments,
            special=rows.special,
            model_name=self.name,
            cut=cut,
            words=rows.words,
            kind=kind,
            causal=kind == "decoder",
            columns=columns,
        )


# --------------------------------------------------------------------------- what all families share


def checked(text: str, pair: str | None) -> tuple[str, str | None]:
    """Texts that a tokenizer accepts: not empty, and without lone surrogates (no tokenizer encodes them)."""
    if not text or not text.strip():
        raise BadData("There is no text to read attention for. Type a sentence.")
    return clean(text), clean(pair) if pair is not None and pair.strip() else None


def words_of(tokens: Sequence[str], special: Sequence[bool]) -> tuple[int, ...]:
    """The word of each token, from 0, by the tokenizer's own signs of continuation; -1: special. Punctuation stands
    alone."""
    found, number, open_word = [], -1, False
    for name, is_special in zip(display_tokens(tokens, special), special, strict=True):
        if is_special:
            found.append(-1)
            open_word = False
            continue
        if not (open_word and len(name) > 2 and name.startswith("##")):
            number += 1
        found.append(number)
        open_word = True
    return tuple(found)


def stacked(attentions: Any, shape: tuple[int, int], name: str) -> np.ndarray[Any, Any]:
    """(L, H, *shape) float32 from the model's tuple of (1, H, *shape). Raises BadModel where it is not that."""
    if not attentions or any(a is None for a in attentions):
        raise unreadable(name, "the model gives no attention weights")
    shapes = {tuple(a.shape) for a in attentions}
    if len(shapes) != 1 or shapes.pop() != (1, attentions[0].shape[1], *shape):
        raise unreadable(name, "its layers do not attend from every token to every token")
    return proper(np.stack([a[0].float().cpu().numpy() for a in attentions]), name)


def proper(weights: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """The weights, if they are shares that sum to one. Raises BadModel."""
    sums = weights.sum(axis=-1)
    if not np.isfinite(sums).all():
        raise unreadable(name, "its weights are not numbers; the model may be damaged")
    if np.abs(sums - 1).max(initial=0) > ROW_TOLERANCE:
        raise unreadable(name, "its weights are not shares that sum to one")
    return weights


def token_limit(config: Any, readable: int, name: str, maps: int = 1) -> int:
    """What the model's positions and this machine's memory (for so many maps) allow, MAX_TOKENS at most. Raises
    BadModel."""
    try:
        layers, heads = int(config.num_hidden_layers), int(config.num_attention_heads)
    except AttributeError as error:
        raise unreadable(name, "it is not built of layers with attention heads") from error
    affordable = int((MAX_MAP_BYTES / (4 * maps * layers * heads)) ** 0.5)
    return min(MAX_TOKENS, readable, affordable)


def unreadable(name: str, why: str) -> FinesiftError:
    return BadModel(
        f"The attention of {name} cannot be read: {why}. Choose an encoder such as BERT, DistilBERT, RoBERTa, XLM-R, "
        "DeBERTa or ModernBERT, a decoder such as GPT-2, or an encoder-decoder such as T5 or Marian."
    )


@contextmanager
def told(name: str) -> Iterator[None]:
    """What a family raises from inside, as a sentence."""
    try:
        yield
    except OutOfMemory as error:
        raise OutOfMemory(
            f"This machine has too little memory to read the attention of {name} for so long a text. Shorten the text."
        ) from error
    except FinesiftError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
        raise unreadable(name, f"it failed with: {error}") from error
