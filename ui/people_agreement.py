"""How far people agree: overall, per label, between two of them, over time, and who is right how often."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.labels.agreement import (
    RELIABLE,
    TENTATIVE,
    Agreement,
    PairAgreement,
    confusion,
    drift,
    landis_koch,
    meaning,
)
from core.labels.consensus import METHODS, decided
from core.records import Interval
from core.store import labels as label_rows
from ui import parts, people_charts, state
from ui.people_charts import coefficient_words
from ui.people_data import People
from ui.words import counted, escape_markdown, interval_words

MOST = 40  # labels in one picture
METHOD_WORDS = {"majority": "Majority of the others", "dawid-skene": "Dawid-Skene"}


def show(people: People) -> None:
    found = people.agreement()
    if found is None:
        parts.hint(
            "No text has answers of two people yet. Set the people for each text to two or more, let somebody else "
            "label too, and agreement appears here."
        )
        return
    _overall(found)
    _labels(people, found)
    if found.pairs:
        _two(people, found)
    _over_time(people, found)
    _reliability(people)


# ------------------------------------------------------------------------------------- overall


def _overall(found: Agreement) -> None:
    exact = (
        "Pairs of answers with exactly the same labels."
        if found.several
        else "Pairs of answers that are the same."
    )
    fleiss_on = f"On the {counted(found.fleiss_texts, 'text')} with {found.fleiss_people} answers each."
    parts.figures(
        [
            ("Same answer", interval_words(found.percent), exact),
            ("Krippendorff's alpha", coefficient_words(found.alpha), "Agreement beyond chance; 1 is perfect, 0 is chance. Missing answers are allowed."),
            ("Fleiss' kappa", coefficient_words(found.fleiss), f"Agreement beyond chance. {fleiss_on}"),
        ],
        key="people_agreement",
    )  # fmt: skip
    words = meaning(found.alpha)
    if found.alpha is not None:
        words += f" Landis and Koch (1977) would say “{landis_koch(found.alpha.value)}”, which is a habit and no test."
    st.markdown(escape_markdown(words))
    rule = (
        " Alpha and kappa are computed for each label, on whether it was given, and averaged." * found.several
    )
    st.caption(
        escape_markdown(
            f"{counted(found.texts, 'text')} with two or more answers by {counted(len(found.people), 'person', 'people')}, "
            f"on {interval_words(found.unanimous)} of them nobody disagrees; identical texts that got an answer together count once. In brackets: 95 % intervals, {found.resamples:,} bootstrap resamples of the texts.{rule}"
        )
    )


def _labels(people: People, found: Agreement) -> None:
    """The labels that agree least first: there the definitions need work."""
    known = [(one, one.alpha) for one in found.labels if one.alpha is not None]
    if len(known) < 2:
        return
    parts.section("By label", "Each label against the rest. At the top: where people agree least.")
    names = people.labels
    ranked = sorted(known, key=lambda pair: pair[1].value)
    shown = ranked[:MOST]
    parts.chart(
        people_charts.intervals(
            [names.get(one.label, one.label) for one, _ in shown],
            [alpha for _, alpha in shown],
            [
                f"given to {counted(one.texts, 'text')}, {interval_words(one.percent)} same"
                for one, _ in shown
            ],
            title="Krippendorff's alpha",
            marks=((TENTATIVE, "tentative"), (RELIABLE, "reliable")),
            theme=state.current_theme(),
            revision="alpha_by_label",
        ),
        key="people_labels",
        alt=f"Alpha of each label with its interval, {names.get(ranked[0][0].label, '')} the lowest",
    )
    if len(ranked) > MOST:
        st.caption(f"The {MOST} lowest of {counted(len(ranked), 'label')}; all are in the table.")
    with st.expander("As a table", key="people_labels_more"):
        st.dataframe(
            pd.DataFrame(
                {
                    "Label": [names.get(one.label, one.label) for one in found.labels],
                    "Given to texts": [one.texts for one in found.labels],
                    "Same answer": [interval_words(one.percent) for one in found.labels],
                    "Alpha": [coefficient_words(one.alpha) for one in found.labels],
                    "Fleiss' kappa": [coefficient_words(one.fleiss) for one in found.labels],
                }
            ),
            hide_index=True,
            key="people_labels_table",
            alt="Agreement on each label with intervals",
        )


# ------------------------------------------------------------------------------------- two people


def _two(people: People, found: Agreement) -> None:
    parts.section("Two people", "What one said, and what the other said of the same texts.")
    _pair_table(people, found.pairs)
    ids = list(found.people)
    names = _different([people.names.get(one, one) for one in ids])
    shown = dict(zip(ids, names, strict=True))
    most = max(found.pairs, key=lambda pair: pair.texts)
    left, right = st.columns(2)
    with left:
        first = st.selectbox(
            "By row", ids, ids.index(most.first), format_func=shown.__getitem__, key="people_first"
        )
    others = [one for one in ids if one != first]
    default = others.index(most.second) if most.second in others else 0
    with right:
        second = st.selectbox(
            "By column", others, default, format_func=shown.__getitem__, key="people_second"
        )
    if first is None or second is None:
        return
    cells = confusion(people.apart, first, second)
    if not cells.sum():
        parts.hint("These two have no text in common yet.")
        return
    labels = [people.labels[label] for label in people.votes.labels]
    draw = people_charts.presence_of_two if people.votes.several else people_charts.confusion_of_two
    parts.chart(
        draw(cells, labels, shown[first], shown[second], theme=state.current_theme()),
        key="people_confusion",
        alt=f"How often {shown[first]} and {shown[second]} gave the same or different labels",
    )
    if not people.votes.several:
        st.caption(
            "The stronger the colour of a cell, the larger its share of the row; on the diagonal both said the same."
        )


def _pair_table(people: People, pairs: Sequence[PairAgreement]) -> None:
    def name(person: str) -> str:
        return people.names.get(person, person)

    ranked = sorted(pairs, key=lambda pair: 2.0 if pair.kappa is None else pair.kappa.value)
    st.dataframe(
        pd.DataFrame(
            {
                "One": [name(pair.first) for pair in ranked],
                "Other": [name(pair.second) for pair in ranked],
                "Texts": [pair.texts for pair in ranked],
                "Same answer": [interval_words(pair.percent) for pair in ranked],
                "Cohen's kappa": [coefficient_words(pair.kappa) for pair in ranked],
            }
        ),
        hide_index=True,
        height="auto" if len(ranked) <= 6 else 260,
        key="people_pairs",
        alt="Agreement of every two people with intervals, the least first",
    )


def _different(names: Sequence[str]) -> list[str]:
    """Names as options of a select box; the same name twice gets a number."""
    return [
        f"{name} ({names[:at].count(name) + 1})" if name in names[:at] else name
        for at, name in enumerate(names)
    ]


# ------------------------------------------------------------------------------------- over time, and reliability


def _over_time(people: People, found: Agreement) -> None:
    parts.section("Over time", "Who begins to label otherwise is seen here, in the order of his answers.")
    ids = list(found.people)
    shown = dict(zip(ids, _different([people.names.get(one, one) for one in ids]), strict=True))
    start = ids.index(people.me.id) if people.me.id in ids else 0
    picked = st.selectbox("Person", ids, start, format_func=shown.__getitem__, key="people_drift_of")
    if picked is None:
        return
    windows = drift(people.apart, picked)
    if len(windows) < 2:
        parts.hint("There are too few texts of this person with other answers beside: 20 show a first trend.")
        return
    parts.chart(
        people_charts.drift(windows, shown[picked], theme=state.current_theme()),
        key="people_drift",
        alt=f"Share of texts on which {shown[picked]} agrees with the others, in the order of the answers",
    )
    trend = _trend(windows[0].agreement, windows[-1].agreement, shown[picked])
    st.caption(escape_markdown(f"{trend} The band is the 95 % interval (Wilson), the dotted line the mean."))


def _trend(begin: Interval, end: Interval, name: str) -> str:
    if end.high < begin.low:
        return f"{name} agrees with the others less than at the start: look at the newest disagreements together."
    if end.low > begin.high:
        return f"{name} agrees with the others more than at the start."
    return "Between the first and the last stretch there is no difference beyond chance."


def _reliability(people: People) -> None:
    parts.section("Who is right how often", "An estimate: nobody knows the truth, only what people say.")
    method = st.segmented_control(
        "Measured by",
        METHODS,
        default=METHODS[0],
        required=True,
        key="people_method",
        format_func=METHOD_WORDS.__getitem__,
        help="Majority: how often a person says what most of the others say. Dawid-Skene (1979): labels and each "
        "person's errors are estimated together; the interval leaves out what the estimation itself adds.",
    )
    found = people.consensus(str(method or METHODS[0]))
    known = [one for one in found.reliability if one.value == one.value]
    if not known:
        parts.hint("Nobody's answers can be compared with a majority of others yet.")
        return
    ranked = sorted(known, key=lambda one: -one.value)
    parts.chart(
        people_charts.intervals(
            [people.names.get(one.person, one.person) for one in ranked],
            [Interval(one.value, one.low, one.high) for one in ranked],
            [f"from {counted(one.answers, 'answer')}" for one in ranked],
            title="right, estimated" if method == "dawid-skene" else "same as most of the others",
            shares=True,
            theme=state.current_theme(),
            revision=f"reliability_{method}",
        ),
        key="people_reliability",
        alt="How often each person is estimated to be right, with intervals",
    )
    decisions = label_rows.decisions(people.workspace.db, people.dataset.id)
    if ties := decided(found, decisions, people.scheme).ties:
        st.caption(f"{counted(ties, 'text')} tied: settle them under “Settle disagreements”.")
