"""Files whose SHA-256 is taken from the very bytes that are written or read: tensors (safetensors) and plain bytes.

Knows the layout of a safetensors file and when a file is not what its entry in a manifest says. Does not
know checkpoints, folders or what the tensors are.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_BLOCK = 1 << 20  # bytes that are read and hashed at once; in writing, from here on a second thread hashes
_DTYPES = {  # safetensors' name of a type: torch's name, bytes per element
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "U16": ("uint16", 2),
    "I16": ("int16", 2),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "U32": ("uint32", 4),
    "I32": ("int32", 4),
    "F32": ("float32", 4),
    "U64": ("uint64", 8),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
}


class Damaged(Exception):
    """A file that is not as it was written. The message names it: “state.json is missing”."""


# --------------------------------------------------------------------------- writing


def write_file(path: Path, pieces: Iterable[Any]) -> dict[str, Any]:
    """Writes buffers of bytes to a new file, down to the disk. Returns its entry: {"bytes", "sha256"}.

    Long pieces are hashed by a second thread while they are written; both leave Python's lock to others.
    Raises OSError.
    """
    digest, size = hashlib.sha256(), 0
    with ThreadPoolExecutor(max_workers=1) as hasher, path.open("xb") as stream:
        for piece in pieces:
            size += len(piece)
            if len(piece) < _BLOCK:
                digest.update(piece)
                stream.write(piece)
            else:
                hashing = hasher.submit(digest.update, piece)
                stream.write(piece)
                hashing.result()
        stream.flush()
        os.fsync(stream.fileno())
    return {"bytes": size, "sha256": digest.hexdigest()}


def safetensors_pieces(tensors: Mapping[str, torch.Tensor]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, tensor by tensor, straight from their memory.

    The library itself would first copy all of them into one buffer, and refuses tensors that share memory.
    Raises TypeError for a tensor that the format does not hold.
    """
    import torch

    names = {getattr(torch, theirs): ours for ours, (theirs, _) in _DTYPES.items()}
    for name, tensor in tensors.items():
        if name == "__metadata__" or tensor.dtype not in names or tensor.layout != torch.strided:
            raise TypeError(f"{name} ({tensor.dtype}, {tensor.layout}) cannot be kept in a safetensors file.")
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # keeps each one aligned
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        begin, end = end, end + tensors[name].numel() * tensors[name].element_size()
        shape = list(tensors[name].shape)
        header[name] = {"dtype": names[tensors[name].dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for name in order:
        flat = tensors[name].detach().to("cpu").contiguous().reshape(-1)
        yield flat.view(torch.uint8).numpy().data


# --------------------------------------------------------------------------- reading


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """The file for reading; Damaged where it is missing or the disk does not give it."""
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise Damaged(f"{path.name} is missing") from None
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}") from error


def read_file(path: Path, entry: Mapping[str, Any]) -> bytes:
    """The file's bytes, if they are those that `write_file` gave this entry for. Raises Damaged."""
    with opened(path) as stream:
        source = _Source(stream, path, entry)
        raw = source.take(source.left)
        source.check()
        return raw


def read_tensors(path: Path, entry: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a file, on the CPU, if its bytes are those of the entry. Raises Damaged.

    Each is read straight into memory of its own. The header is needed before the digest is known: until then
    only sizes are taken from it, and they cannot ask for more than the file holds.
    """
    import torch

    flat: dict[str, torch.Tensor] = {}
    with opened(path) as stream:
        source = _Source(stream, path, entry)
        header = source.take(int.from_bytes(source.take(min(8, source.left)), "little"))
        try:
            slots = _slots(header, source.left)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise source.changed() from None
        for name, dtype, count, _ in slots:
            flat[name] = torch.empty(count, dtype=getattr(torch, dtype))
            source.fill(flat[name].view(torch.uint8).numpy().data)
        source.check()
    return {name: flat[name].reshape(shape) for name, _, _, shape in slots}


class _Source:
    """A file of which every byte read is hashed, and which at last has to agree with its entry."""

    def __init__(self, stream: BufferedReader, path: Path, entry: Mapping[str, Any]) -> None:
        self.stream, self.name = stream, path.name
        self.left, self.expected = int(entry["bytes"]), str(entry["sha256"])
        self.digest = hashlib.sha256()
        size = os.fstat(stream.fileno()).st_size
        if size != self.left:
            raise self.changed("is cut short" if size < self.left else "has grown")

    def fill(self, memory: memoryview) -> None:
        for start in range(0, len(memory), _BLOCK):
            block = memory[start : start + _BLOCK]
            count = self.stream.readinto(block)
            if count != len(block):
                raise self.changed("is cut short")
            self.digest.update(block)
            self.left -= count

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.changed()
        memory = bytearray(count)
        self.fill(memoryview(memory))
        return bytes(memory)

    def check(self) -> None:
        if self.left or self.digest.hexdigest() != self.expected:
            raise self.changed()

    def changed(self, how: str = "has changed") -> Damaged:
        return Damaged(f"{self.name} {how}")


def _slots(header: bytes, size: int) -> list[tuple[str, str, int, list[int]]]:
    """(name, torch's type, elements, shape) in the order of the file. Raises ValueError unless they fill `size`
    bytes without a gap.
    """
    content = json.loads(header)
    content.pop("__metadata__", None)
    slots, position = [], 0
    for name, slot in sorted(content.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = slot["data_offsets"]
        dtype, width = _DTYPES[slot["dtype"]]
        count = math.prod(slot["shape"])
        if type(count) is not int or count < 0 or begin != position or end - begin != count * width:
            raise ValueError(name)
        slots.append((name, dtype, count, slot["shape"]))
        position = end
    if position != size:
        raise ValueError(size)
    return slots
