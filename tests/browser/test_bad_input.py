"""Bad input in a real browser: each fault is a sentence where it happened, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from core.jobs import supervise
from core.records import JobState
from tests import homes
from tests.browser.conftest import Server, free_port
from tests.browser.steps import by_key, open_page, press, settle, wait_for_text
from tests.hub_stand_in import HubStandIn

expect.set_options(timeout=30_000)  # the machine may be busy

KEPT = "kept *data*"  # a data set that is there from the start
GOOD = "id,message,kind,note\n" + "".join(
    f'{i:05},"message {i}, with a comma",{kind},NA\n' for i in range(6) for kind in ("first", "second")
)
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(range(256)) * 8


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubStandIn]:
    with HubStandIn(tmp_path_factory.mktemp("hub")) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: HubStandIn) -> Iterator[Server]:
    """The app over a home with a data set and a failed run, with a small limit for files and a Hub of its own."""
    folder = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervise, "_spawn", homes.NoWorker)
        workspace = homes.open_home(folder / "home")
        dataset = homes.add_data(workspace, name=KEPT)
        homes.ended(workspace, dataset, JobState.FAILED, "It was *meant* to fail.", name="first run")
        homes.ended(workspace, dataset, JobState.FAILED, "It was *meant* to fail.", name="second run")
        workspace.close()
    environment = hub.environment(folder / "hf") | {"FINESIFT_MAX_FILE_MB": "1"}
    running = Server(folder / "home", free_port(), environment)
    running.start()
    yield running
    running.end()


def add_view(page: Page, server: Server, view: str = "Add a file") -> None:
    open_page(page, server.url, "data")
    page.get_by_role("radio", name=view).or_(page.get_by_text(view, exact=True)).first.click()
    settle(page)


def upload(page: Page, name: str, content: bytes) -> None:
    page.locator("[class*=st-key-data_file_] input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )


def pick(page: Page, label: str, option: str) -> None:
    """Choose the option that begins so in the select box of that label."""
    box(page, label).click()
    box(page, label).press("ArrowDown")  # opens the list where scrolling to the box has closed it again
    page.get_by_role("option", name=option).first.click()
    settle(page)


def box(page: Page, label: str) -> Locator:
    return page.get_by_role("combobox", name=label, exact=True)


def is_usable(page: Page) -> None:
    """The page stands whole, without a traceback."""
    settle(page)
    expect(page.get_by_role("heading", name="Data", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)


def expect_fault(page: Page, sentence: str) -> None:
    expect(page.get_by_test_id("stAlert").filter(has_text=sentence)).to_be_visible(timeout=60_000)


def names(server: Server, what: str) -> list[str]:
    """Of the data sets or runs in the home folder."""
    with closing(homes.open_home(server.home)) as workspace:
        return [thing.name for thing in getattr(workspace, what)()]


def test_files_that_are_no_tables_are_explained_and_a_good_one_still_comes_in(
    server: Server, page: Page
) -> None:
    add_view(page, server)
    for name, content, sentence in (
        ("empty.csv", b"", "“empty.csv” is empty"),
        ("tool.csv", PROGRAM, "“tool.csv” is a program, not a table."),
        ("header.csv", b"text,label\n", "“header.csv” has a header line and no rows below it."),
    ):
        upload(page, name, content)
        expect_fault(page, sentence)
        is_usable(page)
        expect(by_key(page, "add_dataset")).to_have_count(0)
    upload(page, "big.csv", b"text,label\n" + b"a text,a label\n" * 80_000)
    expect(page.get_by_text("File must be 1.0MB or smaller.")).to_be_visible()
    is_usable(page)

    upload(page, "utf16.csv", GOOD.replace("message 0", "שלום Ärger").encode("utf-16"))
    wait_for_text(page, "utf-16")
    is_usable(page)
    pick(page, "Text column", "message")
    pick(page, "Label column", "note")
    expect_fault(page, "All labelled rows have the same label.")
    pick(page, "Label column", "kind")
    wait_for_text(page, "2 classes: first 6, second 6")
    press(page, "add_dataset")
    wait_for_text(page, "Rows 1–12 of 12")
    expect(box(page, "Data set")).to_have_value("utf16 · 12 texts")
    expect(by_key(page, "data_figures")).to_contain_text("12")
    is_usable(page)
    pick(page, "Data set", KEPT)  # what was there is still there
    wait_for_text(page, "Rows 1–50 of 60")


def test_deleting_a_data_set_asks_first(server: Server, page: Page) -> None:
    add_view(page, server)
    upload(page, "short-lived.csv", GOOD.encode())
    wait_for_text(page, "The first 12 of 12 rows")
    press(page, "add_dataset")
    wait_for_text(page, "Added “short-lived”.")
    settle(page)
    press(page, "data_delete")
    dialog = page.get_by_role("dialog", name="Delete?")
    expect(dialog).to_contain_text("short-lived")
    expect(dialog).to_contain_text("12 rows will be gone for good.")
    press(page, "data_delete_dialog_keep")
    expect(dialog).to_have_count(0)
    expect(box(page, "Data set")).to_have_value("short-lived · 12 texts")
    press(page, "data_delete")
    press(page, "data_delete_dialog_confirm")
    wait_for_text(page, "Deleted “short-lived”.")
    is_usable(page)
    expect(box(page, "Data set")).not_to_have_value("short-lived · 12 texts")
    expect(page.get_by_text("that was chosen here is gone")).to_have_count(0)
    assert "short-lived" not in names(server, "datasets")


def test_a_run_is_renamed_and_deleted_in_dialogs(server: Server, page: Page) -> None:
    open_page(page, server.url, "runs")
    expect(page.get_by_role("heading", name="second run")).to_be_visible()
    page.get_by_role("button", name="More").click()
    press(page, "run_rename")
    name = page.get_by_role("dialog", name="Rename run").get_by_role("textbox")
    expect(name).to_have_value("second run")
    name.fill("**renamed** <b>run</b>")
    press(page, "run_rename_confirm")
    expect(page.get_by_role("heading", name="**renamed** <b>run</b>")).to_be_visible()
    page.get_by_role("button", name="More").click()
    press(page, "run_delete")
    expect(page.get_by_role("dialog", name="Delete?")).to_contain_text("**renamed** <b>run</b>")
    press(page, "run_delete_confirm")
    wait_for_text(page, "Deleted “**renamed** <b>run</b>”.")
    expect(page.get_by_role("heading", name="first run")).to_be_visible()
    expect(page.get_by_text("that was chosen here is gone")).to_have_count(0)
    assert names(server, "runs") == ["first run"]


def test_an_old_address_says_that_what_it_names_is_gone(server: Server, page: Page) -> None:
    open_page(page, server.url, "data?data=data-gone")
    expect_fault(page, "The data set that was chosen here is gone")
    expect(box(page, "Data set")).to_have_value(re.compile(r"\d+ texts"))
    assert "data-gone" not in page.url
    is_usable(page)


def test_a_hub_that_lacks_the_name_or_cannot_be_reached_is_explained(
    server: Server, page: Page, hub: HubStandIn
) -> None:
    add_view(page, server, "From the Hugging Face Hub")
    name = by_key(page, "hub_name").locator("input")
    name.fill("nobody/nothing-of-this-name")
    press(page, "hub_fetch")
    expect_fault(page, "nobody/nothing-of-this-name")
    wait_for_text(page, "no data set")
    is_usable(page)
    hub.close()
    press(page, "hub_fetch")
    expect_fault(page, "cannot be reached")
    is_usable(page)
    expect(name).to_have_value("nobody/nothing-of-this-name")
    assert KEPT in names(server, "datasets")
