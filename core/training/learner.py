"""The model while it learns: an encoder, what becomes of its states, and a linear head on top.

Where the family can take the averaging layer (core.models.pooling), that layer is not computed while training:
the mean is taken directly, which is the same and costs nothing, and only the saved folder holds it. Any other
family learns as transformers built it. Knows features, logits and parameters; no data, no optimizer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.models import pooling
from core.models.forward import accepted
from core.models.loading import head_names, load_for_training

SHORT = 128  # tokens up to which plain attention trains faster on a CPU


class Learner:
    """A classifier in training. `model` is the plain transformers model that shares its parameters."""

    def __init__(self, model: Any) -> None:
        """Takes a sequence classifier with or without the averaging layer; see `load`."""
        import torch

        self.model = model
        self.averaging = pooling.added_layer(model.config) is not None
        self._adapters: list[Any] = []
        if self.averaging:
            self.encoder = pooling.without_layer(model)
            weight, bias = pooling.head(model)
            self.head = torch.nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                self.head.weight.copy_(weight)
                self.head.bias.copy_(bias)
            self._epsilon = pooling.norm_epsilon(model)
        else:
            self.encoder = getattr(model, model.base_model_prefix)
            self.head = last_linear(model)

    @staticmethod
    def load(
        folder: Path, labels: Sequence[str], *, dropout: float | None = 0.0, several: bool = False
    ) -> Learner:
        """A learner on the encoder in `folder`: fp32, on the CPU; its head is new (and meant to be fitted) unless
        the folder already classifies into exactly these labels. Raises BadModel, UnsafeModel, OutOfMemory.
        """
        model = load_for_training(folder, labels, dropout, several=several)
        if pooling.added_layer(model.config) is None and pooling.supported(model.config.to_dict()):
            pooling.add_layer(model)
        return Learner(model)

    def attend_fastest(self, device: str, length: int) -> None:
        """Chooses the attention kernel for training: on a CPU the plain one is faster for short texts (its backward
        pass takes half the time), everywhere else torch's fused one.
        """
        wanted = "eager" if device == "cpu" and length <= SHORT else "sdpa"
        with contextlib.suppress(ValueError, ImportError):  # a family that has only one kernel keeps it
            self.model.set_attn_implementation(wanted)

    # ----------------------------------------------------------------- use

    def features(self, inputs: dict[str, Any], dtype: Any = None) -> Any:
        """(n, D) float32: what the head sees. `dtype`: of mixed precision, None for fp32."""
        import torch

        device = inputs["input_ids"].device.type
        if not self.averaging:
            return self._head_input(inputs, dtype)
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            states = self.encoder(**accepted(self.encoder, inputs)).last_hidden_state
        return pooling.pool(states.float(), inputs["attention_mask"], self._epsilon)

    def logits(self, inputs: dict[str, Any], dtype: Any = None) -> Any:
        """(n, C) float32."""
        import torch

        if self.averaging:
            return self.head(self.features(inputs, dtype))
        device = inputs["input_ids"].device.type
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            return self.model(**accepted(self.model, inputs)).logits.float()

    def _head_input(self, inputs: dict[str, Any], dtype: Any) -> Any:
        caught: list[Any] = []
        hook = self.head.register_forward_pre_hook(lambda _module, args: caught.append(args[0]))
        try:
            self.logits(inputs, dtype)
        finally:
            hook.remove()
        return caught[0].float()

    def train(self) -> None:
        self.model.train()
        self.head.train()

    def eval(self) -> None:
        self.model.eval()
        self.head.eval()

    def to(self, device: str) -> None:
        self.model.to(device)
        self.head.to(device)

    # ----------------------------------------------------------------- parameters

    def named_parameters(self) -> list[tuple[str, Any]]:
        """All parameters that could learn, without the averaging layer's; the head's are named "head.…"."""
        if not self.averaging:
            return list(self.model.named_parameters())
        return [
            *((f"encoder.{name}", p) for name, p in self.encoder.named_parameters()),
            *((f"head.{name}", p) for name, p in self.head.named_parameters()),
        ]

    def trainable(self) -> list[tuple[str, Any]]:
        return [(name, p) for name, p in self.named_parameters() if p.requires_grad]

    def head_names(self) -> set[str]:
        """Names, as in `named_parameters`, of what is not the encoder."""
        if self.averaging:
            return {name for name, _ in self.named_parameters() if name.startswith("head.")}
        return head_names(self.model)

    def layers(self) -> list[Any]:
        """The L layers of the encoder, first to last, without the averaging layer: its longest list of modules."""
        import torch

        wanted = getattr(self.model.config, "num_hidden_layers", None)
        lists = [m for m in self.encoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
        exact = [m for m in lists if len(m) == wanted]
        return list(
            max(exact or lists, key=lambda m: (len(m), sum(p.numel() for p in m.parameters())), default=())
        )

    def embeddings(self) -> Any:
        """The module below the first layer: what turns token numbers into vectors, places and types included."""
        return getattr(self.encoder, "embeddings", None) or self.encoder.get_input_embeddings()

    def set_head(self, weight: Any, bias: Any) -> None:
        """Makes the logits `features @ weight.T + bias`; weight (C, D), bias (C,), numpy or torch."""
        import torch

        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(weight, dtype=torch.float32))
            if self.head.bias is not None:
                self.head.bias.copy_(torch.as_tensor(bias, dtype=torch.float32))

    def state(self) -> dict[str, Any]:
        """A copy of everything that learns, on the CPU, by name."""
        return {name: p.detach().cpu().clone() for name, p in self.trainable()}

    def restore(self, state: dict[str, Any]) -> None:
        import torch

        with torch.no_grad():
            for name, parameter in self.trainable():
                parameter.copy_(state[name])

    # ----------------------------------------------------------------- low-rank updates

    def add_lora(self, rank: int) -> int:
        """Freezes the encoder and gives each linear layer of it a low-rank update that learns instead (E. Hu et
        al., 2021, LoRA), through peft. Returns the number of layers that got one.
        """
        import torch
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer

        for _, parameter in self.named_parameters():
            parameter.requires_grad_(False)
        inside = {id(m) for layer in self.layers() for m in layer.modules()}
        names = [
            name
            for name, m in self.encoder.named_modules()
            if isinstance(m, torch.nn.Linear) and id(m) in inside
        ]
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=names)
        inject_adapter_in_model(config, self.encoder)
        names_of_head = self.head_names()
        for name, parameter in self.named_parameters():
            if name in names_of_head:
                parameter.requires_grad_(True)
        self._adapters = [m for m in self.encoder.modules() if isinstance(m, LoraLayer)]
        return len(self._adapters)

    @property
    def adapted(self) -> bool:
        """Low-rank updates learn instead of the weights."""
        return bool(self._adapters)

    def updated(self) -> set[int]:
        """Ids of the frozen weights that low-rank updates are merged into."""
        return {id(a.base_layer.weight) for a in self._adapters}

    # ----------------------------------------------------------------- the plain model

    def plain_state(self) -> dict[str, Any]:
        """The state dict of the plain model, the head written back and low-rank updates merged into the weights
        they belong to. Nothing in memory changes but the plain head.
        """
        if self.averaging:
            pooling.set_head(self.model, self.head.weight.detach(), self.head.bias.detach())
        if not self._adapters:
            return dict(self.model.state_dict())
        deltas = {id(a.base_layer.weight): a.get_delta_weight(a.active_adapters[0]) for a in self._adapters}
        merged: dict[str, Any] = {}
        for name, value in self.model.state_dict(keep_vars=True).items():
            if ".lora_" in name:
                continue
            delta = deltas.get(id(value))
            merged[name.replace(".base_layer.", ".")] = (
                value.detach() if delta is None else value.detach() + delta.to(value.dtype)
            )
        return merged


def last_linear(model: Any) -> Any:
    """The linear layer out of which a sequence classifier's logits come."""
    import torch

    found = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module.out_features == model.config.num_labels
        and f"{name}.weight" in head_names(model)
    ]
    return found[-1]
