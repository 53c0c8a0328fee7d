"""The texts of a data set in which heads attend from one word to another, as a study."""

from __future__ import annotations

from typing import Any

from core.explain import search
from core.explain.nouns import Study
from core.explain.subject import Subject
from core.records import Part
from core.workspace import Workspace

MOST = 20_000  # texts that are looked through for the words
ALL = "all"


def run(ws: Workspace, asked: dict[str, Any]) -> Study:
    """`asked`: model, dataset, part ("train" | "validation" | "test" | "all"), from, to (see `search.Pattern`)."""
    place = ws.find_model(asked["model"])
    texts = [text for _, text in texts_in(ws, asked["dataset"], asked["part"])]
    found = yield from search.study(
        Subject.load(place.folder, place.name), texts, str(asked["from"]), str(asked["to"])
    )
    return found


def texts_in(ws: Workspace, dataset_id: str, part: str) -> list[tuple[int, str]]:
    """(row number, text) of a part or of all parts, at most MOST, in the order of the file."""
    wanted = [each.value for each in Part] if part == ALL else [part]
    found: list[tuple[int, str]] = []
    for each in wanted:
        rows, texts, _ = ws.part_texts(dataset_id, each)
        found.extend(zip(rows, texts, strict=True))
    return sorted(found)[:MOST]
