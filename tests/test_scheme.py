"""The label scheme: every step a version, what it does to answers, the codebook as a file, the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadData, BadFile, InUse, NotFound
from core.labels import codebook
from core.labels import scheme as steps
from core.labels.nouns import Answer, AnswerState, Scheme, Sent, Source
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes

ME = "Anna"
NASTY = "# <b>x</b> [a](b) `c` *d* | $e$ :smile: https://x.y"


def made(*names: str, several: bool = False) -> Scheme:
    return steps.from_names("data-1", names, author=ME, several=several)


def ids(scheme: Scheme, *names: str) -> tuple[str, ...]:
    found = [scheme.named(name) for name in names]
    return tuple(label.id for label in found if label is not None)


def names(scheme: Scheme) -> list[str]:
    return [label.name for label in scheme.labels]


def meant(scheme: Scheme, given: tuple[str, ...]) -> list[str]:
    return [label.name for one in scheme.now(given) if (label := scheme.label(one)) is not None]


# --------------------------------------------------------------------------- steps


def test_a_scheme_of_names_keeps_their_order_and_gives_the_first_ten_a_digit() -> None:
    scheme = made(*"abcdefghijkl")
    assert names(scheme) == list("abcdefghijkl")
    assert [label.key for label in scheme.labels] == [*"1234567890", "", ""]
    assert (scheme.version, scheme.author, len({label.id for label in scheme.labels})) == (1, ME, 12)


def test_added_labels_take_the_keys_that_are_free() -> None:
    scheme = made("a", "b", "c")
    scheme = steps.remove(scheme, ids(scheme, "b")[0], author=ME)
    after = steps.add(scheme, ["d", "e"], author="Ben")
    assert [(label.name, label.key) for label in after.labels] == [
        ("a", "1"),
        ("c", "3"),
        ("d", "2"),
        ("e", "4"),
    ]
    assert (after.version, after.author, after.change) == (3, "Ben", "Added “d”, “e”.")


def test_an_answer_follows_its_label_through_rename_merge_and_merge_again() -> None:
    first = made("a", "b", "c")
    given = ids(first, "a")
    renamed = steps.rename(first, given[0], "x", author=ME)
    assert meant(renamed, given) == ["x"]
    merged = steps.rename(renamed, given[0], "b", author=ME)
    assert names(merged) == ["b", "c"]
    assert meant(merged, given) == ["b"]
    again = steps.merge(merged, ids(merged, "b")[0], ids(merged, "c")[0], author=ME)
    assert meant(again, given) == ["c"]
    assert again.change == "Merged “b” into “c”."
    gone = steps.remove(again, ids(again, "c")[0], author=ME)
    assert meant(gone, given) == []


def test_going_back_is_a_version_and_going_forward_again_brings_all_back() -> None:
    first = made("a", "b")
    second = steps.merge(first, *ids(first, "a", "b"), author=ME)
    third = steps.add(second, ["late"], author=ME)
    late = ids(third, "late")
    back = steps.undo_to(third, first, author="Ben")
    assert (names(back), back.version, back.author) == (["a", "b"], 4, "Ben")
    assert meant(back, ids(first, "a")) == ["a"]
    assert meant(back, late) == []
    assert late[0] in back.removed
    forward = steps.undo_to(back, third, author=ME)
    assert (names(forward), meant(forward, late)) == (["b", "late"], ["late"])
    assert meant(forward, ids(first, "a")) == ["b"]
    assert forward.removed == third.removed


def test_a_version_of_another_data_set_is_refused() -> None:
    with pytest.raises(BadData, match="another data set"):
        steps.undo_to(made("a"), replace(made("a"), dataset_id="data-2"), author=ME)


def test_several_steps_make_one_version_that_tells_each() -> None:
    scheme = made("a", "b", "c")
    one = ids(scheme, "a")[0]
    after = steps.together(
        scheme,
        lambda s: steps.change(s, one, author=ME, key="q", color="#0068a8", definition=" when a "),
        lambda s: steps.move(s, one, 2, author=ME),
        lambda s: steps.rename(s, one, "z", author=ME),
    )
    label = after.labels[2]
    assert (after.version, names(after)) == (2, ["b", "c", "z"])
    assert (label.key, label.color, label.definition) == ("q", "#0068A8", "when a")
    assert after.change == (
        "Changed key (q), colour and definition of “a”. Moved “a” to place 3. Renamed “a” to “z”."
    )


@pytest.mark.parametrize("key", ["s", "S", "f", "n", "?", "u", "/", "ab", "2", "\x1b"])
def test_a_key_that_is_reserved_taken_or_no_character_is_refused(key: str) -> None:
    scheme = made("a", "b")
    with pytest.raises(BadData, match="key"):
        steps.change(scheme, ids(scheme, "a")[0], author=ME, key=key)


def test_keys_that_differ_only_in_case_are_the_same_key() -> None:
    scheme = made("a", "b")
    one, two = ids(scheme, "a", "b")
    scheme = steps.change(scheme, one, author=ME, key="q")
    with pytest.raises(BadData, match="same key Q"):
        steps.change(scheme, two, author=ME, key="Q")
    assert steps.change(scheme, one, author=ME, key="").labels[0].key == ""


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "\x00"])
def test_a_name_is_neither_blank_nor_endless(name: str) -> None:
    scheme = made("a")
    with pytest.raises(BadData):
        steps.rename(scheme, ids(scheme, "a")[0], name, author=ME)
    with pytest.raises(BadData):
        made("a", name)


def test_any_other_name_is_taken_to_the_letter_and_twice_is_refused() -> None:
    kept = [NASTY, "שלום", "👩‍👩‍👧", "two\nlines", " spaced ", "x" * 200]
    assert names(made(*kept)) == kept
    with pytest.raises(BadData, match="Two labels"):
        made("a", "a")
    assert made("a\ud800\x00b").labels[0].name == "ab"  # what a database refuses


def test_an_order_that_forgets_a_label_is_refused() -> None:
    scheme = made("a", "b")
    with pytest.raises(BadData, match="order"):
        steps.reorder(scheme, ids(scheme, "a"), author=ME)
    assert names(steps.reorder(scheme, ids(scheme, "b", "a"), author=ME)) == ["b", "a"]


# --------------------------------------------------------------------------- effects


def test_the_effect_of_a_merge_counts_answers_and_texts() -> None:
    before = made("a", "b", "c")
    a, b, c = ids(before, "a", "b", "c")
    given = {(a,): [0, 1, 1], (b,): [1, 2], (c,): [3]}
    after = steps.merge(before, a, b, author=ME)
    found = steps.effects(before, after, given)
    by_name = {effect.name: effect for effect in found.labels}
    assert (found.changed, found.lost, found.regained, found.crowded) == (3, 0, 0, 0)
    assert (by_name["a"].answers, by_name["a"].texts) == ((3, 0), (2, 0))
    assert (by_name["b"].answers, by_name["b"].texts) == ((2, 5), (2, 3))
    assert not by_name["c"].moves
    assert steps.counts(after, given)[b] == (5, 3)


def test_the_effect_of_deleting_and_of_going_back_is_what_is_lost_and_regained() -> None:
    before = made("a", "b", several=True)
    a, b = ids(before, "a", "b")
    given = {(a,): [0, 1], (a, b): [2], (b,): [3], (): [4]}
    after = steps.remove(before, a, author=ME)
    found = steps.effects(before, after, given)
    assert (found.changed, found.lost, found.regained) == (3, 2, 0)
    back = steps.effects(after, steps.undo_to(after, before, author=ME), given)
    assert (back.changed, back.lost, back.regained) == (3, 0, 2)


def test_allowing_one_label_tells_what_becomes_of_answers_with_more() -> None:
    before = made("a", "b", several=True)
    both = ids(before, "a", "b")
    after = steps.allow_several(before, False, author=ME)
    found = steps.effects(before, after, {both: [0, 1], both[:1]: [2]})
    # Whatever `now` makes of them: they are told as kept or as lost, never passed over.
    assert found.crowded + found.lost == 2


def test_a_name_that_is_gone_is_found_with_the_version_that_has_its_answers() -> None:
    first = made("a", "b", "c")
    second = steps.remove(first, ids(first, "a")[0], author=ME)
    third = steps.merge(second, *ids(second, "b", "c"), author=ME)
    assert steps.gone_before(third, [third, second, first], ["a", "b", "c", "new"]) == {"a": 1, "b": 2}


def test_cells_become_answers_that_are_the_same_when_done_again() -> None:
    scheme = made("a", "b", several=True)
    cells = [(0, "a|b"), (1, "b"), (2, "unknown"), (3, None), (4, "unknown|a")]
    how = {"separator": "|", "annotator_id": "p", "session": "s", "stamp": 1_000}
    sent = list(steps.imported(scheme, cells, **how))
    assert [(one.answer.row, meant(scheme, one.answer.labels)) for one in sent] == [
        (0, ["a", "b"]),
        (1, ["b"]),
        (4, ["a"]),
    ]
    assert {one.answer.source for one in sent} == {Source.IMPORTED}
    assert sent[2:] == list(steps.imported(scheme, cells[4:], **how))


# --------------------------------------------------------------------------- codebook


def test_a_codebook_comes_back_from_json_as_it_was() -> None:
    scheme = made(NASTY, "two\nlines", several=True)
    one = scheme.labels[0].id
    scheme = steps.change(
        scheme, one, author=ME, color="#0068A8", definition=f"{NASTY}\nmore", examples=["x", "y\nz"]
    )
    content = codebook.to_json(scheme, "toy").encode()
    after = codebook.from_json(content, scheme=scheme, dataset_id="data-1", author="Ben")
    assert (after.labels, after.several, after.removed) == (scheme.labels, True, ())
    assert (after.version, after.author) == (scheme.version + 1, "Ben")
    fresh = codebook.from_json(content, scheme=None, dataset_id="data-2", author=ME)
    assert (fresh.version, fresh.dataset_id, names(fresh)) == (1, "data-2", names(scheme))
    assert not {label.id for label in fresh.labels} & {label.id for label in scheme.labels}


def test_a_codebook_knows_labels_by_id_then_by_name_and_deletes_the_rest() -> None:
    scheme = made("a", "b", "c")
    a, b, c = ids(scheme, "a", "b", "c")
    file = {
        "labels": [
            {"id": a, "name": "b"},
            {"name": "c", "key": "x"},
            "new",
            {"id": "label-foreign", "name": "a"},
        ]
    }
    after = codebook.from_json(json.dumps(file).encode(), scheme=scheme, dataset_id="data-1", author=ME)
    assert meant(after, (a,)) == ["b"]
    assert meant(after, (c,)) == ["c"]
    assert after.removed == (b,)
    assert names(after) == ["b", "c", "new", "a"]
    assert after.labels[3].id not in (a, b, c, "label-foreign")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"[1]",
        b'{"labels": []}',
        b'{"labels": [3]}',
        b'{"labels": [{"name": 3}]}',
        b'{"labels": [{"name": "a", "examples": "x"}]}',
        b'{"labels": ["a"], "several": "yes"}',
        b'{"labels": ["a"], "format": "other"}',
        b"[" * 100_000,
        b" " * (5 * 1024 * 1024 + 1),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_file_that_is_no_codebook_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(BadFile, match=r"\.$"):
        codebook.from_json(content, scheme=None, dataset_id="data-1", author=ME)


@pytest.mark.parametrize("labels", [["a", "a"], [{"name": "a", "key": "s"}], [{"name": "a", "color": "red"}]])
def test_a_codebook_keeps_the_rules_of_labels(labels: list[object]) -> None:
    with pytest.raises(BadData):
        codebook.from_json(
            json.dumps({"labels": labels}).encode(), scheme=None, dataset_id="data-1", author=ME
        )


def test_the_markdown_shows_user_text_to_the_letter() -> None:
    markdown_it = pytest.importorskip("markdown_it")
    scheme = made(NASTY, "plain")
    scheme = steps.change(
        scheme,
        scheme.labels[0].id,
        author=ME,
        definition=f"{NASTY}\n1. second",
        examples=[f"- {NASTY}\n# third"],
    )
    tokens = markdown_it.MarkdownIt("commonmark").parse(
        codebook.to_markdown(scheme, NASTY, {scheme.labels[0].id: 3})
    )
    headings = [t.tag for t in tokens if t.type == "heading_open"]
    assert headings == ["h1", "h2", "h2"]
    inline = [child for t in tokens for child in t.children or ()]
    assert {child.type for child in inline} <= {"text", "hardbreak", "text_special"}
    texts = ["".join(child.content for child in t.children or ()) for t in tokens if t.type == "inline"]
    assert NASTY in texts
    assert any("Texts: 3" in text for text in texts)


# --------------------------------------------------------------------------- store


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = homes.open_home(tmp_path / "home")
    yield opened
    opened.close()


def started(workspace: Workspace) -> tuple[Dataset, Scheme]:
    dataset = homes.add_rows(workspace, [(f"text {i}", "ab"[i % 2]) for i in range(8)])
    return dataset, schemes.add(workspace.db, steps.from_names(dataset.id, [NASTY, "b"], author=ME))


def test_versions_are_kept_as_they_were_and_the_newest_counts(workspace: Workspace) -> None:
    dataset, first = started(workspace)
    second = steps.together(
        first,
        lambda s: steps.change(s, s.labels[0].id, author=ME, examples=["x", "y"]),
        lambda s: steps.merge(s, s.labels[1].id, s.labels[0].id, author=ME),
    )
    schemes.add(workspace.db, second)
    assert schemes.newest(workspace.db, dataset.id) == second
    assert schemes.versions(workspace.db, dataset.id) == [second, first]
    assert schemes.newest(workspace.db, "data-none") is None


def test_of_two_changes_to_one_version_the_second_is_refused(workspace: Workspace) -> None:
    dataset, first = started(workspace)
    schemes.add(workspace.db, steps.add(first, ["mine"], author="Ben"))
    with pytest.raises(InUse, match="Ben made version 2: Added “mine”"):
        schemes.add(workspace.db, steps.add(first, ["other"], author=ME))
    newest = schemes.newest(workspace.db, dataset.id)
    assert newest is not None
    assert names(newest) == [NASTY, "b", "mine"]


def test_labels_of_a_deleted_data_set_are_refused_and_go_with_it(workspace: Workspace) -> None:
    dataset, first = started(workspace)
    workspace.delete_dataset(dataset.id)
    assert schemes.versions(workspace.db, dataset.id) == []
    with pytest.raises(NotFound):
        schemes.add(workspace.db, steps.from_names(dataset.id, ["a"], author=ME))
    assert first.version == 1


def test_what_was_given_is_each_persons_newest_answer(workspace: Workspace) -> None:
    dataset, scheme = started(workspace)
    one, two = (label.id for label in scheme.labels)
    anna, ben = (label_rows.annotator(workspace.db, name).id for name in (ME, "Ben"))

    def say(person: str, seq: int, row: int, labels: tuple[str, ...], state: AnswerState) -> None:
        sent = Sent(f"desk-{person}", seq, Answer(row, person, labels, state, seq))
        label_rows.save(workspace.db, dataset.id, person, [sent])

    say(anna, 1, 0, (one,), AnswerState.LABELLED)
    say(anna, 2, 0, (two,), AnswerState.LABELLED)
    say(anna, 3, 1, (), AnswerState.SKIPPED)
    say(anna, 4, 2, (one,), AnswerState.LABELLED)
    say(anna, 5, 2, (), AnswerState.CLEARED)
    say(ben, 1, 0, (two,), AnswerState.LABELLED)
    say(ben, 2, 3, (one,), AnswerState.LABELLED)
    assert schemes.given(workspace.db, dataset.id) == {(two,): [0, 0], (one,): [3]}
    assert schemes.given(workspace.db, dataset.id, anna) == {(two,): [0]}
    assert steps.counts(scheme, schemes.given(workspace.db, dataset.id)) == {one: (1, 1), two: (2, 1)}
