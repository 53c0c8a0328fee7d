"""Parts for texts that may have several labels: iterative stratification.

Knows rows with a text's digest and label sets. Does not know texts, files or given parts.

Source: K. Sechidis, G. Tsoumakas, I. Vlahavas (2011), On the stratification of multi-label data, ECML PKDD,
145-158. Ours differs in what a data set is promised: rows of the same text stay together, every label has a text
in training, a label with two texts has one in the first drawn part, with three one in each of two drawn parts
(as far as the texts are not needed for a rarer label), and the order of the rows plays no role.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.records import Part


@dataclass(slots=True, eq=False)
class _Group:
    """Rows of one text; its labels are those of all of them."""

    order: bytes  # position in the shuffled data
    rows: list[int] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    part: Part | None = None


def draw(
    rows: Iterable[tuple[int, bytes, Sequence[str]]], shares: Mapping[Part, float], seed: int
) -> Iterator[tuple[int, Part]]:
    """The part of each row: (row, its text's digest, its labels) -> (row, part).

    `shares`: of the parts to draw, all rows being 1; the rest trains.
    """
    groups = _groups(rows, seed)
    wanted = _Wanted(groups, shares)
    carriers: defaultdict[str, list[_Group]] = defaultdict(list)
    for group in groups:
        for label in group.labels:
            carriers[label].append(group)
    left = {label: len(found) for label, found in carriers.items()}  # groups without a part
    while left:
        # The rarest label first: later nothing could make up for its few texts.
        label = min(left, key=lambda name: (left[name], name))
        for group in carriers[label]:
            if group.part is None:
                group.part = wanted.take(label, group)
                for name in group.labels:
                    left[name] -= 1
        left = {name: n for name, n in left.items() if n}
    _keep_in_training(groups)
    for group in groups:
        for row in group.rows:
            yield row, group.part or Part.TRAIN


def _groups(rows: Iterable[tuple[int, bytes, Sequence[str]]], seed: int) -> list[_Group]:
    """In an order that depends on the seed and the texts alone."""
    mark = str(seed).encode()[:64]
    found: dict[bytes, _Group] = {}
    for row, key, labels in rows:
        group = found.get(key)
        if group is None:
            order = hashlib.blake2b(key, key=mark, digest_size=16).digest()
            group = found[key] = _Group(order)
        group.rows.append(row)
        group.labels.update(labels)
    return sorted(found.values(), key=lambda group: group.order)


class _Wanted:
    """How many rows each part still wants, in all and of each label."""

    def __init__(self, groups: Sequence[_Group], shares: Mapping[Part, float]) -> None:
        self._parts = (Part.TRAIN, *shares)
        sizes: defaultdict[str, int] = defaultdict(int)  # rows
        texts: defaultdict[str, int] = defaultdict(int)  # groups
        for group in groups:
            for label in group.labels:
                sizes[label] += len(group.rows)
                texts[label] += 1
        self._rows = self._quotas(sum(len(g.rows) for g in groups), 0, shares)
        self._of_label = {label: self._quotas(n, texts[label], shares) for label, n in sizes.items()}

    @staticmethod
    def _quotas(rows: int, texts: int, shares: Mapping[Part, float]) -> dict[Part, float]:
        """In proportion; at least a row for each part that `texts` different texts suffice for."""
        quotas = {
            part: max(1.0, share * rows) if share and texts > later else share * rows
            for later, (part, share) in enumerate(shares.items(), start=1)
        }
        return {Part.TRAIN: rows - sum(quotas.values()), **quotas}

    def take(self, label: str, group: _Group) -> Part:
        """The part that misses the label most (then: rows in all, then the first) gets the group."""
        mine = self._of_label[label]
        part = max(self._parts, key=lambda p: (mine[p], self._rows[p]))
        self._rows[part] -= len(group.rows)
        for name in group.labels:
            self._of_label[name][part] -= len(group.rows)
        return part


def _keep_in_training(groups: Sequence[_Group]) -> None:
    """A label whose every text went elsewhere, for the sake of rarer labels, gets its first text back."""
    trained = {label for group in groups if group.part is Part.TRAIN for label in group.labels}
    for group in groups:
        if not group.labels <= trained:
            group.part = Part.TRAIN
            trained |= group.labels
