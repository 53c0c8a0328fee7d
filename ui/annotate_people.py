"""Annotate, People: to how many people each text goes, who did what, how far they agree, and what is to be settled."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import FinesiftError
from core.evaluation.metrics import wilson
from core.labels.nouns import Annotator, Answer, AnswerState, Plan, Source
from core.records import Dataset
from core.store import labels as label_rows
from core.workspace import Workspace
from ui import parts, people_agreement, people_settle
from ui.people_data import People, read
from ui.words import count_words, counted, interval_words, number_words, when_words

MOST_PEOPLE = 50
SHARES = (0, 5, 10, 15, 20, 30)  # per cent of the texts, for the evaluation part
LONGEST = 300.0  # seconds on one text that count as work; beyond it somebody was away
COLUMNS = {
    "Labelled": "Texts, copies left out.",
    "Last answer": None,
    "Texts an hour": f"While at work: a text counts with at most {LONGEST / 60:.0f} minutes.",
    "Suggestions taken": "Accepted of all that were shown, with the 95 % interval (Wilson). Near 100 % may also mean that "
    "suggestions are not read: then hide them for a while.",
    "Accepted": "A suggestion was shown, and taken.",
    "Changed": "A suggestion was shown, and another label given.",
    "Alone": "No suggestion was shown.",
    "In bulk": "Given to many texts at once.",
    "Imported": None,
    "Copied": "Given to identical texts together with the first.",
    "Skipped": None,
    "Flagged": None,
}
IF_ANY = ("Accepted", "Changed", "Alone", "In bulk", "Imported", "Copied", "Skipped", "Flagged")


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    people = read(workspace, dataset, me)
    if people is None:
        parts.hint("Make the labels first: then several people can use them.")
        return
    _plan(people)
    who, agreement, settle = st.tabs(
        ["Who did what", "Agreement", "Settle disagreements"], key="people_tabs", on_change="rerun"
    )
    if who.open:
        with who:
            _who(people)
    if agreement.open:
        with agreement:
            people_agreement.show(people)
    if settle.open:
        with settle:
            people_settle.show(people)


# ------------------------------------------------------------------------------------- to how many people


def _plan(people: People) -> None:
    plan = people.desk.plan()
    st.session_state["people_k"] = plan.people

    def set_to(key: str, field: str, scale: float = 1) -> None:
        value = st.session_state[key]
        wanted = value if isinstance(value, bool) else int(value) / scale if scale != 1 else int(value)
        changed: dict[str, Any] = {field: wanted}
        try:
            label_rows.set_plan(people.workspace.db, replace(people.desk.plan(), **changed))
        except FinesiftError as error:
            st.session_state["people_fault"] = str(error)

    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="people_plan"):
        st.number_input(
            "People for each text",
            1,
            MOST_PEOPLE,
            key="people_k",
            on_change=set_to,
            args=("people_k", "people"),
            width=190,
            help="Each text is given to so many people, and nobody sees the others' answers first. You may change "
            "it at any time: with more people, texts that were finished are given out again; with fewer, nothing "
            "that was answered is lost.",
        )
        with st.popover("More", key="people_more"):
            _more(plan, set_to)
        st.caption(_how_far(people, plan.people))
    if fault := st.session_state.pop("people_fault", None):
        parts.fault(fault)


def _more(plan: Plan, set_to: Callable[..., None]) -> None:
    """What holds for everybody who labels this data set, and is seldom changed."""
    now = round(100 * plan.evaluation_share)
    st.session_state["people_share"] = now
    st.session_state["people_suggest"], st.session_state["people_spread"] = plan.suggestions, plan.spread
    st.select_slider(
        "Evaluation part, per cent of the texts",
        sorted({*SHARES, now}),
        key="people_share",
        on_change=set_to,
        args=("people_share", "evaluation_share", 100),
        help="Drawn at random, labelled without suggestions and never learnt from: it tells how good the model is. Better "
        "set before labelling begins: a text that joins later may have been labelled with a suggestion.",
    )
    st.toggle(
        "Suggest labels",
        key="people_suggest",
        on_change=set_to,
        args=("people_suggest", "suggestions"),
        help="Off: nobody sees what the model thinks, which keeps answers free of it. Each person can also hide suggestions.",
    )
    st.toggle(
        "Label identical texts together",
        key="people_spread",
        on_change=set_to,
        args=("people_spread", "spread"),
        help="Texts that are the same to the letter get the answer of the first; undo takes it back from all.",
    )


def _how_far(people: People, wanted: int) -> str:
    said = [a.row for a in people.answers if a.state is not AnswerState.CLEARED]
    per_text = np.bincount(np.asarray(said, dtype=np.int64), minlength=people.desk.rows)
    texts = int(people.desk.labelable.sum())
    full, begun = int((per_text >= wanted).sum()), int(((per_text > 0) & (per_text < wanted)).sum())
    if wanted == 1:
        words = f"{count_words(full)} of {counted(texts, 'text')} answered."
        if not (per_text > 1).any():
            words += " With one person for each text, agreement cannot be measured."
        return words
    words = f"{count_words(full)} of {counted(texts, 'text')} answered by {wanted} people"
    return f"{words}, {count_words(begun)} by fewer so far." if begun else f"{words}."


# ------------------------------------------------------------------------------------- who did what


def _who(people: People) -> None:
    by_person: dict[str, list[Answer]] = defaultdict(list)
    for answer in people.answers:
        if answer.state is not AnswerState.CLEARED:
            by_person[answer.annotator_id].append(answer)
    if not by_person:
        parts.hint("Nobody has answered anything yet. Begin under Label; this page fills by itself.")
        return
    ranked = sorted(by_person.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    table = pd.DataFrame([_line(people.names.get(person, person), answers) for person, answers in ranked])
    empty = [name for name in IF_ANY if not table[name].any()]
    st.dataframe(
        table.drop(columns=empty),
        hide_index=True,
        key="people_who",
        alt="Who answered how much, and how the answers came about",
        column_config={
            name: st.column_config.NumberColumn(format="localized", help=help_text)
            if name in IF_ANY or name == "Labelled"
            else st.column_config.TextColumn(help=help_text)
            for name, help_text in COLUMNS.items()
            if name not in empty
        },
    )
    if empty:
        st.caption(f"Nothing yet: {', '.join(name.lower() for name in empty)}.")


def _line(name: str, answers: Sequence[Answer]) -> dict[str, object]:
    own = [a for a in answers if a.source is not Source.SPREAD]
    labelled = [a for a in own if a.state is AnswerState.LABELLED]
    by = Counter(a.source for a in labelled)
    accepted, shown = by[Source.ACCEPTED], by[Source.ACCEPTED] + by[Source.CHANGED]
    timed = [min(a.seconds, LONGEST) for a in own if a.seconds]
    return {
        "Person": name,
        "Labelled": len(labelled),
        "Last answer": when_words(max((a.at for a in answers), default=None)),
        "Texts an hour": number_words(3600 * len(timed) / sum(timed)) if timed else "–",
        "Suggestions taken": interval_words(wilson(accepted, shown)) if shown else "–",
        "Accepted": accepted,
        "Changed": by[Source.CHANGED],
        "Alone": by[Source.ALONE],
        "In bulk": by[Source.BULK],
        "Imported": by[Source.IMPORTED],
        "Copied": len(answers) - len(own),
        "Skipped": sum(a.state is AnswerState.SKIPPED for a in own),
        "Flagged": sum(a.flagged for a in own),
    }
