"""The lesson “Attention and recurrence”: the same sentence read both ways, the path between two words, and a race.

Knows the page's fields. Does not know how either network computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core import jobs
from core.explain.nouns import Findings
from core.explain.subject import Piece, Subject
from core.records import Job, JobState, Measured
from core.workspace import Workspace
from ui import lesson_charts, parts, state
from ui.study import study
from ui.words import escape_markdown, interval_words

MOST_WORDS = 24  # of the sentence that is drawn
FACTS, FILLER = (1, 2, 3, 4, 6, 8), (0, 5, 10, 20, 40, 80)
STEPS = 1200


def show(workspace: Workspace, subject: Subject, text: str) -> None:
    """The lesson, for the user's own sentence."""
    piece = subject.read(text)
    _way(piece)
    st.divider()
    _reading(subject, piece)
    st.divider()
    _race(workspace)


# ------------------------------------------------------------------------------------- the way between two words


def _way(piece: Piece) -> None:
    parts.lesson(
        "How far is it from one word to another?",
        "A recurrent network reads one word at a time: what it knows of the first must survive every step to the last. "
        "With attention each word reads every other in one step (Vaswani et al. 2017, table 1).",
    )
    words = piece.word_list()[:MOST_WORDS]
    if len(words) < 2:
        parts.hint("This text has a single word. With two or more there is a way to draw.")
        return
    names = {at: f"{at + 1}. {word}" for at, word in enumerate(words)}
    left, right = st.columns(2)
    one = left.selectbox("From", list(names), format_func=lambda at: names[at], index=0, key="learn_way_from")
    other = right.selectbox(
        "To", list(names), format_func=lambda at: names[at], index=len(names) - 1, key="learn_way_to"
    )
    steps = abs(int(one) - int(other))
    parts.chart(
        lesson_charts.paths(words, int(one), int(other), theme=state.current_theme()),
        key="learn_way",
        alt=f"From “{words[int(one)]}” to “{words[int(other)]}”: {steps} steps in a recurrent network, one by attention.",
    )


# ------------------------------------------------------------------------------------- one sentence, read both ways


def _reading(subject: Subject, piece: Piece) -> None:
    parts.lesson(
        "The same sentence, read both ways",
        "Left, an LSTM after each word: how much every word before still moves its state. Right, one layer of the model: "
        "every word reads all words at once, the last ones included.",
    )
    recurrent, attention, words = _both(subject, piece)
    parts.chart(
        lesson_charts.grids(
            [("LSTM, after reading …", recurrent), ("attention, average of the last layer", attention)],
            words,
            words,
            theme=state.current_theme(),
            row_title="word",
            top=float(max(recurrent.max(), attention.max())),
        ),
        key="learn_reading",
        alt="Two grids of words by words: shares of each word in what an LSTM's state, and a word's attention, depend on.",
    )
    st.caption(
        "The LSTM is as wide as the model, reads the model's own word vectors and is untrained (forget gates opened by a bias of 1): "
        "what is seen is how its steps thin out what came first, not what a trained one would choose to keep. Shares of each row "
        "sum to one; for the LSTM they come from the gradient of its state."
    )


def _both(subject: Subject, piece: Piece) -> tuple[Any, Any, list[str]]:
    """(W, W) shares of both, by words, and the words."""
    from core.explain.race import influence

    key = (subject.name, piece.text, piece.pair)
    if st.session_state.get("learn_reading_of") != key:
        weights, _ = subject.attend(piece)
        layer = len(weights) - 1 if subject.averaging is None else subject.averaging - 1
        mean = weights[layer].mean(axis=0)
        by_column = piece.by_word(mean)
        rows = np.asarray(
            [by_column[piece.words == w].mean(axis=0) for w in range(piece.word_count)], dtype=np.float64
        )
        rows = rows[:MOST_WORDS, :MOST_WORDS]
        rows /= np.maximum(rows.sum(axis=-1, keepdims=True), 1e-12)
        states = subject.word_vectors(piece)
        vectors = np.asarray([states[piece.words == w].mean(axis=0) for w in range(piece.word_count)])
        st.session_state["learn_reading_of"] = key
        st.session_state["learn_reading_is"] = (np.asarray(list(influence(vectors[:MOST_WORDS]))), rows)
    recurrent, attention = st.session_state["learn_reading_is"]
    return recurrent, attention, piece.word_list()[:MOST_WORDS]


# ------------------------------------------------------------------------------------- the race


def _race(workspace: Workspace) -> None:
    parts.lesson(
        "A race",
        "Both learn, from scratch and from the same texts, to answer a question about facts told before. Their sizes are the "
        "same: some 22,000 weights each.",
    )
    from core.explain.race import facts

    left, right = st.columns(2)
    count = left.select_slider(
        "Facts to remember", FACTS, value=3, key="learn_race_facts",
        help="More facts: the LSTM has to keep all of them in one state, since it does not know yet which will be asked for.",
    )  # fmt: skip
    filler = right.select_slider(
        "Words in between", FILLER, value=5, key="learn_race_filler",
        help="More words that say nothing between the facts and the question: a longer way for the LSTM, the same for attention.",
    )  # fmt: skip
    asked = {"facts": int(count), "filler": int(filler), "steps": STEPS}
    st.caption(f"For example: “{escape_markdown(facts(1, int(count), 2, int(filler)).words(0))}”")
    job = jobs.find_study(workspace, "race", asked)
    if job is not None and job.state in (JobState.RUNNING, JobState.STOPPING):
        st.fragment(_live, run_every=1.0)(workspace, job)
    study(
        workspace,
        "race",
        asked,
        key="learn_race",
        button="Start the race",
        sentence="Takes about half a minute on two processor cores.",
        draw=lambda found: _finish(workspace, job, found),
        name="Attention and an LSTM",
        page="learn",
    )


def _curves(workspace: Workspace, job: Job) -> dict[str, list[Measured]]:
    from core.explain.race import MODELS

    curves: dict[str, list[Measured]] = {name: [] for name in MODELS}
    for stored in workspace.events_after(job.id):
        if isinstance(stored.event, Measured):
            curves[stored.event.name].append(stored.event)
    return curves


def _live(workspace: Workspace, job: Job) -> None:
    from core.explain.race import CHANCE, TITLES

    curves = _curves(workspace, job)
    if any(curves.values()):
        figure = lesson_charts.race(curves, TITLES, CHANCE, STEPS, theme=state.current_theme())
        parts.chart(
            figure, key="learn_race_live", alt="Right answers over steps, for attention and for an LSTM."
        )


def _finish(workspace: Workspace, job: Job | None, found: Findings) -> None:
    from core.explain.race import CHANCE, TITLES

    models = found.summary["models"]
    items: list[tuple[str, str, str | None]] = [
        (
            title,
            interval_words(*models[name]["accuracy"]),
            f"{models[name]['parameters']:,} weights, {models[name]['seconds']:.0f} s of learning; measured on "
            f"{found.summary['texts']:,} new texts, with the 95 % interval.",
        )
        for name, title in TITLES.items()
    ]
    parts.figures(items, key="learn_race")
    if job is not None:
        figure = lesson_charts.race(
            _curves(workspace, job), TITLES, CHANCE, STEPS, theme=state.current_theme()
        )
        parts.chart(
            figure, key="learn_race_done", alt="Right answers over steps, for attention and for an LSTM."
        )
    st.caption(
        "An LSTM can learn this too, with few facts and a short way; the more it must carry and the longer the way, the later. "
        "Attention was put beside a recurrent network for this very reason (Bahdanau et al. 2015), and then took its place "
        "(Vaswani et al. 2017)."
    )
