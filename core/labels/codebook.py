"""The codebook as a file: Markdown to read and print, JSON to take to another data set and back.

Knows one scheme and text. Names, definitions and examples are data: in Markdown they are written so that none of
them becomes a heading, a link or HTML.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.errors import BadData, BadFile
from core.labels.nouns import Label, Scheme
from core.labels.rules import MOST_LABELS, check, clean
from core.labels.scheme import following, new_label_id

FORMAT = "finesift-codebook"
FORMAT_VERSION = 1
MOST_MEGABYTES = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$&:=@])")


# ------------------------------------------------------------------------------------- Markdown


def to_markdown(scheme: Scheme, title: str, texts: Mapping[str, int] | None = None) -> str:
    """The codebook to read. `texts`: label id -> texts that have it, where that is to be told."""
    how = "A text may have several labels, or none." if scheme.several else "Each text has one label."
    lines = [f"# {_plain(title)}: codebook", "", f"Version {scheme.version}. {how}", ""]
    for label in scheme.labels:
        lines += [f"## {_plain(label.name)}", ""]
        facts = [f"Key: {_plain(label.key)}"] if label.key else []
        if texts is not None:
            facts.append(f"Texts: {texts.get(label.id, 0):,}")
        lines += [" · ".join(facts), ""] if facts else []
        if label.definition:
            lines += [*_quoted(label.definition, ""), ""]
        if label.examples:
            lines += ["Examples:", ""]
            for example in label.examples:
                first, *rest = _quoted(example, "  ")
                lines += [f"- {first.strip()}", *rest]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    """On one line, every character to the letter (CommonMark: any ASCII punctuation may be escaped)."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _quoted(text: str, indent: str) -> list[str]:
    """Line breaks kept: each but the last line ends in a backslash, which breaks the line."""
    lines = [_plain(line) for line in text.splitlines() if line.strip()]
    return [f"{indent}{line}{'' if at == len(lines) - 1 else chr(92)}" for at, line in enumerate(lines)]


# ------------------------------------------------------------------------------------- JSON


def to_json(scheme: Scheme, title: str) -> str:
    """The codebook to bring back. Ids are in it, so that a label renamed in the file is still the same one."""
    labels = [
        {
            "id": label.id,
            "name": label.name,
            "color": label.color,
            "key": label.key,
            "definition": label.definition,
            "examples": list(label.examples),
        }
        for label in scheme.labels
    ]
    whole = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "data_set": title,
        "version": scheme.version,
        "several": scheme.several,
        "labels": labels,
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def from_json(content: bytes, *, scheme: Scheme | None, dataset_id: str, author: str) -> Scheme:
    """The scheme that a codebook file describes, as the version after `scheme` (None: as the first one).

    A label of the file is one of the scheme's where its id is known there, else where its name is; anything else
    is new. Labels of the scheme that the file does not name are deleted. Raises BadFile for a file that is no
    codebook and BadData for labels that cannot be."""
    whole = _parsed(content)
    before = scheme or Scheme("", dataset_id, 0, 0.0, author, False, ())
    found = [_label(one, at) for at, one in enumerate(whole["labels"], start=1)]
    known = {label.id for label in before.labels}
    # An id is told first, so that a name that moved to another label is not taken for its old bearer.
    by_id = {label.id for label in found if label.id in known}
    labels, used = [], set(by_id)
    for label in found:
        if label.id not in known:
            old = before.named(label.name)
            is_same = old is not None and old.id not in used
            label = replace(label, id=old.id if old is not None and is_same else new_label_id())
            used.add(label.id)
        labels.append(label)
    if len({label.id for label in labels}) != len(labels):
        raise BadData("Two labels of this codebook have the same id. Remove one of them, or its id.")
    gone = [label.id for label in before.labels if label.id not in used]
    said = "Started with a codebook." if scheme is None else "Took over a codebook."
    several = whole.get("several", before.several)
    if not isinstance(several, bool):
        raise BadFile("In this codebook “several” is neither true nor false. Write one of them.")
    after = following(
        before, author, said, several=several, labels=tuple(labels), removed=(*before.removed, *gone)
    )
    check(after)
    return after


def _parsed(content: bytes) -> dict[str, Any]:
    if len(content) > MOST_MEGABYTES * 1024 * 1024:
        raise BadFile(
            f"This file is larger than {MOST_MEGABYTES} MB, which no codebook is. Choose the JSON that was downloaded here."
        )
    try:
        whole = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadFile("This file is no JSON. Choose the codebook that was downloaded as JSON.") from None
    if not isinstance(whole, dict) or not isinstance(whole.get("labels"), list) or not whole["labels"]:
        raise BadFile("This JSON holds no list of labels. Choose the codebook that was downloaded as JSON.")
    if whole.get("format", FORMAT) != FORMAT or whole.get("format_version", 1) != FORMAT_VERSION:
        raise BadFile("This JSON is no codebook that Finesift can read. Choose one that was downloaded here.")
    if len(whole["labels"]) > MOST_LABELS:
        raise BadData(f"{len(whole['labels']):,} labels are too many: {MOST_LABELS:,} at most.")
    return whole


def _label(one: Any, at: int) -> Label:
    """A label may also be just its name."""
    fields = {"name": one} if isinstance(one, str) else one
    if not isinstance(fields, dict):
        raise BadFile(
            f"Label {at} of this codebook is neither a name nor a set of fields. Mend or remove it."
        )
    texts = {key: fields.get(key, "") for key in ("id", "name", "color", "key", "definition")}
    examples = fields.get("examples", [])
    wrong = [key for key, value in texts.items() if not isinstance(value, str)]
    if not isinstance(examples, list) or not all(isinstance(example, str) for example in examples):
        wrong.append("examples")
    if wrong:
        raise BadFile(f"In label {at} of this codebook {wrong[0]} is no text. Mend it, or leave it out.")
    return Label(
        id=texts["id"],
        name=clean(texts["name"]),
        color=texts["color"].strip().upper(),
        key=unicodedata.normalize("NFC", texts["key"].strip()),
        definition=clean(texts["definition"]).strip(),
        examples=tuple(dict.fromkeys(text for example in examples if (text := clean(example).strip()))),
    )
