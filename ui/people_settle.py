"""Adjudication: texts on which people disagree, one at a time, their answers side by side, and what is decided.

A decision is a record of its own; no answer is changed by it. Whoever may still be asked about a text does not see
here what the others said of it.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.labels.nouns import Answer, AnswerState, Decision
from core.labels.votes import MISSING
from core.store import labels as label_rows
from ui import parts
from ui.people_data import People
from ui.words import counted, escape_markdown, shorten, when_words

BUTTONS = 12  # labels that have a button each; of more, the others are in a select box
SIDE_BY_SIDE = 3
SETTLED = 10  # decisions listed at once
FAULT, CURSOR = "settle_fault", "settle_cursor"  # session keys


def show(people: People) -> None:
    decisions = label_rows.decisions(people.workspace.db, people.dataset.id)
    disputed, hidden = _disputed(people)
    waiting = [row for row in disputed if row not in decisions]
    if fault := st.session_state.pop(FAULT, None):
        parts.fault(fault)
    _progress(len(disputed), len(waiting), hidden)
    if waiting:
        _one(people, waiting)
    elif disputed:
        st.markdown("Every disagreement is settled. Train on the agreed labels under Files.")
    _settled(people, decisions)


def _disputed(people: People) -> tuple[list[int], int]:
    """Rows of the texts on which people disagree, as far as this person may see them, and how many others there are.

    Seen is what he answered himself, or what has all the answers it is to get.
    """
    votes = people.votes
    if not votes.rows:
        return [], 0
    disputed = votes.disputed
    seen = votes.per_text >= people.desk.plan().people
    if people.me.id in votes.people:
        seen = seen | (votes.codes[:, votes.people.index(people.me.id)] != MISSING)
    rows = np.asarray(votes.rows)
    return rows[disputed & seen].tolist(), int((disputed & ~seen).sum())


def _progress(disputed: int, waiting: int, hidden: int) -> None:
    if disputed:
        done = disputed - waiting
        st.progress(done / disputed, text=f"{done:,} of {counted(disputed, 'disagreement')} settled")
    elif not hidden:
        parts.hint("Nobody disagrees yet. Texts to which two people give different answers appear here.")
    if hidden:
        st.caption(
            f"{counted(hidden, 'more disagreement')} will appear once you have answered the texts yourself, or they have all "
            "their answers: nobody sees the others' answers first."
        )


# ------------------------------------------------------------------------------------- one text


def _one(people: People, waiting: list[int]) -> None:
    cursor = int(st.session_state.get(CURSOR, -1))
    row = next((one for one in waiting if one >= cursor), waiting[0])
    twins = people.desk.twins(row)
    with st.container(border=True, key="settle_text"):
        words = f"Text {row + 1:,}"
        if twins:
            words += f" · the decision also counts for {counted(len(twins), 'identical text')}"
        st.caption(words)
        parts.text_block(people.desk.texts([row])[0], key="settle_block")
        _answers(people, row, twins)
    st.text_input(
        "Note (optional)",
        key=f"settle_note_{row}",
        max_chars=1000,
        placeholder="Why, for those who ask later",
    )
    if people.scheme.several:
        _choose_several(people, row)
    else:
        _choose_one(people, row)
    after = next((one for one in waiting if one > row), waiting[0])
    if len(waiting) > 1:
        st.button("Later", key="settle_later", on_click=_move, args=(after,), type="tertiary")


def _answers(people: People, row: int, twins: list[int]) -> None:
    """One column a person, as far as they go side by side."""
    given = _newest(people, {row, *twins})
    labels, colors = people.labels, people.colors()
    for begin in range(0, len(given), SIDE_BY_SIDE):
        columns = st.columns(min(SIDE_BY_SIDE, max(2, len(given))))
        for at, (column, answer) in enumerate(
            zip(columns, given[begin : begin + SIDE_BY_SIDE], strict=False)
        ):
            with column:
                flag = " · flagged" if answer.flagged else ""
                st.markdown(
                    f"**{escape_markdown(shorten(people.names.get(answer.annotator_id, '?'), 40))}**{flag}"
                )
                now = people.scheme.now(answer.labels)
                if answer.state is AnswerState.SKIPPED:
                    st.caption("skipped")
                elif now:
                    parts.class_chips(
                        [(labels[one], colors[one], None) for one in now], f"settle_chips_{begin + at}"
                    )
                else:
                    st.caption(
                        "no label applies" if people.scheme.several else "a label that was deleted since"
                    )
                if answer.note.strip():
                    parts.text_block(answer.note, key=f"settle_said_{begin + at}", max_height=120)


def _newest(people: People, rows: set[int]) -> list[Answer]:
    """Each person's newest answer to this text, in the order of the names."""
    newest: dict[str, Answer] = {}
    for answer in people.answers:
        if answer.row in rows and answer.state is not AnswerState.CLEARED:
            kept = newest.get(answer.annotator_id)
            if kept is None or kept.stamp < answer.stamp:
                newest[answer.annotator_id] = answer
    return sorted(newest.values(), key=lambda one: people.names.get(one.annotator_id, ""))


