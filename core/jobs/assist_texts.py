"""The distinct texts of a data set and their embeddings, computed once and kept by the content of the text.

Knows the bundled encoder and files of vectors. Does not know labels, answers or the job that asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data.pool_texts import PoolTexts
from core.data.splits import text_hash
from core.data.whole import save_array
from core.models.catalogue import BUNDLED
from core.models.sources import resolve
from core.records import Progress

# Tokens that are read of a text. Its first sentences tell its class nearly as well as the whole, and a pool of long
# texts is embedded in a quarter of the time.
TOKENS = 128
_CHUNK = 2048  # texts that are kept together: a stop loses no more

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Distinct:
    """U distinct texts among N rows."""

    first: Array  # (U,) int64: the first row with each
    index: Array  # (N,) int64: the text of each row; -1 for a row without text
    hashes: Array  # (U,) S16

    @staticmethod
    def of(pool: PoolTexts) -> Distinct:
        first = np.unique(pool.groups[pool.labelable])
        index = np.full(len(pool), -1, dtype=np.int64)
        index[pool.labelable] = np.searchsorted(first, pool.groups[pool.labelable])
        return Distinct(first, index, pool.hashes[first].astype("S16"))

    def __len__(self) -> int:
        return len(self.first)

    def spread(self, values: Array, fill: Any = 0) -> Array:
        """(U, …) of texts as (N, …) of rows; rows without text get `fill`."""
        found = np.full((len(self.index), *values.shape[1:]), fill, dtype=values.dtype)
        inside = self.index >= 0
        found[inside] = values[self.index[inside]]
        return found


class Vectors:
    """Embeddings (K, D) float16 by the hash of the text, in two files of a folder. A cache: what is damaged is absent."""

    def __init__(self, folder: Path, cache: Path, base: str | None = None) -> None:
        """`cache`: where embeddings of all data sets are kept by content, so that a re-import finds its own."""
        from core.training.features import encoder_key

        self._folder, self._cache, self._base = folder, cache, resolve(base or BUNDLED)
        self._key = encoder_key(self._base, TOKENS, "assist")
        self._at: dict[bytes, int] = {}
        self._vectors: Array | None = None
        self._encoder: _Encoder | None = None
        self._load()

    def get(self, texts: Sequence[str]) -> Array:
        """(n, D) float32 of a few texts."""
        hashes = np.asarray([text_hash(text) for text in texts], dtype="S16")
        for _ in self.learn(hashes, lambda rows: [texts[row] for row in rows], lambda: False):
            pass
        return self.of(hashes)

    def of(self, hashes: Array) -> Array:
        """(n, D) float32 of texts that are known."""
        if self._vectors is None or not len(hashes):
            return np.zeros((0, 1), dtype=np.float32)
        return self._vectors[[self._at[key] for key in hashes.tolist()]].astype(np.float32)

    def knows(self, hashes: Array) -> bool:
        return all(key in self._at for key in hashes.tolist())

    def learn(
        self, hashes: Array, texts_of: Callable[[Array], list[str]], should_stop: Callable[[], bool]
    ) -> Iterator[Progress]:
        """Embeds what is not known yet, chunk by chunk, and keeps it. `texts_of` gives the texts of some positions.
        Ends early when a stop is asked for: what was embedded by then is kept.
        """
        unknown = {key: at for at, key in enumerate(hashes.tolist()) if key not in self._at}
        missing = np.asarray(list(unknown.values()), dtype=np.int64)
        if not len(missing):
            return
        begun, before = time.monotonic(), len(hashes) - len(missing)
        if self._encoder is None:
            self._encoder = _Encoder(self._base, self._cache, self._key)
        new: list[Array] = []
        kept: list[bytes] = []
        for start in range(0, len(missing), _CHUNK):
            rows = missing[start : start + _CHUNK]
            for done, vectors in self._encoder.embed(texts_of(rows)):
                elapsed = time.monotonic() - begun
                rate = (start + done) / elapsed if elapsed > 0 else 0.0
                left = (len(missing) - start - done) / rate if rate > 0 else 0.0
                yield Progress(before + start + done, len(hashes), rate, elapsed, left)
                if vectors is not None:
                    new.append(vectors.astype(np.float16))
                    kept.extend(hashes[rows].tolist())
                elif should_stop():
                    break
            if should_stop():
                break
        if kept:
            self._keep(kept, np.concatenate(new))

    def rest(self) -> None:
        """Gives the encoder's memory back; it is loaded again when it is needed."""
        self._encoder = None

    def _keep(self, keys: list[bytes], vectors: Array) -> None:
        together = vectors if self._vectors is None else np.concatenate([self._vectors, vectors])
        names = np.asarray([*self._at, *keys], dtype="S16")
        self._at, self._vectors = {key: at for at, key in enumerate(names.tolist())}, together
        self._folder.mkdir(parents=True, exist_ok=True)
        save_array(self._file("vectors"), together)
        save_array(
            self._file("hashes"), names
        )  # last: as many names as there are vectors, or the pair is not used

    def _load(self) -> None:
        try:
            names = np.load(self._file("hashes"), allow_pickle=False)
            vectors = np.load(self._file("vectors"), allow_pickle=False)
        except Exception:  # noqa: BLE001 - numpy raises whatever its parts make of a damaged file
            return
        if (
            vectors.dtype == np.float16
            and vectors.ndim == 2
            and names.dtype == "S16"
            and len(names) == len(vectors)
        ):
            self._at, self._vectors = {key: at for at, key in enumerate(names.tolist())}, vectors

    def _file(self, what: str) -> Path:
        return self._folder / f"embeddings-{self._key[:12]}-{what}.npy"


class _Encoder:
    """The bundled encoder, loaded."""

    def __init__(self, base: Path, cache: Path, key: str) -> None:
        from core.models.device import pick_device
        from core.models.loading import load_tokenizer
        from core.training.features import Embeddings
        from core.training.learner import Learner
        from core.training.reader import Reader

        device = pick_device().torch_name
        self._tokenizer = load_tokenizer(base)
        learner = Learner.load(base, ("no", "yes"))  # a head comes with it; only what lies below it is used
        learner.to(device)
        learner.attend_fastest(device, TOKENS)
        self._width = int(learner.head.in_features)
        self._length = min(TOKENS, int(self._tokenizer.model_max_length))
        self._reader = Reader(learner, self._tokenizer, device)
        self._store = Embeddings(cache / "embeddings", key)

    def embed(self, texts: list[str]) -> Iterator[tuple[int, Array | None]]:
        """How many are done, and at the end (n, D) float32."""
        from core.models.forward import encode
        from core.training.features import embed

        encoded = encode(self._tokenizer, texts, self._length)
        vectors, known = np.zeros((len(texts), self._width), np.float32), np.zeros(len(texts), bool)
        for done in embed(self._reader, encoded, vectors, known, self._store):
            yield done, None
        yield len(texts), vectors
