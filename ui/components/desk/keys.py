"""Which key gives which label at the desk. Pure: what the scheme says, and the rest of the keys in turn."""

from __future__ import annotations

from collections.abc import Sequence

from core.labels.nouns import Label
from core.labels.rules import RESERVED_KEYS

DIGITS = "123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def assign(labels: Sequence[Label], *, several: bool = False) -> dict[str, str]:
    """Label id -> its key, lower case, for the labels that have one.

    The scheme's own keys come first; the other labels get the digits 1 to 9 and then letters, in order. Where that is
    not enough for all, letters are not given out: a letter then begins to find a label by its name. With several
    labels a text the 0 says that none of them applies, unless the scheme gave it to a label.
    """
    own = {label.id: label.key.lower() for label in labels if label.key}
    keys = {label_id: key for label_id, key in own.items() if key not in RESERVED_KEYS}
    taken = set(keys.values()) | set(RESERVED_KEYS) | ({"0"} if several else set())
    rest = [label.id for label in labels if label.id not in keys]
    digits = [key for key in DIGITS if key not in taken]
    letters = [key for key in LETTERS if key not in taken]
    free = digits + letters if len(rest) <= len(digits) + len(letters) else digits
    return {**keys, **dict(zip(rest, free, strict=False))}
