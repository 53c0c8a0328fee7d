"""Checkpoints: a run's whole state on the disk, complete and unchanged or not taken.

    checkpoints/
    ├── step-00000040/
    └── step-00000042/
        ├── tensors.safetensors   weights, optimizer, generators
        ├── state.json            numbers and words
        └── manifest.json         sizes and SHA-256 of both, step, identity of the run; sealed by its own SHA-256

Knows how a checkpoint appears (by one rename, after every byte is on the disk), which one is taken and which
are deleted. Does not know what tensors and state mean, nor which parts make up a run's identity.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.whole import disk_full_in_words
from core.errors import ResumeRefused
from core.models.saving import sync_folder
from core.training.hashed import Damaged, opened, read_file, read_tensors, safetensors_pieces, write_file
from core.training.random_state import generators as generators
from core.training.random_state import set_generators as set_generators

if TYPE_CHECKING:
    import torch

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_FORMAT = 1  # of the folder; another one is not read
_MOST_MANIFEST = 1 << 24  # bytes; ours take about a thousand
_FLOAT_BITS = "float64"  # key of the bits of a float that JSON has no word for


@dataclass(frozen=True)
class Written:
    path: Path
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Loaded:
    step: int
    tensors: dict[str, torch.Tensor]  # on the CPU, each in memory of its own
    state: dict[str, Any]
    path: Path
    identity: dict[str, str] = field(default_factory=dict)  # of the run that wrote it


@dataclass(frozen=True)
class Search:
    """What `newest` found, and in sentences what it had to pass over."""

    found: Loaded | None
    notes: list[str] = field(default_factory=list)


# --------------------------------------------------------------------------- writing


def write(
    folder: Path,
    step: int,
    tensors: Mapping[str, torch.Tensor],
    state: dict[str, Any],
    identity: Mapping[str, str],
    keep: int = 2,
) -> Written:
    """Publishes `folder/step-…`; afterwards `newest` finds this one, and of the older ones that look sound only
    the newest `keep` - 1 are left.

    `tensors` may lie on any device, share memory and be strided; each comes back as its own. `state` is what
    JSON holds (string keys; tuples come back as lists), floats bit for bit, infinities and NaN included.
    One process at a time writes to a folder. Checkpoints of later steps are deleted: a run that writes step 42
    has left them behind, because they were damaged or because it began anew.

    Raises DiskFull, with the older checkpoints as they were; TypeError for a state or a tensor that could not
    come back as it was.
    """
    if keep < 1:
        raise ValueError("At least one checkpoint has to be kept.")
    start = time.perf_counter()
    folder = Path(folder)
    target = folder / _name(step)
    words = json.dumps(_plain(state), allow_nan=False).encode("ascii")
    with disk_full_in_words(target):
        _make(folder)
        for left_over in folder.glob("tmp-*"):  # of killed processes
            shutil.rmtree(left_over, ignore_errors=True)
        draft = folder / f"tmp-{os.getpid()}-{target.name}"
        try:
            draft.mkdir()
            size = _fill(draft, step, tensors, words, identity)
            if target.exists():  # the run came here before; for one moment the one before stands in for it
                _discard(target)
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        sync_folder(folder)
    _prune(folder, step, keep)
    return Written(target, size, time.perf_counter() - start)


def clear(folder: Path) -> None:
    """Removes the checkpoints and their folder: the run is over, or begins anew."""
    for _, path in _published(Path(folder)):
        _discard(path)
    shutil.rmtree(folder, ignore_errors=True)


def _fill(
    draft: Path, step: int, tensors: Mapping[str, torch.Tensor], words: bytes, identity: Mapping[str, str]
) -> int:
    files = {
        TENSORS: write_file(draft / TENSORS, safetensors_pieces(tensors)),
        STATE: write_file(draft / STATE, [words]),
    }
    manifest = {"format": _FORMAT, "step": step, "identity": dict(identity), "files": files}
    last = write_file(draft / MANIFEST, [_sealed(manifest)])
    sync_folder(draft)
    return sum(int(entry["bytes"]) for entry in (*files.values(), last))


def _prune(folder: Path, step: int, keep: int) -> None:
    kept = 0
    for found, path in _published(folder):
        if found > step or kept >= keep:
            with suppress(OSError):  # the new checkpoint stands; the next one tries again
                _discard(path)
        elif found == step or _looks_sound(path, found):
            kept += 1


def _discard(path: Path) -> None:
    """Out of sight first, so that one that is half deleted is not taken for a damaged one."""
    hidden = path.with_name(f"tmp-{os.getpid()}-old-{path.name}")
    path.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        sync_folder(folder.parent)


# --------------------------------------------------------------------------- reading


def newest(folder: Path, identity: Mapping[str, str] | None) -> Search:
    """The newest checkpoint of which every byte agrees with its manifest; damaged ones are passed over and named.

    What comes back is made of the very bytes that were hashed. `identity`: what the run that wants to go on is
    made of, as given to `write`; None takes any checkpoint (a new run from these weights). Raises
    ResumeRefused where the newest sound checkpoint is of another identity; an older one is then not tried.
    """
    passed: list[str] = []
    for step, path in _published(Path(folder)):
        try:
            manifest = _manifest(path, step)
            state = json.loads(read_file(path / STATE, manifest["files"][STATE]), object_hook=_float)
            tensors = read_tensors(path / TENSORS, manifest["files"][TENSORS])
        except Damaged as why:
            passed.append(f"The checkpoint after step {step:,} is damaged ({why})")
            continue
        notes = [f"{damage}, so the one before it is taken." for damage in passed]
        found = Loaded(step, tensors, state, path, manifest["identity"])
        if identity is not None:
            refuse_changes(found, identity, notes)
        return Search(found, notes)
    ends = [", and so is the one before it."] * (len(passed) - 1) + [", and there is none before it."]
    return Search(None, [damage + end for damage, end in zip(passed, ends, strict=False)])


def refuse_changes(found: Loaded, identity: Mapping[str, str], notes: Sequence[str] = ()) -> None:
    """Raises ResumeRefused, after the notes, where a run of this identity is another one than the checkpoint's."""
    changes = _changes(found.identity, identity)
    if changes:
        raise ResumeRefused(
            f"{''.join(f'{note} ' for note in notes)}"
            f"The run cannot go on from its checkpoint after step {found.step:,}, because this has changed since: "
            f"{'; '.join(changes)}. Put it back as it was, or start a new run from these weights."
        )


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints that look sound, newest first: sizes are compared, contents not. Milliseconds."""
    return [step for step, path in _published(Path(folder)) if _looks_sound(path, step)]


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _published(folder: Path) -> list[tuple[int, Path]]:
    """(step, path), newest first."""
    paths = folder.iterdir() if folder.is_dir() else []
    named = [(int(m[1]), path) for path in paths if (m := re.fullmatch(r"step-([0-9]{8,18})", path.name))]
    return sorted((found for found in named if found[1].name == _name(found[0])), reverse=True)


def _looks_sound(path: Path, step: int) -> bool:
    try:
        files = _manifest(path, step)["files"]
        return all((path / name).stat().st_size == files[name]["bytes"] for name in (TENSORS, STATE))
    except (Damaged, OSError):
        return False


def _sealed(manifest: dict[str, Any]) -> bytes:
    """The manifest's bytes, with the SHA-256 over all the rest of it."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return (json.dumps({**manifest, "sha256": digest}, sort_keys=True, indent=2) + "\n").encode()


