"""How much answers need a head: the gradient against small steps, ablation against a model without that head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.errors import BadData, BadModel
from core.explain import ablation, importance
from core.explain.importance import Task
from core.explain.subject import Subject
from core.records import Progress
from tests import tiny


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(tiny.tiny_classifier(tmp_path_factory.mktemp("importance") / "model"))


@pytest.fixture(scope="module")
def task() -> Task:
    texts, labels = tiny.toy_texts(18)
    return Task(texts, np.asarray(labels, dtype=np.int64))


def ended(study: Any) -> tuple[list[Any], Any]:
    events = []
    while True:
        try:
            events.append(next(study))
        except StopIteration as end:
            return events, end.value


def losses_at(subject: Subject, task: Task, layer: int, head: int, gate: float) -> np.ndarray[Any, Any]:
    """(N,) loss of each text with one gate set."""
    import torch

    pieces = [subject.read(text) for text in task.texts]
    with ablation.opened(subject) as circuit, torch.inference_mode():
        gates = torch.ones(subject.shape)
        gates[layer, head] = gate
        circuit.gates = gates
        logits = subject.model(**subject.tensors(pieces)).logits.numpy()
    return task.losses(logits)


def test_the_gradient_is_that_of_small_steps_of_the_gate(subject: Subject, task: Task) -> None:
    events, found = ended(importance.gradient(subject, task))
    for layer, head in ((0, 0), (1, 2)):
        step = 0.02
        slope = losses_at(subject, task, layer, head, 1 + step) - losses_at(
            subject, task, layer, head, 1 - step
        )
        expected = np.abs(slope / (2 * step)).mean()
        assert found.arrays["mean"][layer, head] == pytest.approx(expected, rel=0.02, abs=1e-5)
    assert (found.arrays["low"] <= found.arrays["mean"]).all()
    assert (found.arrays["mean"] <= found.arrays["high"]).all()
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].done == progress[-1].total == 18


def test_by_ablation_is_the_loss_without_the_head_less_the_loss_with_it(subject: Subject, task: Task) -> None:
    _, found = ended(importance.by_ablation(subject, task))
    pieces = [subject.read(text) for text in task.texts]
    whole = subject.logits(pieces)
    for layer, head in ((0, 3), (1, 1)):
        less = losses_at(subject, task, layer, head, 0.0)
        expected = (less - task.losses(whole)).mean()
        assert found.arrays["loss"][layer, head] == pytest.approx(expected, abs=1e-5)
    assert found.arrays["layer_loss"].shape == (2,)
    assert found.summary["accuracy"][0] == pytest.approx(task.right(whole).mean())


def test_heads_that_are_off_together_are_set_against_the_whole_model(subject: Subject, task: Task) -> None:
    off = ablation.whole_layer(subject, 0)
    _, found = ended(importance.without(subject, task, off))
    pieces = [subject.read(text) for text in task.texts]
    whole = subject.logits(pieces).argmax(axis=1)
    less = np.zeros_like(whole)
    for rows, logits in ablation.logits_without(subject, pieces, off):
        less[rows] = logits.argmax(axis=1)
    assert found.arrays["place"].tolist() == np.flatnonzero(whole != less).tolist()
    assert found.arrays["became"].tolist() == less[whole != less].tolist()
    before, after = found.summary["accuracy"][0], found.summary["without"]["accuracy"][0]
    assert found.summary["difference"]["accuracy"][0] == pytest.approx(after - before)


def test_no_head_off_changes_nothing(subject: Subject, task: Task) -> None:
    _, found = ended(importance.without(subject, task, []))
    assert found.summary["changed"] == 0
    assert found.summary["difference"] == {"loss": [0, 0, 0], "accuracy": [0, 0, 0]}


def test_several_labels_have_their_own_loss_and_all_must_be_right(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    logits = np.asarray([[2.0, -1.0, 0.5], [-2.0, 3.0, 1.0]])
    truth = np.asarray([[True, False, True], [False, True, False]])
    task = Task(["a", "b"], truth, np.asarray([0.5, 0.5, 0.6]))
    probability = 1 / (1 + np.exp(-logits))
    expected = -np.where(truth, np.log(probability), np.log(1 - probability)).mean(axis=1)
    np.testing.assert_allclose(task.losses(logits), expected)
    assert task.answers(logits).tolist() == [[True, False, True], [False, True, True]]
    assert task.right(logits).tolist() == [True, False]
    both = np.stack([logits, -logits], axis=1)  # with a dimension of heads between
    np.testing.assert_allclose(task.losses(both)[:, 0], expected)
    assert task.right(both)[:, 0].tolist() == [True, False]


def test_several_labels_are_measured_like_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    from core.models.loading import load_for_training

    folder = tiny.tiny_bert(tmp_path_factory.mktemp("several") / "model")
    load_for_training(folder, tiny.LABELS, several=True).save_pretrained(folder)
    subject = Subject.load(folder)
    assert subject.several
    texts, labels = tiny.toy_texts(9)
    task = Task(texts, np.eye(3, dtype=bool)[labels], np.full(3, 0.5))
    _, slopes = ended(importance.gradient(subject, task))
    step = 0.02
    slope = losses_at(subject, task, 1, 0, 1 + step) - losses_at(subject, task, 1, 0, 1 - step)
    assert slopes.arrays["mean"][1, 0] == pytest.approx(np.abs(slope / (2 * step)).mean(), rel=0.02, abs=1e-5)
    _, found = ended(importance.by_ablation(subject, task))
    assert found.arrays["changed"].shape == subject.shape
    _, together = ended(importance.without(subject, task, ablation.whole_layer(subject, 1)))
    assert together.arrays["was"].shape == (together.summary["changed"], 3)


def test_what_cannot_be_measured_is_told_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, task: Task
) -> None:
    base = Subject.load(tiny.tiny_bert(tmp_path_factory.mktemp("base") / "model"))
    with pytest.raises(BadModel, match="base model"):
        next(importance.gradient(base, task))
    with pytest.raises(BadData, match="fewer than two"):
        Task(["one"], np.asarray([0]))
