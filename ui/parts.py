"""The pieces that every page is built from: header, empty state, fault, pickers, dialogs, texts, charts.

Knows Streamlit and the records; knows nothing of how anything is computed or stored. Whatever a user typed
or uploaded reaches the screen through `escape_markdown`, a data frame, or `textContent`: never as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

import plotly.graph_objects as go
import streamlit as st

from core.errors import FinesiftError
from core.models.catalogue import CATALOGUE
from core.records import Dataset, JobState, Model, Run
from core.workspace import Workspace
from ui import state
from ui.components.texts import show_texts
from ui.words import counted, escape_markdown, shorten, state_words, when_words

# ------------------------------------------------------------------------------------- the page


def page_header(title: str, sentence: str, *, help_url: str | None = None) -> None:
    """The name of the page and one sentence on what it is for, with a link into the guide."""
    with st.container(key="page_header", gap="small"):
        st.title(title, anchor=False)
        guide = f" [Guide]({help_url})" if help_url else ""
        st.markdown(f"{escape_markdown(sentence)}{guide}")
    told = st.session_state[_GONE_TOLD] = st.session_state.pop(_GONE, [])
    for missing in told:
        hint(missing)


# Session keys: sentences of `gone` for the next header, and those that the last header has told.
_GONE, _GONE_TOLD = "gone", "gone_told"


def gone(noun: str) -> NoReturn:
    """What this tab had chosen is not there any more. Forgets it and begins the run anew, with a sentence below
    the header, so that a click that was meant for it reaches nothing else."""
    word = {state.DATA: "data set", state.MODEL: "model"}.get(noun, "run")
    state.choose(noun, None)
    sentence = f"The {word} that was chosen here is gone: it was deleted, perhaps in another tab."
    st.session_state[_GONE] = [*st.session_state.get(_GONE_TOLD, []), sentence]
    st.rerun()


def section(title: str, sentence: str | None = None) -> None:
    """A heading inside a page, with an optional quiet sentence."""
    st.subheader(escape_markdown(title), anchor=False)
    if sentence:
        st.caption(escape_markdown(sentence))


def lesson(title: str, text: str) -> None:
    """A heading and what there is to understand, to be read rather than glanced at."""
    st.subheader(escape_markdown(title), anchor=False)
    st.markdown(escape_markdown(text), width=760)


def empty_state(title: str, sentence: str, button_label: str, target_page: str, key: str) -> None:
    """What to do next where there is nothing yet; `target_page` is a name of `state.PAGES`."""
    with st.container(border=True, key=f"{key}_empty", horizontal_alignment="center", gap="small"):
        st.subheader(escape_markdown(title), anchor=False, text_alignment="center")
        st.markdown(escape_markdown(sentence), text_alignment="center")
        if st.button(escape_markdown(button_label), type="primary", key=key):
            state.go(target_page)


def fault(message: object) -> None:
    """What went wrong and what to do, where it happened. The message is text, never markup."""
    st.error(escape_markdown(str(message)), icon=":material/error:")


def hint(message: str) -> None:
    """Something worth knowing that is no fault."""
    st.info(escape_markdown(message), icon=":material/info:")


def notes(sentences: Sequence[str], *, limit: int = 8) -> None:
    """What was noticed or decided, as a quiet list; beyond `limit` the rest folds away."""
    if not sentences:
        return
    st.caption("\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences[:limit]))
    if len(sentences) > limit:
        with st.expander(f"{len(sentences) - limit} more"):
            st.caption("\n".join(f"- {escape_markdown(sentence)}" for sentence in sentences[limit:]))


def figures(items: Iterable[tuple[str, str] | tuple[str, str, str | None]], key: str) -> None:
    """A row of figures: (label, value) or (label, value, help)."""
    with st.container(horizontal=True, key=f"{key}_figures", gap="large"):
        for label, value, *rest in items:
            st.metric(
                escape_markdown(label),
                value,
                help=escape_markdown(rest[0]) if rest and rest[0] else None,
                width="content",
            )


def chart(figure: go.Figure, key: str, alt: str) -> None:
    """A figure of `ui.charts`; `alt` says in a sentence what it shows, for those who do not see it."""
    st.plotly_chart(
        figure,
        key=key,
        theme="streamlit",
        config={
            "displayModeBar": "hover",
            "modeBarButtons": [["toImage"]],  # the picture to take along, and nothing else
            "toImageButtonOptions": {"format": "svg", "filename": key.replace("_", "-")},
            "displaylogo": False,
            "scrollZoom": False,
            "doubleClick": "reset",
        },
        alt=alt,
    )


# ------------------------------------------------------------------------------------- states, texts, classes

_STATE_LOOKS = {
    JobState.QUEUED: ("gray", ":material/schedule:"),
    JobState.RUNNING: ("blue", ":material/play_arrow:"),
    JobState.STOPPING: ("orange", ":material/hourglass_bottom:"),
    JobState.FINISHED: ("green", ":material/check:"),
    JobState.STOPPED: ("gray", ":material/stop:"),
    JobState.FAILED: ("red", ":material/error:"),
    JobState.INTERRUPTED: ("orange", ":material/power_off:"),
}


def job_state_badge(job_state: JobState | str, reason: str | None = None) -> None:
    """The state as a word with an icon; the reason behind it on hover."""
    color, icon = _STATE_LOOKS[JobState(job_state)]
    help_text = escape_markdown(reason) if reason else None
    st.badge(state_words(job_state), icon=icon, color=color, help=help_text)  # type: ignore[arg-type]


def text_block(text: str, key: str, *, max_height: int | None = 360) -> None:
    """A user's text, whole: line breaks, emoji and right-to-left text as they should be. Scrolls past
    `max_height` pixels (None: never)."""
    show_texts([{"text": text}], key=key, kind="block", max_height=max_height)


def class_chips(items: Iterable[tuple[str, str, str | None]], key: str) -> None:
    """Classes as chips in a row, each in its colour (of `class_colors`): (label, colour, figure beside it or None)."""
    entries = [{"text": label, "color": color, "note": note or ""} for label, color, note in items]
    show_texts(entries, key=key, kind="chips", max_height=None)


def token_chips(tokens: Sequence[str], key: str) -> None:
    """A text as its tokens, in order."""
    show_texts(
        [{"text": token, "color": "", "note": ""} for token in tokens], key=key, kind="tokens", max_height=360
    )


# ------------------------------------------------------------------------------------- pickers


def pick_dataset(
    workspace: Workspace, *, label: str = "Data set", key: str = "pick_dataset", labelled_only: bool = False
) -> Dataset | None:
    """A select box over the data sets; the choice goes with the user to other pages. None: there is none."""
    everything = workspace.datasets()
    by_id = {d.id: d for d in everything if d.labelled or not labelled_only}

    def describe(dataset_id: str) -> str:
        dataset = by_id[dataset_id]
        return f"{shorten(dataset.name, 60)} · {counted(dataset.rows, 'text')}"

    picked = _pick(list(by_id), state.DATA, label, key, describe, [d.id for d in everything])
    return by_id[picked] if picked else None


def pick_run(workspace: Workspace, *, label: str = "Run", key: str = "pick_run") -> Run | None:
    """A select box over the training runs, newest first. None: there is none."""
    by_id = {r.id: r for r in workspace.runs()}

    def describe(run_id: str) -> str:
        run = by_id[run_id]
        return f"{shorten(run.name, 60)} · {state_words(run.state)} · {when_words(run.created_at)}"

    picked = _pick(list(by_id), state.RUN, label, key, describe)
    return by_id[picked] if picked else None


def pick_model(
    workspace: Workspace, *, include_base: bool, label: str = "Model", key: str = "pick_model"
) -> Model | str | None:
    """A select box over the trained models, newest first, and the base models if asked for.

    Returns a Model, or the name of a base model, or None where there is nothing to choose from. Either way
    `workspace.find_model` takes its id or name."""
    models = {m.id: m for m in workspace.models()}
    bases = {b.name: b for b in CATALOGUE} if include_base else {}

    def describe(name: str) -> str:
        if name in models:
            model = models[name]
            return f"{shorten(model.name, 60)} · {counted(len(model.labels), 'class', 'classes')} · {when_words(model.created_at)}"
        return f"{name} · not fine-tuned"

    picked = _pick([*models, *bases], state.MODEL, label, key, describe, [b.name for b in CATALOGUE])
    return (models.get(picked) or picked) if picked else None


def _pick(
    options: list[str],
    noun: str,
    label: str,
    key: str,
    describe: Callable[[str], str],
    elsewhere: Collection[str] = (),
) -> str | None:
    """A select box over ids that shows their descriptions, and remembers the choice for other pages.
    `elsewhere`: ids that another page may have chosen and that are no options here.

    Streamlit keeps the description, not the id, in the browser. So descriptions are made to differ, and the
    choice is laid down in each run: a renamed thing stays chosen."""
    if not options:
        return None
    shown: dict[str, str] = {}
    for option in options:
        text = describe(option)
        shown[option] = text if text not in shown.values() else f"{text} · {option[-6:]}"
    wanted = state.chosen(noun)
    if wanted is not None and wanted not in shown and wanted not in elsewhere:
        gone(noun)
    st.session_state[key] = wanted if wanted in shown else options[0]

    def remember() -> None:
        if st.session_state.get(key) in shown:
            state.choose(noun, st.session_state[key])

    picked = st.selectbox(
        label, options, format_func=lambda o: shown.get(o, str(o)), key=key, on_change=remember
    )
    if picked is not None and picked != wanted:
        state.choose(noun, picked)
    return picked


# ------------------------------------------------------------------------------------- dialogs


def confirm_delete(name: str, consequence: str, delete: Callable[[], None], *, key: str) -> None:
    """Open a dialog that asks once more and says what goes with it. Call it in the run of the click.

    `delete` may raise FinesiftError: its sentence is shown in the dialog and nothing else happens. After a
    deletion the app reruns, with a toast."""

    @st.dialog("Delete?", width="small")
    def ask() -> None:
        st.markdown(f"**{escape_markdown(shorten(name, 120))}**")
        st.markdown(escape_markdown(consequence))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button("Keep", key=f"{key}_keep"):
                st.rerun()
            confirmed = st.button("Delete", type="primary", key=f"{key}_confirm")
        if confirmed:
            try:
                delete()
            except FinesiftError as error:
                fault(error)
            else:
                state.say(f"Deleted “{shorten(name, 60)}”.")
                st.rerun()

    ask()


def rename_dialog(name: str, rename: Callable[[str], Any], *, key: str, noun: str) -> None:
    """Open a dialog with the name to edit. `rename` may raise FinesiftError, which is shown there."""

    @st.dialog(f"Rename {noun}", width="small")
    def ask() -> None:
        with st.form(f"{key}_form", border=False):
            new = st.text_input("Name", value=name, max_chars=120, key=f"{key}_name")
            done = st.form_submit_button("Rename", type="primary", key=f"{key}_confirm")
        if done:
            try:
                rename(new)
            except FinesiftError as error:
                fault(error)
            else:
                st.rerun()

    ask()
