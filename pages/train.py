"""Train: pick a data set and a base model, press one button, watch it learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from core import jobs
from core.errors import FinesiftError, NotFound
from core.models.catalogue import CATALOGUE, base_model
from core.records import Dataset, JobState, Run
from core.training.recipe import Recipe, problems, suggest
from core.workspace import Workspace
from ui import live, parts, state
from ui.lengths import cut_words, dataset_lengths, training_length
from ui.words import counted, escape_markdown, interval_words

LAYERS = {"all": "All layers", "last": "The last layers", "head": "Only the head"}


def main() -> None:
    workspace = state.workspace()
    parts.page_header("Train", "Fine-tune a language model on your texts and watch it learn.")
    run = _run_to_show(workspace)
    if run is not None:
        live.show_run(workspace, run)
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
    """What to do with a run that has ended."""
    if not run.state.ended:
        return
    if run.validation is not None:
        scores = run.validation
        st.markdown(
            f"**{interval_words(scores.accuracy)}** of {counted(scores.n, 'validation text')} right, "
            f"macro-F1 {interval_words(scores.macro_f1)}."
        )
    elif run.model_id is not None:
        parts.hint("The best model so far was kept. Measure it on the Runs page.")
    with st.container(horizontal=True):
        if run.model_id is not None:
            if st.button("Classify texts", type="primary", key="to_classify"):
                state.go("classify", model=run.model_id)
            if st.button("See its attention", key="to_attention"):
                state.go("attention", model=run.model_id)
        if st.button("Look at the run", key="to_run"):
            state.go("runs", run=run.id)
        if run.state in (JobState.FAILED, JobState.INTERRUPTED, JobState.STOPPED):
            _run_again(workspace, run)
        if st.button("New run", key="new_run"):
            state.choose(state.JOB, None)
            st.rerun()


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
    recipe = suggest(dataset.parts.get("train", 0), len(dataset.labels), base)
    try:
        jobs.submit.check_trainable(dataset)
    except FinesiftError as error:
        parts.fault(error)
        if st.button("Go to the data", key="train_to_data"):
            state.go("data", data=dataset.id)
        return
    summary = st.container()
    start = st.button("Start training", type="primary", key="start_training", icon=":material/play_arrow:")
    with st.expander("Advanced", expanded=False, key="train_advanced"):
        name = st.text_input(
            "Name of the run",
            key="run_name",
            placeholder=f"{dataset.name}, {base.split('/')[-1]}",
            max_chars=120,
        )
        recipe = _advanced(recipe)
    if start:
        _start(workspace, dataset, base, recipe, name)
    with summary:
        _summary(workspace, dataset, recipe)


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


def _summary(workspace: Workspace, dataset: Dataset, recipe: Recipe) -> None:
    train, validation = dataset.parts.get("train", 0), dataset.parts.get("validation", 0)
    steps = recipe.steps(train)
    st.caption(
        f"{counted(train, 'text')} to learn from, {counted(validation, 'text')} to check on, "
        f"{counted(len(dataset.labels), 'class', 'classes')} · {recipe.epochs:g} epochs, {counted(steps, 'step')}. "
        "The test part is not touched."
    )
    lengths = dataset_lengths(workspace, dataset.id, dataset.fingerprint)
    if lengths.size:
        st.caption(cut_words(dataset, lengths, recipe.max_length or training_length(lengths)))


def _advanced(recipe: Recipe) -> Recipe:
    """The settings with their units; what is not changed stays as suggested."""
    one, two, three = st.columns(3, gap="large")
    with one:
        epochs = st.number_input(
            "Epochs",
            0.1,
            1000.0,
            recipe.epochs,
            1.0,
            format="%g",
            key="epochs",
            help="Passes over the training texts.",
        )
        batch_size = st.number_input(
            "Batch size", 1, 4096, recipe.batch_size, key="batch_size", help="Texts per optimizer step."
        )
        rate = st.number_input(
            "Learning rate",
            1e-7,
            1.0,
            recipe.learning_rate,
            1e-5,
            format="%.1e",
            key="learning_rate",
            help="The peak step size of the encoder. Larger learns faster, and may forget more.",
        )
        seed = st.number_input(
            "Seed",
            0,
            2**31 - 1,
            recipe.seed,
            key="seed",
            help="The same seed gives the same model on this machine.",
        )
    with two:
        warmup = st.number_input(
            "Warm-up (share of steps)",
            0.0,
            1.0,
            recipe.warmup_share,
            0.05,
            key="warmup",
            help="Rising to the peak.",
        )
        decay = st.number_input("Weight decay", 0.0, 1.0, recipe.weight_decay, 0.01, key="weight_decay")
        length = st.number_input(
            "Maximum length",
            0,
            100_000,
            recipe.max_length,
            8,
            key="max_length",
            help="In tokens; longer texts are cut while training. 0 = automatic: covers 99.5 % of your texts, up to 256 tokens.",
        )
        precision = st.selectbox(
            "Precision",
            ("auto", "fp32", "bf16", "fp16"),
            key="precision",
            help="Automatic takes a lower precision only where this machine gains from it.",
        )
    with three:
        layers = _layers()
        stopping = st.number_input(
            "Early stopping",
            0,
            1000,
            recipe.early_stopping,
            key="early_stopping",
            help="Evaluations without improvement after which training ends; 0 = never.",
        )
        clip = st.number_input(
            "Gradient limit",
            0.0,
            1e6,
            recipe.gradient_clip,
            0.5,
            key="gradient_clip",
            help="Largest norm of a step's gradient; 0 = no limit.",
        )
        weights = st.checkbox(
            "Rare classes count more",
            recipe.class_weights,
            key="class_weights",
            help="Balanced class weights.",
        )
    changed = replace(
        recipe,
        epochs=float(epochs),
        batch_size=int(batch_size),
        learning_rate=float(rate),
        seed=int(seed),
        warmup_share=float(warmup),
        weight_decay=float(decay),
        max_length=int(length),
        precision=str(precision),
        layers=layers,
        early_stopping=int(stopping),
        gradient_clip=float(clip),
        class_weights=bool(weights),
    )
    for sentence in problems(changed):
        parts.fault(sentence)
    return changed


def _layers() -> str:
    kind = st.selectbox(
        "What trains",
        list(LAYERS),
        format_func=lambda kind: LAYERS[kind],
        key="layers_kind",
        help="Fewer layers train faster and need fewer texts; all layers learn most.",
    )
    if kind == "last":
        return f"last:{st.number_input('Layers from the end', 1, 100, 2, key='layers_count')}"
    return str(kind)


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
