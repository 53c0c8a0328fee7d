"""A check before training: a button, and what a few seconds of real steps on this machine have shown.

Knows the figures of a pre-flight. Does not know how they are measured.
"""

from __future__ import annotations

import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.records import Dataset, Job, Preflight
from core.training.ladder import TITLES
from core.training.recipe import Recipe, problems
from core.workspace import Workspace
from ui import parts
from ui.words import (
    bytes_words,
    counted,
    duration_words,
    elapsed_words,
    escape_markdown,
    interval_words,
    number_words,
    percent,
)


def check_button(workspace: Workspace, dataset: Dataset, base: str, recipe: Recipe) -> None:
    """Queues the check of just these settings."""
    job = newest(workspace, dataset, base, recipe)
    working = job is not None and not job.state.ended
    if st.button(
        "Check before training",
        key="check_training",
        icon=":material/speed:",
        disabled=working or bool(problems(recipe)),
        help="A few seconds of real steps on this machine: how long training will take, whether it fits in memory, "
        "and what to change.",
    ):
        try:
            jobs.submit_preflight(workspace, dataset, base, recipe)
        except FinesiftError as error:
            parts.fault(error)
        else:
            st.rerun()


def newest(workspace: Workspace, dataset: Dataset, base: str, recipe: Recipe) -> Job | None:
    """The newest check of just this data set, base model and recipe."""
    wanted = {"dataset_id": dataset.id, "base_model": base.strip(), "recipe": recipe.to_json()}
    for job in workspace.recent_jobs("preflight"):
        if {name: job.payload.get(name) for name in wanted} == wanted:
            return job
    return None


def panel(workspace: Workspace, dataset: Dataset, base: str, recipe: Recipe) -> None:
    """The check of just these settings: its progress, or what it found. Nothing where there is none."""
    job = newest(workspace, dataset, base, recipe)
    if job is None:
        return
    if not job.state.ended:
        st.fragment(_wait, run_every=1.0)(workspace, job.id)
    elif job.result is None:
        parts.fault(job.reason)
    else:
        with st.container(border=True, key="preflight_panel"):
            show(Preflight.from_json(job.result))


def _wait(workspace: Workspace, job_id: str) -> None:
    jobs.recover(workspace)
    job = workspace.job(job_id)
    if job.state.ended:
        st.rerun()
    st.progress(0.0, text=f"Checking: {escape_markdown(job.reason) or 'its worker is starting.'}")


def show(found: Preflight) -> None:
    """The figures in a row, what they rest on in a caption, the advice as sentences."""
    enough = "fits" if found.fits else "does not fit"
    scarce = len(found.below_five) + len(found.below_twenty)
    how_long = f"{elapsed_words(found.seconds_low)} to {elapsed_words(found.seconds_high)}"
    items: list[tuple[str, str, str | None]] = [
        ("Time", duration_words(found.seconds), f"Between {how_long}, baselines included."),
        (
            "Memory",
            bytes_words(found.memory_needed),
            f"Beyond what the program takes itself. {bytes_words(found.memory_free)} are free, so it {enough}.",
        ),
        (
            "Longer texts",
            interval_words(found.longer),
            f"Share of the training texts with more than {found.max_length:,} tokens: "
            + ("read in windows." if found.windows else "cut there."),
        ),
        (
            "Small classes",
            f"{scarce:,} of {found.classes:,}",
            f"Classes with fewer than 20 training texts; {len(found.below_five):,} of them have fewer than five.",
        ),
    ]
    parts.figures(items, key="preflight")
    facts = [
        TITLES.get(found.method, found.method),
        f"{found.device}, {found.precision}",
        f"{number_words(found.texts_per_second)} texts a second",
        *([counted(found.steps, "step")] if found.steps else []),
        f"{percent(found.trainable / max(1, found.parameters), 0)} of {found.parameters / 1e6:.3g} million weights train",
    ]
    st.caption(escape_markdown(" · ".join(facts)))
    if found.advice:
        st.markdown("**Worth changing**")
        st.markdown("\n".join(f"- {escape_markdown(sentence)}" for sentence in found.advice))
    else:
        st.markdown("Nothing speaks against it.")
    parts.notes([s for s in (found.method_note, found.precision_note) if s])
