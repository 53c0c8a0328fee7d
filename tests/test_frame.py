"""The frame: navigation, headers, home in each state, data added and looked at, all on a fresh home folder."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from api.health import health_route
from api.security import SecurityHeaders, content_security_policy, inline_script_hashes
from core.data.sample import SAMPLE_NAME
from core.settings import read_settings
from core.workspace import Workspace
from ui import colors

ROOT = Path(__file__).resolve().parent.parent
CSV = "id,message,kind\n00123,NA,a\n00124,two  words,b\n00125,,a\n00126,again,\n00127,again,b\n00128,more,a\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setenv("FINESIFT_HOME", str(tmp_path / "home"))
    st.cache_resource.clear()
    opened = Workspace.open(read_settings())
    yield opened
    opened.close()
    st.cache_resource.clear()


def app() -> AppTest:
    return AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=60)


def open_data() -> AppTest:
    at = app().run()
    return at.switch_page(str(ROOT / "pages" / "data.py")).run()


def words(at: AppTest) -> str:
    shown = [*at.title, *at.subheader, *at.markdown, *at.caption, *at.error, *at.info]
    return "\n".join(str(element.value) for element in shown)


# ------------------------------------------------------------------------------------- home


def test_an_empty_home_offers_to_bring_texts_or_to_try_the_sample(workspace: Workspace) -> None:
    at = app().run()
    assert not at.exception
    assert at.title[0].value == "Home"
    assert {"home_bring", "home_sample"} <= {button.key for button in at.button}
    assert "Nothing is running." in words(at)


def test_the_sample_becomes_a_data_set_once_and_leads_to_train(workspace: Workspace) -> None:
    at = app().run()
    at.button(key="home_sample").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"
    assert [d.name for d in workspace.datasets()] == [SAMPLE_NAME]
    from ui.bring import bring_sample

    assert bring_sample(workspace).id == workspace.datasets()[0].id
    assert len(workspace.datasets()) == 1


def test_home_offers_training_once_there_is_labelled_data(workspace: Workspace) -> None:
    from ui.bring import bring_sample

    bring_sample(workspace)
    at = app().run()
    assert "home_train" in {button.key for button in at.button}
    assert "home_sample" not in {button.key for button in at.button}


def test_the_address_names_the_chosen_data_set(workspace: Workspace) -> None:
    from ui.bring import bring_sample

    dataset = bring_sample(workspace)
    at = open_data()
    assert at.selectbox(key="data_pick").value == dataset.id
    assert at.query_params["data"] in (dataset.id, [dataset.id])


# ------------------------------------------------------------------------------------- data


def upload(at: AppTest, name: str, content: bytes) -> AppTest:
    view = at.segmented_control(key="data_view")
    if view.value != "Add a file":
        view.set_value("Add a file").run()
    at.file_uploader(key="data_file_0").upload(name, content, "text/csv").run()
    return at


def test_a_file_is_read_shown_and_added_with_nothing_changed(workspace: Workspace) -> None:
    at = upload(open_data(), "mine.csv", CSV.encode())
    assert not at.exception
    assert "comma" in words(at)
    assert "2 classes" in words(at)
    at.button(key="add_dataset").click().run()
    assert not at.exception
    (dataset,) = workspace.datasets()
    assert (dataset.name, dataset.rows, dataset.without_text, dataset.without_label) == ("mine", 6, 1, 1)
    _, rows = workspace.find_rows(dataset.id)
    assert rows[0].original == ("00123", "NA", "a")
    assert at.segmented_control(key="data_view").value == "Your data sets"
    assert at.selectbox(key="data_pick").value == dataset.id


def test_a_wrong_delimiter_can_be_changed_and_taken_back(workspace: Workspace) -> None:
    at = upload(open_data(), "mine.csv", CSV.encode())
    box = next(b for b in at.selectbox if b.label == "Delimiter")
    box.set_value(";").run()
    assert not at.exception
    assert len(next(b for b in at.selectbox if b.label == "Text column").options) == 1
    next(b for b in at.selectbox if b.label == "Delimiter").set_value(",").run()
    assert len(next(b for b in at.selectbox if b.label == "Text column").options) == 3


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(200), b"a,b\n"])
def test_a_bad_upload_says_why_and_keeps_the_page(workspace: Workspace, content: bytes) -> None:
    at = upload(open_data(), "bad.csv", content)
    assert not at.exception
    assert "bad.csv" in at.error[0].value
    assert workspace.datasets() == []
    assert at.title[0].value == "Data"


def test_a_file_without_labels_can_be_added(workspace: Workspace) -> None:
    at = upload(open_data(), "plain.csv", b"text\none text\nanother text\n")
    at.button(key="add_dataset").click().run()
    assert not at.exception
    (dataset,) = workspace.datasets()
    assert (dataset.label_column, dataset.labels, dataset.labelled) == (None, {}, 0)
    assert at.button(key="data_train").disabled


def test_an_own_test_file_becomes_the_test_part(workspace: Workspace) -> None:
    at = upload(open_data(), "mine.csv", CSV.encode())
    how = next(c for c in at.segmented_control if c.label == "Test texts")
    how.set_value("My own test file").run()
    test = next(f for f in at.file_uploader if f.label == "Test file")
    test.upload("test.csv", b"kind,message\na,new one\nb,new two\n", "text/csv").run()
    assert "2 test texts" in words(at)
    at.button(key="add_dataset").click().run()
    assert not at.exception
    assert workspace.datasets()[0].parts["test"] == 2


def test_rows_are_searched_filtered_and_paged(workspace: Workspace) -> None:
    from ui.bring import bring_sample

    dataset = bring_sample(workspace)
    at = open_data()
    assert "Rows 1–50 of 400" in words(at)
    at.text_input(key=f"rows_query_{dataset.id}").set_value("refund").run()
    found = len(
        [r for r in workspace.find_rows(dataset.id, limit=400)[1] if "refund" in (r.text or "").lower()]
    )
    assert f"of {found}." in words(at)
    at.text_input(key=f"rows_query_{dataset.id}").set_value("no such text at all").run()
    assert "No row matches" in words(at)
    assert not at.exception


def test_a_renamed_data_set_stays_chosen(workspace: Workspace) -> None:
    for name in ("one", "two"):
        at = upload(open_data(), f"{name}.csv", CSV.encode())
        at.button(key="add_dataset").click().run()
    at = open_data()
    second = next(d for d in workspace.datasets() if d.name == "one")
    at.selectbox(key="data_pick").set_value(second.id).run()
    workspace.rename_dataset(second.id, "renamed *one*")
    at.run()
    assert at.selectbox(key="data_pick").value == second.id


# ------------------------------------------------------------------------------------- the server


def client(middleware: Middleware, *routes: Route) -> TestClient:
    async def page(_request: object) -> PlainTextResponse:
        return PlainTextResponse("page")

    return TestClient(Starlette(routes=[*routes, Route("/", page)], middleware=[middleware]))


def test_every_answer_carries_the_security_headers() -> None:
    answer = client(Middleware(SecurityHeaders)).get("/")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    assert "unsafe" not in scripts.group(1)
    assert "http" not in policy.replace("frame-ancestors", "")


def test_only_a_demo_may_stand_in_the_frame_of_spaces() -> None:
    own = client(Middleware(SecurityHeaders)).get("/").headers
    demo = client(Middleware(SecurityHeaders, framed_by_spaces=True)).get("/").headers
    assert "hf.space" not in own["content-security-policy"]
    assert "https://*.hf.space" in demo["content-security-policy"]
    assert "x-frame-options" in own
    assert "x-frame-options" not in demo


def test_the_inline_script_of_the_installed_page_is_allowed_by_its_hash() -> None:
    page = (Path(st.__file__).parent / "static" / "index.html").read_text("utf-8")
    hashes = inline_script_hashes(page)
    assert hashes
    assert all(h in content_security_policy(page) for h in hashes)


def test_health_tells_what_runs_and_waits(workspace: Workspace) -> None:
    answer = client(Middleware(SecurityHeaders), health_route(lambda: workspace)).get("/api/health")
    assert answer.json() == {"status": "ok", "running": 0, "waiting": 0}


def test_the_pages_load_without_torch() -> None:
    code = (
        "import sys; sys.argv=['x'];"
        "import ui.state, ui.status, ui.parts, ui.charts, ui.data_add, ui.data_view, api.health, api.security;"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_home_folder_can_be_given_after_two_dashes(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    code = (
        f"import sys, os; sys.argv=['app.py', '--home', {str(home)!r}]; import app;"
        "from core.settings import read_settings; print(read_settings().home)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert shown.stdout.strip().splitlines()[-1] == str(home)


# ------------------------------------------------------------------------------------- the look


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_theme_and_charts_speak_of_the_same_colours(theme: str) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"][theme]
    assert tuple(config["chartCategoricalColors"]) == colors.HUES[theme]
    assert tuple(config["chartSequentialColors"]) == colors.SEQUENTIAL[theme]
    assert tuple(config["chartDivergingColors"]) == colors.DIVERGING[theme]
    assert config["backgroundColor"] == colors.BACKGROUND[theme]
    assert colors.contrast(config["primaryColor"], config["backgroundColor"]) >= 4.5
    assert colors.contrast(config["textColor"], config["backgroundColor"]) >= 7
    assert colors.contrast(config["linkColor"], config["backgroundColor"]) >= 4.5


def test_nothing_in_theme_or_style_comes_from_the_network() -> None:
    for name in (".streamlit/config.toml", "ui/style.css", "ui/components/texts/texts.css"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert "@import" not in text
