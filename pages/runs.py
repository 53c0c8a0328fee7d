"""Runs: every training run with its recipe, curves and figures; compare, measure, repeat, take along."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core import jobs
from core.errors import FinesiftError
from core.models.archive import zip_folder
from core.records import Part, Run, Scores
from core.training.recipe import Recipe
from core.workspace import Workspace
from ui import charts, curves, ladder, live, parts, resume, state
from ui.events import EventLog, event_log
from ui.words import (
    counted,
    elapsed_words,
    escape_markdown,
    interval_words,
    number_words,
    percent,
    shorten,
    state_words,
    when_words,
)

SIDE_BY_SIDE = 20  # classes up to which the two pictures stand beside each other
CURVES = {"macro_f1": "Macro-F1", "accuracy": "Accuracy", "loss": "Loss"}


def main() -> None:
    workspace = state.workspace()
    jobs.recover(workspace)
    parts.page_header("Runs", "Every training run with its recipe, its curves and what came of it.")
    runs = workspace.runs()
    if not runs:
        parts.empty_state(
            "No runs yet",
            "A run appears here as soon as you train a model.",
            "Train a model",
            "train",
            key="runs_train",
        )
        return
    chosen = _table(runs)
    if len(chosen) > 1:
        _compare(workspace, chosen)
    else:
        _one(workspace, chosen[0])


def _table(runs: list[Run]) -> list[Run]:
    """All runs; the rows that are ticked, else the run of the address, else the newest."""
    frame = pd.DataFrame(
        {
            "Run": [r.name for r in runs],
            "State": [state_words(r.state) for r in runs],
            "Accuracy": [_share(r.validation, "accuracy") for r in runs],
            "Macro-F1": [_share(r.validation, "macro_f1") for r in runs],
            "Test accuracy": [_share(r.test, "accuracy") for r in runs],
            "Data set": [r.dataset_name for r in runs],
            "Base model": [r.base_model for r in runs],
            "Time": [elapsed_words(r.summary.get("seconds")) for r in runs],
            "Started": [when_words(r.created_at) for r in runs],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        key=f"runs_table_{abs(hash(tuple(r.id for r in runs)))}",  # ticks are places among these very runs
        on_select="rerun",
        selection_mode="multi-row",
        height=min(38 + 35 * len(runs), 320),
        column_config={"Run": st.column_config.TextColumn(width="medium")},
        alt="All training runs with their state and figures",
    )
    st.caption(
        "Accuracy and macro-F1 on the validation part, with 95 % intervals. Tick several runs to compare them."
    )
    ticked = [runs[i] for i in event["selection"]["rows"] if i < len(runs)]
    if len(ticked) == 1:
        state.choose(state.RUN, ticked[0].id)
    if ticked:
        return ticked
    wanted = state.chosen(state.RUN)
    if wanted is None:
        _follow_newest(runs[0])
        return runs[:1]
    found = [run for run in runs if run.id == wanted]
    return found or parts.gone(state.RUN)


def _follow_newest(run: Run) -> None:
    """Where another tab has started a run, a click that was meant for the one before it must not reach this one."""
    before = st.session_state.get("runs_newest")
    st.session_state["runs_newest"] = run.id
    if before not in (None, run.id):
        st.rerun()


def _share(scores: Scores | None, name: str) -> str:
    return "–" if scores is None else interval_words(getattr(scores, name))


# ------------------------------------------------------------------------------------- one run


def _one(workspace: Workspace, run: Run) -> None:
    folder = _model_folder(workspace, run)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(width="content", gap="small"):
            parts.section(run.name)
            parts.job_state_badge(run.state, run.reason)
        _actions(workspace, run, folder)
    if run.state in live.OPEN:
        live.show_run(workspace, run)
        return
    st.caption(escape_markdown(run.reason))
    resume.refusal(workspace, run, key="run")
    log = event_log(workspace, run.job_id)
    if run.validation is not None:
        _headline(run)
    several = run.validation is not None and run.validation.several
    ladder.show(ladder.rungs_of(run, log.rungs), several=several, key="run")
    live.show_curves(workspace, run, log, key="run")
    if run.validation is not None:
        _scores("On the validation part", run.validation, "validation")
    elif run.model_id is not None:
        _measure(workspace, run, Part.VALIDATION, "Measure it on the validation part")
    _test(workspace, run)
    with st.expander("Recipe and machine", key="run_recipe"):
        _recipe(run)


def _headline(run: Run) -> None:
    assert run.validation is not None  # noqa: S101  for the type checker; the caller asked
    scores, summary = run.validation, run.summary
    several = "The share of texts whose labels are all right. " if scores.several else ""
    items: list[tuple[str, str, str | None]] = [
        (
            "All labels right" if scores.several else "Accuracy",
            interval_words(scores.accuracy),
            f"{several}On the validation part, with its 95 % interval (Wilson).",
        ),
        (
            "Macro-F1",
            interval_words(scores.macro_f1),
            "Mean over the classes, with its 95 % interval (bootstrap).",
        ),
    ]
    if scores.micro_f1 is not None:
        help_text = "All labels of all texts counted together, with its 95 % interval (bootstrap)."
        items.append(("Micro-F1", interval_words(scores.micro_f1), help_text))
    if summary.get("seconds") is not None:
        items.append(("Time", elapsed_words(summary["seconds"]), None))
    if summary.get("best_step") is not None and summary.get("steps"):
        items.append(
            ("Best step", f"{summary['best_step']:,} of {summary['steps']:,}", "Its weights are the model.")
        )
    parts.figures(items, key="run")


def _model_folder(workspace: Workspace, run: Run) -> Path | None:
    """Where the model of an ended run lies. A folder that is gone is said; the run can still be deleted."""
    if run.model_id is None or not run.state.ended:
        return None
    try:
        return workspace.find_model(run.model_id).folder
    except FinesiftError as error:
        parts.fault(error)
        return None


def _actions(workspace: Workspace, run: Run, folder: Path | None) -> None:
    step = resume.checkpoint_step(workspace, run)
    with st.container(horizontal=True, width="content"):
        resume.button(workspace, run, step, key="run")
        if run.model_id is not None and folder is not None:
            main_action = "primary" if step is None else "secondary"
            if st.button("Classify", type=main_action, key="run_classify"):  # type: ignore[arg-type]
                state.go("classify", model=run.model_id)
            file_name = _file_name(run.name)
            st.download_button(
                "Download model",
                data=lambda: zip_folder(folder, file_name),
                file_name=f"{file_name}.zip",
                mime="application/zip",
                on_click="ignore",
                key="run_download",
                icon=":material/download:",
                help="A plain Hugging Face folder, zipped: transformers loads it with nothing of Finesift installed.",
            )
        with st.popover("More", key="run_more"):
            _more(workspace, run)


def _more(workspace: Workspace, run: Run) -> None:
    if st.button(
        "Run again with the same recipe", key="run_again", width="stretch", disabled=not run.state.ended
    ):
        try:
            again = jobs.run_again(workspace, run)
        except FinesiftError as error:
            parts.fault(error)
        else:
            state.go("train", job=again.job_id)
    if st.button("Rename", key="run_rename", width="stretch"):
        parts.rename_dialog(
            run.name, lambda name: workspace.rename_run(run.id, name), key="run_rename", noun="run"
        )
    if st.button("Delete", key="run_delete", width="stretch"):
        parts.confirm_delete(
            run.name,
            "The run goes with its curves and figures"
            + (" and its model. Download the model first if you want to keep it." if run.model_id else "."),
            lambda: _delete(workspace, run),
            key="run_delete",
        )


def _delete(workspace: Workspace, run: Run) -> None:
    workspace.delete_run(run.id)
    state.forget(run.id, run.job_id, run.model_id)


def _file_name(name: str) -> str:
    """A name that every file system takes; it is only suggested to the browser."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
    return "-".join(piece for piece in kept.split("-") if piece)[:60] or "model"


