"""Train: pick a data set and a base model, press one button, watch it learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from core import jobs
from core.errors import FinesiftError, NotFound
from core.models.catalogue import CATALOGUE, base_model
from core.records import Dataset, Run
from core.training.recipe import Recipe, suggest
from core.workspace import Workspace
from ui import ladder, live, parts, preflight, recipe_form, resume, state
from ui.events import event_log
from ui.lengths import cut_words, dataset_lengths, training_length
from ui.words import counted, escape_markdown, interval_words


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Train", "Fine-tune a language model on your texts and watch it learn.")
    run = _run_to_show(workspace)
    if run is not None:
        live.show_run(workspace, run)
        if run.state.ended:
            _after(workspace, run)
    if not workspace.datasets():
        parts.empty_state(
            "No texts yet",
            "Training needs a data set with texts and labels.",
            "Bring your texts",
            "data",
            key="train_bring",
        )
        return
    if run is None:
        _setup(workspace)
    else:
        with st.expander("Set up another run", expanded=False):
            _setup(workspace)


def _run_to_show(workspace: Workspace) -> Run | None:
    """The run of the address or of this tab, else the one that works or waits now."""
    wanted = state.chosen(state.JOB)
    if wanted:
        try:
            return workspace.run(wanted)
        except NotFound:
            if not _is_job(workspace, wanted):
                parts.gone(state.JOB)
            state.choose(state.JOB, None)  # it is a classification's
    for job in workspace.open_jobs("train"):
        return workspace.run(job.id)
    return None


def _is_job(workspace: Workspace, job_id: str) -> bool:
    try:
        workspace.job(job_id)
    except NotFound:
        return False
    return True


def _after(workspace: Workspace, run: Run) -> None:
    """What to do with a run that has ended, and what it has shown."""
    step = resume.checkpoint_step(workspace, run)
    scores = run.validation
    if scores is not None:
        right = "with all labels right" if scores.several else "right"
        st.markdown(
            f"**{interval_words(scores.accuracy)}** of {counted(scores.n, 'validation text')} {right}, "
            f"macro-F1 {interval_words(scores.macro_f1)}."
        )
    elif run.model_id is not None:
        parts.hint("The best model so far was kept. Measure it on the Runs page.")
    with st.container(horizontal=True):
        resume.button(workspace, run, step, key="train")
        if run.model_id is not None:
            main_action = "primary" if step is None else "secondary"
            if st.button("Classify texts", type=main_action, key="to_classify"):  # type: ignore[arg-type]
                state.go("classify", model=run.model_id)
            if st.button("See its attention", key="to_attention"):
                state.go("attention", model=run.model_id)
        if st.button("Look at the run", key="to_run"):
            state.go("runs", run=run.id)
        if run.state in resume.BROKEN_OFF:
            _run_again(workspace, run)
        if st.button("New run", key="new_run"):
            state.choose(state.JOB, None)
            st.rerun()
    resume.refusal(workspace, run, key="train")
    rungs = ladder.rungs_of(run, event_log(workspace, run.job_id).rungs)
    ladder.show(rungs, several=scores is not None and scores.several, key="train")


def _run_again(workspace: Workspace, run: Run) -> None:
    if st.button("Run again with the same recipe", key="run_again"):
        try:
            again = jobs.run_again(workspace, run)
        except FinesiftError as error:
            parts.fault(error)
            return
        state.choose(state.JOB, again.job_id)
        st.rerun()


# ------------------------------------------------------------------------------------- setting up


def _setup(workspace: Workspace) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        dataset = parts.pick_dataset(workspace, key="train_dataset")
    with right:
        base = _pick_base()
    if dataset is None:
        return
    train, classes = dataset.parts.get("train", 0), len(dataset.labels)
    try:
        jobs.submit.check_trainable(dataset)
    except FinesiftError as error:
        parts.fault(error)
        if st.button("Go to the data", key="train_to_data"):
            state.go("data", data=dataset.id)
        return
    known = base_model(base)
    method, trains = recipe_form.pick_method(
        train, classes, several=dataset.separator is not None, parameters=known.parameters if known else 0
    )
    recipe = replace(suggest(train, classes, base, dataset.separator is not None), method=method)
    summary = st.container()
    with st.container(horizontal=True):
        start = st.button(
            "Start training", type="primary", key="start_training", icon=":material/play_arrow:"
        )
        check = st.container(width="content")
    found = st.container()
    with st.expander("Advanced", expanded=False, key="train_advanced"):
        name = st.text_input(
            "Name of the run",
            key="run_name",
            placeholder=f"{dataset.name}, {base.split('/')[-1]}",
            max_chars=120,
        )
        recipe = recipe_form.advanced(recipe, trains)
    if start:
        _start(workspace, dataset, base, recipe, name)
    with summary:
        _summary(workspace, dataset, recipe, trains)
    with check:
        preflight.check_button(workspace, dataset, base, recipe)
    with found:
        preflight.panel(workspace, dataset, base, recipe)


def _pick_base() -> str:
    names = [entry.name for entry in CATALOGUE]
    picked = st.selectbox(
        "Base model",
        names,
        format_func=_describe_base,
        accept_new_options=True,
        key="train_base",
        help="The model that training starts from. Type any name on the Hugging Face Hub"
        + ("." if state.workspace().settings.demo else ", or a local folder."),
    )
    name = str(picked or names[0]).strip()
    known = base_model(name)
    if known is not None:
        st.caption(f"{escape_markdown(known.note)} {known.languages}.")
    else:
        st.caption("It is fetched from the Hugging Face Hub when training starts, unless it is a folder.")
    return name


def _describe_base(name: str) -> str:
    known = base_model(name)
    if known is None:
        return name
    return f"{known.title} · {known.parameters / 1e6:.0f} million weights"


def _summary(workspace: Workspace, dataset: Dataset, recipe: Recipe, method: str) -> None:
    train, validation = dataset.parts.get("train", 0), dataset.parts.get("validation", 0)
    passes = f" · {recipe.epochs:g} epochs, {counted(recipe.steps(train), 'step')}"
    said = (
        f"{counted(train, 'text')} to learn from, {counted(validation, 'text')} to check on, "
        f"{_labels_words(dataset)}{passes if method in ('full', 'lora') else ''}. The test part is not touched."
    )
    lengths = dataset_lengths(workspace, dataset.id, dataset.fingerprint)
    if lengths.size:
        length = recipe.max_length or training_length(lengths)
        said += f" {cut_words(dataset, lengths, length, windows=recipe.windows)}"
    st.caption(said)


def _labels_words(dataset: Dataset) -> str:
    if dataset.separator is not None:
        return f"{counted(len(dataset.labels), 'label')} of which a text may have several"
    return counted(len(dataset.labels), "class", "classes")


def _start(workspace: Workspace, dataset: Dataset, base: str, recipe: Recipe, name: str) -> None:
    try:
        if workspace.settings.demo and (Path(base).is_absolute() or base.startswith(".")):
            raise FinesiftError(
                "This is a public demo, where folders of the server cannot be read. Name a Hub model."
            )
        run = jobs.submit_training(workspace, dataset, base, recipe, name=name)
    except FinesiftError as error:
        parts.fault(error)
        return
    state.choose(state.JOB, run.job_id)
    st.rerun()


main()
