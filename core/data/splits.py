"""Which texts train, which validate, which test, without a text on both sides.

Knows texts, labels and a seed. Does not know files or models, and nothing global: the same texts, labels
and seed give the same parts on every machine, in whatever order they stand. Texts with several labels are drawn
by core.data.stratify.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.data import stratify
from core.data.labels import split_labels
from core.errors import BadData
from core.records import Part


@dataclass(frozen=True)
class Split:
    """The part of each row, and what had to be left out for it."""

    parts: list[str | None]  # N; None: no text, no label, or left out
    left_out: int  # rows outside the given test (or validation) part whose text stands in it


@dataclass(slots=True, eq=False)
class _Group:
    """Rows whose texts are the same once normalised: they are never parted."""

    order: bytes  # position in the shuffled class
    rows: list[int]
    label: str


def normalise(text: str) -> str:
    """Compatible characters made equal (NFKC), case folded, runs of white space made one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def text_hash(text: str) -> str:
    """The identity of a text's content: SHA-256 of its UTF-8 bytes, the first 16 hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_blank(text: str | None) -> bool:
    return text is None or not text.strip()


def split(
    texts: Sequence[str | None],
    labels: Sequence[str | None],
    *,
    seed: int = 0,
    test_share: float = 0.15,
    validation_share: float = 0.15,
    given: Sequence[str | None] | None = None,
) -> list[str | None]:
    """The part of each of N rows: "train", "validation", "test", or None without text or label.

    See `split_counted`, which also tells how many rows were left out.
    """
    return split_counted(
        texts, labels, seed=seed, test_share=test_share, validation_share=validation_share, given=given
    ).parts


def split_counted(
    texts: Sequence[str | None],
    labels: Sequence[str | None],
    *,
    seed: int = 0,
    test_share: float = 0.15,
    validation_share: float = 0.15,
    given: Sequence[str | None] | None = None,
    keys: Sequence[bytes | None] | None = None,
    separator: str | None = None,
) -> Split:
    """Stratified by label, duplicates (see `normalise`) on one side, contradicting labels included.

    The shares are those of all rows with text and label; totals are exact where duplicates allow it. Every
    class has a text in train; a class with two distinct texts has one in validation, with three one in test.
    `given` fixes rows: a given test or validation part stays as it is, rows outside it with an identical
    text are left out (None, counted in `left_out`), and what is not given is drawn from the other rows.
    `keys` are `group_keys(texts)`, if the caller has them already. `separator` stands between several labels
    of a text; then the parts are drawn by iterative stratification (core.data.stratify).
    Raises BadData where the shares leave nothing to train on.
    """
    if test_share < 0 or validation_share < 0 or test_share + validation_share >= 1:
        raise BadData(
            "The test and validation shares must not be negative and must leave a part for training."
        )
    parts: list[str | None] = [None] * len(texts)
    keys = group_keys(texts) if keys is None else keys
    sets = [split_labels(label, separator) for label in labels] if separator else None
    has_label = [not is_blank(label) for label in labels] if sets is None else [bool(found) for found in sets]
    usable = [i for i in range(len(labels)) if keys[i] is not None and has_label[i]]
    pool, left_out, fixed = _take_given(parts, usable, keys, given)
    for row in pool:
        parts[row] = Part.TRAIN.value  # what is drawn below moves on
    draws = [Part.VALIDATION] if Part.VALIDATION not in fixed and validation_share else []
    draws += [Part.TEST] if Part.TEST not in fixed and test_share else []
    shares = {Part.VALIDATION: validation_share, Part.TEST: test_share}
    if sets is not None:
        wanted = {part: shares[part] for part in draws}
        for row, part in stratify.draw([(row, keys[row] or b"", sets[row]) for row in pool], wanted, seed):
            parts[row] = part.value
        return Split(parts, left_out)
    classes = _classes(pool, keys, labels, seed)
    # All quotas come first, so that a part's size does not depend on how another was rounded.
    quotas = [_quotas(classes, shares[part], later=i + 1) for i, part in enumerate(draws)]
    for i, part in enumerate(draws):
        _draw(parts, classes, part, quotas[i], later=len(draws) - i)
    return Split(parts, left_out)


def group_keys(texts: Sequence[str | None]) -> list[bytes | None]:
    """A 16-byte digest of each normalised text; None for a blank one. Equal digests: duplicates."""
    blake2b = hashlib.blake2b
    return [
        None
        if text is None or not (same := normalise(text))
        else blake2b(same.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    ]


def _take_given(
    parts: list[str | None],
    usable: list[int],
    keys: Sequence[bytes | None],
    given: Sequence[str | None] | None,
) -> tuple[list[int], int, set[str]]:
    """Sets the fixed rows and returns the rows to draw from, the number left out, and the fixed parts."""
    if given is None:
        return usable, 0, set()
    seen: dict[str, set[bytes | None]] = {Part.TEST.value: set(), Part.VALIDATION.value: set()}
    for row in usable:
        if given[row] in seen:
            seen[str(given[row])].add(keys[row])
    pool, left_out = [], 0
    for row in usable:
        part = given[row]
        in_test, in_validation = keys[row] in seen[Part.TEST], keys[row] in seen[Part.VALIDATION]
        if part == Part.TEST or (part == Part.VALIDATION and not in_test):
            parts[row] = str(part)
        elif in_test or in_validation:
            left_out += 1
        else:
            pool.append(row)
    return pool, left_out, {part for part, texts in seen.items() if texts}


def _classes(
    pool: list[int], keys: Sequence[bytes | None], labels: Sequence[str | None], seed: int
) -> dict[str, list[_Group]]:
    """The groups of each class in an order that depends on the seed and on their texts alone."""
    rows: defaultdict[bytes, list[int]] = defaultdict(list)
    for row in pool:
        rows[keys[row] or b""].append(row)
    mark = str(seed).encode()[:64]
    classes: defaultdict[str, list[_Group]] = defaultdict(list)
    contested: list[tuple[_Group, set[str]]] = []
    for key, members in rows.items():
        order = hashlib.blake2b(key, key=mark, digest_size=16).digest()
        label = str(labels[members[0]])
        group = _Group(order, members, label)
        if len(members) > 1 and len(names := {str(labels[row]) for row in members}) > 1:
            # Contradicting labels count for the most frequent one; for the first of the alphabet on a tie.
            counts = Counter(str(labels[row]) for row in members)
            group.label = min(counts, key=lambda name: (-counts[name], name))
            contested.append((group, names))
        classes[group.label].append(group)
    _pin(classes, contested)
    for groups in classes.values():
        groups.sort(key=lambda group: group.order)
    return {label: classes[label] for label in sorted(classes)}


def _pin(classes: dict[str, list[_Group]], contested: list[tuple[_Group, set[str]]]) -> None:
    """A class whose every text also carries a more frequent label keeps one of them in training: that
    group is taken out of what is drawn from."""
    kept: set[str] = set(classes)
    for group, names in sorted(contested, key=lambda pair: pair[0].order):
        if not names <= kept:
            kept |= names
            classes[group.label].remove(group)


def _draw(
    parts: list[str | None],
    classes: dict[str, list[_Group]],
    part: Part,
    quotas: dict[str, int],
    later: int,
) -> None:
    """Moves rows of each class into `part`; a group stays for training and, where there are enough, for
    each part still to be drawn (`later` of them in all)."""
    for label, groups in classes.items():
        wanted, stay = quotas[label], min(later, len(groups) - 1)
        taken: list[_Group] = []
        for group in groups:
            if not wanted or len(groups) - len(taken) <= stay:
                break
            if len(group.rows) <= wanted:
                taken.append(group)
                wanted -= len(group.rows)
        if not taken and quotas[label] and len(groups) > stay:
            # Only larger groups than the quota: the smallest one is nearest to it.
            taken = [min(groups, key=lambda group: (len(group.rows), group.order))]
        for group in taken:
            for row in group.rows:
                parts[row] = part.value
        gone = set(map(id, taken))
        classes[label] = [group for group in groups if id(group) not in gone]


def _quotas(classes: dict[str, list[_Group]], share: float, later: int) -> dict[str, int]:
    """Rows of each class for a part: in proportion (largest remainders), and at least one where the class
    has more than `later` groups: one for training and one for each part drawn before this one."""
    sizes = {label: sum(len(g.rows) for g in groups) for label, groups in classes.items()}
    exact = {label: share * size for label, size in sizes.items()}
    able = [label for label, groups in classes.items() if len(groups) > later]
    quotas = dict.fromkeys(classes, 0) | {label: max(1, int(exact[label])) for label in able}
    left = round(share * sum(sizes.values())) - sum(quotas.values())
    for label in sorted(able, key=lambda name: (int(exact[name]) - exact[name], name)):
        if left > 0 and int(exact[label]) == quotas[label]:
            quotas[label] += 1
            left -= 1
    return quotas
