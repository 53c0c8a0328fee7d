"""A change of the labels, before it is made: what it does in numbers, then the new version.

Draws and saves; what a change does is told by `core.labels.scheme`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.labels.nouns import Scheme
from core.labels.scheme import Effects, effects
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from ui import parts, state
from ui.words import counted, escape_markdown, shorten

Given = Mapping[tuple[str, ...], Sequence[int]]


def given(workspace: Workspace, dataset_id: str, annotator_id: str | None = None) -> Given:
    """What all people's answers hold, or one person's; read anew only after another answer came."""
    number = label_rows.last_number(workspace.db, dataset_id)
    return _given(workspace, str(workspace.settings.home), dataset_id, annotator_id, number)


@st.cache_resource(max_entries=8, show_spinner=False)
def _given(_workspace: Workspace, home: str, dataset_id: str, annotator_id: str | None, number: int) -> Given:
    return schemes.given(_workspace.db, dataset_id, annotator_id)


def propose(workspace: Workspace, before: Scheme, after: Scheme, *, note: str = "", key: str) -> None:
    """Open a dialog that says what the change does, and makes it once that is confirmed. Call it in the run of the
    click. `note`: a sentence more."""

    @st.dialog("Change the labels?", width="medium")
    def ask() -> None:
        st.markdown(f"**{escape_markdown(shorten(after.change, 600))}**")
        show_effect(workspace, before, after, key=key)
        if note:
            st.markdown(escape_markdown(note))
        st.caption(f"No answer is rewritten: you can go back to version {before.version} at any time.")
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Leave it as it is", key=f"{key}_keep"):
                st.rerun()
            confirmed = st.button(f"Make version {after.version}", type="primary", key=f"{key}_confirm")
        if confirmed:
            save(workspace, after)

    ask()


def save(workspace: Workspace, after: Scheme) -> None:
    """Make it the newest version and begin the run anew, or say in place why not."""
    try:
        schemes.add(workspace.db, after)
    except FinesiftError as error:
        parts.fault(error)
    else:
        state.say(f"Version {after.version}: {shorten(after.change, 120)}")
        st.rerun()


def show_effect(workspace: Workspace, before: Scheme, after: Scheme, *, key: str) -> None:
    """The effect on the answers as sentences, and the labels whose counts move as a table."""
    found = effects(before, after, given(workspace, before.dataset_id))
    for sentence in sentences(before, after, found):
        st.markdown(escape_markdown(sentence))
    decided = _decisions(workspace, before.dataset_id)
    if decided:
        also = effects(before, after, decided)
        if also.changed:
            st.markdown(f"{counted(also.changed, 'decision')} on disagreements will change alike.")
    merged = {after.merged[one] for one in set(after.merged) - set(before.merged)}
    shown = [e for e in found.labels if e.moves or e.label_id in merged or after.label(e.label_id) is None]
    if not shown:
        return
    gone = {label.id for label in before.labels} - {label.id for label in after.labels}
    frame = pd.DataFrame(
        {
            "Label": [e.name for e in shown],
            "Answers now": [e.answers[0] for e in shown],
            "Answers then": ["gone" if e.label_id in gone else f"{e.answers[1]:,}" for e in shown],
            "Texts now": [e.texts[0] for e in shown],
            "Texts then": ["gone" if e.label_id in gone else f"{e.texts[1]:,}" for e in shown],
        }
    )
    st.dataframe(
        frame.astype({"Answers now": "str", "Texts now": "str"}),
        hide_index=True,
        key=f"{key}_effect",
        alt="Answers and texts of each label that changes, before and after",
    )


def sentences(before: Scheme, after: Scheme, found: Effects) -> list[str]:
    """What happens to the answers, in words."""
    said, merging = [], 0
    count_now = {e.label_id: e.answers[0] for e in found.labels}
    for gone, into in after.merged.items():
        kept, old = after.label(into), before.label(gone)
        if gone not in before.merged and kept is not None and old is not None:
            n = count_now.get(gone, 0)
            merging += n
            both = f"“{shorten(old.name, 60)}” has {counted(n, 'answer')}, “{shorten(kept.name, 60)}” has {count_now.get(into, 0):,}."
            will = "This answer will" if n == 1 else f"These {n:,} answers will"
            said.append(both + (f" {will} count as “{shorten(kept.name, 60)}”." if n else ""))
    others = found.changed - found.lost - found.regained - merging
    if others > 0:
        said.append(f"{counted(others, 'answer')} will mean another label than now.")
    if found.lost:
        said.append(
            f"{counted(found.lost, 'answer')} will count as unlabelled, until the text is answered again."
        )
    if found.regained:
        said.append(f"{counted(found.regained, 'answer')} counted as unlabelled and will count again.")
    if found.crowded:
        said.append(
            f"{counted(found.crowded, 'answer')} with more than one label will stay so, until the text is answered again."
        )
    if not found.changed:
        said.append("No answer changes its meaning.")
    return said


def _decisions(workspace: Workspace, dataset_id: str) -> Given:
    """The adjudicators' words in the form of `given`."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, decision in label_rows.decisions(workspace.db, dataset_id).items():
        rows.setdefault(decision.labels or (), []).append(row)
    return rows
