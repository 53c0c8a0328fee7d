"""What the page hands to the desk in the browser: labels with keys, a ticket, the wish; and what it takes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from api import tickets
from core.labels import scheme as schemes
from core.labels.nouns import Label, Plan
from core.store import labels as label_rows
from core.store import schemes as scheme_rows
from core.workspace import Workspace
from tests import homes
from tests.pages import screen
from ui import annotate_desk
from ui.components.desk import Report, assign, reported

Enter = Callable[..., Workspace]


def desk_data(at: AppTest) -> dict[str, Any]:
    proto = homes.only([n.proto for n in screen.nodes(at) if getattr(n, "key", None) == "desk"])
    found: dict[str, Any] = json.loads(proto.json)
    return found


@pytest.fixture
def desk(enter: Enter, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, AppTest]:
    """A data set with three labels, opened by Ann. No model is started beside her."""
    monkeypatch.setattr(annotate_desk, "ensure_assist", lambda *_: None)
    ws = enter()
    dataset = homes.add_rows(ws, [(f"text {n}", None) for n in range(12)], "toy")
    names = ["Alpha", screen.NASTY, "Gamma"]
    scheme_rows.add(ws.db, schemes.from_names(dataset.id, names, author="Ann"))
    ann = label_rows.annotator(ws.db, "Ann")
    return ws, screen.start("annotate", data=dataset.id, who=ann.id)


def test_the_desk_gets_labels_with_keys_and_a_ticket_for_this_person(
    desk: tuple[Workspace, AppTest],
) -> None:
    ws, at = desk
    data = desk_data(at)
    assert [(label["name"], label["key"]) for label in data["labels"]] == [
        ("Alpha", "1"),
        (screen.NASTY, "2"),
        ("Gamma", "3"),
    ]
    assert len({label["color"] for label in data["labels"]}) == 3
    ticket = tickets.read(ws.settings.home, data["ticket"])
    assert (ticket.dataset_id, ticket.annotator_id) == (data["dataset"], data["person"])
    assert data["wish"] == {"strategy": "auto", "query": None, "pattern": False, "label": None}
    assert (data["progress"]["done"], data["progress"]["total"]) == (0, 12)


def test_the_ticket_stays_the_same_from_run_to_run(desk: tuple[Workspace, AppTest]) -> None:
    _, at = desk
    before = desk_data(at)["ticket"]
    assert desk_data(at.run())["ticket"] == before


def test_a_queue_a_label_and_a_search_reach_the_desk(desk: tuple[Workspace, AppTest]) -> None:
    _, at = desk
    at.selectbox(key="desk_strategy").select("class").run()
    data = desk_data(at)
    assert data["wish"]["strategy"] == "class"
    assert data["wish"]["label"] == data["labels"][0]["id"]
    at.text_input(key="desk_query").input("  refund|late ").run()
    at.toggle(key="desk_pattern").set_value(True).run()
    assert desk_data(at)["wish"] == {
        "strategy": "search",
        "query": "refund|late",
        "pattern": True,
        "label": None,
    }


def test_settings_are_kept_while_another_page_is_looked_at(desk: tuple[Workspace, AppTest]) -> None:
    _, at = desk
    dataset_id = desk_data(at)["dataset"]
    who = desk_data(at)["person"]
    at.selectbox(key="desk_strategy").select("random").run()
    screen.go(at, "home")
    screen.go(at, "annotate", data=dataset_id, who=who)
    assert desk_data(at)["wish"]["strategy"] == "random"


def test_suggestions_that_the_plan_forbids_cannot_be_shown(desk: tuple[Workspace, AppTest]) -> None:
    ws, at = desk
    assert desk_data(at)["suggestions"] is True
    label_rows.set_plan(ws.db, Plan(desk_data(at)["dataset"], suggestions=False))
    at.run()
    assert at.toggle(key="desk_suggestions").disabled
    assert desk_data(at)["suggestions"] is False


def test_what_the_browser_reports_may_be_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    for value in (None, 3, {"saved": "x"}, {"saved": -1, "unsaved": True, "refused": 4}):
        monkeypatch.setattr(st, "session_state", {"desk": {"report": value}})
        assert reported("desk") == Report()
    monkeypatch.setattr(st, "session_state", {"desk": {"report": {"saved": 5, "unsaved": 1, "refused": "t"}}})
    assert reported("desk") == Report(5, 1, "t")


# ------------------------------------------------------------------------------------ keys


def labels(n: int, **keys: str) -> list[Label]:
    return [Label(f"l{i}", f"name {i}", key=keys.get(f"l{i}", "")) for i in range(n)]


def test_labels_without_a_key_get_digits_and_then_letters() -> None:
    keys = assign(labels(12, l1="3", l2="X"))
    assert (keys["l1"], keys["l2"]) == ("3", "x")
    assert keys["l0"] == "1"
    assert len(set(keys.values())) == 12
    assert not set(keys.values()) & set("sfnu?/")


def test_where_keys_do_not_suffice_letters_are_left_for_finding() -> None:
    keys = assign(labels(77))
    assert list(keys.values()) == list("123456789")


def test_with_several_labels_zero_means_none_of_them() -> None:
    assert "0" not in assign(labels(30), several=True).values()
    assert assign(labels(2, l0="0"), several=True)["l0"] == "0"
