"""Labels in the store: sent twice and in any order, spread to identical texts, slots that two people never share."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from core.errors import BadData, NotFound
from core.labels.nouns import Answer, AnswerState, Decision, Plan, Sent, Source
from core.store import Database, open_database, schema
from core.store import datasets as dataset_rows
from core.store import labels as label_rows
from core.store.ledger import ledger
from core.store.migrate import migrate
from tests.test_store import dataset

DATA = "data-1"
L, S, C = AnswerState.LABELLED, AnswerState.SKIPPED, AnswerState.CLEARED


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a data set, made once and copied for each test."""
    path = tmp_path_factory.mktemp("empty") / "x.db"
    database = open_database(f"sqlite:///{path.as_posix()}")
    migrate(database, path.with_name("lock"))
    dataset_rows.add(database, dataset(dataset_id=DATA))
    database.close()
    return path


@pytest.fixture
def db(empty: Path, tmp_path: Path):
    path = shutil.copy(empty, tmp_path / "x.db")
    database = open_database(f"sqlite:///{Path(path).as_posix()}")
    yield database
    database.close()


def person(db: Database, name: str = "Ada") -> str:
    return label_rows.annotator(db, name).id


def say(
    row: int, label: str = "a", *, seq: int, stamp: int | None = None, session: str = "s", state=L
) -> Sent:
    answer = Answer(row, "", (label,) if state == L else (), state, stamp or seq)
    return Sent(session, seq, answer)


def pairs(rows: dict[int, Sequence[int]]):
    return lambda row: rows.get(row, ())


def stands(db: Database, who: str) -> dict[int, tuple[tuple[str, ...], str, str]]:
    found = label_rows.answers(db, DATA, annotator_id=who)
    return {a.row: (a.labels, a.state.value, a.source.value) for _, a in found}


def count(db: Database, table) -> int:
    with db.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


# --------------------------------------------------------------------------- people and plan


def test_a_name_is_one_person_however_it_is_spaced(db: Database) -> None:
    assert label_rows.annotator(db, "  Ada   Lovelace ") == label_rows.annotator(db, "Ada Lovelace")
    for name in ("", "   ", "x" * 81, "a\0b"):
        with pytest.raises(BadData):
            label_rows.annotator(db, name)


def test_people_of_a_data_set_are_those_who_answered(db: Database) -> None:
    ada, bob = person(db), person(db, "Bob")
    label_rows.save(db, DATA, bob, [say(0, seq=1)])
    assert [one.id for one in label_rows.annotators(db)] == [ada, bob]
    assert [one.id for one in label_rows.annotators(db, DATA)] == [bob]


def test_a_plan_comes_back_as_it_was_set_and_impossible_ones_are_refused(db: Database) -> None:
    assert label_rows.plan(db, DATA) == Plan(DATA)
    wanted = Plan(DATA, people=3, evaluation_share=0.25, suggestions=False, spread=False)
    label_rows.set_plan(db, replace(wanted, people=2))
    label_rows.set_plan(db, wanted)
    assert label_rows.plan(db, DATA) == wanted
    for bad in (replace(wanted, people=0), replace(wanted, evaluation_share=1.0)):
        with pytest.raises(BadData):
            label_rows.set_plan(db, bad)
    with pytest.raises(NotFound):
        label_rows.set_plan(db, replace(wanted, dataset_id="data-gone"))


# --------------------------------------------------------------------------- answers


def test_what_is_sent_twice_is_kept_once_and_acknowledged_twice(db: Database) -> None:
    who, sent = person(db), [say(0, seq=1), say(1, seq=2)]
    assert label_rows.save(db, DATA, who, sent) == [1, 2]
    assert label_rows.save(db, DATA, who, [*sent, *sent, say(2, seq=3)]) == [1, 2, 3]
    assert count(db, schema.answer_trail) == 3


