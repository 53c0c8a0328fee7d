"""The next version of a label scheme, and what it does to the answers that were given.

Every step takes a scheme and returns the version after it, with `change` as a sentence; nothing is saved here and
no answer is touched (docs/decisions/0009). Pure but for fresh ids and the clock. Does not know the store, or how a
scheme looks on a screen.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.data.labels import split_labels
from core.errors import BadData
from core.labels.nouns import Answer, AnswerState, Label, Scheme, Sent, Source
from core.labels.rules import check, clean

_FIRST_KEYS = "1234567890"


# ------------------------------------------------------------------------------------- making one


def from_names(
    dataset_id: str, names: Sequence[str], *, author: str, several: bool = False, change: str = ""
) -> Scheme:
    """Version 1, in the order of the names; the first ten get the digits as keys. Raises BadData."""
    first = Scheme(_new_id("scheme"), dataset_id, 0, 0.0, author, several, ())
    labels = tuple(Label(new_label_id(), clean(name)) for name in names)
    keyed = (
        tuple(replace(label, key=key) for label, key in zip(labels, _FIRST_KEYS, strict=False))
        + labels[len(_FIRST_KEYS) :]
    )
    return following(first, author, change or f"Started with {_counted(len(names))}.", labels=keyed)


def imported(
    scheme: Scheme,
    cells: Iterable[tuple[int, str | None]],
    *,
    separator: str | None,
    annotator_id: str,
    session: str,
    stamp: int,
) -> Iterator[Sent]:
    """The cells of a label column as answers. `cells`: row and its cell; a row without a known label is left out.

    Row and session make each answer idempotent, so an import that was broken off can simply be done again."""
    ids = {label.name: label.id for label in scheme.labels}
    for row, cell in cells:
        found = tuple(ids[name] for one in split_labels(cell, separator) if (name := clean(one)) in ids)
        if found:
            answer = Answer(
                row,
                annotator_id,
                found,
                AnswerState.LABELLED,
                stamp + row,
                key="import",
                source=Source.IMPORTED,
            )
            yield Sent(session, row + 1, answer)


# ------------------------------------------------------------------------------------- one step


def add(scheme: Scheme, names: Sequence[str], *, author: str) -> Scheme:
    """New labels at the end; each takes the next digit that is free. Raises BadData."""
    taken = {label.key for label in scheme.labels}
    free = [key for key in _FIRST_KEYS if key not in taken]
    new = [
        Label(new_label_id(), clean(name), key=free[at] if at < len(free) else "")
        for at, name in enumerate(names)
    ]
    if not new:
        raise BadData("There is no name yet. Type the names of the new labels, one a line.")
    return following(
        scheme, author, f"Added {_listed([label.name for label in new])}.", labels=(*scheme.labels, *new)
    )


def change(
    scheme: Scheme,
    label_id: str,
    *,
    author: str,
    color: str | None = None,
    key: str | None = None,
    definition: str | None = None,
    examples: Sequence[str] | None = None,
) -> Scheme:
    """What is None stays as it is. Raises BadData for a bad colour or key, or one that another label has."""
    old = _label(scheme, label_id)
    new = replace(
        old,
        color=old.color if color is None else color.strip().upper(),
        key=old.key if key is None else unicodedata.normalize("NFC", key.strip()),
        definition=old.definition if definition is None else clean(definition).strip(),
        examples=old.examples if examples is None else _examples(examples),
    )
    words = [
        noun
        for noun, is_other in (
            (f"key ({new.key or 'none'})", new.key != old.key),
            ("colour", new.color != old.color),
            ("definition", new.definition != old.definition),
            ("examples", new.examples != old.examples),
        )
        if is_other
    ]
    *most, last = words or [""]
    nouns = f"{', '.join(most)} and {last}" if most else last
    said = f"Changed {nouns} of “{old.name}”." if words else f"Left “{old.name}” as it was."
    return following(scheme, author, said, labels=_with(scheme, new))


def rename(scheme: Scheme, label_id: str, name: str, *, author: str) -> Scheme:
    """Onto the name of another label: merged into that one. Raises BadData for a name that cannot be."""
    old = _label(scheme, label_id)
    name = clean(name)
    other = scheme.named(name)
    if other is not None and other.id != label_id:
        return merge(scheme, label_id, other.id, author=author)
    return following(
        scheme, author, f"Renamed “{old.name}” to “{name}”.", labels=_with(scheme, replace(old, name=name))
    )


def merge(scheme: Scheme, label_id: str, into_id: str, *, author: str) -> Scheme:
    """Answers with the first label count as the second, which keeps its name, key and definition."""
    gone, kept = _label(scheme, label_id), _label(scheme, into_id)
    if gone.id == kept.id:
        raise BadData("A label cannot be merged into itself. Choose another one.")
    return following(
        scheme,
        author,
        f"Merged “{gone.name}” into “{kept.name}”.",
        labels=_without(scheme, gone.id),
        merged={**scheme.merged, gone.id: kept.id},
    )


def remove(scheme: Scheme, label_id: str, *, author: str) -> Scheme:
    """Answers with this label, or with one that was merged into it, count as none."""
    old = _label(scheme, label_id)
    return following(
        scheme,
        author,
        f"Deleted “{old.name}”.",
        labels=_without(scheme, old.id),
        removed=(*scheme.removed, old.id),
    )


def reorder(scheme: Scheme, label_ids: Sequence[str], *, author: str) -> Scheme:
    """`label_ids`: all of them, in the new order. Raises BadData where one is missing or foreign."""
    by_id = {label.id: label for label in scheme.labels}
    if sorted(label_ids) != sorted(by_id):
        raise BadData("The new order does not name each label once. Reload the page and order them again.")
    return following(scheme, author, "Changed the order.", labels=tuple(by_id[one] for one in label_ids))


def move(scheme: Scheme, label_id: str, place: int, *, author: str) -> Scheme:
    """One label to a place, counted from 0; the others keep their order."""
    moved = _label(scheme, label_id)
    rest = [label.id for label in scheme.labels if label.id != label_id]
    after = reorder(scheme, [*rest[:place], label_id, *rest[place:]], author=author)
    return replace(after, change=f"Moved “{moved.name}” to place {place + 1}.")


def allow_several(scheme: Scheme, several: bool, *, author: str) -> Scheme:
    said = "A text may have several labels." if several else "A text has one label."
    return following(scheme, author, said, several=several)


def undo_to(scheme: Scheme, earlier: Scheme, *, author: str) -> Scheme:
    """The earlier version once more, as the newest one. A label that came after it is deleted, not forgotten: going
    forward again brings its answers back."""
    if earlier.dataset_id != scheme.dataset_id:
        raise BadData("This version belongs to another data set. Choose one of this data set.")
    known = {label.id for label in earlier.labels} | set(earlier.merged) | set(earlier.removed)
    later = tuple(
        one
        for one in (*(label.id for label in scheme.labels), *scheme.merged, *scheme.removed)
        if one not in known
    )
    return following(
        scheme,
        author,
        f"Went back to version {earlier.version}.",
        several=earlier.several,
        labels=earlier.labels,
        merged=dict(earlier.merged),
        removed=(*earlier.removed, *dict.fromkeys(later)),
    )


def together(scheme: Scheme, *steps: Callable[[Scheme], Scheme]) -> Scheme:
    """Several steps as one version."""
    after, said = scheme, []
    for step in steps:
        after = step(after)
        said.append(after.change)
    return replace(after, version=scheme.version + 1, change=" ".join(said))


# ------------------------------------------------------------------------------------- what it does


@dataclass(frozen=True)
class Effect:
    """What a new version does to one label. Counts are of answers, and of texts that anybody gave this label."""

    label_id: str
    name: str  # afterwards; before, where it is gone
    answers: tuple[int, int]  # before, after
    texts: tuple[int, int]

    @property
    def moves(self) -> bool:
        return self.answers[0] != self.answers[1] or self.texts[0] != self.texts[1]


@dataclass(frozen=True)
class Effects:
    labels: tuple[Effect, ...]  # those of the new version in its order, then those that are gone
    changed: int  # answers that mean something else afterwards
    lost: int  # … of them: that count as no answer afterwards
    regained: int  # … of them: that counted as no answer before
    crowded: int  # answers that keep more than one label where the new version allows one


def effects(before: Scheme, after: Scheme, given: Mapping[tuple[str, ...], Sequence[int]]) -> Effects:
    """Compare what the same answers mean under two versions.

    `given`: the label ids of an answer, as they were given -> the rows of the answers that hold exactly these, a row
    once for each person (`core.store.schemes.given`)."""
    changed = lost = regained = crowded = 0
    for ids, rows in given.items():
        was, will = before.now(ids), after.now(ids)
        changed += len(rows) if set(was) != set(will) else 0
        lost += len(rows) if was and not will else 0
        regained += len(rows) if will and not was else 0
        crowded += len(rows) if not after.several and len(will) > 1 else 0
    first, second = counts(before, given), counts(after, given)
    none = (0, 0)
    gone = [label for label in before.labels if after.label(label.id) is None]
    rows_of = [
        Effect(
            label.id,
            label.name,
            (first.get(label.id, none)[0], second.get(label.id, none)[0]),
            (first.get(label.id, none)[1], second.get(label.id, none)[1]),
        )
        for label in (*after.labels, *gone)
    ]
    return Effects(tuple(rows_of), changed, lost, regained, crowded)


def counts(scheme: Scheme, given: Mapping[tuple[str, ...], Sequence[int]]) -> dict[str, tuple[int, int]]:
    """Label id -> (answers, texts) that have this label today. `given` as for `effects`."""
    answers: dict[str, int] = {label.id: 0 for label in scheme.labels}
    texts: dict[str, set[int]] = {label.id: set() for label in scheme.labels}
    for ids, rows in given.items():
        for label_id in scheme.now(ids):
            answers[label_id] += len(rows)
            texts[label_id].update(rows)
    return {label_id: (answers[label_id], len(texts[label_id])) for label_id in answers}


def gone_before(scheme: Scheme, versions: Iterable[Scheme], names: Iterable[str]) -> dict[str, int]:
    """Names that are to be added and that a label once had which was deleted or merged -> the newest version that had
    it. Its answers come back with that version, not with a new label of the same name."""
    wanted = {clean(name) for name in names}
    gone = {*scheme.removed, *scheme.merged}
    found: dict[str, int] = {}
    for version in versions:
        for label in version.labels:
            if label.id in gone and label.name in wanted:
                found[label.name] = max(found.get(label.name, 0), version.version)
    return found


# ------------------------------------------------------------------------------------- details


def _examples(examples: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for text in examples if (one := clean(text).strip())))


def following(scheme: Scheme, author: str, said: str, **values: Any) -> Scheme:
    """The version after a scheme, with these fields changed. Raises BadData where it breaks a rule."""
    after = replace(
        scheme,
        id=_new_id("scheme"),
        version=scheme.version + 1,
        created_at=time.time(),
        author=author,
        change=said,
        **values,
    )
    check(after)
    return after


def _label(scheme: Scheme, label_id: str) -> Label:
    found = scheme.label(label_id)
    if found is None:
        raise BadData("This label is not there any more. Reload the page to see the labels as they are now.")
    return found


def _with(scheme: Scheme, new: Label) -> tuple[Label, ...]:
    return tuple(new if label.id == new.id else label for label in scheme.labels)


def _without(scheme: Scheme, label_id: str) -> tuple[Label, ...]:
    return tuple(label for label in scheme.labels if label.id != label_id)


def new_label_id() -> str:
    return _new_id("label")


def _new_id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(5)}"


def _counted(n: int) -> str:
    return f"{n:,} label" if n == 1 else f"{n:,} labels"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"
