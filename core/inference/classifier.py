"""A trained model that answers: texts in, probabilities out.

Knows one loaded model and its tokenizer. Does not know files, runs or where the folder came from. Arithmetic
is fp32 and texts are cut only at the length that the model can read, so that transformers' own pipeline gives
the same. A model of several labels a text answers each label for itself, from a threshold of its own; both come
from the folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from core.errors import BadModel
from core.evaluation.multilabel import choose
from core.models.device import Device, pick_device
from core.models.forward import Windows, encode, iter_logits, iter_windows, softmax
from core.models.loading import class_names, is_several, load_classifier, load_tokenizer
from core.models.saving import SIDECAR, read_sidecar

SEPARATOR = "|"  # between several labels of a text, where the model's data set had no other


class Classifier:
    """Safe to share between threads: they take turns."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        device: Device,
        *,
        thresholds: Sequence[float] | None = None,
        separator: str = SEPARATOR,
        windows: Windows | None = None,
    ) -> None:
        """`thresholds`: (C,) where a text may have several labels; None: 0.5 each. `windows`: how long texts are
        read; None: cut at the length that the model reads.
        """
        self.labels: tuple[str, ...] = class_names(model)  # C names in the order of the logits
        self.several = is_several(model)  # a text may have several labels, or none
        # (C,) float64: from this probability on a label holds; None: the most likely label is the answer
        self.thresholds: np.ndarray[Any, Any] | None = None
        if self.several:
            self.thresholds = np.full(len(self.labels), 0.5) if thresholds is None else np.asarray(thresholds)
        self.separator = separator
        self.windows = windows
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
        model, sidecar = load_classifier(folder), read_sidecar(folder)
        return Classifier(
            model,
            load_tokenizer(folder),
            device or pick_device(),
            thresholds=_thresholds(sidecar.get("thresholds"), len(class_names(model)), folder),
            separator=str(sidecar.get("label_separator") or SEPARATOR),
            windows=_windows(sidecar.get("windows"), folder),
        )

    @property
    def max_length(self) -> int:
        """Tokens that the model reads at once, special tokens included."""
        return int(self._tokenizer.model_max_length)

    def stream(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Yields (rows (n,) int64, logits (n, C) float32) a batch at a time, in the order that suits the
        model. Raises OutOfMemory.
        """
        if self.windows is not None:
            batches = iter_windows(
                self._model, self._tokenizer, texts, self.windows, device=self.device.torch_name
            )
        else:
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
        """(N, C) float32; rows sum to 1, unless a text may have several labels. Raises OutOfMemory."""
        return self.probabilities(self.logits(texts))

    def probabilities(self, logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, C) logits to (N, C) float32: the softmax of a row, or each logit's sigmoid for several labels."""
        return _sigmoid(logits) if self.several else softmax(logits)

    def chosen(self, probabilities: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """(N, C) probabilities to (N, C) bool: the most likely label, or all from their thresholds on (which may
        be none).
        """
        if self.thresholds is not None:
            return choose(probabilities, self.thresholds)
        found = np.zeros(probabilities.shape, dtype=bool)
        found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
        return found

    def predict(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The labels of N texts, in the order of `labels`: always one, or several or none. Raises OutOfMemory."""
        rows = self.chosen(self.predict_proba(texts))
        return [tuple(self.labels[c] for c in np.flatnonzero(row)) for row in rows]

    def tokens(self, text: str) -> list[str]:
        """The T tokens that the model sees, special ones included, as its tokenizer names them."""
        with self._turn:
            ids = encode(self._tokenizer, [text], self.max_length).ids[0]
            return [str(token) for token in self._tokenizer.convert_ids_to_tokens(ids.tolist())]

    def cut(self, text: str) -> int:
        """Tokens at the end of the text that the model does not see because they do not fit; none in windows."""
        if self.windows is not None:
            return 0
        with self._turn:
            found = encode(self._tokenizer, [text], self.max_length)
        return int(found.full[0] - len(found.ids[0]))


def _sigmoid(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float32, without overflow for large logits of either sign."""
    wide = logits.astype(np.float64)
    power = np.exp(-np.abs(wide))
    return (np.where(wide >= 0, 1.0, power) / (1.0 + power)).astype(np.float32)


def _windows(found: Any, folder: Path) -> Windows | None:
    """As the sidecar has them. Raises BadModel where they make no sense."""
    if found is None:
        return None
    try:
        windows = Windows(int(found["length"]), int(found["overlap"]))
    except (KeyError, TypeError, ValueError):
        windows = Windows(0, 0)
    if not 0 <= windows.overlap < windows.length <= 1_000_000:
        raise BadModel(
            f"The windows in {SIDECAR} of {folder.name} make no sense: a length and a smaller overlap are needed. "
            "Train the model again, or take the key “windows” out of that file."
        )
    return windows


def _thresholds(found: Any, classes: int, folder: Path) -> list[float] | None:
    """As the sidecar has them. Raises BadModel where they do not belong to the model."""
    if found is None:
        return None
    numbers = isinstance(found, list) and all(isinstance(t, int | float) and 0 <= t <= 1 for t in found)
    if not numbers or len(found) != classes:
        raise BadModel(
            f"The thresholds in {SIDECAR} of {folder.name} do not fit its {classes} labels: there must be one "
            "number from 0 to 1 for each. Train the model again, or take the key “thresholds” out of that file."
        )
    return [float(t) for t in found]
