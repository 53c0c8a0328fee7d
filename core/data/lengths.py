"""How many tokens texts have, by the `tokenizers` library alone.

Knows a tokenizer.json. Does not know models or transformers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import BadModel
from core.records import Interval

_BATCH = 1000
_Z = 1.959964  # the normal distribution's 97.5 % point


def token_lengths(
    texts: Sequence[str | None], tokenizer_file: Path | str, limit: int = 20_000, seed: int = 0
) -> np.ndarray:
    """(M,) int64: tokens of each text, special tokens included, as the model would see them uncut.

    Blank texts do not count. Of more than `limit` texts a sample of that size is taken, the same for the
    same seed. Raises BadModel where the tokenizer cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(tokenizer_file))
    except Exception as error:  # noqa: BLE001 - tokenizers raises nothing narrower
        raise BadModel(
            f"The tokenizer in {Path(tokenizer_file).name} cannot be read ({error}). Choose another base model."
        ) from None
    # Many tokenizer files have a truncation baked in, which would hide every text that is too long.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    filled = [text for text in texts if text and text.strip()]
    if len(filled) > limit:
        chosen = np.random.default_rng(seed).choice(len(filled), size=limit, replace=False)
        filled = [filled[i] for i in sorted(chosen)]
    lengths = np.empty(len(filled), dtype=np.int64)
    for start in range(0, len(filled), _BATCH):
        encoded = tokenizer.encode_batch(filled[start : start + _BATCH])
        lengths[start : start + len(encoded)] = [len(e.ids) for e in encoded]
    return lengths


def share_longer(lengths: np.ndarray, max_length: int) -> Interval:
    """The share of texts with more than `max_length` tokens, with a Wilson score interval (95 %).

    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference.
    Without texts all three figures are 0, 0 and 1.
    """
    n = len(lengths)
    if not n:
        return Interval(0.0, 0.0, 1.0)
    share = float(np.count_nonzero(np.asarray(lengths) > max_length)) / n
    centre = share + _Z * _Z / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    scale = 1 + _Z * _Z / n
    return Interval(share, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))
