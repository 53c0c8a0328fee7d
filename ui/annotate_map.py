"""The map: all texts of a data set as a picture, and the clouds in it labelled many at a time.

Knows the desk, the sheet and what this tab has selected. A selection is looked at through a random sample before its
texts get a label, and whatever a click gave can be taken back. Drawing is the component's (ui.components.map).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from api import tickets
from core import jobs
from core.desk import Desk
from core.errors import FinesiftError
from core.evaluation.metrics import wilson
from core.labels.nouns import Annotator, Scheme
from core.labels.pool import Pool, ask
from core.records import Dataset, Job, JobState
from core.store.ledger import ledger
from core.workspace import Workspace
from ui import map_bulk, map_points, parts, state
from ui.annotate_progress import ensure_assist
from ui.components.map import map_view
from ui.components.texts import show_texts
from ui.map_bulk import Given, Split
from ui.map_points import KINDS, LABEL, OF_MODEL, PREDICTION, Mine, Sheet
from ui.status import pulse
from ui.words import counted, duration_words, escape_markdown, interval_words, percent, shorten

Array = np.ndarray[Any, Any]

MAP = "map"
SAMPLE = 12  # texts of a selection that are read first
LINE = 260  # characters of a text in the sample; the whole stands below
KEPT = 10  # steps that can be taken back
POLL_SECONDS = 2.0
_PLACE = "map_place"  # session key: what this tab does on the map


@dataclass
class Place:
    """What one tab does on the map of one data set, as one person."""

    whose: tuple[str, str]  # data set, annotator
    ticket: str
    selected: Array = field(default_factory=lambda: np.zeros(0, np.int64))  # rows
    draw: int = 0  # how often another sample was asked for
    unfit: set[int] = field(default_factory=set)  # selected rows that were unticked, in earlier samples too
    steps: list[tuple[Given, str]] = field(default_factory=list)  # the newest last, with its sentence
    said: str = ""  # a toast for the next run
    fault: str = ""


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    desk = Desk.open(workspace, dataset.id)
    ensure_assist(workspace, dataset.id)
    ask(desk.folder)
    if map_points.open_sheet(desk.folder, desk.labelable) is None:
        st.fragment(_wait, run_every=POLL_SECONDS)(workspace, dataset.id)
    else:
        _map(workspace, dataset.id, me)


# ------------------------------------------------------------------------------------- before there is a map


def _wait(workspace: Workspace, dataset_id: str) -> None:
    """What the job is doing; once its sheet is there, the map takes this place."""
    desk = Desk.open(workspace, dataset_id)
    if map_points.open_sheet(desk.folder, desk.labelable) is not None:
        st.rerun()
    jobs.recover(workspace)
    parts.hint(
        "The map shows texts that say alike near each other. For that the model reads every text once, "
        "which goes on beside you: label at the desk in the meantime."
    )
    job = _job(workspace, dataset_id)
    if job is None:
        st.progress(0.0, text="Starting.")
    elif job.state is JobState.QUEUED:
        st.progress(
            0.0, text=f"Waiting: {counted(job.ahead, 'job')} before it." if job.ahead else "Starting."
        )
    elif job.state.ended:
        parts.fault(f"{job.reason} The map needs it to be done.")
    else:
        now = pulse(workspace, job)
        left = f", {duration_words(now.remaining)} left" if now.remaining is not None else ""
        st.progress(now.share, text=f"Reading the texts: {percent(now.share, 0)}{left}")


def _job(workspace: Workspace, dataset_id: str) -> Job | None:
    """The newest assist job of the data set."""
    found = workspace.recent_jobs("assist", 20)
    return next((job for job in found if job.payload.get("dataset_id") == dataset_id), None)


# ------------------------------------------------------------------------------------- the map


@st.fragment
def _map(workspace: Workspace, dataset_id: str, me: Annotator) -> None:
    """A fragment: a selection draws the map anew, not the page."""
    desk = Desk.open(workspace, dataset_id)
    scheme, sheet = desk.scheme(), map_points.open_sheet(desk.folder, desk.labelable)
    if scheme is None or sheet is None:
        st.rerun()
    place = _place(desk, me)
    mine, evaluation, pool = _mine(desk, me), desk.evaluation, desk.pool()
    _told(desk, place)
    kind = _kind(pool, desk.plan().suggestions)
    points = map_points.paint(kind, sheet, scheme, mine, evaluation, pool, state.current_theme())
    map_view(
        points,
        key=MAP,
        ticket=place.ticket,
        chosen=np.isin(sheet.rows, place.selected),
        on_select=lambda rows: _select(place, rows),
    )
    if len(place.selected):
        _selection(desk, scheme, place, map_bulk.split(place.selected, evaluation, mine.answered))
    else:
        _advice(sheet)


def _place(desk: Desk, me: Annotator) -> Place:
    """This tab's, anew for another data set or person."""
    whose = (desk.dataset.id, me.id)
    place = st.session_state.get(_PLACE)
    if not isinstance(place, Place) or place.whose != whose:
        place = Place(whose, tickets.issue(desk.ws.settings.home, *whose))
        st.session_state[_PLACE] = place
    place.selected = place.selected[place.selected < desk.rows]
    return place


