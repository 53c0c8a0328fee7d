"""Where the arithmetic happens, in words. Knows torch's device names; does not know models."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True)
class Device:
    torch_name: str  # "cuda" | "mps" | "cpu"
    title: str  # in words: "CPU, 2 threads", "NVIDIA H100"


def pick_device() -> Device:
    """The fastest device that torch can use here: a CUDA card, Apple's GPU, or the CPU. Imports torch."""
    import torch

    if torch.cuda.is_available():
        return Device("cuda", torch.cuda.get_device_name())
    if torch.backends.mps.is_available():
        return Device("mps", f"Apple GPU ({_processor()})")
    return Device("cpu", _cpu_title(torch.get_num_threads()))


def memory_used(device: Device) -> int:
    """Bytes: resident memory of this process on the CPU, the peak that torch has held on a GPU."""
    if device.torch_name == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    if device.torch_name == "mps":
        import torch

        return int(torch.mps.driver_allocated_memory())
    import psutil

    return int(psutil.Process().memory_info().rss)


def device_use(device: Device) -> float | None:
    """Share of the last moment in which the GPU was computing, 0 to 1; None where nobody tells."""
    if device.torch_name != "cuda":
        return None
    return _card_use(int(time.monotonic()))


@lru_cache(maxsize=1)
def _card_use(_second: int) -> float | None:
    """Asked once a second at most: the answer takes longer than a training step may."""
    import torch

    try:
        return float(torch.cuda.utilization()) / 100.0
    except Exception:  # noqa: BLE001  needs NVIDIA's management library, which may be absent or refuse
        return None


@cache
def quick_title() -> str:
    """What `pick_device().title` will say, guessed in milliseconds without importing torch."""
    if "torch" in sys.modules and hasattr(sys.modules["torch"], "cuda"):
        return pick_device().title
    if _torch_has_cuda() and (card := _nvidia_card()):
        return card
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return f"Apple GPU ({_processor()})"
    return _cpu_title(_threads())


def _cpu_title(threads: int) -> str:
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


def _processor() -> str:
    return platform.processor() or platform.machine()


def _torch_has_cuda() -> bool:
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def _nvidia_card() -> str | None:
    """The first card's name from the Linux driver's files."""
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() == "Model":
                return value.strip()
    return None


def _threads() -> int:
    """Torch's own default: OMP_NUM_THREADS, else the physical cores this process may use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))
