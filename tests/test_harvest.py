"""Answers become a data set to train on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import harvest
from core.errors import BadData
from core.harvest import How
from core.labels import consensus
from core.labels import scheme as schemes_of
from core.labels.nouns import Answer, AnswerState, Decision, Plan, Scheme, Sent
from core.labels.votes import votes_of
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from tests.tiny import toy_texts

N = 40
# Who says what of row i: Ana and Bo agree but for every tenth text, Cem is often wrong.
SAYS = {
    "Ana": lambda i: i % 2,
    "Bo": lambda i: i % 2 if i % 10 else 1 - i % 2,
    "Cem": lambda i: int(i % 3 == 0),
}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = homes.open_home(tmp_path_factory.mktemp("harvest"))
    yield workspace
    workspace.close()


def labelled(
    ws: Workspace,
    people: tuple[str, ...] = ("Ana", "Bo", "Cem"),
    *,
    several: bool = False,
    share: float = 0.2,
) -> tuple[Dataset, Scheme]:
    texts, _ = toy_texts(N)
    rows = [(f"{text} {i}", None) for i, text in enumerate(texts)] + [(None, None), ("without a label", None)]
    dataset = homes.add_rows(ws, rows, "toy")
    scheme = schemes.add(
        ws.db, schemes_of.from_names(dataset.id, ("no", "yes"), author="Ana", several=several)
    )
    label_rows.set_plan(ws.db, Plan(dataset.id, people=3, evaluation_share=share))
    for name in people:
        person = label_rows.annotator(ws.db, name)
        sent = [
            Sent(
                f"{dataset.id}-{name}",
                i + 1,
                Answer(i, person.id, (scheme.labels[SAYS[name](i)].id,), AnswerState.LABELLED, i + 1),
            )
            for i in range(N)
        ]
        label_rows.save(ws.db, dataset.id, person.id, sent)
    return dataset, scheme


def labels(ws: Workspace, dataset: Dataset) -> list[str | None]:
    return list(ws.shelf(dataset.id)["label"])


def majority(i: int) -> str:
    return ("no", "yes")[sum(say(i) for say in SAYS.values()) >= 2]


def test_the_evaluation_part_is_the_test_part_and_nothing_else_is(ws: Workspace) -> None:
    dataset, _ = labelled(ws)
    made = harvest.harvest(ws, dataset, How(), "made")
    plan = label_rows.plan(ws.db, dataset.id)
    shelf = ws.shelf(made.id)
    evaluated = [plan.evaluates(h) for h in shelf["text_hash"]][:N]
    assert [part == "test" for part in shelf["part"]][:N] == evaluated
    assert 0 < sum(evaluated) < N
    assert made.parts["train"] > made.parts["validation"] > 0
    assert list(shelf["part"])[N:] == [None, None]
    assert list(shelf["text"]) == list(ws.shelf(dataset.id)["text"])


def test_the_label_is_what_most_say_and_the_original_columns_stay(ws: Workspace) -> None:
    dataset, _ = labelled(ws)
    made = harvest.harvest(ws, dataset, How(), "made")
    assert labels(ws, made)[:N] == [majority(i) for i in range(N)]
    assert labels(ws, made)[N:] == [None, None]
    assert made.columns == ("text", "label", "annotated label")
    assert (made.text_column, made.label_column) == (0, 2)
    assert made.source["labelled"] == {
        "dataset": dataset.id,
        "name": dataset.name,
        "scheme_version": 1,
        "method": "majority",
        "people": ["Ana", "Bo", "Cem"],
        "labels": N,
        "decisions": 0,
        "ties": 0,
    }
    assert made.separator is None


def test_dawid_skene_gives_what_the_consensus_module_gives(ws: Workspace) -> None:
    dataset, scheme = labelled(ws)
    found = harvest.agreed(ws, dataset, scheme, How("dawid-skene"))
    votes = votes_of((answer for _, answer in label_rows.answers(ws.db, dataset.id)), scheme)
    wanted = consensus.dawid_skene(votes)
    assert [one.labels for one in found.rows.values()] == list(wanted.chosen)
    assert [one.share for one in found.rows.values()] == pytest.approx(wanted.certainty().tolist())
    assert {(one.by, one.people) for one in found.rows.values()} == {("dawid-skene", 3)}


def test_a_decision_comes_before_any_majority(ws: Workspace) -> None:
    dataset, scheme = labelled(ws)
    person = label_rows.annotator(ws.db, "Judge")
    other = scheme.labels[majority(0) == "no"].id
    label_rows.decide(ws.db, dataset.id, Decision(0, (other,), person.id, "because", 1.0))
    found = harvest.agreed(ws, dataset, scheme, How())
    assert (found.rows[0].labels, found.rows[0].by, found.decided) == ((other,), "decision", 1)
    made = harvest.harvest(ws, dataset, How(), "made")
    assert labels(ws, made)[0] == {one.id: one.name for one in scheme.labels}[other]


def test_a_tie_has_no_label(ws: Workspace) -> None:
    dataset, _ = labelled(ws, ("Ana", "Bo"))
    made = harvest.harvest(ws, dataset, How(), "made")
    ties = [i for i in range(N) if SAYS["Ana"](i) != SAYS["Bo"](i)]
    assert [i for i in range(N) if labels(ws, made)[i] is None] == ties
    assert made.source["labelled"]["ties"] == len(ties) > 0
    assert any("tied" in note for note in made.source["notes"])


def test_one_persons_labels_are_his_own(ws: Workspace) -> None:
    dataset, _ = labelled(ws)
    cem = label_rows.annotator(ws.db, "Cem")
    made = harvest.harvest(ws, dataset, How("person", cem.id), "made")
    assert labels(ws, made)[:N] == [("no", "yes")[SAYS["Cem"](i)] for i in range(N)]
    assert made.source["labelled"]["people"] == ["Cem"]


def test_soft_labels_keep_a_column_for_each_class_that_sums_to_one(ws: Workspace) -> None:
    dataset, _ = labelled(ws)
    made = harvest.harvest(ws, dataset, How(soft=True), "made")
    assert made.columns[3:] == ("share of no", "share of yes")
    places = made.source[harvest.SOFT]
    assert places == {"no": 3, "yes": 4}
    shelf = ws.shelf(made.id)
    no, yes = list(shelf["c3"]), list(shelf["c4"])
    assert [float(a) + float(b) for a, b in zip(no[:N], yes[:N], strict=True)] == pytest.approx([1.0] * N)
    assert float(yes[0]) == pytest.approx(sum(say(0) for say in SAYS.values()) / 3, abs=1e-5)
    assert (no[N], yes[N + 1]) == (None, None)
    with pytest.raises(BadData, match="not soft"):
        harvest.harvest(ws, dataset, How("person", "x", soft=True), "made")


def test_several_labels_a_text_are_joined_by_a_separator_that_none_of_them_holds(ws: Workspace) -> None:
    dataset, scheme = labelled(ws, ("Ana",), several=True, share=0.0)
    person = label_rows.annotator(ws.db, "Ana")
    both = tuple(label.id for label in scheme.labels)
    answer = Answer(0, person.id, both, AnswerState.LABELLED, 1000)
    label_rows.save(ws.db, dataset.id, person.id, [Sent(f"{dataset.id}-both", 1, answer)])
    schemes.add(ws.db, schemes_of.rename(scheme, both[0], "n|o", author="Ana"))
    made = harvest.harvest(ws, dataset, How(), "made")
    assert made.separator == ";"
    assert set(str(labels(ws, made)[0]).split(";")) == {"n|o", "yes"}
    assert set(made.labels) == {"n|o", "yes"}
    assert made.parts["test"] > 0  # no evaluation part: drawn as usual


def test_without_a_label_there_is_nothing_to_train_on(ws: Workspace) -> None:
    dataset, _ = labelled(ws, ())
    with pytest.raises(BadData, match="no answers yet"):
        harvest.harvest(ws, dataset, How(), "made")
    bare = homes.add_rows(ws, [("x", None)], "bare")
    with pytest.raises(BadData, match="no labels yet"):
        harvest.harvest(ws, bare, How(), "made")
