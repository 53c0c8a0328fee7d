"""The API of the desk, over HTTP: tickets, answers that may come twice, sentences for what is wrong."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api import tickets
from api.labels import MAX_BYTES, routes
from core.errors import DiskFull
from core.labels import scheme as rules
from core.labels.nouns import AnswerState, Plan
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests.homes import add_rows, copy_home, open_home


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a data set of eight texts, two of them the same, and two labels."""
    home = tmp_path_factory.mktemp("prepared") / "home"
    workspace = open_home(home)
    data = add_rows(workspace, [(text, None) for text in "abcdefg" + "a"], "mail")
    schemes.add(workspace.db, rules.from_names(data.id, ["good", "bad"], author="Ada"))
    label_rows.set_plan(workspace.db, Plan(data.id, evaluation_share=0.0))
    workspace.close()
    return home


@pytest.fixture
def ws(prepared: Path, tmp_path: Path) -> Iterator[Workspace]:
    workspace = open_home(copy_home(prepared, tmp_path / "home"))
    yield workspace
    workspace.close()


class Caller:
    """A desk in a browser."""

    def __init__(self, ws: Workspace, name: str = "Ada", session: str = "desk-1") -> None:
        self.ws, self.data = ws, ws.datasets()[0]
        self.person = label_rows.annotator(ws.db, name)
        self.ticket = tickets.issue(ws.settings.home, self.data.id, self.person.id, session)
        self.client = TestClient(Starlette(routes=routes(lambda: ws)), raise_server_exceptions=False)
        found = schemes.newest(ws.db, self.data.id)
        assert found is not None
        self.labels = {one.name: one.id for one in found.labels}

    def ask(self, verb: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = self.client.post(f"/api/labels/{verb}", json={"ticket": self.ticket, **body})
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def answer(self, seq: int, row: int, label: str = "good", **more: Any) -> dict[str, Any]:
        return {
            "seq": seq, "row": row, "labels": [self.labels[label]], "state": "labelled",
            "stamp": int(time.time() * 1e6) + seq, **more,
        }  # fmt: skip


@pytest.fixture
def ada(ws: Workspace) -> Caller:
    return Caller(ws)


# --------------------------------------------------------------------------- tickets


def test_a_ticket_says_who_answers_in_which_data_set(tmp_path: Path) -> None:
    text = tickets.issue(tmp_path, "data-1", "person-1", "desk-1")
    assert tickets.read(tmp_path, text) == tickets.Ticket("data-1", "person-1", "desk-1")
    assert tickets.read(tmp_path, tickets.issue(tmp_path, "d", "p")).session != ""
    mode = stat.S_IMODE((tmp_path / tickets.KEY_FILE).stat().st_mode)
    assert mode == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [tickets.KEY_FILE]


def test_a_forged_foreign_or_old_ticket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    text = tickets.issue(here, "data-1", "person-1")
    for bad in ("", "x.y.z", text[:-1], text.swapcase(), tickets.issue(there, "data-1", "person-1")):
        with pytest.raises(tickets.BadTicket):
            tickets.read(here, bad)
    monkeypatch.setattr(tickets, "VALID_SECONDS", -1)
    with pytest.raises(tickets.BadTicket, match="30 days"):
        tickets.read(here, text)


def test_a_signed_ticket_of_another_shape_is_refused(tmp_path: Path) -> None:
    tickets.issue(tmp_path, "data-1", "person-1")
    key = (tmp_path / tickets.KEY_FILE).read_bytes()
    for thing in ({"dataset_id": "data-1"}, ["data-1"], "data-1"):
        with pytest.raises(tickets.BadTicket):
            tickets.read(tmp_path, str(URLSafeTimedSerializer(key, salt="finesift-desk").dumps(thing)))


# --------------------------------------------------------------------------- answers


def test_answers_are_acknowledged_when_they_are_in_the_store(ada: Caller) -> None:
    sent = [ada.answer(1, 0, flagged=True, note="hm", seconds=1.5, key="1"), ada.answer(2, 1, "bad")]
    said = ada.ask("answers", sent=sent)
    assert said["acknowledged"] == [1, 2]
    assert said["refused"] == {}
    assert (said["progress"]["done"], said["progress"]["total"]) == (3, 8)  # row 7 is the same text as row 0
    stored = label_rows.own(ada.ws.db, ada.data.id, ada.person.id, range(8))
    assert {row: one.labels for row, one in stored.items()} == {
        0: (ada.labels["good"],), 1: (ada.labels["bad"],), 7: (ada.labels["good"],),
    }  # fmt: skip
    assert (stored[0].flagged, stored[0].note, stored[0].seconds, stored[0].key) == (True, "hm", 1.5, "1")
    assert ada.ask("answers", sent=sent)["acknowledged"] == [1, 2]
    assert len(label_rows.trail(ada.ws.db, ada.data.id)) == 3


def test_an_older_queue_is_sent_again_under_its_own_session(ada: Caller) -> None:
    ada.ask("answers", session="desk-0", sent=[ada.answer(1, 0)])
    ada.ask("answers", sent=[ada.answer(1, 1)])
    assert {e.sent.session for e in label_rows.trail(ada.ws.db, ada.data.id)} == {"desk-0", "desk-1"}
    bob = Caller(ada.ws, "Bob", "desk-0")
    assert "desk's numbers" in bob.ask("answers", 400, sent=[bob.answer(1, 2) | {"row": 0}])["fault"]


def test_one_answer_that_cannot_be_does_not_hold_up_the_others(ada: Caller) -> None:
    sent = [
        ada.answer(1, 0),
        ada.answer(2, 99),
        ada.answer(3, 1) | {"labels": ["label-none"]},
        ada.answer(4, 1) | {"state": "perhaps"},
        ada.answer(5, 1) | {"source": "spread"},
        ada.answer(6, 1) | {"stamp": "now"},
        ada.answer(7, 1) | {"suggestion": {"labels": [], "probability": 2}},
        ada.answer(8, 2),
    ]
    said = ada.ask("answers", sent=sent)
    assert said["acknowledged"] == [1, 8]
    assert set(said["refused"]) == {"2", "3", "4", "5", "6", "7"}
    assert all(sentence.endswith(".") for sentence in said["refused"].values())


def test_an_undo_over_http_takes_the_answer_back(ada: Caller) -> None:
    ada.ask("answers", sent=[ada.answer(1, 0)])
    undo = ada.answer(2, 0) | {"labels": [], "state": AnswerState.CLEARED}
    assert ada.ask("answers", sent=[undo])["progress"]["done"] == 0


def test_a_clock_that_is_years_ahead_does_not_have_the_last_word_for_years(ada: Caller) -> None:
    ahead = int((time.time() + 5 * 365 * 86400) * 1e6)
    ada.ask("answers", sent=[ada.answer(1, 0, stamp=ahead)])
    (kept,) = label_rows.own(ada.ws.db, ada.data.id, ada.person.id, [0]).values()
    assert kept.stamp <= (time.time() + 86400) * 1e6


def test_text_that_no_database_keeps_is_made_harmless(ada: Caller) -> None:
    body = {"ticket": ada.ticket, "sent": [ada.answer(1, 0, note="a\0b\ud800c")]}
    headers = {"content-type": "application/json"}
    ada.client.post("/api/labels/answers", content=json.dumps(body), headers=headers)
    assert label_rows.own(ada.ws.db, ada.data.id, ada.person.id, [0])[0].note == "ab?c"


# --------------------------------------------------------------------------- what next


def test_a_batch_a_history_and_what_is_given_back(ada: Caller) -> None:
    said = ada.ask("batch", strategy="order", n=3)
    assert [card["row"] for card in said["cards"]] == [0, 1, 2]
    assert said["cards"][0] | {"hash": ""} == {
        "row": 0, "text": "a", "hash": "", "evaluation": False, "suggestion": None, "answer": None, "twins": 1,
    }  # fmt: skip
    assert said["generation"] is None
    ada.ask("answers", sent=[ada.answer(1, 0)])
    bob = Caller(ada.ws, "Bob", "desk-2")
    assert [card["row"] for card in bob.ask("batch", strategy="order", n=9)["cards"]] == [3, 4, 5, 6]
    said = ada.ask("batch", strategy="order", n=9, skip=[1], release=[2])
    assert [card["row"] for card in said["cards"]] == [2]
    bob.ask("release", rows=[3, 4])
    assert [card["row"] for card in ada.ask("batch", strategy="order", n=9)["cards"]] == [1, 2, 3, 4]
    (card,) = ada.ask("history", n=5)["cards"]
    assert (card["row"], card["answer"]["labels"]) == (0, [ada.labels["good"]])
    assert bob.ask("history", n=5)["cards"] == []


def test_a_search_over_http_takes_a_pattern(ada: Caller) -> None:
    found = ada.ask("batch", strategy="search", n=9, query="[bc]", pattern=True)["cards"]
    assert [card["text"] for card in found] == ["b", "c"]
    assert "pattern" in ada.ask("batch", 400, strategy="search", n=9, query="(", pattern=True)["fault"]


def test_texts_are_told_whole_and_claim_nothing(ada: Caller) -> None:
    assert ada.ask("texts", rows=[2, 0, 99]) == {"texts": [{"row": 2, "text": "c"}, {"row": 0, "text": "a"}]}
    assert len(Caller(ada.ws, "Bob").ask("batch", strategy="order", n=9)["cards"]) == 7


# --------------------------------------------------------------------------- what is wrong


def test_without_a_ticket_nothing_is_told(ada: Caller) -> None:
    for ticket in ("", "x", ada.ticket[:-2], 7, None):
        for verb in ("answers", "batch", "history", "release", "texts"):
            answer = ada.client.post(f"/api/labels/{verb}", json={"ticket": ticket, "n": 1, "rows": [0]})
            assert answer.status_code in (400, 401)
            assert set(answer.json()) == {"fault"}


def test_only_json_of_a_bearable_size_is_read(ada: Caller) -> None:
    body = json.dumps({"ticket": ada.ticket, "n": 1})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = ada.client.post("/api/labels/history", content=body, headers={"content-type": content_type})
        assert answer.status_code == 415
    as_json = {"content-type": "application/json; charset=utf-8"}
    for content, status in (
        (body, 200),
        (b"{" + b" " * MAX_BYTES + b"}", 413),
        (b"\xff", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b"", 400),
        (b'{"n": NaN}', 400),
    ):
        answer = ada.client.post("/api/labels/history", content=content, headers=as_json)
        assert answer.status_code == status
    assert ada.client.get("/api/labels/history").status_code == 405


@pytest.mark.parametrize("n", [0, -1, "3", 1.5, True, None, 2**60])
def test_a_number_that_is_none_is_refused_in_a_sentence(ada: Caller, n: Any) -> None:
    assert "whole number" in ada.ask("batch", 400, strategy="order", n=n)["fault"]


def test_a_data_set_that_was_deleted_meanwhile_is_said_so(ada: Caller) -> None:
    ada.ws.delete_dataset(ada.data.id)
    assert "deleted" in ada.ask("answers", 404, sent=[ada.answer(1, 0)])["fault"]


def test_a_full_disk_is_told_and_nothing_acknowledged(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_named: object) -> list[int]:
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(label_rows, "save", full)
    assert ada.ask("answers", 503, sent=[ada.answer(1, 0)]) == {"fault": "The disk is full."}


def test_a_fault_that_nobody_foresaw_is_a_sentence_too(ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_rows, "save", lambda *_a, **_n: 1 // 0)
    said = ada.ask("answers", 503, sent=[ada.answer(1, 0)])
    assert "division" not in said["fault"]
    assert said["fault"].endswith(".")
