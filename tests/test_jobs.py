"""Jobs end to end with real worker processes: train, stop, interrupt, wait in line, classify, measure."""

from __future__ import annotations

import csv
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core import jobs
from core.data.intake import read_table
from core.errors import BadData, BadRecipe, InUse, NotFound
from core.jobs import adopt, supervise
from core.records import Dataset, Evaluated, Job, JobState, Part, Run, Started, Step
from core.settings import read_settings
from core.store import jobs as job_rows
from core.training.recipe import Recipe
from core.workspace import Workspace
from tests.tiny import tiny_bert

WORDS = {
    "red": ["apple", "cherry", "rose"],
    "green": ["leaf", "grass", "lime"],
    "blue": ["sky", "sea", "ink"],
}
QUICK = Recipe(method="full", epochs=2, batch_size=8, learning_rate=1e-3)
LONG = Recipe(method="full", epochs=1000, batch_size=8, learning_rate=1e-3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    opened = Workspace.open(
        read_settings({"FINESIFT_HOME": str(tmp_path / "home"), "FINESIFT_LEASE_SECONDS": "6"})
    )
    yield opened
    for holder in job_rows.holders(opened.db):
        if psutil.pid_exists(holder.pid):
            os.kill(holder.pid, signal.SIGKILL)
    opened.close()


def write_csv(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return path


def colours(copies: int = 12) -> list[tuple[str, ...]]:
    return [
        (f"the {word} number {i} is here", label)
        for label, words in WORDS.items()
        for i in range(copies)
        for word in [words[i % 3]]
    ]


def bring(ws: Workspace, tmp_path: Path, rows: list[tuple[str, ...]], label: int | None = 1) -> Dataset:
    path = write_csv(tmp_path / "rows.csv", rows)
    table = read_table(path, path.name, ws.settings)
    return ws.add_dataset(table, name="colours", text_column=0, label_column=label)


def wait(ws: Workspace, job_id: str, until: Callable[[Job], bool], seconds: float = 120) -> Job:
    for _ in range(int(seconds / 0.2)):
        jobs.recover(ws)
        job = ws.job(job_id)
        if until(job):
            return job
        time.sleep(0.2)
    raise AssertionError(f"still {job.state}: {job.reason}")


def ended(job: Job) -> bool:
    return job.state.ended


def stepping(ws: Workspace) -> Callable[[Job], bool]:
    return lambda job: job_rows.last_event(ws.db, job.id, Step.kind) is not None or job.state.ended


def holder_of(ws: Workspace, run: Run) -> job_rows.Holder:
    (holder,) = [h for h in job_rows.holders(ws.db) if h.job.id == run.job_id]
    return holder


def test_a_training_goes_from_the_queue_to_a_model(ws: Workspace, base: Path, tmp_path: Path) -> None:
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), QUICK)
    assert wait(ws, run.job_id, ended).state == JobState.FINISHED, ws.job(run.job_id).reason
    run = ws.run(run.id)
    assert run.model_id is not None
    assert run.validation is not None
    assert run.validation.n == ws.dataset("colours").parts["validation"]
    assert run.test is None
    events = [e.event for e in ws.events_after(run.job_id)]
    assert {type(e) for e in events} >= {Started, Step, Evaluated}
    assert [e.seq for e in ws.events_after(run.job_id)] == list(range(len(events)))
    (model,) = ws.models()
    assert model.labels == ("blue", "green", "red")
    assert (ws.model_folder(model) / "model.safetensors").is_file()
    assert adopt.read_sidecar(ws.model_folder(model))["metrics"]["validation"]["n"] == run.validation.n


def test_stop_keeps_a_usable_model(ws: Workspace, base: Path, tmp_path: Path) -> None:
    from core.inference.classifier import Classifier

    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), LONG)
    wait(ws, run.job_id, stepping(ws))
    jobs.request_stop(ws, run.job_id)
    job = wait(ws, run.job_id, ended)
    assert job.state == JobState.STOPPED, job.reason
    run = ws.run(run.id)
    assert run.model_id is not None
    probabilities = Classifier.load(ws.find_model(run.model_id).folder).predict_proba(["the sky"])
    assert probabilities.shape == (1, 3)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_a_killed_worker_is_noticed_and_its_best_model_kept(
    ws: Workspace, base: Path, tmp_path: Path
) -> None:
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), LONG)
    wait(
        ws,
        run.job_id,
        lambda job: job_rows.last_event(ws.db, job.id, Evaluated.kind) is not None or ended(job),
    )
    os.kill(holder_of(ws, run).pid, signal.SIGKILL)
    job = wait(ws, run.job_id, ended, seconds=15)
    assert job.state == JobState.INTERRUPTED
    assert "ended without a word" in job.reason
    run = ws.run(run.id)
    assert run.model_id is not None
    assert ws.find_model(run.model_id).folder.joinpath("model.safetensors").is_file()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop a process")
