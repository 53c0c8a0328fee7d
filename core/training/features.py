"""What a frozen encoder makes of texts, computed once: embeddings kept on disk by the content of model and text.

Knows encoded texts, vectors and files of numbers. Does not know heads or classes.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.data.whole import save_array
from core.models.forward import Encoded
from core.training.group import Group
from core.training.reader import Reader

_DIGEST = 16  # bytes of a text's key
_MOST_BYTES = 2 * 1024**3  # that all kept embeddings may take; the oldest go first


def embed(
    reader: Reader,
    encoded: Encoded,
    out: np.ndarray[Any, Any],
    known: np.ndarray[Any, Any],
    store: Embeddings | None = None,
    group: Group | None = None,
) -> Iterator[int]:
    """Fills `out` (N, D) float32 with the features of N encoded texts, and `known` (N,) bool where it has.

    Yields how many are known, after the look into `store` and after every batch; who no longer asks has what was
    computed so far. With a `group` the batches are computed by turns; `out` is whole on all of its processes at the
    end, and who ends earlier gathers it. Raises OutOfMemory.
    """
    import torch

    group = group or Group()
    keys = [_key(ids) for ids in encoded.ids]
    for row, vector in (store.get(keys) if store is not None else {}).items():
        if vector.shape == out[row].shape:
            out[row], known[row] = vector, True
    known[:] = group.share({"known": torch.from_numpy(known)}, None)[0]["known"].numpy()
    yield int(known.sum())
    missing = np.flatnonzero(~known)
    for rows, vectors in reader.over(encoded, missing, group, features=True):
        if rows is not None:
            out[rows], known[rows] = vectors, True
        yield min(len(encoded), len(encoded) - len(missing) + group.size * int(known[missing].sum()))
    group.gather(out, known)
    if store is not None and len(missing):
        store.put([keys[row] for row in missing], out[missing])


def _key(array: np.ndarray[Any, Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=_DIGEST).digest()


class Embeddings:
    """Vectors on disk by the content they stand for: one folder per encoder, one pair of files per addition.

    It is a cache: a file that is damaged counts as absent, and nothing is lost when the folder goes.
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
            table = _load(names, np.uint8)
            if table is None or table.shape[1] != _DIGEST:
                continue
            known = [key.tobytes() for key in table]
            rows = [row for row, key in enumerate(known[1:]) if key in wanted]
            vectors = _load(_vectors(names), np.float32) if rows else None
            if vectors is None or len(vectors) != len(known) - 1 or _key(vectors) != known[0]:
                continue
            for row in rows:
                for at in wanted[known[row + 1]]:
                    found[at] = vectors[row]
        return found

    def put(self, keys: Sequence[bytes], vectors: np.ndarray[Any, Any]) -> None:
        """Keeps (n, D) float32 vectors. A full disk is no fault here: they are then computed again next time."""
        if not np.isfinite(vectors).all():
            return
        table = b"".join([_key(vectors), *keys])  # the first row is the vectors' own digest
        array = np.frombuffer(table, dtype=np.uint8).reshape(len(keys) + 1, _DIGEST)
        name = hashlib.blake2b(array.tobytes(), digest_size=8).hexdigest()
        target = self.folder / f"{name}.keys.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_array(_vectors(target), vectors)  # the keys come last: they say that the vectors are whole
            save_array(target, array)
            self._make_room()
        except OSError:
            with contextlib.suppress(OSError):
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


def _load(path: Path, dtype: Any) -> np.ndarray[Any, Any] | None:
    """The table in a file; None where there is none to be had."""
    try:
        found = np.load(path, allow_pickle=False)
    except Exception:  # noqa: BLE001 - numpy raises whatever its parts make of a damaged file
        return None
    return found if isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype == dtype else None
