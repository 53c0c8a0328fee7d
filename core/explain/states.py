"""A model as it was on its way: put into states that its training kept, and read in each of them.

Knows files of weights (safetensors, by the names of the plain model) and a `Subject` of its own that it may change.
Does not know how a training keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import BadModel
from core.explain.change import check_heads, own_map, read_both
from core.explain.subject import Subject
from core.records import AttentionMap

MOST_TOKENS = 128  # of the text: the attention of every state is held at once


@dataclass
class States:
    """One loaded model and the files of its earlier states. Threads take turns."""

    subject: Subject  # nobody else's: its weights change while `maps` is at work
    files: Sequence[Path]
    _last: dict[str, Any] = field(default_factory=dict, repr=False)  # the weights it came with

    @staticmethod
    def load(folder: Path, name: str, files: Sequence[Path]) -> States:
        """Raises BadModel, UnsafeModel."""
        return States(Subject.load(folder, name), list(files))

    def maps(
        self, start: Subject, text: str, pair: str | None = None
    ) -> tuple[AttentionMap, list[AttentionMap]]:
        """The attention for a text in the model that training began from; and in that model again, in each of the
        earlier states, and in the one that the folder holds. All without a layer that Finesift added.

        Raises BadData for an empty text, BadModel for a start with other heads or tokens and for a file that is
        damaged or of another model, OutOfMemory."""
        check_heads(start, self.subject)
        pieces = read_both(start, self.subject, text, pair, MOST_TOKENS)
        first = own_map(start, pieces[0])
        found = [first]
        with self.subject.alone():
            last = own_map(self.subject, pieces[1])
            try:
                for file in self.files:
                    self._put(_weights(file), file)
                    found.append(own_map(self.subject, pieces[1]))
            finally:
                self._restore()
        return first, [*found, last]

    def _put(self, weights: dict[str, Any], file: Path) -> None:
        import torch

        own = self.subject.model.state_dict()
        strange = [
            name for name, value in weights.items() if name not in own or own[name].shape != value.shape
        ]
        if strange:
            raise BadModel(
                f"The state {file.name} is of another model than {self.subject.name}. Train it again."
            )
        with torch.no_grad():
            for name, value in weights.items():
                self._last.setdefault(name, own[name].clone())
                own[name].copy_(value)

    def _restore(self) -> None:
        import torch

        own = self.subject.model.state_dict()
        with torch.no_grad():
            for name, value in self._last.items():
                own[name].copy_(value)


def _weights(file: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError, ValueError) as error:
        raise BadModel(f"The state {file.name} of this run cannot be read any more: {error}.") from error
