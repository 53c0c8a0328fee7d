"""Every random generator that a training may draw from, as tensors and back: no pickle.

Knows Python's, NumPy's and torch's generators. Does not know files.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.errors import ResumeRefused

if TYPE_CHECKING:
    import torch


def generators() -> dict[str, torch.Tensor]:
    """The state of every generator a training may draw from: `random`, NumPy's global one, torch's on the CPU
    and on each GPU. (n,) int64 for the first two, (n,) uint8 for torch's.
    """
    import random

    import numpy as np
    import torch

    version, internal, spare = random.getstate()
    python = [version, int(spare is not None), _bits(spare or 0.0), *internal]
    legacy: Any = np.random.get_state()
    _, keys, position, has_spare, cached = legacy
    numpy = [position, has_spare, _bits(cached), *keys.tolist()]
    found = {"python": torch.tensor(python), "numpy": torch.tensor(numpy), "torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        found |= {f"cuda:{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        found["mps"] = torch.mps.get_rng_state()
    return found


def set_generators(states: Mapping[str, torch.Tensor]) -> None:
    """Puts every generator where `generators` saw it. Raises ResumeRefused where one of a GPU is missing here."""
    import random

    import numpy as np
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = {"python", "numpy", "torch", *(f"cuda:{i}" for i in range(gpus))}
    here |= {"mps"} if torch.backends.mps.is_available() else set()
    if missing := states.keys() - here:
        raise ResumeRefused(
            f"The run drew random numbers on {', '.join(sorted(missing))}, which this machine does not have. "
            "Go on where it has, or start a new run from these weights."
        )
    version, has_spare, spare, *internal = states["python"].tolist()
    random.setstate((version, tuple(internal), _from_bits(spare) if has_spare else None))
    position, has_spare, spare, *keys = states["numpy"].tolist()
    np.random.set_state(
        ("MT19937", np.asarray(keys, dtype=np.uint32), position, has_spare, _from_bits(spare))
    )
    torch.set_rng_state(states["torch"].cpu())
    for name in states.keys() - {"python", "numpy", "torch"}:
        if name == "mps":
            torch.mps.set_rng_state(states[name].cpu())
        else:
            torch.cuda.set_rng_state(states[name].cpu(), name)


def _bits(value: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _from_bits(value: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", value))[0])