def _choose_one(people: People, row: int) -> None:
    """A button for each label, those that somebody gave first."""
    votes = people.votes
    codes = votes.codes[votes.rows.index(row)]
    people_for = Counter(codes[codes != MISSING].tolist())
    given = [votes.named(code)[0] for code in sorted(people_for, key=lambda one: (-people_for[one], one))]
    names = people.labels
    rest = [label for label in votes.labels if label not in given]
    buttons = given + (rest if len(given) + len(rest) <= BUTTONS else [])
    with st.container(horizontal=True, key="settle_labels"):
        for label in buttons:
            st.button(
                escape_markdown(shorten(names[label], 60)),
                key=f"settle_as_{label}",
                type="primary" if label in given else "secondary",
                on_click=_decide,
                args=(people, row, (label,)),
            )
    if len(buttons) < len(votes.labels):
        other = st.selectbox(
            "Another label", rest, None, format_func=names.__getitem__, key=f"settle_other_{row}",
            placeholder="Type to find one",
        )  # fmt: skip
        if other is not None:
            st.button(
                f"Decide: {escape_markdown(shorten(names[other], 60))}",
                key="settle_as_other",
                type="primary",
                on_click=_decide,
                args=(people, row, (other,)),
            )


def _choose_several(people: People, row: int) -> None:
    """What most of the people gave is chosen beforehand."""
    votes = people.votes
    codes = votes.codes[votes.rows.index(row)]
    held = votes.member[codes[codes != MISSING]].mean(axis=0)
    names = people.labels
    start = [label for label, share in zip(votes.labels, held, strict=True) if share > 0.5]
    st.multiselect(
        "Labels", votes.labels, start, format_func=names.__getitem__, key=f"settle_several_{row}",
        placeholder="No label applies",
    )  # fmt: skip
    st.button(
        "Decide",
        key="settle_decide",
        type="primary",
        on_click=_decide_several,
        args=(people, row),
    )


def _move(row: int) -> None:
    st.session_state[CURSOR] = row


def _decide_several(people: People, row: int) -> None:
    _decide(people, row, tuple(st.session_state[f"settle_several_{row}"]))


def _decide(people: People, row: int, labels: tuple[str, ...] | None) -> None:
    """Keep the decision for the text and those identical to it; then go on. `labels` None: withdrawn.

    The note is read now and not when the button was drawn: who types it and clicks at once means both.
    """
    note = "" if labels is None else str(st.session_state.get(f"settle_note_{row}") or "").strip()
    now = time.time()
    try:
        for one in (row, *people.desk.twins(row)):
            decision = Decision(one, labels, people.me.id, note, now)
            label_rows.decide(people.workspace.db, people.dataset.id, decision)
    except FinesiftError as error:
        st.session_state[FAULT] = str(error)
    else:
        _move(row if labels is None else row + 1)


# ------------------------------------------------------------------------------------- what was decided


def _settled(people: People, decisions: dict[int, Decision]) -> None:
    """The newest decisions, one for each distinct text; each can be withdrawn."""
    newest: dict[str, Decision] = {}
    for decision in sorted(decisions.values(), key=lambda one: (-one.at, one.row)):
        newest.setdefault(str(people.desk.hashes[decision.row]), decision)
    if not newest:
        return
    parts.section(
        "Settled", "The newest first. What is withdrawn waits again; the record stays in the trail."
    )
    most = int(st.session_state.get("settle_most", SETTLED))
    shown = list(newest.values())[:most]
    labels, colors = people.labels, people.colors()
    texts = people.desk.texts([decision.row for decision in shown])
    for at, (decision, text) in enumerate(zip(shown, texts, strict=True)):
        with st.container(border=True, key=f"settled_{at}"):
            left, middle, right = st.columns([5, 4, 2], vertical_alignment="center")
            with left:
                st.markdown(escape_markdown(shorten(text, 160)))
                by = people.names.get(decision.annotator_id, "somebody")
                note = f" · {shorten(decision.note, 200)}" if decision.note else ""
                st.caption(escape_markdown(f"{shorten(by, 40)}, {when_words(decision.at)}{note}"))
            with middle:
                now = people.scheme.now(decision.labels or ())
                if now:
                    parts.class_chips(
                        [(labels[one], colors[one], None) for one in now], f"settled_chips_{at}"
                    )
                else:
                    st.caption(
                        "No label applies" if people.scheme.several else "A label that was deleted since"
                    )
            with right:
                st.button(
                    "Withdraw", key=f"withdraw_{decision.row}", on_click=_decide,
                    args=(people, decision.row, None),
                )  # fmt: skip
    if len(newest) > most:
        st.button(
            f"Show more of {counted(len(newest), 'decision')}", key="settle_more", type="tertiary",
            on_click=lambda: _more(most),
        )  # fmt: skip


def _more(shown: int) -> None:
    st.session_state["settle_most"] = shown + 4 * SETTLED
