"""Order of texts, lengths, recipes, data that cannot be learnt from, measuring, the clock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadRecipe
from core.models.catalogue import BUNDLED
from core.models.forward import encode
from core.models.loading import load_tokenizer
from core.models.saving import read_sidecar
from core.records import Started
from core.training import task
from core.training.batching import epoch_batches, thin
from core.training.clock import Clock
from core.training.loop import train
from core.training.recipe import Recipe, automatic_length, problems, suggest
from core.training.task import TrainingData
from core.training.validation import Mark, class_changes, evaluation_steps
from tests.tiny import LABELS, POSITIONS
from tests.training.support import RECIPE, of, start, toy_data

# --------------------------------------------------------------------------- lengths


def test_long_training_texts_are_cut_and_counted(base: Path, tmp_path: Path) -> None:
    data = replace(toy_data(), train_texts=["parcel " * 40, *toy_data().train_texts[1:]])
    events = list(start(base, tmp_path / "m", replace(RECIPE, epochs=0.1, max_length=16), data))
    assert of(Started, events)[0].cut_texts == 1
    assert read_sidecar(tmp_path / "m")["max_length_in_training"] == 16
    assert load_tokenizer(tmp_path / "m").model_max_length == POSITIONS


def test_automatic_length_covers_nearly_all_texts_and_stays_cheap() -> None:
    lengths = np.asarray([10] * 990 + [21] * 9 + [500])
    assert automatic_length(lengths, 512) == 24
    assert automatic_length(np.asarray([1000] * 10), 512) == 256
    assert automatic_length(np.asarray([1000] * 10), 130) == 130
    assert automatic_length(np.asarray([3]), 512) == 8


def test_batches_of_an_epoch_hold_every_text_once_in_like_lengths() -> None:
    lengths = np.random.default_rng(0).integers(5, 200, 3210)
    batches = epoch_batches(lengths, 32, seed=0, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(3210))
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.1 * lengths.sum()
    assert len(batches) == 101


def test_order_differs_by_epoch_and_seed_and_repeats_otherwise() -> None:
    lengths = np.random.default_rng(0).integers(5, 50, 500)
    first = [b.tolist() for b in epoch_batches(lengths, 16, 0, 0)]
    assert first == [b.tolist() for b in epoch_batches(lengths, 16, 0, 0)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 16, 0, 1)]
    assert first != [b.tolist() for b in epoch_batches(lengths, 16, 1, 0)]
    means = [lengths[b].mean() for b in epoch_batches(lengths, 16, 0, 0)]
    assert means != sorted(means)  # not from short to long


def test_thinned_texts_lose_a_share_of_their_words_and_keep_order_and_special_tokens(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    special = np.asarray(tokenizer.all_special_ids)
    encoded = encode(tokenizer, toy_data(60).train_texts, 128)
    rows = np.arange(60)[::-1]
    found = thin(encoded, rows, 0.3, special, np.random.default_rng(0))
    assert len(found) == 60
    for row, ids in zip(rows, found.ids, strict=True):
        whole = encoded.ids[row].tolist()
        assert (ids[0], ids[-1]) == (whole[0], whole[-1])
        assert len(ids) > 2
        left = iter(whole)
        assert all(token in left for token in ids.tolist())  # a part of the text, in its order
    words = encoded.lengths.sum() - 2 * 60
    assert 0.2 < 1 - (found.lengths.sum() - 2 * 60) / words < 0.4
    assert [len(t) for t in found.types or []] == found.lengths.tolist()
    long = encoded.lengths[rows]
    assert all(len(set(found.lengths[long == n])) == 1 for n in set(long))  # like lengths stay alike


def test_a_text_is_never_thinned_to_nothing(base: Path) -> None:
    tokenizer = load_tokenizer(base)
    encoded = encode(tokenizer, ["parcel", "", "late parcel"], 128)
    for seed in range(20):
        found = thin(
            encoded, np.arange(3), 0.9, np.asarray(tokenizer.all_special_ids), np.random.default_rng(seed)
        )
        assert found.lengths[0] == 3
        assert found.lengths[1] == 2
        assert found.lengths[2] >= 3


# --------------------------------------------------------------------------- recipes


def test_recipe_survives_json() -> None:
    recipe = Recipe(epochs=2.5, layers="last:2", class_weights=True, seed=7)
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert Recipe.from_json({}) == Recipe()
    assert Recipe.from_json({"epochs": 2}).epochs == 2.0


@pytest.mark.parametrize(
    "data",
    [{"epoch": 1}, {"epochs": "3"}, {"batch_size": 1.5}, {"class_weights": 1}, {"layers": 2}, {"seed": True}],
)
def test_recipe_of_the_wrong_shape_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(BadRecipe, match="setting"):
        Recipe.from_json(data)


def test_all_faults_of_a_recipe_are_told_at_once() -> None:
    bad = Recipe(
        epochs=0,
        batch_size=5000,
        learning_rate=-1,
        layers="last:0",
        precision="fp8",
        max_length=3,
        seed=-1,
        method="best",
        loss="hinge",
        token_dropout=1,
    )
    assert len(problems(bad)) == 10
    assert problems(Recipe()) == []
    assert problems(Recipe(learning_rate=float("nan"), epochs=float("inf")))
    with pytest.raises(BadRecipe, match="Epochs"):
        list(train(toy_data(), bad, Path("x"), Path("y"), base_name="z"))


@pytest.mark.parametrize("layers", ["last:", "last:-1", "last:x", "first:2", "", "last:²"])
def test_layers_of_no_kind_are_refused(layers: str) -> None:
    assert len(problems(Recipe(layers=layers))) == 1


def test_suggested_recipes_are_sound_for_any_size() -> None:
    for texts in (0, 2, 50, 300, 1000, 10_000, 1_000_000):
        for classes in (0, 2, 7, 77, 1000):
            for base_name in (BUNDLED, "bert-base-uncased", "some/thing"):
                assert problems(suggest(texts, classes, base_name)) == []
    assert suggest(280, 7, BUNDLED).steps(280) >= 100
    assert suggest(9000, 77, BUNDLED).epochs <= 5


def test_fractions_of_an_epoch_count_as_steps() -> None:
    assert Recipe(epochs=0.5, batch_size=10).steps(100) == 5
    assert Recipe(epochs=2, batch_size=10).steps(101) == 22
    assert Recipe(epochs=0.001, batch_size=10).steps(5) == 1
    assert all(
        0 < Recipe(warmup_share=w).rate_factor(s, n) <= 1
        for w in (0, 0.1, 1)
        for n in (1, 2, 9)
        for s in range(n)
    )


# --------------------------------------------------------------------------- data that cannot be learnt from


def data_of(
    train_labels: list[int], validation_labels: list[int], labels: tuple[str, ...] = LABELS
) -> TrainingData:
    return TrainingData(
        [f"text {i}" for i in range(len(train_labels))],
        train_labels,
        [f"other {i}" for i in range(len(validation_labels))],
        validation_labels,
        labels,
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (data_of([], [], ()), "no text with a label"),
        (data_of([1] * 20, [1] * 3), "the same label, “payment”"),
        (data_of([0, 1, 2], []), "only one text"),
        (data_of([0, 0, 1, 1], []), "No text is left to validate on"),
        (data_of([], [0, 1]), "No text is left to train on"),
    ],
)
def test_data_that_cannot_be_learnt_from_get_a_sentence(
    data: TrainingData, says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadData, match=says):
        list(train(data, RECIPE, tmp_path, tmp_path / "m", base_name="x"))


def test_absent_and_rare_classes_are_named_as_warnings() -> None:
    found = task.check(data_of([0] * 9 + [1] * 2, [0, 2]))
    assert any("No training text belongs to “account”" in sentence for sentence in found)
    assert any("fewer than five" in sentence and "“payment”" in sentence for sentence in found)
    assert any("No validation text belongs to “payment”" in sentence for sentence in found)
    assert task.check(data_of([0, 1, 2] * 5, [0, 1, 2])) == []


def test_many_absent_classes_are_counted() -> None:
    labels = tuple(f"class {i}" for i in range(30))
    found = task.check(data_of([0, 1] * 5, [0, 1], labels))
    assert any("and 23 more classes" in sentence for sentence in found)


# --------------------------------------------------------------------------- measuring


def test_evaluations_come_every_epoch_and_more_often_where_cheap() -> None:
    assert evaluation_steps(54, 18, 280, 70) == [18, 36, 54]
    long = evaluation_steps(846, 282, 9000, 500)
    assert {282, 564, 846} <= set(long)
    assert 4 <= len(long) / 3 <= 8
    assert evaluation_steps(5, 18, 280, 70) == [5]
    assert evaluation_steps(846, 282, 9000, 9000) == [282, 564, 846]


def test_a_creeping_loss_is_no_progress() -> None:
    mark = Mark(0.5, 1.0)
    assert mark.progress_since(None)
    assert not Mark(0.5, 0.995).progress_since(mark)
    assert Mark(0.5, 0.98).progress_since(mark)
    assert Mark(0.51, 2.0).progress_since(mark)


def test_better_means_macro_f1_and_then_loss() -> None:
    assert Mark(0.1, 9).better_than(None)
    assert Mark(0.6, 9).better_than(Mark(0.5, 1))
    assert Mark(0.5, 1).better_than(Mark(0.5, 2))
    assert not Mark(0.5, 2).better_than(Mark(0.5, 2))


def test_changes_of_a_class_count_its_own_texts() -> None:
    targets = np.asarray([0, 0, 0, 1, 1])
    before = np.asarray([True, True, False, False, True])
    now = np.asarray([True, False, True, True, True])
    assert class_changes(targets, now, before, 3) == ((3, 2, 1, 1), (2, 2, 1, 0), (0, 0, 0, 0))
    assert class_changes(targets, now, None, 3) == ((3, 2, 0, 0), (2, 2, 0, 0), (0, 0, 0, 0))


def test_changes_of_a_label_count_the_texts_that_carry_it() -> None:
    targets = np.asarray([[True, False], [True, True], [False, False]])
    right = np.asarray([[True, True], [False, True], [False, False]])
    assert class_changes(targets, right, None, 2) == ((2, 1, 0, 0), (1, 1, 0, 0))


def test_clock_leaves_evaluation_out_of_the_rate() -> None:
    clock = Clock()
    for _ in range(10):
        clock.trained(0.5, 20)
        clock.evaluated(3.0)
    assert clock.current == pytest.approx(40)
    assert clock.average == pytest.approx(40)
    assert clock.remaining(400, 2, 100) == pytest.approx(10 + 6)


def test_clock_estimates_before_the_first_evaluation() -> None:
    clock = Clock()
    clock.trained(9.0, 10)  # a slow first step
    clock.trained(1.0, 10)
    assert clock.remaining(100, 1, 20) == pytest.approx(10 + 1, rel=0.01)
