"""A user's words are shown to the letter and never read as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from core import jobs
from core.records import JobState
from core.workspace import Workspace
from tests import homes
from tests.pages.screen import (
    NASTY,
    PAGES,
    component_items,
    drawn,
    errors,
    go,
    nodes,
    press,
    start,
    tab,
    words,
)

PIECES = ("**x**", "<img", "$a$", ":red[x]", "![a](b)", ":material/home:", ":smile:")
CUT = NASTY[:50]  # where a long name is cut on the screen
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
            plotly = (message, field) == ("PlotlyChart", "spec")
            # JSON writes "<" as an escape; elsewhere, what a backslash protects is no markup
            seen = json.dumps(json.loads(text)) if plotly else re.sub(r"\\.", "", text)
            if (message, field) not in PLAIN and any(
                p in seen for p in (("<img", "$a$") if plotly else PIECES)
            ):
                found.append((message, field, text))
    return found


def test_names_and_labels_stand_on_each_page_to_the_letter_and_never_as_markup(
    enter: Callable[..., Workspace], nasty_home: Path
) -> None:
    workspace = enter(nasty_home)
    run = homes.only(workspace.runs())
    at = start()
    assert markup(at) == []
    assert CUT in words(at)
    assert list(at.dataframe[0].value["Run"]) == [NASTY]
    assert markup(go(at, "data")) == []
    assert CUT in words(at)  # the name of its file
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
    assert CUT in words(at)
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