def test_a_worker_that_stands_still_loses_its_lease_and_writes_nothing_more(
    ws: Workspace, base: Path, tmp_path: Path
) -> None:
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), LONG)
    wait(ws, run.job_id, stepping(ws))
    pid = holder_of(ws, run).pid
    os.kill(pid, signal.SIGSTOP)
    job = wait(ws, run.job_id, ended, seconds=40)
    assert job.state == JobState.INTERRUPTED
    written = len(ws.events_after(run.job_id))
    os.kill(pid, signal.SIGCONT)
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.2)
    else:
        raise AssertionError("the worker went on without its lease")
    assert len(ws.events_after(run.job_id)) == written
    assert ws.job(run.job_id).state == JobState.INTERRUPTED


def test_trainings_wait_in_order_and_say_so(ws: Workspace, base: Path, tmp_path: Path) -> None:
    dataset = bring(ws, tmp_path, colours())
    first = jobs.submit_training(ws, dataset, str(base), LONG)
    second = jobs.submit_training(ws, dataset, str(base), QUICK)
    third = jobs.submit_training(ws, dataset, str(base), QUICK)
    wait(ws, first.job_id, stepping(ws))
    assert [(j.state, j.ahead) for j in ws.open_jobs("train")] == [
        (JobState.RUNNING, 0),
        (JobState.QUEUED, 1),
        (JobState.QUEUED, 2),
    ]
    with pytest.raises(InUse):
        ws.delete_dataset(dataset.id)
    with pytest.raises(InUse):
        ws.delete_run(first.id)
    jobs.request_stop(ws, third.job_id)
    assert ws.job(third.job_id).state == JobState.STOPPED
    jobs.request_stop(ws, first.job_id)
    assert wait(ws, second.job_id, ended).state == JobState.FINISHED
    assert ws.run(second.id).name == "colours, tiny (2)"


def test_the_test_part_is_measured_only_when_asked_and_counted(
    ws: Workspace, base: Path, tmp_path: Path
) -> None:
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), QUICK)
    wait(ws, run.job_id, ended)
    run = ws.run(run.id)
    assert (run.test, run.test_looks) == (None, 0)
    job = jobs.submit_evaluation(ws, run, Part.TEST)
    assert wait(ws, job.id, ended).state == JobState.FINISHED
    run = ws.run(run.id)
    assert run.test is not None
    assert (run.test.n, run.test_looks, run.test_source) == (ws.dataset("colours").parts["test"], 1, "part")
    jobs.submit_evaluation(ws, run, Part.TEST)
    wait(ws, ws.recent_jobs("evaluate")[0].id, ended)
    assert ws.run(run.id).test_looks == 2


def test_an_own_test_file_frees_the_held_out_part_and_leaks_nothing(
    ws: Workspace, base: Path, tmp_path: Path
) -> None:
    from core.jobs.train_job import gather

    rows = colours()
    dataset = bring(ws, tmp_path, rows)
    own = write_csv(tmp_path / "own.csv", [*rows[:3], ("a new leaf", "green"), ("a strange thing", "purple")])
    table = read_table(own, own.name, ws.settings)
    run = jobs.submit_training(ws, dataset, str(base), QUICK, test=jobs.TestFile(table, 0, 1, "own.csv"))
    texts = gather(ws, run)
    assert texts.test is not None
    seen = {text for text, _ in texts.train + texts.validation}
    assert not seen & {text for text, _ in texts.test}
    assert len(texts.train) + len(texts.validation) == len(rows) - 3
    assert wait(ws, run.job_id, ended).state == JobState.FINISHED
    run = ws.run(run.id)
    assert run.test is not None
    assert (run.test.n, run.test_source, run.test_looks) == (5, "file", 1)
    assert "purple" in run.test.labels  # a class that the model does not know counts as missed
    again = jobs.run_again(ws, run)
    assert gather(ws, again).test == texts.test


