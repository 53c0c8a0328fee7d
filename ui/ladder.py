"""The baseline ladder on a page: what simple methods reach on the same texts, and what each step up buys.

Knows the rungs of a run and how to say in a sentence what they show. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.records import Interval, Run, Rung, event_from_json
from core.training.ladder import TITLES
from ui import curves, parts, state
from ui.words import elapsed_words, escape_markdown, interval_words, percent

# a method as the subject of a sentence, as its object, and as the name of a row in the picture
_NAMES = {
    "majority": (
        "The most frequent class",
        "always answering the most frequent class",
        "Most frequent class",
    ),
    "tfidf": ("Word counts", "word counts", "Word counts"),
    "quick": ("The quick head", "the quick head", "Quick"),
    "few": ("Contrastive fine-tuning", "contrastive fine-tuning", "Few labels"),
    "lora": ("LoRA", "LoRA", "LoRA"),
    "full": ("Full fine-tuning", "full fine-tuning", "Full fine-tuning"),
}
_ORDER = tuple(TITLES)


def rungs_of(run: Run, events: Sequence[Rung]) -> list[Rung]:
    """The ladder of a run, simplest method first: from its summary, else from its events. Of two rungs of one method
    the later counts."""
    kept = run.summary.get("ladder")
    return ordered([_read(data) for data in kept] if kept else events)


def ordered(rungs: Sequence[Rung]) -> list[Rung]:
    latest = {rung.name: rung for rung in rungs}
    return sorted(latest.values(), key=lambda r: _ORDER.index(r.name) if r.name in _ORDER else len(_ORDER))


def _read(data: Mapping[str, Any]) -> Rung:
    rung = event_from_json(Rung.kind, dict(data))
    assert isinstance(rung, Rung)  # noqa: S101  for the type checker
    return rung


def show(rungs: Sequence[Rung], *, several: bool, key: str) -> None:
    """A sentence, the table and the picture. Nothing where there is nothing to compare with."""
    if len(rungs) < 2:
        return
    parts.section("What each step buys")
    st.markdown(escape_markdown(sentence(rungs, several=several)))
    st.dataframe(
        table(rungs, several=several),
        hide_index=True,
        key=f"{key}_ladder_table",
        column_config={
            "": st.column_config.TextColumn(width=40),
            "Method": st.column_config.TextColumn(width=300),
        },
        alt="Each method with its accuracy, macro-F1 and time",
    )
    st.caption("On the validation part, with 95 % intervals. ✓ marks the model that was kept.")
    parts.chart(
        curves.ladder(rungs, lambda r: _name(r, 2) + (" ✓" if r.kept else ""), theme=state.current_theme()),
        key=f"{key}_ladder",
        alt="Accuracy and macro-F1 of each method with their 95 % intervals",
    )
    with st.expander("What the methods are", key=f"{key}_ladder_notes"):
        parts.notes([f"{TITLES.get(r.name, r.name)}: {r.note}" for r in rungs if r.note])


def table(rungs: Sequence[Rung], *, several: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "": ["✓" if r.kept else "" for r in rungs],
            "Method": [TITLES.get(r.name, r.name) for r in rungs],
            "All labels right" if several else "Accuracy": [interval_words(r.accuracy) for r in rungs],
            "Macro-F1": [interval_words(r.macro_f1) for r in rungs],
            "Time": [elapsed_words(r.seconds) for r in rungs],
        }
    )


def sentence(rungs: Sequence[Rung], *, several: bool = False) -> str:
    """What the figures say about the kept model: against the best simple method, and against the next best rung.

    Compares accuracy, or macro-F1 where a text may have several labels. A gain counts as clear when the two 95 %
    intervals do not overlap, which is stricter than a test of the difference."""
    by_name = {r.name: r for r in rungs}
    kept = [r for r in rungs if r.kept][-1:] or sorted(rungs, key=lambda r: r.macro_f1.value)[-1:]
    simple = by_name.get("tfidf") or by_name.get("majority")
    if not kept or simple is None or kept[0] is simple:
        return ""
    top = kept[0]
    what = "macro-F1" if several else "accuracy"
    said = [_gain(top, simple, what)]
    others = [r for r in rungs if r.name in _ORDER[2:] and top.name in _ORDER and r is not top]
    if others:
        said.append(_against(top, max(others, key=lambda r: _figure(r, what).value), what))
    return " ".join(said)


def _gain(top: Rung, simple: Rung, what: str) -> str:
    one, two = _figure(top, what), _figure(simple, what)
    points = _points(one.value - two.value)
    if one.low > two.high:
        return f"{_name(top, 0)} gains {points} of {what} over {_name(simple, 1)}."
    if one.value > two.value:
        return (
            f"{_name(top, 0)} is not clearly better than {_name(simple, 1)}: it gains {points} of {what}, "
            "but the intervals overlap."
        )
    return (
        f"{_name(top, 0)} is no better than {_name(simple, 1)} here: {percent(one.value)} against "
        f"{percent(two.value)} {what}."
    )


def _against(top: Rung, other: Rung, what: str) -> str:
    one, two = _figure(top, what), _figure(other, what)
    points = _points(one.value - two.value)
    if two.value > one.value:
        return f"{_name(other, 0)} reached {percent(two.value)}."
    if _ORDER.index(other.name) > _ORDER.index(top.name):
        return f"{_name(other, 0)} did not beat it ({percent(two.value)})."
    if one.low > two.high:
        return f"Over {_name(other, 1)} it gains {points}."
    return f"Over {_name(other, 1)} it gains {points}, which is not clear: the intervals overlap."


def _figure(rung: Rung, what: str) -> Interval:
    return rung.macro_f1 if what == "macro-F1" else rung.accuracy


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"


def _name(rung: Rung, form: int) -> str:
    return _NAMES.get(rung.name, (rung.name,) * 3)[form]
