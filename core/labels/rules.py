"""What a label may be called, which key and colour it may have, how long its definition may be.

Knows one scheme at a time. Does not know where it came from or what it changes.
"""

from __future__ import annotations

import re

from core.errors import BadData
from core.labels.nouns import Label, Scheme

RESERVED_KEYS = "sfn?u/"  # the desk needs them: skip, flag, note, the list of keys, undo, filter
MOST_LABELS = 1_000
LONGEST_NAME = 200
LONGEST_DEFINITION = 5_000
MOST_EXAMPLES, LONGEST_EXAMPLE = 50, 2_000
_COLOR = re.compile(r"#[0-9A-F]{6}")
# Control characters, but tabs and line breaks, and halves of surrogate pairs: databases refuse them.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def clean(text: str) -> str:
    """A name, definition or example as it can be kept: without what no database takes."""
    return _UNSTORABLE.sub("", text)


def check(scheme: Scheme) -> None:
    """Raises BadData for the first fault."""
    if len(scheme.labels) > MOST_LABELS:
        raise BadData(f"{len(scheme.labels):,} labels are too many: {MOST_LABELS:,} at most. Leave some out.")
    names: set[str] = set()
    keys: dict[str, str] = {}
    for label in scheme.labels:
        if not label.name.strip():
            raise BadData("A label has no name. Give each of them one.")
        if len(label.name) > LONGEST_NAME:
            raise BadData(
                f"The name “{label.name[:40]}…” has {len(label.name):,} characters: {LONGEST_NAME} at most. "
                "Shorten it, and put the rest into the definition."
            )
        if label.name in names:
            raise BadData(f"Two labels are called “{label.name}”. Give one of them another name.")
        names.add(label.name)
        _check_key(label, keys)
        if label.color and not _COLOR.fullmatch(label.color):
            raise BadData(f"“{label.color[:40]}” is no colour. Write it as #RRGGBB, such as #0068A8.")
        if len(label.definition) > LONGEST_DEFINITION:
            raise BadData(
                f"The definition of “{label.name}” is longer than {LONGEST_DEFINITION:,} characters. Shorten it."
            )
        if len(label.examples) > MOST_EXAMPLES or any(len(one) > LONGEST_EXAMPLE for one in label.examples):
            raise BadData(
                f"“{label.name}” has too many examples, or too long ones: {MOST_EXAMPLES} of "
                f"{LONGEST_EXAMPLE:,} characters each at most. Keep the ones that tell most."
            )


def _check_key(label: Label, keys: dict[str, str]) -> None:
    if not label.key:
        return
    if len(label.key) != 1 or not label.key.isprintable() or label.key.isspace():
        raise BadData(f"The key of “{label.name}” must be a single character, such as 1 or a.")
    folded = label.key.casefold()
    if folded in RESERVED_KEYS:
        raise BadData(
            f"The key {label.key} means something else at the desk (reserved are {' '.join(RESERVED_KEYS)}). "
            f"Choose another one for “{label.name}”."
        )
    if folded in keys:
        raise BadData(
            f"“{keys[folded]}” and “{label.name}” have the same key {label.key}. Change one of them."
        )
    keys[folded] = label.name
