"""Queries and keys of a head give the model's own attention, and a family whose scores are otherwise says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadModel
from core.explain.families import KINDS, Writer
from core.explain.neuron import neuron, neuron_of_writer, softmax_rows
from core.explain.subject import Subject
from core.models.catalogue import bundled_folder
from tests.explain.writers import TARGET, TEXT, tiny_writer
from tests.tiny import tiny_classifier, tiny_encoder

FAMILIES = ("bert", "roberta", "xlm-roberta", "electra", "distilbert", "albert", "modernbert", "gpt2", "t5")


def tiny(folder: Path, family: str) -> Subject:
    if family in ("gpt2", "t5"):
        return Subject.load(tiny_writer(folder, family))
    size: dict[str, Any] = {"embedding_size": 16} if family == "albert" else {}
    return Subject.load(tiny_encoder(folder, family, initializer_range=0.3, **size))


@pytest.fixture(scope="module")
def bundled() -> Subject:
    return Subject.load(bundled_folder())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pair", [None, "twice today and again"])
def test_scores_give_the_models_own_weights(tmp_path: Path, family: str, pair: str | None) -> None:
    subject = tiny(tmp_path, family)
    piece = subject.read(TEXT, pair)
    weights, _ = subject.attend(piece)
    for layer in range(2):
        for head in (0, 3):
            found = neuron(subject, piece, layer, head)
            rebuilt = found.scale * (found.query @ found.key.T) + found.added
            np.testing.assert_allclose(found.scores, rebuilt, atol=1e-4)
            np.testing.assert_allclose(softmax_rows(rebuilt), weights[layer, head], atol=1e-5)
            np.testing.assert_allclose(found.weights, weights[layer, head], atol=1e-6)
    assert found.query.shape == found.key.shape == (len(piece), 8)
    np.testing.assert_allclose(subject.attend(piece)[0], weights)  # the model is left as it was


def test_every_head_of_the_bundled_encoder_is_told_apart(bundled: Subject) -> None:
    piece = bundled.read("My card was charged twice.")
    weights, _ = bundled.attend(piece)
    for layer in range(6):
        found = neuron(bundled, piece, layer, 7)
        np.testing.assert_allclose(softmax_rows(found.scores), weights[layer, 7], atol=1e-5)
    assert found.scale == pytest.approx(32**-0.5)
    assert not found.added.any()


def test_query_and_key_are_the_projections_of_the_states(bundled: Subject) -> None:
    import torch

    piece = bundled.read("My card was charged twice.")
    with torch.no_grad():
        states = bundled.model(**bundled.tensors([piece]), output_hidden_states=True).hidden_states[2]
        inner = bundled.encoder.encoder.layer[2].attention.self
        query, key = inner.query(states)[0].numpy(), inner.key(states)[0].numpy()
    found = neuron(bundled, piece, 2, 5)
    np.testing.assert_allclose(found.query, query[:, 160:192], atol=1e-5)
    np.testing.assert_allclose(found.key, key[:, 160:192], atol=1e-5)


def test_dimensions_of_a_product_sum_to_the_score(bundled: Subject) -> None:
    piece = bundled.read("My card was charged twice.")
    found = neuron(bundled, piece, 1, 2)
    assert found.product(3, 1).shape == (32,)
    assert found.product(3, 1).sum() == pytest.approx(found.scores[3, 1], abs=1e-4)


def test_what_a_decoder_must_not_see_is_added_not_multiplied(tmp_path: Path) -> None:
    subject = tiny(tmp_path, "gpt2")
    found = neuron(subject, subject.read(TEXT), 0, 0)
    above = np.triu_indices(len(found.query), 1)
    assert (found.added[above] <= -1e9).all()
    assert not np.tril(found.added).any()
    assert np.isfinite(found.scores).all()


def test_a_trained_classifier_is_looked_into_as_well(tmp_path: Path) -> None:
    subject = Subject.load(tiny_classifier(tmp_path / "m", "roberta"))
    piece = subject.read("my parcel")
    found = neuron(subject, piece, 1, 1)
    np.testing.assert_allclose(softmax_rows(found.scores), subject.attend(piece)[0][1, 1], atol=1e-5)


def test_a_family_with_other_scores_says_why_not(tmp_path: Path) -> None:
    subject = Subject.load(tiny_encoder(tmp_path / "m", "deberta-v2"))
    with pytest.raises(BadModel, match="sums of three products"):
        neuron(subject, subject.read("my parcel"), 0, 0)


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize("family", ["t5", "marian"])
def test_a_writer_is_looked_into_at_all_three_places(tmp_path: Path, family: str) -> None:
    writer = Writer.load(tiny_writer(tmp_path, family))
    reading = writer.read(TEXT, target=TARGET)
    for kind in KINDS:
        weights = reading.maps[kind].weights
        for layer in range(len(weights)):
            found = neuron_of_writer(writer, reading, kind, layer, 2)
            np.testing.assert_allclose(softmax_rows(found.scores), weights[layer, 2], atol=1e-5)
            rebuilt = found.scale * (found.query @ found.key.T) + found.added
            np.testing.assert_allclose(found.scores, rebuilt, atol=1e-4)
    assert found.query.shape == (len(reading.target_ids), 8)
    assert found.key.shape == (len(reading.source_ids), 8)
    np.testing.assert_allclose(writer.read(TEXT, target=TARGET).maps["cross"].weights, weights)


def test_a_head_that_is_not_there_is_refused(bundled: Subject) -> None:
    with pytest.raises(IndexError, match="6 layers of 12 heads"):
        neuron(bundled, bundled.read("a"), 6, 0)
