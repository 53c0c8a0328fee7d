"""Labels of a file, brought in: what it would change is shown before anything is saved.

Draws and asks; matching and saving is core.exchange's affair.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import streamlit as st

from core import exchange
from core.data.table import suggest_columns
from core.exchange import Proposal, Wish
from core.labels.exchange import AUTO, COLUMNS, recognise
from core.labels.nouns import Annotator, Scheme
from core.records import Dataset
from core.workspace import Workspace
from ui import parts, state
from ui.bring import FILE_TYPES, try_upload
from ui.uploads import kept_upload
from ui.words import count_words, counted, shorten

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from core.data.table import Table

NONE = -1  # the option of a column that says there is none
SHOWN = 12  # names that a sentence lists
PEOPLE = (
    "annotator",
    "annotators",
    "worker",
    "coder",
    "rater",
    "user",
    "username",
    "person",
)  # words in headers


def draw(workspace: Workspace, dataset: Dataset, scheme: Scheme, me: Annotator) -> None:
    st.caption(
        "Labels for texts of this data set: a file from here, from Label Studio, doccano or Prodigy, or any table with a "
        "text and a label in each row. Each line is matched by its row number, by a column that names the text, or by "
        "the text itself."
    )
    file = st.file_uploader("File with labels", type=FILE_TYPES, key="files_upload")
    upload = try_upload(workspace, file, key="files_kept")
    if file is None or upload is None:
        _brought()
        return
    if upload.table is None:
        parts.fault(upload.fault)
        return
    wish = _wish(upload.table, scheme, me)
    proposal = _proposal(workspace, dataset, scheme, file, wish)
    _draw_proposal(proposal)
    if proposal.refusal:
        parts.fault(proposal.refusal)
        return
    partly = False
    if proposal.missing:
        partly = st.checkbox(
            f"Bring in the other {counted(proposal.found, 'line')} all the same", key="files_partly"
        )
    label = f"Bring in {counted(len(proposal.answers), 'answer')}"
    if st.button(label, type="primary", key="files_bring", disabled=bool(proposal.missing) and not partly):
        done = exchange.bring_in(workspace, proposal, author=me.name, partly=partly)
        st.session_state.pop("files_proposal", None)
        st.session_state["files_done"] = done
        state.say(f"{counted(done.new, 'new answer')} of {counted(len(done.people), 'person', 'people')}.")
        st.rerun()
    _brought()


def _brought() -> None:
    done = st.session_state.pop("files_done", None)
    if done is None:
        return
    if done.new:
        words = f"{counted(done.new, 'answer')} of {counted(len(done.people), 'person', 'people')} came in."
    else:
        words = "This file was brought in before, so nothing changed."
    if done.added_labels:
        words += f" New in the scheme: {_listed(done.added_labels)}."
    parts.hint(words)


def _wish(table: Table, scheme: Scheme, me: Annotator) -> Wish:
    """What the columns mean; a format that is recognised says so itself."""
    if recognise(table) is not None:
        return Wish(who=_whose(me))
    text, label, annotator = _columns(table)
    separator = ""
    if scheme.several:
        separator = st.text_input(
            "Between several labels of a cell", key="files_separator", placeholder="found out"
        )
    complete = annotator is not None and all((cell or "").strip() for cell in table.column(annotator))
    return Wish(
        COLUMNS,
        text=_named(table, text),
        label=_named(table, label),
        annotator=None if annotator is None else _named(table, annotator),
        separator=separator or AUTO,
        who=me.name if complete else _whose(me),
    )


def _columns(table: Table) -> tuple[int, int, int | None]:
    """Text, label, and annotator if there is one; guessed, and changeable."""
    guessed = suggest_columns(table)
    names = [name or f"(column {i + 1})" for i, name in enumerate(table.columns)]
    mark = zlib.crc32("\n".join(table.columns).encode())  # another file's choice of columns does not stay

    def choose(spot: DeltaGenerator, title: str, options: list[int], guess: int | None) -> int:
        picked = spot.selectbox(
            title,
            options,
            index=options.index(guess) if guess in options else 0,
            format_func=lambda i: "The file does not say" if i == NONE else names[i],
            key=f"files_{title.lower()}_{mark:x}",
        )
        return options[0] if picked is None else int(picked)

    everything = list(range(len(names)))
    left, middle, right = st.columns(3)
    text = choose(left, "Text", everything, guessed[0])
    label = choose(middle, "Label", everything, guessed[1])
    annotator = choose(right, "Annotator", [NONE, *everything], _people(table))
    return text, label, None if annotator == NONE else annotator


def _whose(me: Annotator) -> str:
    asked = "Whose labels are those without a name?"
    return st.text_input(asked, value=me.name, max_chars=80, key="files_whose").strip()


def _kind(proposal: Proposal) -> str:
    return "a table" if proposal.format == "Table" else f"a file of {proposal.format}"


def _people(table: Table) -> int | None:
    """The column that looks like the names of people."""
    words = [set(re.split(r"[\W_]+", name.casefold())) for name in table.columns]
    return next((at for at, found in enumerate(words) if found & set(PEOPLE)), None)


def _named(table: Table, at: int) -> str:
    """A column as `column_index` finds it: the second of a name is `name#2`."""
    name = table.columns[at]
    before = table.columns[:at].count(name)
    return f"{name}#{before + 1}" if before else name


def _proposal(
    workspace: Workspace, dataset: Dataset, scheme: Scheme, file: UploadedFile, wish: Wish
) -> Proposal:
    """Read and matched once for each file and wish."""
    key = (file.file_id, wish, dataset.id, scheme.version)
    kept = st.session_state.get("files_proposal")
    if kept is not None and kept[0] == key:
        found: Proposal = kept[1]
        return found
    with st.spinner("Matching the lines with the texts here."):
        path = kept_upload(workspace, file)
        found = exchange.propose(workspace, dataset, path, file.name, wish)
    st.session_state["files_proposal"] = (key, found)
    return found


def _draw_proposal(proposal: Proposal) -> None:
    parts.section(
        "What this file would bring", f"Read as {_kind(proposal)}. Nothing is saved before you say so."
    )
    parts.figures(
        (
            ("Lines", count_words(proposal.lines)),
            ("Match a text", count_words(proposal.found), "Their text stands in this data set."),
            ("Match none", count_words(proposal.missing)),
            ("Answers", count_words(len(proposal.answers)), "Identical texts get the same answer each."),
            ("People", count_words(len([name for name in proposal.people if name]))),
        ),
        key="files_matched",
    )
    sentences = list(proposal.notes)
    if proposal.new_people:
        sentences.append(f"New people: {_listed(proposal.new_people)}.")
    if proposal.new_labels:
        sentences.append(
            f"New labels, added to the scheme in one new version: {_listed(proposal.new_labels)}."
        )
    for before, now in proposal.renamed.items():
        sentences.append(f"“{before}” is called “{now}” now and counts as that.")
    if proposal.skipped:
        sentences.append(f"{counted(proposal.skipped, 'line')} say that the text was skipped.")
    if proposal.silent:
        sentences.append(f"{counted(proposal.silent, 'line')} without a label.")
    for why, number in proposal.left_out.items():
        sentences.append(f"{counted(number, 'line')} left out: {why}.")
    if proposal.contradicted:
        sentences.append(
            f"{counted(proposal.contradicted, 'time')} a person says different things of one text; the last word counts."
        )
    if proposal.matched["words"]:
        sentences.append(
            f"{counted(proposal.matched['words'], 'line')} match but for line breaks or other white space."
        )
    for line, text in proposal.examples:
        sentences.append(f"Line {line:,} matches no text here: “{shorten(text, 80)}”")
    parts.notes(sentences)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"“{shorten(name, 40)}”" for name in names[:SHOWN])
    more = len(names) - SHOWN
    return shown if more <= 0 else f"{shown} and {more:,} more"
