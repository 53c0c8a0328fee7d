"""Several labels in one cell: what stands between them, and the labels themselves.

Knows cells of a label column. Does not know texts, rows or files. A cell may join its labels by a separator, or
be a list as JSON, Python or NumPy write it. Without a separator a cell is one label, to the letter.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from core.errors import BadData

AUTO = "auto"  # in place of a separator: guess it
SEPARATORS = ("|", ";", ",")  # that are guessed, the least ambiguous first
NONE_WORDS = frozenset(("", "none", "no"))  # on the command line: each text has one label

_SAMPLE = 20_000  # distinct cells that a guess looks at
_MOST_CHARACTERS, _MOST_WORDS = 60, 6  # of one label, beyond which a cell is a sentence
_LONGEST_SEPARATOR = 10
_HELD = 0.03  # of the labelled rows hold the separator at least …
_ROWS = 3  # … and that many
_SHARED = 0.95  # of the pieces that a separator cuts out also occur in another cell
# … and so many of them also stand alone: a comma belongs into names, a bar hardly ever
_ALONE = {"|": 0.4, ";": 0.4, ",": 0.8}
_DECIMAL = re.compile(r"[+-]?\d+,\d+")
# ['a' 'b'] or ["a", "b"], as Python and NumPy print lists
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_PRINTED_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED})(?:\s*,\s*|\s+|(?=\s*\])))*\s*,?\s*\]", re.DOTALL)
_ITEM = re.compile(_QUOTED, re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """What a label column holds once its cells are split."""

    counts: dict[str, int]  # label -> rows that carry it, most frequent first
    rows: int  # with at least one label
    several: int  # with more than one

    @property
    def per_text(self) -> float:
        """Labels of a labelled text on average."""
        return sum(self.counts.values()) / self.rows if self.rows else 0.0


def split_labels(cell: str | None, separator: str | None) -> tuple[str, ...]:
    """The labels of one cell: stripped, none empty, none twice, in the order of the cell.

    Without a separator the whole cell is the one label, as it is. A blank cell has none.
    """
    if cell is None or not cell.strip():
        return ()
    if separator is None:
        return (cell,)
    items = list_items(cell)
    pieces = cell.split(separator) if items is None else items
    return tuple(dict.fromkeys(piece for p in pieces if (piece := p.strip())))


def list_items(cell: str) -> list[str] | None:
    """The items of a cell that is a list of words or numbers (JSON, Python, NumPy); None for any other cell."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if not _PRINTED_LIST.fullmatch(text):
            return None
        return [_ESCAPE.sub(r"\1", item[1:-1]) for item in _ITEM.findall(text)]
    if not isinstance(found, list) or any(isinstance(item, list | dict) for item in found):
        return None
    return [item if isinstance(item, str) else json.dumps(item) for item in found if item is not None]


def holds_lists(values: Iterable[str]) -> bool:
    """Every cell is a list, and some have several items. `values`: distinct cells are enough."""
    lists = [list_items(value) for value in list(values)[:_SAMPLE] if value.strip()]
    return all(items is not None for items in lists) and any(items and len(items) > 1 for items in lists)


def joiner(values: Iterable[str]) -> str:
    """A separator that no item of these lists contains: “|” wherever that is possible."""
    items = {item for value in values for item in list_items(value) or ()}
    return next((s for s in (*SEPARATORS, " / ", "\t") if not any(s in item for item in items)), "|")


def joined(cell: str, separator: str) -> str:
    """A list as its items with the separator between them; any other cell as it is."""
    items = list_items(cell)
    return cell if items is None else separator.join(piece for i in items if (piece := i.strip()))


def check_separator(word: str | None) -> str | None:
    """A separator that a user named; None where a word says that there is none. Raises BadData."""
    if word is None or word.casefold() in NONE_WORDS:
        return None
    if len(word) > _LONGEST_SEPARATOR or "\n" in word or "\r" in word:
        raise BadData(
            f"“{word[:40]}” cannot stand between labels. Name what does, such as “|”, or “none” where each text "
            "has one label."
        )
    return word


def count_labels(values: Mapping[str, int], separator: str | None) -> Found:
    """The labels in these cells. `values`: distinct cell -> rows that hold it."""
    counts: Counter[str] = Counter()
    rows = several = 0
    for value, times in values.items():
        labels = split_labels(value, separator)
        rows += times if labels else 0
        several += times if len(labels) > 1 else 0
        for label in labels:
            counts[label] += times
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Found(dict(ranked), rows, several)


# --------------------------------------------------------------------------- guessing


def guess_separator(values: Mapping[str, int]) -> str | None:
    """What stands between several labels of a text; None where it is not clear that there are several.

    `values`: distinct cell of the label column -> rows that hold it. Clear means: enough rows hold the separator;
    nearly every piece it cuts out occurs in other cells too, and many stand alone somewhere; the pieces are few
    and short. So “Yes, please” beside “No, thanks” stays one label. A column of lists is joined by `joiner`.
    """
    filled = {value: times for value, times in list(values.items())[:_SAMPLE] if value.strip()}
    if holds_lists(filled):
        return joiner(filled)
    return next((s for s in SEPARATORS if _is_clear(filled, s)), None)


def fitting_separator(cells: Collection[str], known: Collection[str], first: str) -> str:
    """The separator that makes these cells the known labels, `first` on a tie: for a file that is to be compared
    with a model.
    """
    names = set(known)
    counts = Counter(cells)

    def fit(separator: str) -> float:
        """Share of the rows' pieces that are known labels, every row weighing the same."""
        shares = [
            times * sum(label in names for label in labels) / len(labels)
            for cell, times in counts.items()
            if (labels := split_labels(cell, separator))
        ]
        return sum(shares)

    return max((first, *(s for s in SEPARATORS if s != first)), key=fit)


def _is_clear(values: Mapping[str, int], separator: str) -> bool:
    held = {value: split_labels(value, separator) for value in values if separator in value}
    rows = sum(values[value] for value in held)
    if rows < max(_ROWS, _HELD * sum(values.values())):
        return False
    if separator == "," and all(_DECIMAL.fullmatch(value.strip()) for value in held):
        return False  # decimal commas
    # cells that hold each piece: distinct ones, by the set of their pieces
    whole = {labels[0] for value in values if len(labels := split_labels(value, separator)) == 1}
    sets = {frozenset(split_labels(value, separator)) for value in values}
    among: Counter[str] = Counter(piece for pieces in sets for piece in pieces)
    if any(len(piece) > _MOST_CHARACTERS or len(piece.split()) > _MOST_WORDS for piece in among):
        return False
    cut = [(piece, values[value]) for value, pieces in held.items() for piece in pieces]
    total = sum(times for _, times in cut)
    shared = sum(times for piece, times in cut if among[piece] > 1)
    alone = sum(times for piece, times in cut if piece in whole)
    few = len(among) <= len(values) and 2 * len(among) <= sum(values.values())
    return few and total > 0 and shared >= _SHARED * total and alone >= _ALONE[separator] * total