def test_an_answer_comes_back_whole(db: Database) -> None:
    who = person(db)
    suggestion = {"labels": ["b"], "probability": 0.75, "by": "model"}
    given = Answer(
        4, who, ("a",), L, 1_700_000_000_000_123, True, "why ☂ <b>", 0.0, 2.5, "3", Source.CHANGED, suggestion
    )
    before = time.time()
    label_rows.save(db, DATA, who, [Sent("s", 1, given)])
    ((number, found),) = label_rows.answers(db, DATA)
    assert replace(found, at=0.0) == given
    assert before <= found.at <= time.time()
    (entry,) = label_rows.trail(db, DATA)
    assert (entry.number, entry.annotator, entry.spread_from) == (number, "Ada", None)
    assert entry.sent == Sent("s", 1, found)
    assert label_rows.last_number(db, DATA) == number


def test_the_newest_stamp_stands_in_every_order_of_arrival(db: Database) -> None:
    sent = [say(0, "a", seq=1), say(0, seq=2, state=C), say(0, "b", seq=3), say(0, "c", seq=4)]
    for number, order in enumerate(itertools.permutations(sent)):
        who = person(db, f"person {number}")
        for one in order:
            label_rows.save(db, DATA, who, [replace(one, session=f"s{number}")])
        assert stands(db, who) == {0: (("c",), "labelled", "alone")}


def test_a_tie_of_stamps_is_settled_by_session_and_number_whatever_comes_first(db: Database) -> None:
    for number, order in enumerate(itertools.permutations([1, 2, 3])):
        who = person(db, f"person {number}")
        for seq in order:
            label_rows.save(db, DATA, who, [say(0, f"l{seq}", seq=seq, stamp=9, session=f"s{number}")])
        assert stands(db, who)[0][0] == ("l3",)


def test_an_undone_answer_is_none_and_the_trail_remembers_it(db: Database) -> None:
    who = person(db)
    label_rows.save(db, DATA, who, [say(0, seq=1), say(0, seq=2, state=C)])
    assert label_rows.own(db, DATA, who, [0]) == {}
    assert label_rows.recent(db, DATA, who, 9) == []
    assert [e.sent.answer.state for e in label_rows.trail(db, DATA)] == [L, C]


def test_identical_texts_get_the_answer_and_its_undoing(db: Database) -> None:
    who, twins = person(db), pairs({0: [5, 7], 5: [0, 7], 7: [0, 5]})
    label_rows.save(db, DATA, who, [say(0, "a", seq=1)], twins)
    assert stands(db, who) == {
        0: (("a",), "labelled", "alone"),
        5: (("a",), "labelled", "spread"),
        7: (("a",), "labelled", "spread"),
    }
    assert [e.spread_from for e in label_rows.trail(db, DATA)] == [None, 0, 0]
    label_rows.save(db, DATA, who, [say(0, seq=2, state=C)], twins)
    assert {row: state for row, (_, state, _) in stands(db, who).items()} == dict.fromkeys(
        (0, 5, 7), "cleared"
    )


def test_a_text_that_he_answered_himself_keeps_his_answer(db: Database) -> None:
    who, twins = person(db), pairs({0: [1], 1: [0]})
    label_rows.save(db, DATA, who, [say(1, "b", seq=1)], pairs({}))
    label_rows.save(db, DATA, who, [say(0, "a", seq=2)], twins)
    assert stands(db, who) == {0: (("a",), "labelled", "alone"), 1: (("b",), "labelled", "alone")}


def test_answers_to_identical_texts_come_out_the_same_in_every_order(db: Database) -> None:
    """Mixed histories of two twins, each sent in order, backwards, shuffled and in batches."""
    chance, twins = random.Random(4), pairs({0: [1], 1: [0]})
    for history in range(10):
        sent = [
            say(chance.randrange(2), chance.choice("ab"), seq=n, state=chance.choice((L, L, C)))
            for n in range(1, 7)
        ]
        outcomes = []
        for way in range(4):
            who, order = person(db, f"person {history} {way}"), list(sent)
            if way == 1:
                order.reverse()
            elif way > 1:
                chance.shuffle(order)
            order = [replace(one, session=f"{history}-{way}") for one in order]
            step = 3 if way == 3 else 1
            for start in range(0, len(order), step):
                label_rows.save(db, DATA, who, order[start : start + step], twins)
            outcomes.append(stands(db, who))
        assert outcomes[1:] == outcomes[:1] * 3, [
            (o.answer.row, o.answer.labels, o.answer.state) for o in sent
        ]