def test_a_file_is_classified_row_by_row(ws: Workspace, base: Path, tmp_path: Path) -> None:
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), QUICK)
    wait(ws, run.job_id, ended)
    model_id = ws.run(run.id).model_id
    assert model_id is not None
    path = write_csv(
        tmp_path / "in.csv", [("007", "the sky"), ("008", ""), ("009", "=1+1")], header=("id", "text")
    )
    job = jobs.submit_classification(ws, model_id, path, file_name="in.csv", text_column=1)
    job = wait(ws, job.id, ended)
    assert job.state == JobState.FINISHED, job.reason
    assert job.result is not None
    assert (job.result["rows"], job.result["without_text"], job.result["guarded"]) == (3, 1, 1)
    with (ws.job_folder(job.id) / "output.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["id"] for r in rows] == ["007", "008", "009"]
    assert rows[2]["text"] == "'=1+1"
    assert rows[1]["predicted_label"] == ""
    assert sum(float(rows[0][label]) for label in WORDS) == pytest.approx(1, abs=1e-4)
    pasted = jobs.submit_classification(ws, model_id, ["one line", "", "another, with a comma"])
    assert wait(ws, pasted.id, ended).result["rows"] == 2  # type: ignore[index]
    ws.delete_job(pasted.id)
    assert not ws.job_folder(pasted.id).exists()


def test_a_base_model_that_cannot_be_had_fails_with_its_sentence(ws: Workspace, tmp_path: Path) -> None:
    empty = tmp_path / "no-model"
    empty.mkdir()
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(empty), QUICK)
    job = wait(ws, run.job_id, ended)
    assert job.state == JobState.FAILED
    assert job.result is not None
    assert job.result["fault"] in ("BadModel", "UnsafeModel", "NotFound")
    assert "Traceback" not in job.reason


@pytest.mark.parametrize(
    ("rows", "label", "sentence"),
    [
        ([("a text", "one"), ("b text", "one"), ("c text", "one")], 1, "at least two classes"),
        ([("a text", "one"), ("b text", "two"), ("c text", "three")], 1, "only one text"),
        ([("a text", ""), ("b text", "")], 1, "No row"),
        ([("a text", "x"), ("b text", "y")], None, "No row"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused_before_the_queue(
    ws: Workspace, tmp_path: Path, rows: list[tuple[str, ...]], label: int | None, sentence: str
) -> None:
    dataset = bring(ws, tmp_path, rows, label)
    with pytest.raises(BadData, match=sentence):
        jobs.submit_training(ws, dataset, "all-MiniLM-L6-v2", QUICK)
    assert ws.runs() == []
    assert ws.dataset("colours").rows == len(rows)


def test_a_recipe_with_faults_names_all_of_them(ws: Workspace, tmp_path: Path) -> None:
    dataset = bring(ws, tmp_path, colours())
    with pytest.raises(BadRecipe) as caught:
        jobs.submit_training(ws, dataset, "all-MiniLM-L6-v2", Recipe(epochs=-1, batch_size=0))
    assert "Epochs" in str(caught.value)
    assert "batch size" in str(caught.value)


def test_a_deleted_data_set_leaves_its_runs_readable(ws: Workspace, base: Path, tmp_path: Path) -> None:
    dataset = bring(ws, tmp_path, colours())
    run = jobs.submit_training(ws, dataset, str(base), QUICK)
    wait(ws, run.job_id, ended)
    ws.delete_dataset(dataset.id)
    run = ws.run(run.id)
    assert (run.dataset_id, run.dataset_name) == (None, "colours")
    with pytest.raises(NotFound, match="was deleted"):
        jobs.run_again(ws, run)
    folder = ws.find_model(run.id).folder
    ws.delete_run(run.id)
    assert ws.runs() == []
    assert not folder.exists()


def test_a_worker_that_was_just_started_is_not_started_again(
    ws: Workspace, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawned = []
    real = supervise._spawn
    monkeypatch.setattr(supervise, "_spawn", lambda *a: spawned.append(a) or real(*a))
    run = jobs.submit_training(ws, bring(ws, tmp_path, colours()), str(base), QUICK)
    for _ in range(5):
        jobs.ensure_workers(ws)
    assert len(spawned) == 1
    wait(ws, run.job_id, ended)


def test_a_worker_that_cannot_start_fails_its_job_in_words(
    ws: Workspace, tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = bring(ws, tmp_path, colours())
    real = supervise.subprocess.Popen

    def broken(command: list[str], **options: object) -> object:
        return real([command[0], "-c", "raise SystemExit('no such library')"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(supervise.subprocess, "Popen", broken)
    run = jobs.submit_training(ws, dataset, str(base), QUICK)
    job = wait(ws, run.job_id, ended, seconds=60)
    assert job.state == JobState.FAILED
    assert "no such library" in job.reason
