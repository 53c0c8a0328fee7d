"""The lessons “Why is it built so?”: one experiment each, on the user's sentence and the model's own numbers.

Knows the page's fields. Does not know how the experiments are computed (core.explain.lessons).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from core.errors import FinesiftError
from core.explain.subject import Piece, Subject
from core.workspace import Workspace
from ui import lesson_charts, parts, state
from ui.words import escape_markdown, percent, shorten

MOST_TOKENS = 20  # of the sentence that is drawn


def show(workspace: Workspace, subject: Subject, text: str) -> None:
    """One lesson at a time, for the user's own sentence."""
    picked = st.segmented_control(
        "Lesson",
        list(LESSONS),
        default=next(iter(LESSONS)),
        required=True,
        key="learn_lesson",
        label_visibility="collapsed",
    )
    piece = subject.read(text, most=MOST_TOKENS)
    if piece.cut:
        st.caption(f"Drawn for the first {len(piece)} tokens of the text.")
    try:
        LESSONS[str(picked)](subject, piece)
    except FinesiftError as error:
        parts.fault(error)


def _names(piece: Piece) -> list[str]:
    return list(piece.shown)


def _head(subject: Subject, key: str) -> tuple[int, int]:
    """The layer and head that a lesson takes its numbers from."""
    layers, heads = subject.shape
    own = layers if subject.averaging is None else subject.averaging
    left, right, _ = st.columns([1, 1, 3])
    layer = left.number_input("Layer", 1, own, value=min(2, own), key=f"{key}_layer")
    head = right.number_input("Head", 1, heads, value=1, key=f"{key}_head")
    return int(layer) - 1, int(head) - 1


# ------------------------------------------------------------------------------------- the lessons


def _scaling(subject: Subject, piece: Piece) -> None:
    from core.explain.lessons import saturation, softmax
    from core.explain.neuron import neuron

    parts.lesson(
        "Why divide by √d?",
        "The longer two vectors, the larger their product, by chance alone. Softmax of large numbers gives nearly everything to "
        "one token: whichever leads gets it all, and small changes no longer count (Vaswani et al. 2017, section 3.2.1).",
    )
    found = saturation()
    left, right = st.columns(2, gap="large")
    titles = {"divided by √d": "scaled", "as it is": "plain"}
    with left:
        st.markdown("**The largest of eight weights**")
        parts.chart(
            lesson_charts.bands(
                found.dims, {title: found.largest[name] for title, name in titles.items()},
                x_title="length d of the vectors", y_title="largest weight", theme=state.current_theme(), logarithmic=True,
            ),
            key="learn_saturation",
            alt="The largest weight grows towards 1 with d without scaling, and stays about the same with it.",
        )  # fmt: skip
    with right:
        st.markdown("**How much the weights still follow the scores**")
        parts.chart(
            lesson_charts.bands(
                found.dims, {title: found.slope[name] for title, name in titles.items()},
                x_title="length d of the vectors", y_title="slope of softmax", theme=state.current_theme(), logarithmic=True,
            ),
            key="learn_slope",
            alt="The slope of softmax falls towards zero with d without scaling, and stays the same with it.",
        )  # fmt: skip
    st.caption(
        "Random vectors, 400 draws each; bands hold nine tenths of the draws. Slope: trace of the softmax's derivative."
    )
    st.markdown("**The same in your sentence**")
    layer, head = _head(subject, "learn_scaling")
    numbers = neuron(subject, piece, layer, head)
    plain = softmax(numbers.scores / numbers.scale)
    parts.chart(
        lesson_charts.grids(
            [
                (f"divided by √{numbers.query.shape[1]}, as the model does", softmax(numbers.scores)),
                ("not divided", plain),
            ],
            _names(piece),
            _names(piece),
            theme=state.current_theme(),
        ),
        key="learn_scaling",
        alt="Two grids of attention weights, with and without scaling: without it, single cells take nearly all.",
    )


def _positions(subject: Subject, piece: Piece) -> None:
    from core.explain.lessons import shuffled

    parts.lesson(
        "Why positions?",
        "Attention compares every word with every word; nothing in it knows which came first. Order is added to the words "
        "as numbers of its own. Shuffle the words and see.",
    )
    turn = st.session_state.setdefault("learn_shuffle_turn", 0)
    if st.button("Shuffle again", key="learn_shuffle", icon=":material/shuffle:"):
        turn = st.session_state["learn_shuffle_turn"] = turn + 1
    found = shuffled(subject, piece, seed=turn)
    parts.token_chips(_names(piece), key="learn_order_before")
    parts.token_chips([piece.shown[at] for at in found.order], key="learn_order_after")
    st.markdown("**How far each token's meaning moves**")
    parts.chart(
        lesson_charts.bars(
            _names(piece),
            {"with positions": found.moved, "positions left out": found.moved_without},
            y_title="cosine distance of its last state",
            theme=state.current_theme(),
        ),
        key="learn_moved",
        alt="With positions every token's state moves when the words are shuffled; without, none does.",
    )
    if found.answers is None:
        st.caption(
            "Positions left out: the model's position embeddings are set to zero. No token moves then, whatever the order."
        )
        return
    best = int(found.answers[0].argmax())
    told = [percent(float(row[best])) for row in found.answers]
    st.caption(
        f"The answer “{escape_markdown(shorten(subject.labels[best], 60))}”: {told[0]} as written, {told[1]} shuffled; with the position "
        f"embeddings set to zero, {told[2]} and {told[3]}: the same, whatever the order."
    )