def _mine(desk: Desk, me: Annotator) -> Mine:
    book = ledger(desk.ws.db, desk.dataset.id, desk.rows)
    with book.lock:
        own = book.of(me.id)
        return Mine(own.state > 0, dict(own.labels))


def _kind(pool: Pool | None, suggestions: bool) -> str:
    """What the colours mean, of what there is to show."""
    without = [] if pool is not None and pool.label_ids else list(OF_MODEL)
    if not suggestions:
        without.append(PREDICTION)
    options = [kind for kind in KINDS if kind not in without]
    if st.session_state.get("map_kind") not in options:
        st.session_state["map_kind"] = LABEL
    picked = st.segmented_control(
        "Colour by",
        options,
        format_func=KINDS.__getitem__,
        key="map_kind",
        required=True,
        help="Suggestions are switched off for this data set, so the prediction is not shown."
        if not suggestions
        else "The model's view comes with the first answers, and is not shown for texts of the evaluation part.",
    )
    return str(picked or LABEL)


def _select(place: Place, rows: Array) -> None:
    place.selected, place.draw, place.unfit, place.fault = rows, 0, set(), ""


def _advice(sheet: Sheet) -> None:
    st.caption(
        f"{counted(len(sheet.rows), 'text')}. Near each other means alike; how far clouds are apart, and how large "
        "they are, says little. Draw around a cloud with the lasso to label its texts together."
    )


def _told(desk: Desk, place: Place) -> None:
    """What the last click did, with the way back."""
    if place.said:
        st.toast(escape_markdown(place.said), icon=":material/done_all:")
        place.said = ""
    if place.fault:
        parts.fault(place.fault)
    if not place.steps:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="map_done"):
        st.markdown(escape_markdown(place.steps[-1][1]), width="content")
        st.button(
            "Undo",
            key="map_undo",
            icon=":material/undo:",
            on_click=_undo,
            args=(desk, place),
            width="content",
        )


# ------------------------------------------------------------------------------------- a selection


def _selection(desk: Desk, scheme: Scheme, place: Place, parted: Split) -> None:
    """A sample of it to read, then the label for all."""
    with st.container(border=True, key="map_selection"):
        parts.section(counted(len(place.selected), "text") + " selected")
        again = False
        if len(parted.answered):
            again = st.checkbox(
                f"Also change the {counted(len(parted.answered), 'text')} that you have answered already",
                key="map_again",
            )
        out = parted.left_out(again)
        if out:
            st.caption(escape_markdown(f"Left out: {' and '.join(out)}."))
        wanted = np.sort(np.concatenate([parted.fresh, parted.answered])) if again else parted.fresh
        if not len(wanted):
            parts.hint("None of these texts is left to label. Select others.")
            return
        left, right = st.columns([3, 2], gap="large")
        with left:
            unfit = _sample(desk, place, wanted)
        with right:
            _label(desk, scheme, place, wanted[~np.isin(wanted, unfit)], again)


