"""Every page in every state of a home folder, driven by AppTest: what is offered, said, queued and escaped."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from core import jobs
from core.data.sample import SAMPLE_NAME
from core.jobs import supervise
from core.records import JobState
from core.settings import read_settings
from core.training.recipe import Recipe, suggest
from core.workspace import Workspace
from tests import homes
from ui import state

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("home", "data", "train", "runs", "classify", "attention")
TITLES = {name: title for name, (title, _) in state.PAGES.items()}


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once: a data set and a finished run. Copied for each test."""
    return homes.build_finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workspace]]:
    """Make a home folder (a copy of one) that of the app. No worker is started in it."""
    opened: list[Workspace] = []
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)
    monkeypatch.delenv("FINESIFT_DATABASE_URL", raising=False)
    state._open.clear()

    def open_home(like: Path | None = None) -> Workspace:
        home = tmp_path / "home"
        if like is not None:
            homes.copy_home(like, home)
        monkeypatch.setenv("FINESIFT_HOME", str(home))
        opened.append(Workspace.open(read_settings()))
        return opened[-1]

    yield open_home
    for workspace in (*opened, state.workspace()):
        workspace.close()
    state._open.clear()


# ------------------------------------------------------------------------------------- what a user does and sees


def start(page: str = "home", **query: str) -> AppTest:
    """A browser tab that opens the app, then that page with that address."""
    at = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=60).run()
    return go(at, page, **query)


def go(at: AppTest, page: str, **query: str) -> AppTest:
    at.query_params.clear()
    at.query_params.update(query)
    return drawn(at.switch_page(str(ROOT / "pages" / f"{page}.py")).run(), page)


def drawn(at: AppTest, page: str) -> AppTest:
    """It is that page and nothing in it failed."""
    assert [str(e.value) for e in at.exception] == []
    assert at.title[0].value == TITLES[page]
    return at


def press(at: AppTest, key: str, then: str | None = None) -> AppTest:
    """Click a button; the page stays, or is `then`."""
    page = then or next(name for name, title in TITLES.items() if title == at.title[0].value)
    return drawn(at.button(key=key).click().run(), page)


def buttons(at: AppTest) -> set[str]:
    return {str(button.key) for button in at.button}


def keys(at: AppTest) -> set[str]:
    return {str(getattr(node, "key", None)) for node in nodes(at)}


def words(at: AppTest) -> str:
    """What stands on the page as text, Markdown escapes taken out."""
    shown = [*at.title, *at.subheader, *at.markdown, *at.caption, *at.error, *at.info, *at.toast]
    text = "\n".join(str(element.value) for element in shown)
    text += "\n".join(str(bar.text) for bar in at.get("progress"))
    return text.replace("\\", "").replace("\u2060", "")


def errors(at: AppTest) -> str:
    return "\n".join(str(e.value) for e in at.error).replace("\\", "")


def nodes(at: AppTest) -> Iterator[Any]:
    """All elements and blocks of the page, dialogs included."""
    waiting: list[Any] = [at._tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Block):
            waiting.extend(node.children.values())


def component_items(at: AppTest, key: str) -> list[dict[str, Any]]:
    """What was handed to the component of that key (class chips, tokens, whole texts)."""
    proto = homes.only([n.proto for n in nodes(at) if getattr(n, "key", None) == key])
    items: list[dict[str, Any]] = json.loads(proto.json)["items"]
    return items


def tab(at: AppTest, key: str, name: str) -> AppTest:
    at.session_state[key] = name
    return at.run()


# ------------------------------------------------------------------------------------- every page, every home


def test_each_page_of_an_empty_home_offers_the_next_step(enter: Callable[..., Workspace]) -> None:
    enter()
    at = start()
    assert {"home_bring", "home_sample"} <= buttons(at)
    assert "data_file_0" in {f.key for f in go(at, "data").file_uploader}
    assert "No texts yet" in words(go(at, "train"))
    press(at, "train_bring", then="data")
    assert "No runs yet" in words(go(at, "runs"))
    press(at, "runs_train", then="train")
    assert "No trained model yet" in words(go(at, "classify"))
    press(at, "classify_train", then="train")
    go(at, "attention")
    assert errors(at) == ""
    assert at.selectbox(key="attention_model").value == "all-MiniLM-L6-v2"
    assert "attention_view" in keys(at)


