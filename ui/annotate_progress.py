"""How far labelling is, how good the model is by now, and when to stop.

Knows the desk's counts, the files of the assist job and its rows. Does not know how anything is learnt.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import jobs
from core.desk import Desk
from core.desk_records import DeskProgress
from core.errors import FinesiftError
from core.jobs.assist_job import newest_assist
from core.labels.curve import FEWEST, Curve, too_few
from core.labels.nouns import Annotator, Scheme
from core.labels.pool import Pool, ask
from core.records import Dataset, Interval, Job, JobState, Note, Progress
from core.workspace import Workspace
from ui import charts, parts, state
from ui.annotate_curve import learning_curve
from ui.colors import class_colors
from ui.words import counted, duration_words, escape_markdown, interval_words, percent, when_words

POLL_SECONDS = 2.0
_BROKEN_OFF = 3  # times in a row that the machine may end it before a person has to start it


def show(workspace: Workspace, dataset: Dataset, me: Annotator) -> None:
    """The Progress view of the Annotate page."""
    ensure_assist(workspace, dataset.id)
    st.fragment(_draw, run_every=POLL_SECONDS)(workspace, dataset.id, me)


def ensure_assist(workspace: Workspace, dataset_id: str) -> Job | None:
    """The assist job of a data set, started where it ended for want of use. None for a data set without a scheme.

    What a person stopped or what failed stays so until somebody starts it again in the Progress view.
    """
    desk = Desk.open(workspace, dataset_id)
    if desk.scheme() is None or not desk.labelable.any():
        return None
    ask(desk.folder)
    newest = newest_assist(workspace, dataset_id)
    if newest is not None and (not newest.state.ended or not _may_restart(workspace, newest, dataset_id)):
        return newest
    try:
        return jobs.submit_assist(workspace, dataset_id)
    except FinesiftError:
        return None


def _may_restart(workspace: Workspace, newest: Job, dataset_id: str) -> bool:
    if newest.state is JobState.INTERRUPTED:
        mine = [
            job for job in workspace.recent_jobs("assist", 50) if job.payload.get("dataset_id") == dataset_id
        ]
        return (
            any(job.state is not JobState.INTERRUPTED for job in mine[:_BROKEN_OFF])
            or len(mine) < _BROKEN_OFF
        )
    return newest.state is JobState.FINISHED


# ------------------------------------------------------------------------------------- the view


def _draw(workspace: Workspace, dataset_id: str, me: Annotator) -> None:
    try:
        desk = Desk.open(workspace, dataset_id)
        scheme, pool, progress = desk.scheme(), desk.pool(), desk.progress(me.id)
    except FinesiftError as error:
        parts.fault(error)
        return
    if scheme is None:
        return
    ask(desk.folder)
    _mine(progress, me)
    _model(workspace, desk, scheme, pool, progress)
    if pool is not None and pool.by == "model":
        _curve(pool)
    _labels(scheme, progress)


def _mine(progress: DeskProgress, me: Annotator) -> None:
    parts.section("Your labels", f"What {me.name} has answered.")
    left = progress.total - progress.done
    rate = "–" if progress.rate is None else f"{progress.rate:,.0f} an hour"
    known = left > 0 and progress.seconds_left is not None
    time_left = duration_words(progress.seconds_left).removeprefix("about ") if known else "–"
    parts.figures(
        [
            ("Answered", f"{progress.done:,}", "Labelled or skipped, identical texts included."),
            ("Left", f"{left:,}", "Texts that you may still be given."),
            ("Today", f"{progress.today:,}"),
            ("Rate", rate, "Over your last 100 answers, pauses left out."),
            ("Time left", time_left, "For all texts, at that rate. You may well stop sooner: see below."),
            (
                "Evaluation part",
                f"{progress.evaluation_done:,} of {progress.evaluation_total:,}",
                "A random part, labelled without suggestions and never learnt from: it tells how good the model is.",
            ),
        ],
        key="annotate_mine",
    )


# ------------------------------------------------------------------------------------- the model


def _model(
    workspace: Workspace, desk: Desk, scheme: Scheme, pool: Pool | None, progress: DeskProgress
) -> None:
    with st.container(border=True, key="annotate_model", gap="small"):
        parts.section("The model beside you")
        _assist(workspace, desk.dataset.id, pool)
        if pool is None:
            return
        if pool.by == "names":
            st.markdown("No label yet: suggestions come from the labels' names and definitions.")
            return
        parts.figures(_figures(pool), key="annotate_model")
        if pool.scheme_version != scheme.version:
            st.caption("The labels were changed; the model is about to learn them anew.")
        if pool.evaluation is None:
            words = "How good it is cannot be told yet: no text of the evaluation part has a label."
            if progress.evaluation_done < progress.evaluation_total:
                words += " They come up by themselves at the desk."
            elif not progress.evaluation_total:
                words = (
                    "How good it is cannot be told: no text fell into the evaluation part, there are too few."
                )
            st.caption(words)


def _figures(pool: Pool) -> list[tuple[str, str, str | None]]:
    found: list[tuple[str, str, str | None]] = [
        ("Learnt from", counted(pool.labelled, "text"), "Distinct texts outside the evaluation part."),
    ]
    if pool.evaluation is not None:
        value = Interval(pool.evaluation["value"], pool.evaluation["low"], pool.evaluation["high"])
        found.append(
            (
                "Accuracy",
                interval_words(value),
                f"On {counted(pool.evaluation['n'], 'labelled text')} of the evaluation part, with the 95 % interval "
                "(Wilson). This is the quick head; a fine-tuned model is usually better.",
            )
        )
    sure = pool.certainty
    help_text = (
        f"At least 90 % probable: {sure['sure']:,} of {counted(sure['texts'], 'text')} without a label."
    )
    if sure.get("checked"):
        checked = sure["checked"]
        right = interval_words(Interval(checked["value"], checked["low"], checked["high"]))
        help_text += (
            f" Of {counted(checked['n'], 'evaluation text')} that it is sure about, {right} are right."
        )
    if sure["texts"]:
        found.append(("Sure about", percent(sure["share"], 0), help_text))
    return found


def _assist(workspace: Workspace, dataset_id: str, pool: Pool | None) -> None:
    """The state of the job, with start and stop."""
    jobs.recover(workspace)
    job = newest_assist(workspace, dataset_id)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        _assist_state(workspace, job, pool)
        if job is not None and job.state in (JobState.QUEUED, JobState.RUNNING):
            if st.button("Stop", key="annotate_stop", icon=":material/stop:"):
                _act(lambda: jobs.request_stop(workspace, job.id))
            return
        ended = job is None or job.state.ended
        if ended and st.button("Start", key="annotate_start", icon=":material/play_arrow:", type="primary"):
            _act(lambda: jobs.submit_assist(workspace, dataset_id))


def _act(click: Callable[[], object]) -> None:
    try:
        click()
    except FinesiftError as error:
        parts.fault(error)
    else:
        st.rerun(scope="fragment")


def _assist_state(workspace: Workspace, job: Job | None, pool: Pool | None) -> None:
    if job is None:
        st.caption("It has not been started yet.")
        return
    if job.state.ended:
        if job.state is JobState.FAILED:
            parts.fault(job.reason)
        else:
            st.caption(escape_markdown(job.reason))
        return
    if job.state is JobState.QUEUED:
        st.caption(f"Waiting: {counted(job.ahead, 'data set')} before it." if job.ahead else "Starting.")
        return
    if job.state is JobState.STOPPING:
        st.caption("Stopping.")
        return
    if pool is not None and pool.at >= (job.started_at or 0.0):
        st.caption(f"Ready: it learns from each answer. Last time {when_words(pool.at)}.")
        return
    progress = workspace.last_event(job.id, Progress.kind)
    if isinstance(progress, Progress) and progress.done < progress.total:
        share = progress.done / max(1, progress.total)
        left = duration_words(progress.remaining)
        st.progress(
            share,
            text=f"Reading {counted(progress.total, 'text')}, once: {percent(share, 0)} done, {left} left",
        )
        return
    note = workspace.last_event(job.id, Note.kind)
    st.caption(escape_markdown(note.message) if isinstance(note, Note) else "Loading the libraries.")


# ------------------------------------------------------------------------------------- when to stop, and per label


def _curve(pool: Pool) -> None:
    parts.section("When to stop")
    if pool.curve is None:
        few = pool.labelled < FEWEST + FEWEST // 4
        st.markdown(too_few(pool.labelled) if few else "The learning curve is being measured.")
        return
    curve = Curve.from_json(dict(pool.curve))
    st.markdown(f"**{escape_markdown(curve.sentence)}**")
    parts.chart(
        learning_curve(curve, theme=state.current_theme()), key="annotate_curve", alt=_in_words(curve)
    )
    if curve.measured_on == "evaluation":
        st.caption(f"Measured on {counted(curve.texts, 'text')} of the evaluation part.")
    else:
        st.caption(
            f"Measured by cross-validation on the {counted(curve.texts, 'label')} themselves. The queue chooses texts "
            "that are harder than most, so on all texts the model is likely better. Once 50 texts of the evaluation part "
            "are labelled, the curve is measured there."
        )


def _in_words(curve: Curve) -> str:
    last = f"{percent(curve.values[-1])} accuracy with {counted(curve.sizes[-1], 'label')}"
    return f"Learning curve from {percent(curve.values[0])} with {counted(curve.sizes[0], 'label')} to {last}. {curve.sentence}"


def _labels(scheme: Scheme, progress: DeskProgress) -> None:
    parts.section("Per label")
    names = {label.id: label.name for label in scheme.labels}
    counts = {names[label]: count for label, count in progress.labels.items() if label in names}
    if not sum(counts.values()):
        st.caption("No label given yet.")
        return
    theme = state.current_theme()
    colors = class_colors(counts, theme) | {one.name: one.color for one in scheme.labels if one.color}
    parts.chart(
        charts.class_balance(counts, colors=colors, theme=theme, texts=progress.done - progress.skipped),
        key="annotate_balance",
        alt="Your texts per label: "
        + ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:10]),
    )