# ------------------------------------------------------------------------------------- figures


def _scores(title: str, scores: Scores, key: str) -> None:
    parts.section(title)
    theme = state.current_theme()
    if scores.several:
        _scores_of_labels(scores, key, theme)
        return
    # many classes need the whole width
    left, right = (
        st.columns(2, gap="large") if len(scores.labels) <= SIDE_BY_SIDE else (st.container(), st.container())
    )
    with left:
        st.caption("Confusion: true class by row, predicted by column.")
        parts.chart(
            charts.confusion(scores, theme=theme),
            key=f"{key}_confusion",
            alt=f"Confusion matrix of {scores.n} texts",
        )
    with right:
        st.caption("Each class: recall with its 95 % interval, and F1.")
        parts.chart(
            charts.per_class(scores, theme=theme), key=f"{key}_classes", alt="Recall and F1 of each class"
        )
    with st.expander("The figures of each class", key=f"{key}_figures"):
        st.dataframe(
            _class_table(scores), hide_index=True, key=f"{key}_table", alt="Precision, recall and F1 by class"
        )


def _scores_of_labels(scores: Scores, key: str, theme: str) -> None:
    """Several labels a text: there is no one wrong class that a text was taken for, so no confusion matrix."""
    assert scores.micro_f1 is not None  # noqa: S101  for the type checker; the caller asked
    st.caption(
        f"All labels right: {interval_words(scores.accuracy)} of the texts. Macro-F1, the mean over the labels: "
        f"{interval_words(scores.macro_f1)}. Micro-F1, all labels together: {interval_words(scores.micro_f1)}."
    )
    st.caption("Each label: recall with its 95 % interval, and F1.")
    parts.chart(
        charts.per_class(scores, theme=theme), key=f"{key}_classes", alt="Recall and F1 of each label"
    )
    with st.expander("The figures of each label", key=f"{key}_figures"):
        st.dataframe(
            _class_table(scores), hide_index=True, key=f"{key}_table", alt="Precision, recall and F1 by label"
        )


