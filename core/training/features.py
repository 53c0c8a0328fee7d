"""What a frozen encoder makes of texts, computed once: embeddings kept on disk by the content of model and text.

Knows encoded texts, vectors and files of numbers. Does not know heads or classes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.models.forward import (
    BATCH_TEXTS,
    BATCH_TOKENS,
    Encoded,
    batches,
    collate,
    memory_in_words,
    multiple,
)
from core.training.learner import Learner

_DIGEST = 16  # bytes of a text's key
_MOST_BYTES = 2 * 1024**3  # that all kept embeddings may take; the oldest go first


def embed(
    learner: Learner,
    tokenizer: Any,
    encoded: Encoded,
    device: str,
    out: np.ndarray[Any, Any],
    known: np.ndarray[Any, Any],
    dtype: Any = None,
    store: Embeddings | None = None,
) -> Iterator[int]:
    """Fills `out` (N, D) float32 with the features of N encoded texts, and `known` (N,) bool where it has.

    Yields how many are known, after the look into `store` and after every batch; who no longer asks has what was
    computed so far. `dtype`: of mixed precision, None for fp32. Puts the learner into evaluation mode. Raises
    OutOfMemory.
    """
    import torch

    keys = [_key(ids) for ids in encoded.ids]
    for row, vector in (store.get(keys) if store is not None else {}).items():
        if vector.shape == out[row].shape:
            out[row], known[row] = vector, True
    yield int(known.sum())
    missing = np.flatnonzero(~known)
    groups = batches(encoded.lengths[missing], BATCH_TOKENS.get(device, 4096), BATCH_TEXTS.get(device, 64))
    for group in groups:
        rows = missing[group]
        inputs = {
            k: v.to(device) for k, v in collate(encoded, rows, tokenizer, multiple=multiple(device)).items()
        }
        learner.eval()
        with memory_in_words(len(rows), inputs["input_ids"].shape[1]), torch.inference_mode():
            out[rows] = learner.features(inputs, dtype).cpu().numpy()
        known[rows] = True
        yield int(known.sum())
    if store is not None and len(missing):
        store.put([keys[row] for row in missing], out[missing])


def _key(ids: np.ndarray[Any, Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(ids).tobytes(), digest_size=_DIGEST).digest()


class Embeddings:
    """Vectors on disk by the content they stand for: one folder per encoder, one pair of files per addition.

    It is a cache: a file that cannot be read counts as absent, and nothing is lost when the folder goes.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        """`encoder` names model, tokenizer and arithmetic by content (see `encoder_key`)."""
        self.root = folder
        self.folder = folder / encoder

    def get(self, keys: Sequence[bytes]) -> dict[int, np.ndarray[Any, Any]]:
        """Position in `keys` -> (D,) float32, for what is there."""
        wanted: dict[bytes, list[int]] = {}
        for at, key in enumerate(keys):
            wanted.setdefault(key, []).append(at)
        found: dict[int, np.ndarray[Any, Any]] = {}
        for names in sorted(self.folder.glob("*.keys.npy")):
            try:
                known = np.load(names, allow_pickle=False)
                vectors = np.load(_vectors(names), allow_pickle=False, mmap_mode="r")
            except (OSError, ValueError):
                continue
            if len(known) != len(vectors):
                continue
            for row, key in enumerate(known):
                for at in wanted.get(key.tobytes(), ()):
                    found[at] = np.asarray(vectors[row])
        return found

    def put(self, keys: Sequence[bytes], vectors: np.ndarray[Any, Any]) -> None:
        """Keeps (n, D) float32 vectors. A full disk is no fault here: they are then computed again next time."""
        array = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), _DIGEST)
        name = hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
        target = self.folder / f"{name}.keys.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(_vectors(target), vectors)  # the keys come last: they say that the vectors are whole
            _write(target, array)
            self._make_room()
        except OSError:
            target.unlink(missing_ok=True)
            _vectors(target).unlink(missing_ok=True)

    def _make_room(self) -> None:
        files = sorted(self.root.rglob("*.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
        taken = 0
        for path in files:
            taken += path.stat().st_size
            if taken > _MOST_BYTES:
                path.unlink(missing_ok=True)


def encoder_key(base_folder: Path, max_length: int, precision: str) -> str:
    """Names an encoder by the content of its weights, config and tokenizer, and by how it is read."""
    digest = hashlib.blake2b(f"{max_length}:{precision}:1".encode(), digest_size=16)
    for path in sorted(Path(base_folder).iterdir()):
        if path.suffix in (".safetensors", ".json", ".txt", ".model") and path.name != "finesift.json":
            digest.update(path.name.encode())
            with path.open("rb") as stream:
                for block in iter(lambda: stream.read(1 << 22), b""):
                    digest.update(block)
    return digest.hexdigest()


def _vectors(names: Path) -> Path:
    return names.with_name(names.name.replace(".keys.npy", ".vectors.npy"))


def _write(path: Path, array: np.ndarray[Any, Any]) -> None:
    draft = path.with_name(f"tmp-{os.getpid()}-{path.name}")
    try:
        with draft.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
