"""An encoder's features without padding: the tokens of a batch stand one behind the other, and only attention, which
is a small part of the work, sees them as padded blocks.

For encoders built like BERT, on a CPU, where arithmetic is what a step waits for. The same numbers as the plain
forward pass, to rounding (tests/training/test_packed.py). Dropout takes its noise from a pool that is drawn once,
since drawing it anew takes a CPU as long as a sixth of the step. Which noise a token gets follows from seed, step,
text and place alone, so a batch that is split among processes or parts gets the same.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from core.models import pooling
from core.models.forward import Encoded
from core.training.learner import Learner

if TYPE_CHECKING:
    from core.training.block import Form

FAMILIES = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra"})
_FROM_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert"}
)  # positions count on behind the padding's number
_ACTIVATIONS = frozenset({"gelu", "relu"})
_POOL = 1 << 21  # values of noise that are drawn once
_FEWEST = 1024  # rows of noise at least


class Packed:
    """The features of a learner's encoder, computed without padding."""

    def __init__(self, learner: Learner, dropout: float = 0.0, seed: int = 0) -> None:
        """Takes a learner that `suits`. `dropout`: of the outputs of embeddings, attention and feed-forward part,
        a share.
        """
        config = learner.model.config
        family = pooling.FAMILIES[config.model_type]
        self.learner = learner
        self.heads = int(config.num_attention_heads)
        self.offset = int(config.pad_token_id or 0) + 1 if config.model_type in _FROM_PADDING else 0
        self.types = int(getattr(config, "type_vocab_size", 0))
        self.activation = str(config.hidden_act)
        self.layers = [_parameters(layer, family) for layer in learner.layers()]
        self.epsilon = pooling.norm_epsilon(learner.model)
        self.width, self.dropout, self.seed = int(config.hidden_size), dropout, seed

    @staticmethod
    def suits(learner: Learner, device: str) -> bool:
        """Whether this learner can be computed so, and gains from it."""
        config = learner.model.config
        plain = getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
        return (
            device == "cpu"
            and learner.averaging
            and not learner.adapted
            and config.model_type in FAMILIES
            and config.hidden_act in _ACTIVATIONS
            and plain
        )

    @cached_property
    def noise(self) -> Any:
        """(R, D) float32, drawn when it is first asked for: who only reads never is."""
        return _pool(self.width, self.dropout, self.seed)

    def features(
        self, encoded: Encoded, dtype: Any = None, noisy: tuple[int, np.ndarray[Any, Any]] | None = None
    ) -> Any:
        """(n, D) float32 of n encoded texts. `dtype`: of the products, None for fp32. `noisy`: the step and the
        number of each text (n,), which choose the noise of dropout; None: without dropout.
        """
        import torch

        from core.training.block import Block, Form

        form = Form.of(encoded.lengths, self.heads)
        position = _places(encoded)
        noise = [None] * (2 * len(self.layers) + 1)
        if self.dropout > 0 and noisy is not None:
            chosen = _rows_of_noise(self.seed, noisy, form, position, len(noise), len(self.noise))
            noise = [self.noise.index_select(0, rows) for rows in torch.from_numpy(chosen)]
        with torch.autocast("cpu", enabled=False):
            states = self._embed(encoded, position, form, noise[-1])
            for at, parameters in enumerate(self.layers):
                pair = None if noise[0] is None else (noise[2 * at], noise[2 * at + 1])
                states = Block.apply(
                    states, form, dtype or torch.float32, pair, self.activation, self.epsilon, *parameters
                )
            states = states[: form.tokens]
            mean = torch.zeros(form.texts, states.shape[1]).index_add(0, form.owner, states) / form.lengths
            mixed = pooling.SCALE * mean + states.index_select(0, form.first)
            return torch.nn.functional.layer_norm(mixed, mixed.shape[-1:], eps=self.epsilon)

    def _embed(self, encoded: Encoded, position: np.ndarray[Any, Any], form: Form, noise: Any) -> Any:
        """(s, D) float32: what the first layer reads; see `Form` for s."""
        import torch

        inputs = {
            "input_ids": torch.from_numpy(np.concatenate(encoded.ids).astype(np.int64)).unsqueeze(0),
            "position_ids": torch.from_numpy(position + self.offset).unsqueeze(0),
        }
        if encoded.types is not None and self.types > 0:
            inputs["token_type_ids"] = torch.from_numpy(
                np.concatenate(encoded.types).astype(np.int64)
            ).unsqueeze(0)
        embeddings = self.learner.encoder.embeddings
        was_training = embeddings.training
        embeddings.eval()  # its own dropout would draw from the process's generator
        found = embeddings(**inputs)
        embeddings.train(was_training)
        project = getattr(self.learner.encoder, "embeddings_project", None)
        found = (found if project is None else project(found)).squeeze(0).float()
        filled = torch.cat([found, found.new_zeros(form.rows - form.tokens, found.shape[1])])
        return filled if noise is None else filled * noise


def _parameters(layer: Any, family: pooling.Family) -> list[Any]:
    """Of one layer, in the order that Block takes them."""
    attention = layer.get_submodule(family.attention)
    query, key, value, joining = family.names
    modules = [
        attention.get_submodule(query),
        attention.get_submodule(key),
        attention.get_submodule(value),
        layer.get_submodule(joining),
        layer.get_submodule(family.norms[0]),
        layer.get_submodule(family.wide),
        layer.get_submodule(family.narrow),
        layer.get_submodule(family.norms[1]),
    ]
    return [parameter for module in modules for parameter in (module.weight, module.bias)]


def _places(encoded: Encoded) -> np.ndarray[Any, Any]:
    """(t,) the place of each token in its text, before tokens were left out."""
    if encoded.places is not None:
        return np.concatenate(encoded.places).astype(np.int64)
    lengths = encoded.lengths
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)


def _pool(width: int, dropout: float, seed: int) -> Any:
    """(R, width) float32: 0, or what keeps the mean at 1."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    kept = torch.rand(max(_FEWEST, _POOL // width), width, generator=draw) >= dropout
    return kept.to(torch.float32) / (1.0 - dropout)


def _rows_of_noise(
    seed: int,
    noisy: tuple[int, np.ndarray[Any, Any]],
    form: Form,
    position: np.ndarray[Any, Any],
    times: int,
    rows: int,
) -> np.ndarray[Any, Any]:
    """(times, s) which of so many rows of noise each token takes, each of the times that it is asked for."""
    step, numbers = noisy
    key = np.zeros(form.rows, dtype=np.uint64)
    key[: form.tokens] = np.repeat(
        numbers.astype(np.uint64), form.lengths.squeeze(1).numpy().astype(np.int64)
    )
    for part in (position, step, seed):
        key = _stirred(key)
        key[: form.tokens] += np.asarray(part).astype(np.uint64)
    each = _stirred(_stirred(key)[None, :] + np.arange(times, dtype=np.uint64)[:, None])
    return (each % np.uint64(rows)).astype(np.int64)


def _stirred(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The finaliser of SplitMix64 (G. Steele et al., 2014): near numbers to numbers far apart."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