def _heads(subject: Subject, piece: Piece) -> None:
    from core.explain.lessons import spread

    parts.lesson(
        "Why many heads?",
        "One head gives each word one set of weights. Several heads can look at several things at once: the word before, the noun it "
        "belongs to, the end of the sentence.",
    )
    names = {at: f"{at + 1}. {name}" for at, name in enumerate(piece.shown)}
    layers, _ = subject.shape
    own = layers if subject.averaging is None else subject.averaging
    left, right, _ = st.columns([1, 2, 2])
    layer = left.number_input("Layer", 1, own, value=min(2, own), key="learn_heads_layer")
    inner = [at for at in names if not piece.special[at]] or list(names)
    token = right.selectbox(
        "Word", list(names), format_func=lambda at: names[at], index=inner[len(inner) // 2], key="learn_heads_token"
    )  # fmt: skip
    weights, _ = subject.attend(piece)
    chosen = weights[int(layer) - 1]
    found = spread(chosen, int(token))
    rows = [f"head {h + 1}" for h in range(len(chosen))]
    parts.chart(
        lesson_charts.grids(
            [
                (
                    f"where “{piece.shown[int(token)]}” looks, by head",
                    np.vstack([chosen[:, int(token)], chosen[:, int(token)].mean(axis=0)]),
                )
            ],
            [*rows, "average"],
            _names(piece),
            theme=state.current_theme(),
            row_title="",
        ),
        key="learn_heads",
        alt="Each row is one head's weights for the chosen word; the last row is their average.",
    )
    places = len(set(found.top))
    st.caption(
        f"These {len(rows)} heads look most at {places} different tokens. A head is spread over "
        f"{float((2**found.entropy).mean()):.1f} tokens on average; one head that did what all do together would be spread over "
        f"{2**found.entropy_of_mean:.1f} (2 to the power of the entropy in bits)."
    )


def _masking(subject: Subject, piece: Piece) -> None:
    from core.explain.lessons import causal, padded, softmax
    from core.explain.neuron import neuron

    parts.lesson(
        "What does a mask do?",
        "A mask sets scores to minus infinity before softmax: those tokens get nothing, and the others share the whole. Padding, "
        "which only fills a batch, is masked so; and a model that writes may not look at what comes next.",
    )
    layer, head = _head(subject, "learn_masking")
    scores = neuron(subject, piece, layer, head).scores
    count = len(piece)
    last = min(3, max(1, count - 1))
    parts.chart(
        lesson_charts.grids(
            [
                ("no mask: an encoder", softmax(scores)),
                ("causal mask: a writer", softmax(scores, causal(count))),
                (f"padding: the last {last} masked", softmax(scores, padded(count, last))),
            ],
            _names(piece),
            _names(piece),
            theme=state.current_theme(),
        ),
        key="learn_masking",
        alt="The same scores under three masks: all tokens, only those before, and without the last ones.",
    )
    st.caption("The same queries and keys each time: those of this head for your sentence.")


def _crossing(subject: Subject, piece: Piece) -> None:
    from core.explain.lessons import crossed, softmax
    from core.explain.neuron import neuron

    parts.lesson(
        "Self-attention and cross-attention",
        "In self-attention queries and keys come from the same text. In cross-attention the queries come from another text: so a "
        "translator that writes looks back at what it translates (Bahdanau et al. 2015; Vaswani et al. 2017, section 3.2.3).",
    )
    other = st.text_input(
        "Another text, which asks", "Was the payment taken twice?", key="learn_cross_text", max_chars=300
    )
    if not other.strip():
        parts.hint("There is no other text yet. Type one above.")
        return
    layer, head = _head(subject, "learn_crossing")
    asking = subject.read(other, most=MOST_TOKENS)
    first, second = neuron(subject, piece, layer, head), neuron(subject, asking, layer, head)
    left, right = st.columns(2, gap="large")
    with left:
        parts.chart(
            lesson_charts.grids(
                [("self-attention", softmax(first.scores))],
                _names(piece), _names(piece), theme=state.current_theme(),
            ),
            key="learn_self",
            alt="The sentence's tokens by row and by column.",
        )  # fmt: skip
    with right:
        parts.chart(
            lesson_charts.grids(
                [("cross-attention", crossed(second.query, first.key, second.scale))],
                _names(asking), _names(piece), theme=state.current_theme(),
            ),
            key="learn_cross",
            alt="The other text's tokens by row, the sentence's tokens by column.",
        )  # fmt: skip
    st.caption(
        "Right, the queries of the other text against the keys of yours, through this head. An encoder never learnt to do that: the "
        "picture shows the mechanism, not a translation. For real cross-attention choose a translation model on the Attention page."
    )


LESSONS: dict[str, Callable[[Subject, Piece], None]] = {
    "Why divide by √d?": _scaling,
    "Why positions?": _positions,
    "Why many heads?": _heads,
    "What does a mask do?": _masking,
    "Self and cross": _crossing,
}
