"""A trained model that answers: texts in, probabilities out.

Knows one loaded model and its tokenizer. Does not know files, runs or where the folder came from. Arithmetic
is fp32 and texts are cut only at the length that the model can read, so that transformers' own pipeline gives
the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from core.models.device import Device, pick_device
from core.models.forward import encode, iter_logits, softmax
from core.models.loading import class_names, load_classifier, load_tokenizer


class Classifier:
    """Safe to share between threads: they take turns."""

    def __init__(self, model: Any, tokenizer: Any, device: Device) -> None:
        self.labels: tuple[str, ...] = class_names(model)  # C names in the order of the logits
        self.device = device
        self._model = model.to(device.torch_name).eval()
        self._tokenizer = tokenizer
        self._turn = Lock()  # a fast tokenizer is not safe to call from two threads at once

    @staticmethod
    def load(folder: Path, device: Device | None = None) -> Classifier:
        """The classifier in a model folder. Raises BadModel (a base model without a trained head among
        others) or UnsafeModel.
        """
        folder = Path(folder)
        return Classifier(load_classifier(folder), load_tokenizer(folder), device or pick_device())

    @property
    def max_length(self) -> int:
        """Tokens that the model reads at once, special tokens included."""
        return int(self._tokenizer.model_max_length)

    def stream(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Yields (rows (n,) int64, logits (n, C) float32) a batch at a time, in the order that suits the
        model. Raises OutOfMemory.
        """
        batches = iter_logits(self._model, self._tokenizer, texts, device=self.device.torch_name)
        while True:
            with self._turn:
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def logits(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """(N, C) float32, in the order of the texts. Raises OutOfMemory."""
        result = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        for rows, part in self.stream(texts):
            result[rows] = part
        return result

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """(N, C) float32; rows sum to 1. Raises OutOfMemory."""
        return softmax(self.logits(texts))

    def tokens(self, text: str) -> list[str]:
        """The T tokens that the model sees, special ones included, as its tokenizer names them."""
        with self._turn:
            ids = encode(self._tokenizer, [text], self.max_length).ids[0]
            return [str(token) for token in self._tokenizer.convert_ids_to_tokens(ids.tolist())]

    def cut(self, text: str) -> int:
        """Tokens at the end of the text that the model does not see because they do not fit."""
        with self._turn:
            found = encode(self._tokenizer, [text], self.max_length)
        return int(found.full[0] - len(found.ids[0]))
