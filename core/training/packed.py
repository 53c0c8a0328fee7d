"""A training step without padding: the tokens of a batch stand one behind the other, and only attention, which is a
small part of the work, sees them as a padded block.

For encoders built like BERT, on a CPU, where arithmetic is what a step waits for. The same numbers as the plain
forward pass, to rounding (tests/training/test_packed.py). Dropout takes its noise from a pool that is drawn once,
since drawing it anew takes a CPU as long as a sixth of the step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.models import pooling
from core.models.forward import Encoded

FAMILIES = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra"})
_POOL = 1 << 21  # values of noise that are drawn once


class Packed:
    """The features of a learner's encoder, computed without padding."""

    def __init__(self, learner: Any, dropout: float, seed: int) -> None:
        """Takes a learner of one of FAMILIES with the averaging layer. `dropout`: of the outputs of attention and
        feed-forward part, a share.
        """
        import torch

        config = learner.model.config
        family = pooling.FAMILIES[config.model_type]
        self.learner = learner
        self.heads = int(config.num_attention_heads)
        self.offset = int(config.pad_token_id or 0) + 1 if config.model_type in _FROM_PADDING else 0
        self.types = int(getattr(config, "type_vocab_size", 0))
        self.activation = _activation(config.hidden_act)
        self.layers = [_Layer.of(layer, family) for layer in learner.layers()]
        self.epsilon = pooling.norm_epsilon(learner.model)
        self.seed, self.dropout = seed, dropout
        self.noise: Any = None
        if dropout > 0:
            draw = torch.Generator().manual_seed(seed)
            kept = torch.rand(_POOL, generator=draw) >= dropout
            self.noise = kept.to(torch.float32) / (1.0 - dropout)

    @staticmethod
    def suits(learner: Any, device: str) -> bool:
        """Whether this learner can be trained so, and gains from it."""
        config = learner.model.config
        plain = getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
        return (
            device == "cpu"
            and learner.averaging
            and not learner.adapted
            and config.model_type in FAMILIES
            and plain
        )

    def logits(self, encoded: Encoded, dtype: Any, place: tuple[int, int]) -> Any:
        """(n, C) float32 logits of n encoded texts. `dtype`: of the arithmetic, None for fp32; `place`: step and part
        of the batch, which choose the noise.
        """
        return self.learner.head(self.features(encoded, dtype, place))

    def features(self, encoded: Encoded, dtype: Any, place: tuple[int, int]) -> Any:
        """(n, D) float32; see `logits`."""
        import torch

        form = _Form.of(encoded)
        rng = np.random.default_rng([self.seed, *place, 5])
        with torch.autocast("cpu", enabled=False):
            states = self._embed(encoded, form).float()
            for layer in self.layers:
                states = self._layer(layer, states, form, dtype or torch.float32, rng)
            mean = torch.zeros(form.texts, states.shape[1]).index_add(0, form.owner, states) / form.lengths
            mixed = pooling.SCALE * mean + states.index_select(0, form.first)
            return torch.nn.functional.layer_norm(mixed, mixed.shape[-1:], eps=self.epsilon)

    def _embed(self, encoded: Encoded, form: _Form) -> Any:
        import torch

        inputs = {
            "input_ids": torch.from_numpy(np.concatenate(encoded.ids).astype(np.int64)).unsqueeze(0),
            "position_ids": (form.position + self.offset).unsqueeze(0),
        }
        if encoded.types is not None and self.types > 0:
            inputs["token_type_ids"] = torch.from_numpy(
                np.concatenate(encoded.types).astype(np.int64)
            ).unsqueeze(0)
        found = self.learner.encoder.embeddings(**inputs)
        project = getattr(self.learner.encoder, "embeddings_project", None)
        return (found if project is None else project(found)).squeeze(0)

    def _layer(self, layer: _Layer, x: Any, form: _Form, dtype: Any, rng: np.random.Generator) -> Any:
        """(t, D) float32 to (t, D) float32; `dtype`: of the multiplications."""
        import torch
        from torch.nn import functional

        width = x.shape[1]
        each = width // self.heads
        weight = torch.cat([m.weight for m in layer.reading]).to(dtype)
        bias = torch.cat([m.bias for m in layer.reading]).to(dtype)
        packed = functional.linear(x.to(dtype), weight, bias)
        block = packed.index_select(0, form.block).view(form.texts, form.width, 3, self.heads, each)
        query, key, value = block.permute(2, 0, 3, 1, 4).unbind(0)
        scores = torch.matmul(query, key.transpose(-1, -2)) * each**-0.5
        shares = functional.softmax(scores + form.mask.to(dtype), dim=-1)
        read = torch.matmul(shares, value).transpose(1, 2).reshape(-1, width).index_select(0, form.flat)
        x = _norm(layer.norms[0], self._drop(_linear(layer.joining, read), rng) + x)
        wide = self.activation(_linear(layer.wide, x.to(dtype)))
        return _norm(layer.norms[1], self._drop(_linear(layer.narrow, wide), rng) + x)

    def _drop(self, x: Any, rng: np.random.Generator) -> Any:
        import torch

        if self.noise is None:
            return x
        size = min(x.numel(), _POOL // 2)  # a larger batch takes several pieces of the pool
        starts = rng.integers(_POOL - size, size=-(-x.numel() // size))
        pieces = [self.noise[start : start + size] for start in starts]
        noise = pieces[0] if len(pieces) == 1 else torch.cat(pieces)[: x.numel()]
        return x * noise.view(x.shape).to(x.dtype)


@dataclass(frozen=True)
class _Layer:
    """The modules of one layer."""

    reading: tuple[Any, Any, Any]  # query, key, value
    joining: Any
    wide: Any
    narrow: Any
    norms: tuple[Any, Any]

    @staticmethod
    def of(layer: Any, family: pooling.Family) -> _Layer:
        attention = layer.get_submodule(family.attention)
        query, key, value, joining = family.names
        return _Layer(
            (attention.get_submodule(query), attention.get_submodule(key), attention.get_submodule(value)),
            layer.get_submodule(joining),
            layer.get_submodule(family.wide),
            layer.get_submodule(family.narrow),
            (layer.get_submodule(family.norms[0]), layer.get_submodule(family.norms[1])),
        )


@dataclass(frozen=True)
class _Form:
    """Where the t tokens of n texts stand, packed and as a block (n, T)."""

    texts: int
    width: int  # T
    position: Any  # (t,) place in its text, before tokens were left out
    owner: Any  # (t,) its text
    first: Any  # (n,) the first token of each text
    lengths: Any  # (n, 1) float
    block: Any  # (n * T,) the token at each place of the block; any token where there is padding
    flat: Any  # (t,) the place of each token in the block
    mask: Any  # (n, 1, 1, T): 0, or minus infinity (as far as the number format goes) for padding

    @staticmethod
    def of(encoded: Encoded) -> _Form:
        import torch

        lengths = encoded.lengths
        texts, width = len(lengths), int(lengths.max())
        owner = np.repeat(np.arange(texts), lengths)
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        inner = np.arange(int(lengths.sum())) - first[owner]
        position = inner if encoded.places is None else np.concatenate(encoded.places)
        places = np.arange(width)
        inside = places[None, :] < lengths[:, None]
        block = np.where(inside, first[:, None] + places[None, :], 0).reshape(-1)
        mask = np.where(inside, 0.0, -1e9).astype(np.float32)[:, None, None, :]
        return _Form(
            texts,
            width,
            torch.from_numpy(position),
            torch.from_numpy(owner),
            torch.from_numpy(first),
            torch.from_numpy(lengths.astype(np.float32)).unsqueeze(1),
            torch.from_numpy(block),
            torch.from_numpy(owner * width + inner),
            torch.from_numpy(mask),
        )


_FROM_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert"}
)  # positions count on behind the padding's number


def _linear(module: Any, x: Any) -> Any:
    from torch.nn import functional

    return functional.linear(x, module.weight.to(x.dtype), module.bias.to(x.dtype))


def _norm(module: Any, x: Any) -> Any:
    from torch.nn import functional

    return functional.layer_norm(
        x, module.normalized_shape, module.weight.to(x.dtype), module.bias.to(x.dtype), module.eps
    )


def _activation(name: Any) -> Any:
    from transformers.activations import ACT2FN

    return ACT2FN[name] if isinstance(name, str) else name