def test_whoever_reads_on_sees_every_change_of_what_stands(db: Database) -> None:
    """Also where an older answer stands again, which happens with late arrivals for identical texts."""
    chance, twins, seen = random.Random(1), pairs({0: [1], 1: [0]}), {}
    who, sent = person(db), []
    for n in range(1, 60):
        sent.append(say(chance.randrange(2), chance.choice("ab"), seq=n, state=chance.choice((L, L, C))))
    chance.shuffle(sent)
    after = 0
    for one in sent:
        label_rows.save(db, DATA, who, [one], twins)
        for number, answer in label_rows.answers(db, DATA, after=after):
            after, seen[answer.row] = max(after, number), answer
        assert seen == {a.row: a for _, a in label_rows.answers(db, DATA)}
        book = ledger(db, DATA, 4)
        assert book.of(who).labels == {a.row: a.labels for a in seen.values() if a.state == L}
        assert book.answered.tolist() == [int(r in book.of(who).labels) for r in range(4)]


def test_one_number_for_many_texts_is_fine_and_for_two_people_it_is_not(db: Database) -> None:
    ada, bob = person(db), person(db, "Bob")
    twins = pairs({0: [1], 1: [0]})
    assert label_rows.save(db, DATA, ada, [say(row, seq=1) for row in (0, 1, 2)], twins) == [1]
    assert {source for _, _, source in stands(db, ada).values()} == {"alone"}
    with pytest.raises(BadData):
        label_rows.save(db, DATA, bob, [say(0, seq=1)])
    assert stands(db, bob) == {}


def test_a_request_is_taken_whole_or_not_at_all(db: Database) -> None:
    ada, bob = person(db), person(db, "Bob")
    label_rows.save(db, DATA, ada, [say(0, seq=1)])
    with pytest.raises(BadData):
        label_rows.save(db, DATA, bob, [say(3, seq=9), say(0, seq=1)])
    assert count(db, schema.answer_trail) == 1
    assert count(db, schema.slots) == 1


def test_answers_for_nobody_or_nothing_are_refused_in_words(db: Database) -> None:
    with pytest.raises(NotFound, match="person"):
        label_rows.save(db, DATA, "person-none", [say(0, seq=1)])
    with pytest.raises(NotFound, match="deleted"):
        label_rows.save(db, "data-gone", person(db), [say(0, seq=1)])


def test_deleting_a_data_set_takes_its_answers_along(db: Database) -> None:
    who = person(db)
    label_rows.save(db, DATA, who, [say(0, seq=1)])
    label_rows.claim(db, DATA, who, [1], 1, 1)
    label_rows.decide(db, DATA, Decision(0, ("a",), who, "", 1.0))
    dataset_rows.remove(db, DATA)
    tables = (schema.answers, schema.answer_trail, schema.slots, schema.decisions)
    assert [count(db, table) for table in tables] == [0, 0, 0, 0]


def test_many_answers_at_once_are_all_kept(db: Database) -> None:
    who = person(db)
    sent = [say(row, seq=row + 1) for row in range(1300)]
    assert label_rows.save(db, DATA, who, sent) == list(range(1, 1301))
    assert len(label_rows.answers(db, DATA, annotator_id=who)) == 1300
    assert label_rows.last_number(db, DATA) == 1300
    assert [e.number for e in label_rows.trail(db, DATA, after=100, limit=2)] == [101, 102]


# --------------------------------------------------------------------------- slots