def _sample(desk: Desk, place: Place, wanted: Array) -> list[int]:
    """Shows it; returns the rows that do not belong, those of earlier samples included."""
    rows = map_bulk.sample(wanted, SAMPLE, place.draw)
    texts = desk.texts(rows)
    whole = len(rows) == len(wanted)
    st.markdown(
        f"**{'All of them' if whole else f'A random {len(rows)} of them'}** — untick what does not belong."
    )
    unfit = []
    for row, text in zip(rows.tolist(), texts, strict=True):
        st.session_state.setdefault(f"map_fits_{row}", row not in place.unfit)
        if not st.checkbox(escape_markdown(shorten(text, LINE)), key=f"map_fits_{row}"):
            unfit.append(row)
    place.unfit.difference_update(rows.tolist())
    place.unfit.update(unfit)
    long = [(row, text) for row, text in zip(rows.tolist(), texts, strict=True) if _cut(text)]
    if long:
        with st.expander(f"{counted(len(long), 'text')} of these, whole"):
            items = [{"title": f"Row {row + 1:,}", "text": text} for row, text in long]
            show_texts(items, key="map_whole", kind="block", max_height=320)
    if not whole:
        if unfit:
            st.caption(escape_markdown(_fits(len(rows) - len(unfit), len(rows))))
        st.button(
            "Another sample", key="map_another", icon=":material/casino:", on_click=_another, args=(place,)
        )
    return sorted(place.unfit)


def _cut(text: str) -> bool:
    return len(" ".join(text.split())) > LINE


def _fits(fit: int, read: int) -> str:
    share = wilson(fit, read)
    return (
        f"{fit} of {read} belong: {interval_words(share)}. Those that you unticked are left out; of the texts that "
        f"you did not read, up to {percent(1 - share.low, 0)} may not belong either. A tighter lasso helps."
    )


def _label(desk: Desk, scheme: Scheme, place: Place, wanted: Array, again: bool) -> None:
    names = {label.id: label.name for label in scheme.labels}
    if scheme.several:
        picked = st.multiselect("Labels", list(names), format_func=names.__getitem__, key="map_labels")
        chosen = tuple(str(one) for one in picked)
    else:
        one = st.selectbox(
            "Label",
            list(names),
            index=None,
            format_func=names.__getitem__,
            placeholder="Choose a label",
            key="map_label",
        )
        chosen = (str(one),) if one else ()
    title = " + ".join(names[label_id] for label_id in chosen)
    words = f"Label {counted(len(wanted), 'text')}"
    st.button(
        f"{words} as “{escape_markdown(shorten(title, 40))}”" if chosen else words,
        type="primary",
        key="map_give",
        disabled=not chosen or not len(wanted),
        on_click=_give,
        args=(desk, place, wanted, chosen, title, again),
    )
    st.caption("Marked as labelled in bulk, and can be taken back.")


# ------------------------------------------------------------------------------------- what clicks do


def _another(place: Place) -> None:
    place.draw += 1


def _give(desk: Desk, place: Place, wanted: Array, labels: tuple[str, ...], title: str, again: bool) -> None:
    place.fault = ""
    try:
        given = map_bulk.give(desk, place.whose[1], wanted.tolist(), labels, again)
    except FinesiftError as error:
        place.fault = str(error)
        return
    sentence = f"Labelled {counted(len(given.stamps), 'text')} as “{shorten(title, 60)}”."
    if given.busy:
        sentence += f" {counted(given.busy, 'text')} left to the people who have them already."
    place.said = sentence
    if given.stamps:
        place.steps = [*place.steps, (given, sentence)][-KEPT:]
    place.selected, place.draw, place.unfit = np.zeros(0, np.int64), 0, set()


def _undo(desk: Desk, place: Place) -> None:
    place.fault = ""
    given, _ = place.steps[-1]
    try:
        back = map_bulk.take_back(desk, given)
    except FinesiftError as error:
        place.fault = str(error)
        return
    place.steps = place.steps[:-1]
    changed = len(given.stamps) - back
    place.said = f"Taken back: {counted(back, 'text')}."
    if changed:
        place.said += f" {counted(changed, 'text')} stay, because you answered them again since."
