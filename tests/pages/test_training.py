"""What the pages show of a run: live, after its end, after it broke off; and what Train offers before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from core import jobs
from core.errors import ResumeRefused
from core.records import (
    Checkpointed,
    Evaluated,
    Event,
    FirstBatch,
    Interval,
    JobState,
    Model,
    Note,
    Preflight,
    Progress,
    Run,
    Rung,
    Started,
    Step,
)
from core.store import jobs as job_rows
from core.store import models as model_rows
from core.store import schema
from core.training import recipe as recipes
from core.training.recipe import Recipe
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import (
    NASTY,
    buttons,
    component_items,
    drawn,
    errors,
    go,
    keys,
    press,
    start,
    words,
)
from tests.tiny import LABELS
from ui import inside, ladder
from ui.curves import ClassChange
from ui.events import EventLog, class_names

BEGUN = Started("CPU, 2 threads", "fp32", 1000, 1000, 42, 9, 0, 2.0, 10)


def step(n: int) -> Step:
    return Step(n, n / 5, 1.0 / n, 1e-3, 0.5, 8 * n, 100.0, 2**28, n / 10, (10 - n) / 10)


def look(n: int, classes: tuple[tuple[int, int, int, int], ...] = ()) -> Evaluated:
    return Evaluated(n, n / 5, 0.9, 0.5, 0.25, 0.75, 0.4, True, n / 10, 0.2, 0.6, classes)


def rung(name: str, value: float, half: float = 0.01, *, kept: bool = False) -> Rung:
    figure = Interval(value, value - half, value + half)
    return Rung(name, figure, figure, 90.0, kept, f"About {name}.")


def running(workspace: Workspace, events: Sequence[Event], name: str = "mine") -> Run:
    """A run that works and has told this."""
    run = homes.submit(workspace, homes.add_data(workspace), name=name)
    job, lease = homes.claim(workspace, "train")
    job_rows.append_events(workspace.db, lease, 0, [(job.created_at, event) for event in events])
    return run


# ------------------------------------------------------------------------------------- live


def test_a_running_run_says_its_intervals_its_safety_and_where_it_went_on(
    enter: Callable[..., Workspace],
) -> None:
    events = [replace(BEGUN, resumed_from=2), step(3), look(3), Checkpointed(3, 1000, 0.1)]
    running(enter(), events)
    start()
    at = start("train")
    assert {m.label: m.value for m in at.metric}["Macro-F1"] == "40.0 % (20.0–60.0)"
    assert "Goes on from the checkpoint after step 2." in words(at)
    assert "Safe up to step 3: a run that is killed now goes on from there." in words(at)
    assert "Full fine-tuning · CPU, 2 threads, fp32" in words(at)
    assert "of memory" in words(at)
    assert "GPU" not in words(at)


def test_the_use_of_a_graphics_card_is_said_where_it_is_known(enter: Callable[..., Workspace]) -> None:
    running(enter(), [BEGUN, replace(step(1), device_use=0.87)])
    assert "GPU 87 % busy" in words(start("train"))


def test_the_work_before_the_first_step_has_its_own_progress(enter: Callable[..., Workspace]) -> None:
    running(enter(), [Note("Reading the texts."), Progress(30, 40, 100.0, 3.0, 12.0)])
    assert "Reading the texts. 75 % done, about 10 s left" in words(start("train"))


def test_a_closer_look_shows_one_view_at_a_time_and_none_at_first(enter: Callable[..., Workspace]) -> None:
    classes = ((3, 2, 1, 0), (3, 0, 0, 2), (3, 3, 1, 0))
    batch = FirstBatch((f"[CLS] {NASTY} [SEP]",), (NASTY,), 8, 24, 0.25)
    first = look(1, ((3, 1, 0, 0), (3, 2, 0, 0), (3, 2, 0, 0)))
    running(enter(), [Note("It was decided."), BEGUN, batch, step(1), first, step(2), look(2, classes)])
    at = start("train")
    closer = at.segmented_control(key="live_closer")
    assert closer.value is None
    assert list(closer.options) == list(inside.VIEWS.values())
    views = {"live_changes", "live_optimizer", "live_batch"}
    assert not views & keys(at)
    for view, key in (("classes", "live_changes"), ("optimizer", "live_optimizer"), ("batch", "live_batch")):
        at.segmented_control(key="live_closer").set_value(view)
        drawn(at.run(), "train")
        assert views & keys(at) == {key}
    (shown,) = component_items(at, "live_batch")
    assert (shown["text"], shown["title"]) == (f"[CLS] {NASTY} [SEP]", NASTY)
    assert "8 texts of 24 tokens each; 25 % of them only fill up." in words(at)
    at.segmented_control(key="live_closer").set_value("classes").run()
    assert "Since the last look 2 texts became right and 2 wrong; 2 classes gained." in words(at)
    assert f"Losing: “{sorted(LABELS)[1]}” (−2)." in words(at)
    at.segmented_control(key="live_closer").set_value("notes").run()
    assert "It was decided." in words(at)


def test_of_many_classes_those_that_changed_most_are_shown_with_the_least_right_on_top() -> None:
    classes = [ClassChange(f"c{i:02d}", 10, i % 10, 5, 3 if i >= 40 else 0, 0) for i in range(60)]
    shown = inside.most_changed(classes)
    assert {c.label for c in shown} == {f"c{i}" for i in range(40, 60)}
    assert [c.share for c in shown] == sorted(c.share for c in shown)
    assert len(inside.most_changed(classes, None)) == 60


def test_a_resumed_run_shows_each_step_once() -> None:
    log = EventLog("job")
    for event in (BEGUN, step(1), look(1), step(2), Checkpointed(2, 10, 0.1), step(3), look(3)):
        log.add(event)
    log.add(replace(BEGUN, resumed_from=2))
    assert [s.step for s in log.steps] == [1, 2]
    assert [e.step for e in log.evaluations] == [1]
    assert log.checkpoint is not None
    log.add(step(3))
    log.add(BEGUN)  # from the very beginning
    assert (log.steps, log.evaluations, log.checkpoint) == ([], [], None)


def test_classes_without_known_names_are_numbered(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    dataset = homes.add_data(workspace)
    run = homes.submit(workspace, dataset)
    assert class_names(run, dataset, len(dataset.labels)) == sorted(dataset.labels)
    assert class_names(run, dataset, 5)[4] == "class 5"


# ------------------------------------------------------------------------------------- the ladder

SIMPLE = [rung("majority", 0.1), rung("tfidf", 0.9)]


@pytest.mark.parametrize(
    ("rungs", "sentence"),
    [
        (
            [rung("quick", 0.925), rung("full", 0.934, kept=True)],
            "Full fine-tuning gains 3.4 points of accuracy over word counts. "
            "Over the quick head it gains 0.9 points, which is not clear: the intervals overlap.",
        ),
        (
            [rung("quick", 0.905, kept=True)],
            "The quick head is not clearly better than word counts: it gains 0.5 points of accuracy, but the "
            "intervals overlap.",
        ),
        (
            [rung("quick", 0.94, kept=True), rung("full", 0.93)],
            "The quick head gains 4.0 points of accuracy over word counts. Full fine-tuning did not beat it (93.0 %).",
        ),
        (
            [rung("quick", 0.7, kept=True)],
            "The quick head is no better than word counts here: 70.0 % against 90.0 % accuracy.",
        ),
    ],
)
def test_the_ladder_says_what_its_figures_show(rungs: list[Rung], sentence: str) -> None:
    assert ladder.sentence([*SIMPLE, *rungs]) == sentence


def test_the_ladder_of_several_labels_compares_macro_f1() -> None:
    better = replace(rung("full", 0.2, kept=True), macro_f1=Interval(0.95, 0.94, 0.96))
    assert "gains 5.0 points of macro-F1" in ladder.sentence([*SIMPLE, better], several=True)


def test_the_ladder_stands_on_both_pages_with_the_kept_model_marked(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    rungs = [rung("full", 0.95, kept=True), rung("quick", 0.92), *SIMPLE]
    run = running(workspace, [BEGUN, step(1), rung("quick", 0.5)])
    with workspace.db.write() as connection:
        connection.execute(schema.jobs.update().values(state="finished", reason="All 2 epochs are done."))
        connection.execute(schema.runs.update().values(summary={"ladder": [r.to_json() for r in rungs]}))
    for page, key in (("train", "train"), ("runs", "run")):
        at = start(page, job=run.job_id) if page == "train" else start(page, run=run.id)
        assert "What each step buys" in words(at)
        assert "Full fine-tuning gains 5.0 points of accuracy over word counts." in words(at)
        (table,) = (d.value for d in at.dataframe if "Method" in d.value)
        assert list(table["Accuracy"])[::3] == ["10.0 % (9.0–11.0)", "95.0 % (94.0–96.0)"]
        assert list(table[""]) == ["", "", "", "✓"]
        assert list(table["Time"]) == ["1 min 30 s"] * 4
        assert f"{key}_ladder" in keys(at)


def test_a_run_without_anything_to_compare_has_no_ladder(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = homes.ended(workspace, homes.add_data(workspace), JobState.FAILED, "It failed.")
    assert "What each step buys" not in words(start("train", job=run.job_id))


# ------------------------------------------------------------------------------------- before


def test_automatic_says_what_it_takes_and_why(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    dataset = homes.add_data(workspace)
    picked, why = recipes.choose_method(dataset.parts["train"], len(dataset.labels), False, 22_700_000)
    at = start("train")
    assert why in words(at)
    assert ("epochs" in {n.key for n in at.number_input}) == ("epochs" in _shown(picked))
    press(at, "start_training")
    assert homes.only(workspace.runs()).recipe["method"] == "auto"


def _shown(method: str) -> set[str]:
    from ui.recipe_form import SHOWN

    return SHOWN[method]


@pytest.mark.parametrize(
    ("method", "there", "not_there"),
    [
        ("quick", {"max_length", "seed"}, {"epochs", "learning_rate", "lora_rank", "dropout"}),
        ("few", {"token_dropout", "seed"}, {"epochs", "batch_size", "lora_rank"}),
        ("lora", {"epochs", "lora_rank", "accumulation"}, {"layer_decay"}),
        ("full", {"epochs", "layer_decay", "accumulation", "label_smoothing"}, {"lora_rank"}),
    ],
)
def test_only_the_settings_of_the_method_are_offered(
    enter: Callable[..., Workspace], method: str, there: set[str], not_there: set[str]
) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = start("train")
    at.segmented_control(key="method").set_value(method)
    drawn(at.run(), "train")
    offered = {str(n.key) for n in at.number_input}
    assert there <= offered
    assert not not_there & offered
    assert "windows" in {c.key for c in at.checkbox}
    press(at, "start_training")
    run = homes.only(workspace.runs())
    suggested = recipes.suggest(run_texts(workspace), 3)
    assert Recipe.from_json(run.recipe) == replace(suggested, method=method)


def run_texts(workspace: Workspace) -> int:
    return homes.only(workspace.datasets()).parts["train"]


def test_the_new_settings_reach_the_recipe(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = start("train")
    at.segmented_control(key="method").set_value("full").run()
    numbers = {
        "accumulation": 2,
        "layer_decay": 0.9,
        "dropout": 0.1,
        "token_dropout": 0.0,
        "label_smoothing": 0.1,
        "distillation": 0.2,
    }
    for key, value in numbers.items():
        at.number_input(key=key).set_value(value)
    at.checkbox(key="windows").check()
    at.checkbox(key="train_embeddings").check()
    at.selectbox(key="loss").set_value("focal")
    press(at, "start_training")
    recipe = homes.only(workspace.runs()).recipe
    wanted = {**numbers, "windows": True, "train_embeddings": True, "loss": "focal"}
    assert {name: recipe[name] for name in wanted} == wanted


FOUND = Preflight(
    device="CPU, 2 threads", precision="bf16", precision_note="bf16 is faster.", method="full",
    method_note="Enough texts.", parameters=1000, trainable=500, train_texts=42, validation_texts=9, classes=3,
    max_length=24, longer=Interval(0.04, 0.03, 0.06), windows=False, steps=90, evaluations=3, accumulation=1,
    texts_per_second=300.0, seconds=131.0, seconds_low=110.0, seconds_high=170.0, memory_needed=2**30,
    memory_free=2**33, fits=True, below_five={"rare": 2}, below_twenty={}, advice=("Label *more*.",),
)  # fmt: skip


def test_a_check_before_training_shows_what_it_found_for_these_settings_only(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = start("train")
    assert "preflight_panel" not in keys(at)
    press(at, "check_training")
    assert "Checking: " in words(at)
    assert at.button(key="check_training").disabled
    job, lease = homes.claim(workspace, "use")
    assert job.kind == "preflight"
    with job_rows.ending(workspace.db, lease, JobState.FINISHED, "Measured.", FOUND.to_json()):
        pass
    go(at, "train")
    figures = {m.label: m.value for m in at.metric}
    assert figures["Time"] == "about 2 min"
    assert figures["Memory"] == "1.00 GB"
    assert figures["Longer texts"] == "4.0 % (3.0–6.0)"
    assert figures["Small classes"] == "1 of 3"
    assert "- Label *more*." in words(at)
    at.segmented_control(key="method").set_value("quick").run()
    assert "preflight_panel" not in keys(at)
    assert workspace.runs() == []


def test_a_check_that_failed_says_why(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = press(start("train"), "check_training")
    _, lease = homes.claim(workspace, "use")
    with job_rows.ending(workspace.db, lease, JobState.FAILED, "There is no such model.", None):
        pass
    assert "There is no such model." in errors(go(at, "train"))
    assert not at.button(key="check_training").disabled


# ------------------------------------------------------------------------------------- going on


def broken_off(workspace: Workspace, how: JobState = JobState.INTERRUPTED) -> Run:
    """A run that broke off after step 3 and has a sound checkpoint of step 2."""
    import torch

    from core.jobs.resume import checkpoints
    from core.training import checkpoint

    run = homes.ended(workspace, homes.add_data(workspace), how, "It broke off.")
    checkpoint.write(checkpoints(workspace, run.id), 2, {"w": torch.ones(2)}, {}, {"recipe": "1"})
    return run


def keep_weights(workspace: Workspace, run: Run) -> None:
    """The row of a model, as when the best so far was kept."""
    folder = workspace.settings.home / "models" / "model-1"
    folder.mkdir(parents=True)
    model = Model("model-1", run.name, run.id, "models/model-1", run.base_model, ("a", "b"), run.created_at)
    with workspace.db.write() as connection:
        model_rows.insert_model(connection, model)


@pytest.mark.parametrize(
    ("how", "page"),
    [(JobState.INTERRUPTED, "train"), (JobState.FAILED, "runs"), (JobState.STOPPED, "train")],
)
def test_a_run_that_broke_off_goes_on_with_one_button(
    enter: Callable[..., Workspace], how: JobState, page: str
) -> None:
    workspace = enter()
    run = broken_off(workspace, how)
    at = start("train", job=run.job_id) if page == "train" else start("runs", run=run.id)
    key = "train_resume" if page == "train" else "run_resume"
    assert at.button(key=key).label == "Resume from step 2"
    press(at, key, then="train")
    resumed = homes.only(workspace.runs())
    assert (resumed.id, resumed.job_id, resumed.state) == (run.id, run.job_id, JobState.QUEUED)
    assert "live_run" in keys(at)


def test_without_a_checkpoint_nothing_is_resumed(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = homes.ended(workspace, homes.add_data(workspace), JobState.INTERRUPTED, "It broke off.")
    assert "train_resume" not in buttons(start("train", job=run.job_id))
    assert "run_resume" not in buttons(start("runs", run=run.id))


@pytest.mark.parametrize("page", ["train", "runs"])
def test_a_refused_resume_says_why_and_offers_a_new_run_from_the_weights(
    enter: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    workspace = enter()
    run = broken_off(workspace)
    keep_weights(workspace, run)

    def refuse(_workspace: Workspace, _run: Run) -> Run:
        raise ResumeRefused("The *data* changed.")

    monkeypatch.setattr(jobs, "resume", refuse)
    at = start("train", job=run.job_id) if page == "train" else start("runs", run=run.id)
    key = "train" if page == "train" else "run"
    press(at, f"{key}_resume")
    assert "The *data* changed." in errors(at)
    assert f"{key}_resume" not in buttons(at)
    press(at, f"{key}_from_weights", then="train")
    new = workspace.runs()[0]
    assert (new.base_model, new.recipe, new.state) == ("model-1", run.recipe, JobState.QUEUED)


def test_a_resume_that_the_training_refused_offers_the_weights_too(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = broken_off(workspace, JobState.FAILED)
    keep_weights(workspace, run)
    with workspace.db.write() as connection:
        connection.execute(schema.jobs.update().values(result={"fault": "ResumeRefused"}))
    for page, key, query in (("train", "train", {"job": run.job_id}), ("runs", "run", {"run": run.id})):
        at = start(page, **query)
        assert f"{key}_from_weights" in buttons(at)
        assert f"{key}_resume" not in buttons(at)