def test_each_text_goes_to_as_many_people_as_the_plan_wants(db: Database) -> None:
    ada, bob, eve = person(db), person(db, "Bob"), person(db, "Eve")
    rows = [3, 1, 2, 0]
    assert label_rows.claim(db, DATA, ada, rows, 2, 1) == [3, 1]
    assert label_rows.claim(db, DATA, bob, rows, 9, 1) == [2, 0]
    assert label_rows.claim(db, DATA, eve, rows, 9, 1) == []
    assert label_rows.claim(db, DATA, eve, rows, 9, 2) == rows  # k is 2 from now on
    assert label_rows.claim(db, DATA, ada, rows, 9, 2) == [3, 1]  # 2 and 0 are with Bob and Eve
    assert label_rows.claim(db, DATA, bob, rows, 9, 1) == []  # k is 1 again: others have each of them


def test_an_answered_text_does_not_come_back_and_counts_for_good(db: Database) -> None:
    ada, bob = person(db), person(db, "Bob")
    label_rows.claim(db, DATA, ada, [0, 1], 2, 1, seconds=0.0)
    label_rows.save(db, DATA, ada, [say(0, seq=1)])
    assert label_rows.claim(db, DATA, ada, [0, 1], 2, 1) == [1]
    assert label_rows.claim(db, DATA, bob, [0, 1], 2, 1) == []


def test_a_lease_that_ended_is_taken_over_and_one_that_is_given_back_is_free(db: Database) -> None:
    ada, bob, eve = person(db), person(db, "Bob"), person(db, "Eve")
    assert label_rows.claim(db, DATA, ada, [0, 1], 2, 1, seconds=0.0) == [0, 1]
    assert label_rows.claim(db, DATA, bob, [0, 1], 2, 1) == [0, 1]
    assert label_rows.claim(db, DATA, ada, [0, 1], 2, 1) == []
    label_rows.release(db, DATA, ada, [0])  # not hers any more
    assert label_rows.claim(db, DATA, eve, [0], 1, 1) == []
    label_rows.release(db, DATA, bob, [0])
    assert label_rows.claim(db, DATA, eve, [0], 1, 1) == [0]
    label_rows.save(db, DATA, ada, [say(1, seq=1)])  # late, and kept
    assert label_rows.own(db, DATA, ada, [1])


def test_an_undone_text_stays_with_who_undid_it_until_the_lease_ends(db: Database) -> None:
    ada, bob = person(db), person(db, "Bob")
    label_rows.save(db, DATA, ada, [say(0, seq=1), say(0, seq=2, state=C)])
    assert label_rows.claim(db, DATA, bob, [0], 1, 1) == []
    assert label_rows.claim(db, DATA, ada, [0], 1, 1) == [0]
    with db.write() as connection:
        connection.execute(update(schema.slots).values(lease_until=time.time() - 1))
    assert label_rows.claim(db, DATA, bob, [0], 1, 1) == [0]


def test_people_who_ask_at_the_same_moment_never_get_the_same_slot(db: Database) -> None:
    people, start = [person(db, f"person {n}") for n in range(5)], threading.Barrier(5)
    got: dict[str, list[int]] = {who: [] for who in people}

    def ask(who: str) -> None:
        start.wait()
        while more := label_rows.claim(db, DATA, who, [r for r in range(30) if r not in got[who]], 4, 2):
            got[who] += more

    threads = [threading.Thread(target=ask, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = Counter(row for rows in got.values() for row in rows)
    assert given == dict.fromkeys(range(30), 2)
    with db.read() as connection:
        kept = connection.execute(select(schema.slots.c.annotator_id, schema.slots.c.row)).all()
    assert sorted(map(tuple, kept)) == sorted((who, row) for who, rows in got.items() for row in rows)


# --------------------------------------------------------------------------- decisions


def test_the_newest_decision_counts_until_it_is_withdrawn(db: Database) -> None:
    who = person(db)
    for row, labels in ((0, ("a",)), (1, ("a",)), (0, ("b",)), (1, None)):
        label_rows.decide(db, DATA, Decision(row, labels, who, "said so", 5.0))
    assert label_rows.decisions(db, DATA) == {0: Decision(0, ("b",), who, "said so", 5.0)}
