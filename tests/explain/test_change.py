"""What training changed in a model's attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from core.errors import BadData, BadModel
from core.explain import change
from core.explain.nouns import Findings
from core.explain.subject import Subject
from core.records import Event, Progress
from tests import tiny

TEXT = "my parcel was late today"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Subject]:
    """A base model, and a classifier on it whose second layer has learnt something."""
    import torch

    folder = tmp_path_factory.mktemp("change")
    before = Subject.load(tiny.tiny_bert(folder / "before"), "base")
    after = Subject.load(tiny.tiny_classifier(folder / "after"), "trained")
    torch.manual_seed(3)
    query = after.encoder.encoder.layer[1].attention.self.query.weight
    query[:8] += torch.randn(8, 32)  # of the first of four heads
    return before, after


def drained(study: change.Study) -> tuple[list[Event], Findings]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(study))
        except StopIteration as ended:
            return events, ended.value


def test_the_distance_is_that_of_scipy_to_base_two() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(7), size=(2, 5))
    q[0, :3] = 0  # rows with zeros, as a causal model has them
    q[0] /= q[0].sum()
    expected = [jensenshannon(one, two, base=2) for one, two in zip(p, q, strict=True)]
    np.testing.assert_allclose(change.distance(p, q), expected, atol=1e-9)


def test_the_distance_is_nothing_between_equals_and_one_between_strangers() -> None:
    p, q = np.eye(4)[:2]
    assert change.distance(p, p) == 0
    assert change.distance(p, q) == 1


def test_only_the_head_that_learnt_has_moved(pair: tuple[Subject, Subject]) -> None:
    found = change.both(*pair, TEXT)
    assert found.distances.shape == (2, 4)
    moved = found.distances > 1e-4
    assert moved.tolist() == [[False] * 4, [True, False, False, False]]
    assert found.before.tokens == found.after.tokens


def test_the_layer_that_finesift_adds_is_left_out(pair: tuple[Subject, Subject], tmp_path: Path) -> None:
    from core.models.loading import load_classifier, load_tokenizer
    from core.models.pooling import add_layer

    folder = tiny.tiny_classifier(tmp_path / "plain")
    model = load_classifier(folder)
    add_layer(model)
    model.save_pretrained(tmp_path / "averaging")
    load_tokenizer(folder).save_pretrained(tmp_path / "averaging")
    averaging = Subject.load(tmp_path / "averaging")
    assert averaging.shape == (3, 4)
    found = change.both(pair[0], averaging, TEXT)
    assert found.after.weights.shape[0] == 2
    np.testing.assert_allclose(found.distances, 0, atol=1e-4)


def test_a_study_ranks_heads_with_intervals_and_knows_each_text(pair: tuple[Subject, Subject]) -> None:
    texts, _ = tiny.toy_texts(6)
    events, found = drained(change.measure(*pair, [*texts, "  "], [10, 11, 12, 13, 14, 15, 16]))
    assert found.summary["ranking"][0] == [1, 0]
    assert (found.summary["texts"], found.summary["empty"]) == (6, 1)
    assert found.arrays["rows"].tolist() == [10, 11, 12, 13, 14, 15]
    for at, text in enumerate(texts):  # a batch with padding comes to the same as each text alone
        np.testing.assert_allclose(found.arrays["each"][at], change.both(*pair, text).distances, atol=1e-3)
    value, low, high = (found.arrays[name] for name in ("value", "low", "high"))
    np.testing.assert_allclose(value, found.arrays["each"].mean(axis=0), atol=1e-6)
    assert (low <= value).all()
    assert low[1, 0] < value[1, 0] < high[1, 0]
    assert isinstance(events[-1], Progress)
    assert (events[-1].done, events[-1].total) == (6, 6)


def test_models_of_other_sizes_or_tokens_are_not_compared(
    pair: tuple[Subject, Subject], tmp_path: Path
) -> None:
    small = Subject.load(tiny.tiny_bert(tmp_path / "small", num_attention_heads=2), "small")
    with pytest.raises(BadModel, match="base has 2 layers of 4 heads, small 2 layers of 2 heads"):
        change.both(pair[0], small, TEXT)
    other = Subject.load(tiny.tiny_encoder(tmp_path / "other", "roberta"), "other")
    with pytest.raises(BadModel, match="token by token"):
        change.both(pair[0], other, TEXT)


def test_one_text_is_too_few_for_a_study(pair: tuple[Subject, Subject]) -> None:
    with pytest.raises(BadData, match="fewer than two"):
        drained(change.measure(*pair, [TEXT], [0]))
