"""How much memory work takes, and how much there is. Knows this process and its device; nothing of models."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from core.models.device import Device, memory_used

_APART = 0.003  # seconds between two looks at the memory in use


class PeakMemory:
    """`with PeakMemory(device) as peak:` watches the memory of the work inside; `peak.growth` is in bytes.

    On the CPU this is resident memory, looked at by a thread (torch lets it run while it computes), on a GPU what
    torch has taken from the card.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.free = memory_free(device)  # bytes, before the work
        if device.torch_name == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        self._before = self._used()
        self._highest = self._before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._done.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        """Bytes taken since the start, at the highest so far."""
        self._look()
        return self._highest - self._before

    def _watch(self) -> None:
        while not self._done.wait(_APART):
            self._look()

    def _look(self) -> None:
        self._highest = max(self._highest, self._used())

    def _used(self) -> int:
        if self.device.torch_name == "cuda":
            import torch

            return int(torch.cuda.max_memory_reserved())  # with what its allocator keeps back between tensors
        return memory_used(self.device)


def memory_free(device: Device) -> int:
    """Bytes that new work can take: of the graphics card, or of this machine within its container's limit."""
    if device.torch_name == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    free = int(psutil.virtual_memory().available)
    limit = container_limit(Path("/sys/fs/cgroup"))
    return free if limit is None else min(free, limit)


def container_limit(folder: Path) -> int | None:
    """Bytes left to a container (Linux, cgroup version 2); None where there is no limit. Cached files count as
    free: the system drops them when memory is needed.
    """
    try:
        limit = (folder / "memory.max").read_text().strip()
        if limit == "max":
            return None
        used = int((folder / "memory.current").read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return max(0, int(limit) - used + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None