def _manifest(path: Path, step: int) -> dict[str, Any]:
    with opened(path / MANIFEST) as stream:
        raw = stream.read(_MOST_MANIFEST)
    try:
        manifest: dict[str, Any] = json.loads(raw)
        del manifest["sha256"]
        whole = _sealed(manifest) == raw  # byte for byte: even a changed space is noticed
    except (ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise Damaged(f"{MANIFEST} has changed")
    if manifest["format"] != _FORMAT:
        raise Damaged("another version of Finesift wrote it")
    if manifest["step"] != step:
        raise Damaged(f"{MANIFEST} is that of step {manifest['step']:,}")
    return manifest


# --------------------------------------------------------------------------- identity


def fingerprint(*parts: Any) -> str:
    """SHA-256 in hexadecimal over strings, bytes, whole numbers, None and sequences of them, each with its kind
    and length before it: `("ab", "c")` and `("a", "bc")` differ. Raises TypeError for anything else.
    """
    digest = hashlib.sha256()

    def add(kind: bytes, content: bytes) -> None:
        digest.update(kind + struct.pack("<Q", len(content)) + content)

    def take(part: Any) -> None:
        if part is None:
            add(b"n", b"")
        elif isinstance(part, str):
            add(b"s", part.encode("utf-8", "surrogatepass"))
        elif isinstance(part, bytes):
            add(b"b", part)
        elif isinstance(part, Integral):
            add(b"i", b"%d" % int(part))
        elif isinstance(part, Sequence):
            add(b"q", b"%d" % len(part))
            for item in part:
                take(item)
        else:
            raise TypeError(f"No fingerprint of {type(part).__name__}.")

    take(parts)
    return digest.hexdigest()


def _changes(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of what differs, with both values where a person can read them."""
    told = []
    for name in (*now, *(name for name in then if name not in now)):
        if then.get(name) != now.get(name):
            old, new = _readable(then.get(name)), _readable(now.get(name))
            told.append(f"{name} ({old} then, {new} now)" if old and new else name)
    return told


def _readable(value: str | None) -> str:
    if value is None:
        return "nothing"
    return "" if re.fullmatch(r"[0-9a-f]{32,}", value) or len(value) > 80 else value


# --------------------------------------------------------------------------- numbers


def _plain(value: Any) -> Any:
    """`value` as strict JSON holds it. Raises TypeError for what would come back as something else."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT_BITS: struct.pack(">d", value).hex()}
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and value.keys() != {_FLOAT_BITS} and all(isinstance(k, str) for k in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"A checkpoint's state cannot hold {type(value).__name__} {value!r:.80}.")


def _float(found: dict[str, Any]) -> Any:
    if found.keys() == {_FLOAT_BITS}:
        return struct.unpack(">d", bytes.fromhex(found[_FLOAT_BITS]))[0]
    return found