def _class_table(scores: Scores) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Class": [c.label for c in scores.per_class],
            "Texts": [c.support for c in scores.per_class],
            "Predicted": [c.predicted for c in scores.per_class],
            "Precision": [percent(c.precision) for c in scores.per_class],
            "Recall": [interval_words(c.recall, c.recall_low, c.recall_high) for c in scores.per_class],
            "F1": [percent(c.f1) for c in scores.per_class],
        }
    )


def _test(workspace: Workspace, run: Run) -> None:
    """The test part only when asked, and every look is counted."""
    if run.model_id is None:
        return
    if run.test is not None:
        source = "your own test file" if run.test_source == "file" else "the held-out test part"
        what = "with all labels right" if run.test.several else "right"
        _scores(f"On {source}: {interval_words(run.test.accuracy)} {what}", run.test, "test")
        st.caption(
            f"{counted(run.test.n, 'text')}. Looked at {counted(run.test_looks, 'time')}: "
            "each look that leads to a change makes this figure a little less honest."
        )
        return
    parts.section(
        "Test part", "Texts that no training has seen. Look at it once, at the end, when you have decided."
    )
    _measure(workspace, run, Part.TEST, "Measure on the test part")


def _measure(workspace: Workspace, run: Run, part: Part, label: str) -> None:
    """A button, or the measuring itself while it goes on."""
    key = f"measure_{part.value}"
    mine = [
        job
        for job in workspace.recent_jobs("evaluate")
        if job.payload.get("run_id") == run.id and job.payload.get("part") == part.value
    ]
    if mine and not mine[0].state.ended:
        st.fragment(_wait, run_every=1.0)(workspace, mine[0].id)
        return
    if mine and mine[0].result is None:
        parts.fault(mine[0].reason)
    if run.dataset_id is None:
        parts.hint("The data set of this run was deleted, so it cannot be measured any more.")
    elif st.button(label, key=key):
        try:
            jobs.submit_evaluation(workspace, run, part)
        except FinesiftError as error:
            parts.fault(error)
        else:
            st.rerun()


def _wait(workspace: Workspace, job_id: str) -> None:
    jobs.recover(workspace)
    job = workspace.job(job_id)
    if job.state.ended:
        st.rerun()
    st.progress(0.0, text=f"Measuring: {escape_markdown(job.reason)}")


def _recipe(run: Run) -> None:
    recipe = Recipe.from_json(run.recipe)
    left, right = st.columns(2, gap="large")
    rows: list[tuple[str, Any]] = [
        (f.name.replace("_", " "), getattr(recipe, f.name)) for f in fields(recipe)
    ]
    with left:
        st.dataframe(_pairs(rows), hide_index=True, key="recipe_table", alt="The recipe")
    summary = run.summary
    machine = [
        ("data set", run.dataset_name),
        ("base model", run.base_model),
        ("training texts", summary.get("train_texts", "–")),
        ("validation texts", summary.get("validation_texts", "–")),
        ("device", summary.get("device", "–")),
        ("precision", summary.get("precision", "–")),
        ("texts a second", number_words(summary.get("texts_per_second", math.nan))),
    ]
    with right:
        st.dataframe(_pairs(machine), hide_index=True, key="machine_table", alt="Data and machine")


def _pairs(rows: list[tuple[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame({"Setting": [name for name, _ in rows], "Value": [str(value) for _, value in rows]})


# ------------------------------------------------------------------------------------- several runs


def _compare(workspace: Workspace, runs: list[Run]) -> None:
    parts.section("Side by side")
    figure = st.segmented_control(
        "Curve",
        list(CURVES),
        default="macro_f1",
        required=True,
        format_func=lambda name: CURVES[name],
        key="compare_figure",
    )
    drawn = []
    for run in runs:
        log = EventLog(run.job_id)
        log.read(workspace)
        drawn.append((run.name, log.evaluations))
    parts.chart(
        curves.compare_runs(drawn, figure_of=str(figure), theme=state.current_theme()),
        key="compare_curves",
        alt=f"Validation curves of {counted(len(runs), 'run')}",
    )
    recipes = [Recipe.from_json(r.recipe) for r in runs]
    names = [f"{number}. {shorten(run.name, 40)}" for number, run in enumerate(runs, 1)]
    table: dict[str, list[str]] = {"": [], **{name: [] for name in names}}
    lines: list[tuple[str, list[str]]] = [
        ("accuracy", [_share(r.validation, "accuracy") for r in runs]),
        ("macro-F1", [_share(r.validation, "macro_f1") for r in runs]),
        ("time", [elapsed_words(r.summary.get("seconds")) for r in runs]),
        ("data set", [r.dataset_name for r in runs]),
        ("base model", [r.base_model for r in runs]),
    ]
    for setting in fields(Recipe):
        values = [str(getattr(recipe, setting.name)) for recipe in recipes]
        if len(set(values)) > 1:
            lines.append((setting.name.replace("_", " "), values))
    for title, values in lines:
        table[""].append(title)
        for name, value in zip(names, values, strict=True):
            table[name].append(value)
    st.dataframe(
        pd.DataFrame(table), hide_index=True, key="compare_table", alt="What differs between the runs"
    )
    st.caption("Of the recipes, only what differs is listed.")


main()
