"""The desk: what it asks next, what it shows, what it takes, how far one is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.splits import text_hash
from core.desk import Desk, _mixed
from core.desk_records import pace
from core.errors import BadData, NotFound
from core.labels import pool as pools
from core.labels import scheme as rules
from core.labels.nouns import IMPORTED, Answer, AnswerState, Plan, Sent, Source
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests.homes import add_rows, copy_home, open_home

L, S, C = AnswerState.LABELLED, AnswerState.SKIPPED, AnswerState.CLEARED


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty") / "home"
    open_home(home).close()
    return home


@pytest.fixture
def ws(empty: Path, tmp_path: Path) -> Iterator[Workspace]:
    workspace = open_home(copy_home(empty, tmp_path / "home"))
    yield workspace
    workspace.close()


def open_desk(ws: Workspace, texts: Sequence[str | None], *, name: str = "mail", **plan: object) -> Desk:
    data = add_rows(ws, [(text, None) for text in texts], name)
    schemes.add(ws.db, rules.from_names(data.id, ["good", "bad"], author="Ada"))
    label_rows.set_plan(ws.db, Plan(data.id, **{"evaluation_share": 0.0, **plan}))
    return Desk.open(ws, data.id)


def numbered(n: int) -> list[str]:
    return [f"text number {i}" for i in range(n)]


def person(ws: Workspace, name: str = "Ada") -> str:
    return label_rows.annotator(ws.db, name).id


_numbers = iter(range(1, 10**9))


def say(
    desk: Desk,
    who: str,
    row: int,
    label: str = "good",
    *,
    state=L,
    source=Source.ALONE,
    stamp: int | None = None,
) -> None:
    seq = next(_numbers)
    scheme = desk.scheme()
    assert scheme is not None
    named = scheme.named(label)
    ids = (named.id if named else label,) if state == L else ()
    answer = Answer(row, who, ids, state, stamp or int(time.time() * 1e6) + seq, source=source)
    assert desk.take(who, [Sent(f"session of {who}", seq, answer)]) == [seq]


def model(
    desk: Desk,
    probabilities: Sequence[float],
    *,
    generation: int = 1,
    doubts: Sequence[float] | None = None,
) -> None:
    """Files as the assist job leaves them: the probability of the first label, by row."""
    scheme = desk.scheme()
    assert scheme is not None
    p = np.stack([np.asarray(probabilities), 1 - np.asarray(probabilities)], axis=1)
    known = desk.labelable
    arrays = {
        "probabilities": np.where(known[:, None], p, 0).astype(np.float16),
        "margins": np.abs(p[:, 0] - p[:, 1]).astype(np.float16),
        "entropies": -(p * np.log(p)).sum(axis=1).astype(np.float16),
        "predicted": p.argmax(axis=1).astype(np.int16),
        "doubts": np.asarray([np.nan] * len(p) if doubts is None else doubts, np.float16),
        "diverse": np.zeros(0, np.int32),
        "auto": np.zeros(0, np.int32),
        "known": known,
    }
    facts = {
        "generation": generation, "trained_on": 0, "scheme_version": scheme.version,
        "label_ids": [one.id for one in scheme.labels], "several": False, "by": "model", "labelled": 10,
        "certainty": {}, "evaluation": None, "curve": None,
    }  # fmt: skip
    pools.write(desk.folder, arrays, facts)


def rows_of(cards: Sequence[object]) -> list[int]:
    return [card.row for card in cards]  # type: ignore[attr-defined]


# --------------------------------------------------------------------------- texts


def test_texts_are_known_by_row_and_by_content(ws: Workspace) -> None:
    desk = open_desk(ws, ["one", "two ☂", None, "one", "", "one", "One"])
    assert desk.rows == 7
    assert desk.texts([6, 0, 2]) == ["One", "one", ""]
    assert desk.labelable.tolist() == [True, True, False, True, False, True, True]
    assert desk.twins(3) == [0, 5]
    assert [desk.twins(row) for row in (1, 2, 4, 6)] == [[], [], [], []]
    assert desk.hashes[1] == text_hash("two ☂")


def test_the_evaluation_part_is_what_the_plan_says_of_each_text(ws: Workspace) -> None:
    desk = open_desk(ws, [*numbered(300), None], evaluation_share=0.3)
    plan = desk.plan()
    assert desk.evaluation.tolist() == [*(plan.evaluates(text_hash(t)) for t in numbered(300)), False]
    assert 60 < desk.evaluation.sum() < 120


def test_a_data_set_that_is_gone_is_said_so(ws: Workspace) -> None:
    desk = open_desk(ws, numbered(3))
    ws.delete_dataset(desk.dataset.id)
    with pytest.raises(NotFound):
        Desk.open(ws, desk.dataset.id)


# --------------------------------------------------------------------------- what next


def test_the_queue_gives_what_is_not_answered_and_not_on_the_desk(ws: Workspace) -> None:
    desk, ada = open_desk(ws, [*numbered(5), None]), person(ws)
    assert rows_of(desk.batch(ada, "order", 2)) == [0, 1]
    say(desk, ada, 0)
    say(desk, ada, 2, state=S)
    assert rows_of(desk.batch(ada, "order", 9, skip=[1])) == [3, 4]
    assert rows_of(desk.batch(ada, "order", 9)) == [1, 3, 4]


def test_two_people_get_different_texts_unless_the_plan_wants_two(ws: Workspace) -> None:
    desk, ada, bob = open_desk(ws, numbered(6)), person(ws), person(ws, "Bob")
    assert rows_of(desk.batch(ada, "order", 3)) == [0, 1, 2]
    assert rows_of(desk.batch(bob, "order", 9)) == [3, 4, 5]
    label_rows.set_plan(ws.db, replace(desk.plan(), people=2))
    assert rows_of(desk.batch(bob, "order", 9)) == [0, 1, 2, 3, 4, 5]


def test_nobody_sees_the_answers_of_others(ws: Workspace) -> None:
    desk, ada, bob = open_desk(ws, numbered(2), people=2), person(ws), person(ws, "Bob")
    say(desk, ada, 0)
    (card, *_) = desk.batch(bob, "order", 2)
    assert (card.row, card.answer) == (0, None)
    assert desk.history(bob, 9) == []
    assert [card.answer is not None for card in desk.cards(ada, [0, 1])] == [True, False]


def test_identical_texts_are_asked_once_and_labelled_together(ws: Workspace) -> None:
    desk, ada = open_desk(ws, ["a", "b", "a", "a"]), person(ws)
    cards = desk.batch(ada, "order", 9)
    assert [(card.row, card.twins) for card in cards] == [(0, 2), (1, 0)]
    assert rows_of(desk.batch(ada, "order", 9, skip=[2])) == [1]  # the same text lies on the desk
    say(desk, ada, 0)
    assert desk.progress(ada).done == 3
    assert [card.answer.source for card in desk.cards(ada, [0, 2])] == [Source.ALONE, Source.SPREAD]  # type: ignore[union-attr]
    assert rows_of(desk.history(ada, 9)) == [0]


def test_where_the_plan_says_so_identical_texts_are_labelled_one_by_one(ws: Workspace) -> None:
    desk, ada = open_desk(ws, ["a", "b", "a"], spread=False), person(ws)
    say(desk, ada, 0)
    assert rows_of(desk.batch(ada, "order", 9)) == [1, 2]


def test_a_search_and_a_pattern_find_texts_and_a_broken_pattern_is_said_so(ws: Workspace) -> None:
    desk, ada = open_desk(ws, ["Refund please", "hello", "no REFUND", "order 12", "order x"]), person(ws)
    assert rows_of(desk.batch(ada, "search", 9, query="refund")) == [0, 2]
    assert rows_of(desk.batch(ada, "search", 9, query=r"order \d", pattern=True)) == [3]
    with pytest.raises(BadData):
        desk.batch(ada, "search", 9, query="(", pattern=True)
    with pytest.raises(BadData):
        desk.batch(ada, "backwards", 9)


def test_given_rows_come_in_their_order(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(9)), person(ws)
    say(desk, ada, 7)
    assert rows_of(desk.batch(ada, "order", 9, rows=[8, 7, 2, 99])) == [8, 2]


def test_the_model_ranks_and_suggests(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(4)), person(ws)
    model(desk, [0.9, 0.55, 0.05, 0.7])
    cards = desk.batch(ada, "uncertain", 9)
    good, bad = desk.scheme().labels  # type: ignore[union-attr]
    assert rows_of(cards) == [1, 3, 0, 2]
    assert cards[3].suggestion == {
        "labels": [bad.id],
        "probability": pytest.approx(0.95, abs=1e-3),
        "by": "model",
    }
    assert rows_of(desk.batch(ada, "class", 2, label=good.id)) == [0, 3]
    label_rows.set_plan(ws.db, replace(desk.plan(), suggestions=False))
    assert [card.suggestion for card in desk.batch(ada, "uncertain", 9)] == [None] * 4


def test_what_is_suggested_is_read_through_the_newest_scheme(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(2)), person(ws)
    model(desk, [0.9, 0.1])
    scheme = desk.scheme()
    assert scheme is not None
    good, bad = scheme.labels
    schemes.add(ws.db, rules.merge(scheme, bad.id, good.id, author="Ada"))
    assert [card.suggestion["labels"] for card in desk.cards(ada, [0, 1])] == [[good.id]] * 2  # type: ignore[index]


def test_an_evaluation_text_has_no_suggestion_and_is_drawn_at_its_share(ws: Workspace) -> None:
    n, share = 400, 0.2
    desk, ada = open_desk(ws, numbered(n), evaluation_share=share), person(ws)
    model(desk, np.where(desk.evaluation, 0.5, 0.95))  # the model would ask the evaluation part first
    cards = desk.batch(ada, "uncertain", 100)
    kept = [card for card in cards if card.evaluation]
    assert rows_of(kept) == [row for row in rows_of(cards) if desk.evaluation[row]]
    assert abs(len(kept) - share * 100) <= 1
    assert all(card.suggestion is None for card in kept)
    assert all(card.suggestion for card in cards if not card.evaluation)
    found = desk.batch(ada, "search", 200, query="text")
    assert not any(card.evaluation for card in found)  # what is searched for is no random sample


def test_the_evaluation_part_catches_up_where_it_fell_behind() -> None:
    plan = Plan("data-1", evaluation_share=0.25)
    ranked, drawn = np.arange(100), np.arange(100, 200)
    assert (_mixed(ranked, drawn, 0, 0, plan)[:40] >= 100).sum() == 10
    assert (_mixed(ranked, drawn, 30, 0, plan)[:10] >= 100).sum() == 10
    assert (_mixed(ranked, drawn, 0, 20, plan)[:40] >= 100).sum() == 0
    assert sorted(_mixed(ranked, drawn, 5, 5, plan)) == list(range(200))


def test_a_dispute_goes_to_one_person_more_and_own_answers_are_reviewed(ws: Workspace) -> None:
    desk, ada, bob, eve = (
        open_desk(ws, numbered(3), people=2),
        *(person(ws, n) for n in ("Ada", "Bob", "Eve")),
    )
    for row, label in ((0, "good"), (1, "good")):
        say(desk, ada, row, label)
        say(desk, bob, row, "bad" if row else "good")
    assert rows_of(desk.batch(eve, "order", 9)) == [2]
    assert rows_of(desk.batch(eve, "disagree", 9)) == [1]
    assert desk.batch(ada, "disagree", 9) == []


def test_history_is_newest_first_with_own_answers(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(5)), person(ws)
    for row in (3, 0, 4):
        say(desk, ada, row)
    say(desk, ada, 0, "bad")
    say(desk, ada, 4, state=C)
    cards = desk.history(ada, 9)
    assert rows_of(cards) == [0, 3]
    assert cards[0].answer.labels == (desk.scheme().named("bad").id,)  # type: ignore[union-attr]


# --------------------------------------------------------------------------- what is taken


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Answer(9, "", ("x",), L, 1), "row 10"),
        (Answer(2, "", ("x",), L, 1), "row 3"),
        (Answer(0, "", ("label-none",), L, 1), "not known"),
        (Answer(0, "", (), L, 1), "exactly one"),
        (Answer(0, "", ("x",), S, 1), "labelled"),
    ],
)
def test_what_cannot_be_an_answer_is_refused_in_a_sentence(ws: Workspace, answer: Answer, word: str) -> None:
    desk, ada = open_desk(ws, ["a", "b", None]), person(ws)
    with pytest.raises(BadData, match=word):
        desk.take(ada, [Sent("s", 1, answer)])
    assert desk.progress(ada).done == 0


def test_an_answer_given_before_a_label_was_merged_or_deleted_is_still_taken(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(2)), person(ws)
    old = desk.scheme()
    assert old is not None
    good, bad = old.labels
    schemes.add(ws.db, rules.merge(old, bad.id, good.id, author="Ada"))
    say(desk, ada, 0, bad.id)
    assert desk.progress(ada).labels == {good.id: 1}


# --------------------------------------------------------------------------- how far


def test_progress_counts_what_was_done_and_what_is_left(ws: Workspace) -> None:
    desk, ada, bob = open_desk(ws, [*numbered(6), "twin", "twin", None]), person(ws), person(ws, "Bob")
    start = int(time.time() * 1e6)
    say(desk, ada, 0, "good", stamp=start, source=Source.ACCEPTED)
    say(desk, ada, 1, "bad", stamp=start + 10_000_000, source=Source.CHANGED)
    say(desk, ada, 2, state=S, stamp=start + 20_000_000)
    say(desk, ada, 6, "good", stamp=start + 30_000_000)
    say(desk, bob, 5, "bad")
    seen = desk.progress(ada)
    good, bad = desk.scheme().labels  # type: ignore[union-attr]
    assert (seen.done, seen.total, seen.today) == (5, 7, 4)  # 3 and 4 are left, 5 is Bob's
    assert seen.labels == {good.id: 3, bad.id: 1}
    assert (seen.skipped, seen.agreed, seen.changed, seen.alone) == (1, 1, 1, 2)
    assert seen.rate == pytest.approx(360)
    assert seen.seconds_left == pytest.approx(20)
    assert (seen.finished, seen.texts) == (6, 8)
    assert [(one.annotator.name, one.labelled, one.skipped) for one in desk.people()] == [
        ("Ada", 4, 1),
        ("Bob", 1, 0),
    ]
    say(desk, ada, 0, state=C)
    assert desk.progress(ada).done == 4
    assert desk.progress(ada).total == 7


def test_progress_sees_what_another_process_wrote(ws: Workspace) -> None:
    desk, ada = open_desk(ws, numbered(3)), person(ws)
    assert desk.progress(ada).done == 0
    other = open_home(ws.settings.home)
    say(Desk.open(other, desk.dataset.id), ada, 1)
    other.close()
    assert desk.progress(ada).done == 1


def test_a_pause_does_not_slow_the_pace() -> None:
    second = 1_000_000
    assert pace([0, 10 * second, 20 * second, 3000 * second, 3010 * second]) == pytest.approx(360)
    assert pace([0, 5 * second]) is None
    assert pace([5, 5, 5, 5]) is None


def test_doubted_labels_of_the_file_are_looked_at_too_each_by_one_person(ws: Workspace) -> None:
    desk, ada, bob = open_desk(ws, numbered(6)), person(ws), person(ws, "Bob")
    for row in range(4):
        say(desk, person(ws, IMPORTED), row, source=Source.IMPORTED)
    say(desk, ada, 4)
    model(desk, [0.9, 0.1, 0.8, 0.2, 0.1, 0.5], doubts=[np.nan, 0.8, -0.5, 0.6, 0.7, np.nan])
    assert rows_of(desk.batch(ada, "errors", 2)) == [1, 4]
    assert rows_of(desk.batch(bob, "errors", 5)) == [3]
    say(desk, ada, 1, "bad")
    assert rows_of(desk.batch(ada, "errors", 5)) == [1, 4]
