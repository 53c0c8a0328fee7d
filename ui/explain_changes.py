"""What would change an answer: the fewest words left out, or replaced, that flip it, found by trying.

Knows the search's two kinds and how a flip is shown. Does not know how the search goes.
"""

from __future__ import annotations

import streamlit as st

from core.errors import FinesiftError
from core.explain.counterfactual import SECONDS, Flip, Outcome, deletions, goal_of, replacements
from core.explain.edits import vocabulary
from core.workspace import Workspace
from ui import explain_work, parts, state
from ui.attention_asked import Asked, origin
from ui.colors import class_colors
from ui.components.words import show_edits
from ui.explain_work import Answer
from ui.words import counted, escape_markdown, percent

ANY = ""
READ = 2000  # training texts whose words may be put in


def show(workspace: Workspace, asked: Asked, answer: Answer) -> None:
    """The view."""
    parts.section(
        "What would change the answer?",
        "The fewest words whose leaving out, or whose exchange for words of the training texts, makes the model answer "
        "otherwise (Martens & Provost 2014; Ebrahimi et al. 2018). Each text is read by the model as it stands here.",
    )
    if answer.piece.word_count == 0:
        parts.hint(f"{answer.subject.name} reads no word in this text, so there is nothing to change.")
        return
    label, wanted = _asked(answer)
    key = ("flips", *answer.key, label, wanted)
    found = explain_work.known(key)
    if found is None:
        st.caption(f"Takes some seconds, {2 * int(SECONDS)} at most.")
        if not st.button("Search", type="primary", key="explain_search", icon=":material/search:"):
            return
        try:
            explain_work.kept(key, lambda: _search(workspace, asked, answer, label, wanted))
        except FinesiftError as error:
            parts.fault(error)
            return
        st.rerun()  # without the button
    _drawn(answer, label, *found)


def _asked(answer: Answer) -> tuple[str | None, str | None]:
    """Several labels: the label that is to be switched; else the class that the answer is to become."""
    if answer.thresholds is not None:
        ranked = answer.ranked
        _within("explain_switch", ranked)
        now = {answer.labels[c] for c in answer.chosen}
        label = st.selectbox(
            "Label to switch", ranked, key="explain_switch", width=320,
            format_func=lambda name: f"{name} · {'holds' if name in now else 'does not hold'}",
        )  # fmt: skip
        return str(label), None
    others = [ANY, *answer.ranked[1:]]
    _within("explain_wanted", others)
    wanted = st.selectbox(
        "The answer is to become", others, key="explain_wanted", width=320,
        format_func=lambda name: name or "any other class",
    )  # fmt: skip
    return None, wanted or None


def _within(key: str, options: list[str]) -> None:
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def _search(
    workspace: Workspace, asked: Asked, answer: Answer, label: str | None, wanted: str | None
) -> tuple[Outcome, Outcome | None]:
    """Leaving out and, where the training texts are there, replacing."""
    limit = 0.5
    if answer.thresholds is not None and label is not None:
        limit = min(max(answer.thresholds[answer.labels.index(label)], 1e-6), 1 - 1e-6)
    goal = goal_of(answer.subject, answer.logits, label, wanted, limit)
    left_out = explain_work.watch(deletions(answer.subject, answer.piece, goal), "Leaving words out")
    words = _vocabulary(workspace, asked, answer)
    if not words:
        return left_out, None
    work = replacements(answer.subject, answer.piece, goal, words)
    return left_out, explain_work.watch(work, "Replacing words")


def _vocabulary(workspace: Workspace, asked: Asked, answer: Answer) -> list[str]:
    """Words of the training texts; none where the data set is gone."""
    _, dataset = origin(workspace, asked)
    if dataset is None:
        return []
    place, changed, *_ = answer.key

    def gather() -> list[str]:
        with st.spinner("Gathering the words of the training texts."):
            _, texts, _ = workspace.part_texts(dataset.id, "train")
            return vocabulary(answer.subject, texts[:: max(1, -(-len(texts) // READ))])

    return explain_work.kept(("vocabulary", place, changed, dataset.id), gather)


# ------------------------------------------------------------------------------------- drawing


def _drawn(answer: Answer, label: str | None, left_out: Outcome, replaced: Outcome | None) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Words left out**")
        _outcome(answer, label, left_out, "explain_left_out")
    with right:
        st.markdown("**Words replaced**")
        if replaced is None:
            parts.hint(
                "The data set that the model was trained on is not here, so there are no words of its texts to put in."
            )
        else:
            _outcome(answer, label, replaced, "explain_replaced")
    st.caption(
        "A text that flips the answer need not be good language: words are tried for what the model makes of them, not "
        "for their sense."
    )


def _outcome(answer: Answer, label: str | None, found: Outcome, key: str) -> None:
    if not found.flips:
        parts.hint(found.ended)
        return
    size = len(found.flips[0].edits)
    proof = "fewer do not: all were tried" if found.smallest and size > 1 else ""
    if size > 1 and not found.smallest:
        proof = "fewer were not found to, but not all were tried"
    told = f"{counted(size, 'word')} {'is' if size == 1 else 'are'} enough"
    st.caption(escape_markdown(f"{told}{f' ({proof})' if proof else ''}. {found.tried:,} texts were tried."))
    for number, flip in enumerate(found.flips):
        show_edits(explain_work.written(answer.piece), [flip.edits], key=f"{key}_{number}")
        _new_answer(answer, label, flip, f"{key}_answer_{number}")


def _new_answer(answer: Answer, label: str | None, flip: Flip, key: str) -> None:
    """What the model makes of the changed text."""
    probabilities = answer.subject.probabilities(flip.logits[None])[0]
    colors = class_colors(answer.labels, state.current_theme())
    if label is not None:
        at = answer.labels.index(label)
        before = float(answer.probabilities[at])
        parts.class_chips(
            [(label, colors[label], f"{percent(before)} → {percent(float(probabilities[at]))}")], key
        )
        return
    at = int(flip.logits.argmax())
    name = answer.labels[at]
    parts.class_chips([(name, colors[name], percent(float(probabilities[at])))], key)
