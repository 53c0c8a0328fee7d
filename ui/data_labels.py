"""Labels at an import: has a text one or several, what separates them, and what the column then holds.

Draws; guessing and splitting are core's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.data.labels import SEPARATORS, Found, count_labels, guess_separator, holds_lists
from ui import parts
from ui.words import count_words, counted, escape_markdown, shorten

if TYPE_CHECKING:
    from core.data.table import Table

ONE = ""  # the option that says: each text has one label


def choose_labels(table: Table, text: int, label: int | None, key: str) -> str | None:
    """The separator of several labels, None for one label a text, with the guess preselected; then what the label
    column holds, in a sentence."""
    if label is None:
        st.caption("Without labels the texts can be looked at and classified, but not trained on.")
        return None
    if label == text:
        parts.hint("Text and label are the same column. Choose another one for the labels.")
        return None
    values = label_cells(table, label)
    separator = choose_separator(values, f"label_separator_{key}_{label}")
    remark(table.rows, count_labels(values, separator), separator)
    return separator


def label_cells(table: Table, column: int) -> dict[str, int]:
    """Each distinct cell that is not blank, and how many rows hold it."""
    import pyarrow.compute as pc

    cells = table.data.column(column)
    filled = cells.filter(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(cells)), 0))
    return {found["values"]: found["counts"] for found in filled.value_counts().to_pylist()}


def choose_separator(values: dict[str, int], key: str) -> str | None:
    guess = guess_separator(values)
    listed = holds_lists(values)
    options = list(dict.fromkeys((ONE, *SEPARATORS, guess or ONE)))

    def describe(separator: str) -> str:
        if separator == ONE:
            return "Each text has one label"
        if separator not in options:
            return separator  # typed: what a browser sends back must not be mistaken for a new one
        if listed and separator == guess:
            return "Each text has several labels, as a list"
        return f"Each text has several labels, separated by “{separator}”"

    picked = st.selectbox(
        "Labels of a text",
        options,
        index=options.index(guess or ONE),
        format_func=describe,
        accept_new_options=True,
        key=key,
        help="Where a text may have several labels, the model decides on each for itself, so a text can get none, "
        "one or several. Type another separator if yours is not here.",
    )
    return picked or None


def remark(rows: int, found: Found, separator: str | None) -> None:
    """What the label column holds, in a sentence, and what is odd about it."""
    ranked = list(found.counts.items())
    listed = ", ".join(f"{shorten(name, 30)} {n:,}" for name, n in ranked[:10])
    more = f" and {count_words(len(ranked) - 10)} more" if len(ranked) > 10 else ""
    missing = rows - found.rows
    tail = f" {counted(missing, 'row')} without a label." if missing else ""
    noun = counted(len(ranked), "class", "classes")
    if separator is not None:
        noun = f"{counted(len(ranked), 'label')}, {found.per_text:.1f} per text"
    st.caption(escape_markdown(f"{noun}: {listed}{more}.{tail}"))
    if len(ranked) == 1:
        parts.hint("All labelled rows have the same label. A classifier needs at least two classes.")
    elif ranked and ranked[0][1] == 1:
        parts.hint("No label comes twice, so nothing could be learnt from it. Is this the right column?")
    elif len(ranked) > 200 or (len(ranked) > 20 and len(ranked) > found.rows / 2):
        parts.hint("There are very many different labels. Is this the right column?")
    elif separator is not None and not found.several:
        parts.hint("No text has more than one label here. Is the separator right?")