def test_each_page_of_a_home_with_data_offers_training(enter: Callable[..., Workspace]) -> None:
    dataset = homes.add_data(enter())
    at = start()
    assert "“toy” is ready: 60 labelled texts in 3 classes." in words(at)
    press(at, "home_train", then="train")
    assert at.selectbox(key="train_dataset").value == dataset.id
    assert "start_training" in buttons(at)
    assert "Rows 1–50 of 60" in words(go(at, "data"))
    press(at, "data_train", then="train")
    assert "runs_train" in buttons(go(at, "runs"))
    assert "classify_train" in buttons(go(at, "classify"))
    go(at, "attention")
    assert errors(at) == ""


def test_each_page_of_a_home_with_a_model_offers_its_use(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    at = start()
    assert "“toy” is trained and knows 3 classes." in words(at)
    assert list(at.dataframe[0].value["State"]) == ["Finished"]
    press(at, "home_classify", then="classify")
    assert at.selectbox(key="classify_model").value == run.model_id
    press(go(at, "home"), "home_attention", then="attention")
    assert at.selectbox(key="attention_model").value == run.model_id
    assert errors(at) == ""
    assert {"run_classify", "run_again", "run_rename", "run_delete"} <= buttons(go(at, "runs"))
    assert {"run_curves", "validation_confusion", "validation_classes", "run_download"} <= keys(at)
    assert "start_training" in buttons(go(at, "train"))
    go(at, "train", job=run.job_id)
    assert {"to_classify", "to_attention", "to_run", "new_run"} <= buttons(at)
    assert "live_curves" in keys(at)
    assert "data_train" in buttons(go(at, "data"))


def test_a_queued_run_is_found_on_each_page_and_can_leave_the_queue(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    first = homes.submit(workspace, homes.add_data(workspace), name="first")
    second = homes.submit(workspace, workspace.datasets()[0], name="second")
    at = start()
    assert "A training waits for its turn" in words(at)
    assert "2 jobs waiting." in words(at)
    press(at, "home_watch", then="train")
    assert "Waiting: its worker is starting." in words(at)
    assert "Waiting: 1 job before it." in words(go(at, "runs", run=second.id))
    assert at.button(key="run_delete").disabled
    for page in PAGES:
        go(at, page)
    go(at, "train", job=first.job_id)
    press(at, "leave_queue")
    assert workspace.run(first.id).state == JobState.STOPPED
    assert "Taken out of the queue" in words(at)


def test_a_running_run_shows_its_figures_and_can_be_stopped(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = homes.submit(workspace, homes.add_data(workspace), name="mine")
    homes.begin(workspace)
    at = start()
    assert "A model is learning" in words(at)
    assert "30 % · less than 5 s left · CPU, 2 threads" in words(at)
    for page in PAGES:
        go(at, page)
    for page in ("train", "runs"):
        go(at, page)
        figures = {m.label: m.value for m in at.metric}
        assert figures["Accuracy"] == "50.0 % (25.0–75.0)"
        assert figures["Macro-F1"] == "40.0 %"
        assert figures["Step"] == "3 of 10"
        assert "live_curves" in keys(at)
        assert "30 % done, less than 5 s left" in words(at)
    press(at, "stop_training")
    assert workspace.run(run.id).state == JobState.STOPPING
    assert "Stopping; the best so far is being kept." in words(at)


@pytest.mark.parametrize("how", [JobState.FAILED, JobState.STOPPED, JobState.INTERRUPTED])
def test_a_run_that_did_not_finish_says_why_and_offers_another_try(
    enter: Callable[..., Workspace], how: JobState
) -> None:
    workspace = enter()
    run = homes.ended(workspace, homes.add_data(workspace), how, "The reason in *words*.")
    at = start()
    assert list(at.dataframe[0].value["State"]) == [how.value.capitalize()]
    for page in PAGES:
        go(at, page)
    go(at, "train", job=run.job_id)
    assert "The reason in *words*." in words(at)
    assert "to_classify" not in buttons(at)
    assert "The reason in *words*." in words(go(at, "runs", run=run.id))
    assert "run_classify" not in buttons(at)
    press(at, "run_again", then="train")
    again = workspace.runs()[0]
    assert (again.state, again.recipe, again.dataset_id) == (JobState.QUEUED, run.recipe, run.dataset_id)
    assert again.id != run.id


def test_the_best_model_of_an_interrupted_run_can_be_measured_and_used(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    """Such a run has a model and no figures yet."""
    from core.store import runs, schema

    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    with workspace.db.write() as connection:
        connection.execute(schema.runs.update().values(validation=None, summary={}))
        connection.execute(schema.jobs.update().values(state="interrupted", reason="It was killed."))
    at = start("train", job=run.job_id)
    assert {"to_classify", "run_again"} <= buttons(at)
    assert "It was killed." in words(at)
    press(go(at, "runs"), "measure_validation")
    job = homes.only(workspace.open_jobs("evaluate"))
    assert job.payload["part"] == "validation"
    homes.work(workspace, "use")
    drawn(at.run(), "runs")
    measured = runs.get(workspace.db, run.id).validation
    assert measured == run.validation
    assert "validation_confusion" in keys(at)


# ------------------------------------------------------------------------------------- torch stays out


def test_pages_that_ask_no_model_load_no_torch(tmp_path: Path, finished_home: Path) -> None:
    home = homes.copy_home(finished_home, tmp_path / "home")
    pages = [str(ROOT / "pages" / f"{name}.py") for name in ("home", "data", "train", "runs", "classify")]
    code = (
        "import os, sys\n"
        f"os.environ['FINESIFT_HOME'] = {str(home)!r}\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"at = AppTest.from_file({str(ROOT / 'ui' / 'main.py')!r}, default_timeout=60).run()\n"
        f"for page in {pages!r}:\n"
        "    at.switch_page(page).run()\n"
        "    assert not at.exception, page\n"
        "    heavy = {'torch', 'transformers'} & set(sys.modules)\n"
        "    assert not heavy, (page, heavy)\n"
        "print('titles:', at.title[0].value)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "titles: Classify" in done.stdout


# ------------------------------------------------------------------------------------- training


def test_the_sample_leads_to_train_where_one_button_queues_the_default_recipe(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    at = press(start(), "home_sample", then="train")
    dataset = homes.only(workspace.datasets())
    assert (dataset.name, dataset.rows) == (SAMPLE_NAME, 400)
    assert at.selectbox(key="train_dataset").value == dataset.id
    assert workspace.runs() == []
    press(at, "start_training")
    run = homes.only(workspace.runs())
    assert run.state == JobState.QUEUED
    assert (run.dataset_id, run.base_model) == (dataset.id, "all-MiniLM-L6-v2")
    assert Recipe.from_json(run.recipe) == suggest(dataset.parts["train"], len(dataset.labels))
    assert "live_run" in keys(at)
    assert at.query_params["job"] == run.job_id


def test_changed_settings_reach_the_recipe_of_the_run(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    dataset = homes.add_data(workspace)
    at = start("train")
    numbers = {
        "epochs": 2.5, "batch_size": 4, "learning_rate": 1e-3, "seed": 7, "warmup": 0.25, "weight_decay": 0.1,
        "max_length": 64, "early_stopping": 3, "gradient_clip": 2.0,
    }  # fmt: skip
    for key, value in numbers.items():
        at.number_input(key=key).set_value(value)
    at.checkbox(key="class_weights").check()
    at.selectbox(key="precision").set_value("fp32")
    at.selectbox(key="layers_kind").set_value("last").run()
    at.number_input(key="layers_count").set_value(1)
    at.text_input(key="run_name").set_value("my own name")
    at.selectbox(key="train_base").set_value("someone/some-model")
    press(at, "start_training")
    run = homes.only(workspace.runs())
    assert (run.name, run.base_model, run.dataset_id) == ("my own name", "someone/some-model", dataset.id)
    assert Recipe.from_json(run.recipe) == Recipe(
        epochs=2.5, batch_size=4, learning_rate=1e-3, seed=7, warmup_share=0.25, weight_decay=0.1,
        max_length=64, early_stopping=3, gradient_clip=2.0, class_weights=True, precision="fp32",
        layers="last:1",
    )  # fmt: skip


def test_a_fault_in_the_recipe_is_a_sentence_and_nothing_is_queued(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    homes.add_data(workspace)
    at = start("train")
    at.number_input(key="max_length").set_value(3)
    drawn(at.run(), "train")
    assert "The maximum length has to be 0 (automatic) or at least 8 tokens." in errors(at)
    press(at, "start_training")
    assert "The maximum length has to be 0" in errors(at)
    assert workspace.runs() == []
    at.number_input(key="max_length").set_value(8)
    press(at, "start_training")
    assert errors(at) == ""
    assert len(workspace.runs()) == 1


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["only"] * 6, "A classifier needs at least two classes"),
        (list("abcdef"), "has only one text"),
        ([None] * 6, "has a label, so there is nothing to learn from"),
        ([None, "a", None, "b"], "has only one text"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_explained_before_training(
    enter: Callable[..., Workspace], labels: list[str | None], sentence: str
) -> None:
    workspace = enter()
    dataset = homes.add_rows(workspace, [(f"text number {i}", label) for i, label in enumerate(labels)])
    start()
    at = start("train")
    assert sentence in errors(at)
    assert "start_training" not in buttons(at)
    press(at, "train_to_data", then="data")
    assert at.selectbox(key="data_pick").value == dataset.id
    assert workspace.runs() == []


# ------------------------------------------------------------------------------------- runs


def test_a_run_is_renamed_with_its_model(enter: Callable[..., Workspace], finished_home: Path) -> None:
    workspace = enter(finished_home)
    at = press(start("runs"), "run_rename")
    at.text_input(key="run_rename_name").set_value("  a *better* name ")
    press(at, "run_rename_confirm")
    assert homes.only(workspace.runs()).name == "a *better* name"
    assert homes.only(workspace.models()).name == "a *better* name"
    assert "a *better* name" in words(drawn(at.run(), "runs"))


def test_a_run_is_deleted_only_after_it_was_confirmed(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    folder = workspace.model_folder(workspace.models()[0])
    at = press(start("runs"), "run_delete")
    assert "The run goes with its curves and figures and its model." in words(at)
    press(at, "run_delete_keep")
    assert len(workspace.runs()) == 1
    press(at, "run_delete")
    press(at, "run_delete_confirm")
    assert workspace.runs() == []
    assert not folder.exists()
    assert "No runs yet" in words(at)
    assert "Deleted “toy”." in words(at)
    assert len(workspace.datasets()) == 1


def test_two_runs_are_compared_by_their_curves_and_by_what_differs(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    old = homes.only(workspace.runs())
    other = Recipe.from_json({**old.recipe, "batch_size": 4, "seed": 9})
    jobs.submit_training(workspace, workspace.datasets()[0], old.base_model, other, name="other")
    homes.work(workspace, "train")
    at = start("runs")
    table = at.dataframe[0]
    assert list(table.value["Run"]) == ["other", "toy"]
    at.session_state[table.key] = {"selection": {"rows": [0, 1], "columns": [], "cells": []}}
    drawn(at.run(), "runs")
    assert "compare_curves" in keys(at)
    shown = {row[0]: tuple(row[1:]) for row in at.dataframe[1].value.to_numpy().tolist()}
    assert (shown["batch size"], shown["seed"]) == (("4", "8"), ("9", "0"))
    assert "epochs" not in shown
    at.segmented_control(key="compare_figure").set_value("loss")
    drawn(at.run(), "runs")


def test_the_test_part_is_measured_only_when_asked(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run = homes.only(workspace.runs())
    at = start("runs")
    assert "test_confusion" not in keys(at)
    assert list(at.dataframe[0].value["Test accuracy"]) == ["–"]
    assert workspace.open_jobs() == []
    press(at, "measure_test")
    job = homes.only(workspace.open_jobs("evaluate"))
    assert (job.payload["run_id"], job.payload["part"]) == (run.id, "test")
    assert "Measuring" in words(at)
    assert "measure_test" not in buttons(at)
    for page in PAGES:
        go(at, page)
    homes.work(workspace, "use")
    go(at, "runs")
    assert "test_confusion" in keys(at)
    measured = homes.only(workspace.runs()).test
    assert f"{measured.n} texts. Looked at 1 time" in words(at)


# ------------------------------------------------------------------------------------- classify


def test_one_text_gets_the_probabilities_of_the_classifier(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    from core.inference.classifier import Classifier

    workspace = enter(finished_home)
    text = "my card was charged twice"
    at = start("classify")
    at.text_area(key="classify_text").set_value(text)
    press(at, "classify_ask")
    classifier = Classifier.load(workspace.model_folder(workspace.models()[0]))
    logits, expected = classifier.logits([text])[0], classifier.predict_proba([text])[0]
    table = at.dataframe[0].value
    assert tuple(table["Class"]) == classifier.labels
    assert [float(p) for p in table["Probability"]] == pytest.approx(expected.tolist(), abs=1e-6)
    assert [float(v) for v in table["Logit"]] == pytest.approx(logits.tolist(), abs=1e-4)
    (chip,) = component_items(at, "answer")
    assert chip["text"] == classifier.labels[int(expected.argmax())]
    assert chip["note"] == f"{100 * expected.max():.1f} %"
    assert [item["text"] for item in component_items(at, "answer_tokens")] == classifier.tokens(text)


def test_no_text_is_said_and_asks_no_model(enter: Callable[..., Workspace], finished_home: Path) -> None:
    enter(finished_home)
    at = start("classify")
    at.text_area(key="classify_text").set_value("  \n ")
    press(at, "classify_ask")
    assert "There is no text yet." in words(at)
    assert "answer" not in keys(at)


def test_pasted_lines_become_a_job_and_its_rows_are_shown(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    at = tab(start("classify"), "classify_tabs", "Many texts")
    at.segmented_control(key="classify_way").set_value("lines").run()
    at.text_area(key="classify_pasted").set_value(" \n\n")
    press(at, "classify_lines_start")
    assert "There is no text to classify." in errors(at)
    assert workspace.open_jobs() == []
    at.text_area(key="classify_pasted").set_value("my card was charged\n\n=1+1\n")
    press(at, "classify_lines_start")
    job = homes.only(workspace.open_jobs("classify"))
    assert job.payload["model_id"] == workspace.models()[0].id
    assert "Starting." in words(at)
    for page in PAGES:
        go(at, page)
    homes.work(workspace, "use")
    tab(go(at, "classify"), "classify_tabs", "Many texts")
    drawn(at, "classify")
    assert "2 rows in" in words(at)
    assert list(at.dataframe[0].value["text"]) == ["my card was charged", "'=1+1"]
    press(at, f"delete_{job.id}")
    assert workspace.recent_jobs("classify") == []
    assert not workspace.job_folder(job.id).exists()


# ------------------------------------------------------------------------------------- users' words are no markup

NASTY = "**x** <img src=x onerror=alert(1)> $a$ :red[x] ![a](b) :material/home: :smile: שלום"
PIECES = ("**x**", "<img", "$a$", ":red[x]", "![a](b)", ":material/home:", ":smile:")
# Fields that Streamlit draws as plain text: options, values, table cells, what goes to our component as data.
PLAIN = {
    ("Selectbox", "options"), ("Selectbox", "raw_value"), ("TextInput", "value"), ("TextInput", "default"),
    ("TextInput", "placeholder"), ("TextArea", "value"), ("TextArea", "default"), ("PlotlyChart", "alt"),
    ("Dataframe", "alt"), ("BidiComponent", "json"),
}  # fmt: skip


def strings(proto: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str]]:
    """(message, field, text) of all texts in a protobuf message."""
    for field, value in proto.ListFields():
        several = value if field.is_repeated else [value]
        for one in several:
            if field.message_type is not None and hasattr(one, "ListFields"):
                yield from strings(one)
            elif isinstance(one, str):
                yield proto.DESCRIPTOR.name, field.name, one


def markup(at: AppTest) -> list[tuple[str, str, str]]:
    """The places of the page where a user's words stand unescaped in a text that may be read as markup."""
    found = []
    for node in nodes(at):
        proto = getattr(node, "proto", None)
        for message, field, text in strings(proto) if hasattr(proto, "ListFields") else ():
            # Plotly reads tags of its own, and no Markdown
            pieces = ("<img", "$a$") if (message, field) == ("PlotlyChart", "spec") else PIECES
            if (message, field) not in PLAIN and any(piece in text for piece in pieces):
                found.append((message, field, text))
    return found


@pytest.fixture(scope="session")
def nasty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = [f"{NASTY} {letter}" for letter in "abc"]
    return homes.build_finished(tmp_path_factory.mktemp("nasty"), name=NASTY, labels=labels)


def test_names_and_labels_stand_on_each_page_to_the_letter_and_never_as_markup(
    enter: Callable[..., Workspace], nasty_home: Path
) -> None:
    workspace = enter(nasty_home)
    run = homes.only(workspace.runs())
    at = start()
    assert markup(at) == []
    assert NASTY in words(at)
    assert list(at.dataframe[0].value["Run"]) == [NASTY]
    assert markup(go(at, "data")) == []
    assert NASTY in words(at)  # the name of its file
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    drawn(at.run(), "data")
    assert markup(at) == []
    assert NASTY in component_items(at, "row_label")[0]["text"]
    for key in ("data_rename", "data_delete"):
        assert markup(press(go(at, "data"), key)) == []
    assert NASTY in words(at)
    assert markup(go(at, "train")) == []
    assert markup(go(at, "train", job=run.job_id)) == []
    assert NASTY in words(at)
    assert markup(go(at, "runs")) == []
    assert NASTY in words(at)
    for key in ("run_rename", "run_delete"):
        assert markup(press(go(at, "runs"), key)) == []
    go(at, "classify")
    at.text_area(key="classify_text").set_value(NASTY)
    press(at, "classify_ask")
    assert markup(at) == []
    assert NASTY in component_items(at, "answer")[0]["text"]
    go(at, "attention")
    at.text_area(key="attention_text").set_value(NASTY)
    at.text_area(key="attention_pair").set_value(NASTY)
    drawn(at.run(), "attention")
    assert markup(at) == []
    assert NASTY in words(at)


def test_reasons_jobs_and_faults_never_become_markup(
    enter: Callable[..., Workspace], nasty_home: Path
) -> None:
    workspace = enter(nasty_home)
    dataset, model = workspace.datasets()[0], workspace.models()[0]
    homes.ended(workspace, dataset, JobState.FAILED, NASTY, name=f"failed {NASTY}")
    jobs.submit_classification(workspace, model.id, ["one text"], file_name=f"{NASTY}.csv")
    only_label = homes.add_rows(workspace, [("a", NASTY), ("b", NASTY)], name=f"one class {NASTY}")
    at = start()
    for page in PAGES:
        assert markup(go(at, page)) == []
    assert markup(go(at, "train", job=workspace.runs()[0].job_id)) == []
    assert NASTY in errors(at).replace("\u2060", "")
    assert markup(go(at, "train", data=only_label.id)) == []
    tab(go(at, "classify"), "classify_tabs", "Many texts")
    assert markup(drawn(at, "classify")) == []
    assert NASTY in words(at)
    homes.submit(workspace, dataset, name=f"queued {NASTY}")
    for page in PAGES:
        assert markup(go(at, page)) == []


def test_the_columns_and_cells_of_an_upload_never_become_markup(enter: Callable[..., Workspace]) -> None:
    enter()
    at = start("data")
    rows = "".join(f'"text {i}","{NASTY}"\n' for i in range(4))
    content = f'"{NASTY}","label {NASTY}"\n{rows}'.encode()
    at.file_uploader(key="data_file_0").upload(f"{NASTY.replace('/', '-')}.csv", content, "text/csv").run()
    drawn(at, "data")
    assert errors(at) == ""
    assert markup(at) == []
    press(at, "add_dataset")
    assert markup(at) == []
    assert markup(go(at, "train")) == []
    go(at, "data")
    at.segmented_control(key="data_view").set_value("Add a file").run()
    box = next(f for f in at.file_uploader if str(f.key).startswith("data_file_"))
    box.upload(f"{NASTY.replace('/', '-')}.csv", b"", "text/csv").run()
    assert markup(drawn(at, "data")) == []
    assert "onerror" in errors(at)


# ------------------------------------------------------------------------------------- deleted in another tab

STALE = {"data": "data-gone", "run": "run-gone", "model": "model-gone", "job": "job-gone"}


def test_an_address_of_something_deleted_draws_each_page_and_says_so(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    enter(finished_home)
    expected = {
        "data": "The data set that was chosen here is gone",
        "train": "The run that was chosen here is gone",
        "runs": "The run that was chosen here is gone",
        "classify": "The model that was chosen here is gone",
        "attention": "The model that was chosen here is gone",
    }
    for page in PAGES:
        at = start(page, **STALE)
        assert expected.get(page, "") in words(at), page


def test_stale_addresses_on_an_empty_home_draw_each_page(enter: Callable[..., Workspace]) -> None:
    enter()
    for page in PAGES:
        assert errors(start(page, **STALE, layer="999", head="x")) == ""


def test_a_click_meant_for_a_deleted_data_set_does_not_train_on_another(
    enter: Callable[..., Workspace],
) -> None:
    workspace = enter()
    homes.add_data(workspace, name="one")
    other = homes.add_data(workspace, name="two")
    at = start("train", data=other.id)
    workspace.delete_dataset(other.id)
    press(at, "start_training")
    assert workspace.runs() == []
    assert "The data set that was chosen here is gone" in words(at)
    press(at, "start_training")
    assert homes.only(workspace.runs()).dataset_name == "one"


def test_a_click_meant_for_a_deleted_run_does_nothing_to_another(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    failed = homes.ended(workspace, workspace.datasets()[0], JobState.FAILED, "So it goes.")
    for key in ("run_again", "run_delete", "run_rename"):
        at = start("runs", run=failed.id)
        workspace.delete_run(failed.id)
        press(at, key)
        assert len(workspace.runs()) == 1
        assert not {"run_delete_confirm", "run_rename_confirm"} & buttons(at)
        assert "The run that was chosen here is gone" in words(at)
        failed = homes.ended(workspace, workspace.datasets()[0], JobState.FAILED, "So it goes.")


def test_a_dialog_over_a_deleted_run_says_so(enter: Callable[..., Workspace]) -> None:
    workspace = enter()
    run = homes.ended(workspace, homes.add_data(workspace), JobState.FAILED, "So it goes.")
    at = press(start("runs"), "run_rename")
    at.text_input(key="run_rename_name").set_value("new")
    workspace.delete_run(run.id)
    press(at, "run_rename_confirm")
    assert workspace.runs() == []


def test_what_another_tab_deletes_is_missed_without_a_traceback(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    workspace = enter(finished_home)
    run, dataset = homes.only(workspace.runs()), homes.only(workspace.datasets())
    tabs = {page: start(page, job=run.job_id) for page in PAGES}
    workspace.delete_dataset(dataset.id)
    for page, at in tabs.items():
        drawn(at.run(), page)
    assert "deleted, so it cannot be measured" in words(go(tabs["runs"], "runs"))
    press(tabs["runs"], "run_again")
    assert "was deleted, so this run cannot be repeated" in errors(tabs["runs"])
    workspace.delete_run(run.id)
    for page, at in tabs.items():
        drawn(at.run(), page)


def test_a_model_whose_files_are_gone_is_a_sentence(
    enter: Callable[..., Workspace], finished_home: Path
) -> None:
    import shutil

    workspace = enter(finished_home)
    shutil.rmtree(workspace.model_folder(workspace.models()[0]))
    at = start("classify")
    at.text_area(key="classify_text").set_value("a text")
    press(at, "classify_ask")
    assert "are gone from the home folder" in errors(at)
    assert "are gone from the home folder" in errors(go(at, "attention"))
    assert "are gone from the home folder" in errors(go(at, "runs"))
    assert "run_delete" in buttons(at)
    shutil.rmtree(workspace.settings.datasets)
    assert "are gone or damaged" in errors(go(at, "data"))
    assert "data_delete" in buttons(at)
