"""What a wrong answer costs, by hand; and that a step is the same however its batch is split."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.records import Step
from core.training.losses import mass, total_loss
from core.training.optimizer import class_weights
from core.training.run import Run
from tests.training.support import RECIPE, made, of, start, toy_data

LOGITS = [[2.0, 0.5, -1.0], [0.0, 1.0, 0.0], [-0.5, 0.3, 0.1]]
TARGETS = [0, 2, 1]


def softmax(row: list[float]) -> list[float]:
    power = [math.exp(x) for x in row]
    return [p / sum(power) for p in power]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def of_classes(**options: object) -> float:
    import torch

    return float(total_loss(torch.tensor(LOGITS), torch.tensor(TARGETS), **options))


def of_labels(targets: list[list[float]], **options: object) -> float:
    import torch

    return float(total_loss(torch.tensor(LOGITS), torch.tensor(targets), **options))


# --------------------------------------------------------------------------- one label a text


def test_cross_entropy_is_the_surprise_at_the_truth() -> None:
    wanted = sum(-math.log(softmax(row)[c]) for row, c in zip(LOGITS, TARGETS, strict=True))
    assert of_classes() == pytest.approx(wanted, rel=1e-5)


def test_smoothing_spreads_a_share_of_the_target_over_all_classes() -> None:
    wanted = 0.0
    for row, c in zip(LOGITS, TARGETS, strict=True):
        target = [0.1 / 3 + (0.9 if k == c else 0.0) for k in range(3)]
        wanted -= sum(t * math.log(p) for t, p in zip(target, softmax(row), strict=True))
    assert of_classes(smoothing=0.1) == pytest.approx(wanted, rel=1e-5)


def test_focal_loss_counts_what_is_sure_for_less() -> None:
    wanted = 0.0
    for row, c in zip(LOGITS, TARGETS, strict=True):
        p = softmax(row)[c]
        wanted -= (1 - p) ** 2 * math.log(p)
    assert of_classes(focal=True) == pytest.approx(wanted, rel=1e-5)
    assert of_classes(focal=True) < of_classes()


def test_class_weights_multiply_and_the_mean_divides_by_them() -> None:
    import torch

    weights = torch.tensor([0.5, 2.0, 3.0])
    parts = [(float(weights[c]), -math.log(softmax(row)[c])) for row, c in zip(LOGITS, TARGETS, strict=True)]
    total = of_classes(weights=weights)
    assert total == pytest.approx(sum(w * loss for w, loss in parts), rel=1e-5)
    divisor = mass(torch.tensor(TARGETS), weights=weights)
    assert divisor == pytest.approx(5.5)
    torch_mean = torch.nn.functional.cross_entropy(
        torch.tensor(LOGITS), torch.tensor(TARGETS), weight=weights
    )
    assert total / divisor == pytest.approx(float(torch_mean), rel=1e-5)


def test_windows_of_a_text_count_as_one_text_together() -> None:
    import torch

    shares = torch.tensor([0.5, 0.5, 1.0])
    wanted = sum(
        s * -math.log(softmax(row)[c]) for s, row, c in zip((0.5, 0.5, 1), LOGITS, TARGETS, strict=True)
    )
    assert of_classes(of_text=shares) == pytest.approx(wanted, rel=1e-5)
    assert mass(torch.tensor(TARGETS), of_text=shares) == pytest.approx(2.0)
    assert mass(torch.tensor(TARGETS)) == 3.0


# --------------------------------------------------------------------------- several labels a text

SEVERAL = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def binary(smoothing: float = 0.0, positive: tuple[float, ...] = (1, 1, 1), focus: float = 0.0) -> float:
    total = 0.0
    for row, targets in zip(LOGITS, SEVERAL, strict=True):
        for x, y, weight in zip(row, targets, positive, strict=True):
            soft = y * (1 - smoothing) + 0.5 * smoothing
            cell = -(weight * soft * math.log(sigmoid(x)) + (1 - soft) * math.log(1 - sigmoid(x)))
            truth = sigmoid(x) if y else 1 - sigmoid(x)
            total += cell * (1 - truth) ** focus / 3
    return total


def test_several_labels_cost_the_mean_of_their_binary_losses() -> None:
    import torch

    assert of_labels(SEVERAL) == pytest.approx(binary(), rel=1e-5)
    assert of_labels(SEVERAL, smoothing=0.2) == pytest.approx(binary(smoothing=0.2), rel=1e-5)
    assert of_labels(SEVERAL, focal=True) == pytest.approx(binary(focus=2.0), rel=1e-5)
    weights = torch.tensor([3.0, 1.0, 0.5])
    assert of_labels(SEVERAL, weights=weights) == pytest.approx(binary(positive=(3, 1, 0.5)), rel=1e-5)
    assert mass(torch.tensor(SEVERAL), weights=weights) == 3.0  # a mean over texts


# --------------------------------------------------------------------------- in a run


def test_recipes_with_another_loss_learn_something_else(base: Path, tmp_path: Path) -> None:
    whole = toy_data()
    keep = [i for i, label in enumerate(whole.train_labels) if label != 2 or i % 4 == 2]
    rare = replace(
        whole,
        train_texts=[whole.train_texts[i] for i in keep],
        train_labels=[whole.train_labels[i] for i in keep],
    )
    found = []
    for at, change in enumerate(({}, {"class_weights": True}, {"loss": "focal"}, {"label_smoothing": 0.2})):
        recipe = replace(RECIPE, epochs=0.2, **change)  # type: ignore[arg-type]
        events = list(start(base, tmp_path / str(at), recipe, rare))
        found.append(of(Step, events)[0].loss)
    assert len(set(found)) == 4
    assert found[2] < found[0] < found[3]  # focal counts less, smoothing more


def test_the_class_weights_of_a_run_are_those_of_its_texts(base: Path, tmp_path: Path) -> None:
    run = made(base, tmp_path / "m", replace(RECIPE, class_weights=True), toy_data(60))
    wanted = class_weights(np.asarray(toy_data(60).train_labels), 3, "cpu")
    assert run.weights.equal(wanted)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"token_dropout": 0.3},
        {"class_weights": True, "label_smoothing": 0.1},
        {"loss": "focal"},
        {"dropout": 0.3},
        {"distillation": 0.4},
        {"windows": True, "max_length": 8},
    ],
    ids=lambda change: "-".join(change) or "plain",
)
def test_a_batch_in_parts_gives_the_same_gradient(
    base: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    recipe = replace(RECIPE, **change)  # type: ignore[arg-type]
    run = made(base, tmp_path / "m", recipe, toy_data(23, 9), head=False)
    assert (run.material.windows is not None) == ("windows" in change)
    if "distillation" in change:
        run.taught = np.random.default_rng(0).dirichlet(np.ones(3), 23).astype(np.float32)
    rows = np.arange(11)
    whole_loss, whole = gradients(run, rows, 1)
    for parts in (2, 3, 11, 64):
        loss, found = gradients(run, rows, parts)
        assert loss == pytest.approx(whole_loss, rel=1e-5)
        for name, gradient in found.items():
            np.testing.assert_allclose(gradient, whole[name], rtol=1e-3, atol=1e-5, err_msg=name)


def gradients(run: Run, rows: np.ndarray, parts: int) -> tuple[float, dict[str, np.ndarray]]:
    run.learner.train()
    run.optimizer.zero_grad()
    run.accumulation = parts
    loss = run._gradients(rows)
    return loss, {name: p.grad.numpy().copy() for name, p in run.learner.trainable()}


def test_a_teacher_makes_up_its_share_of_the_target() -> None:
    import torch

    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
    truth = torch.tensor([0, 2])
    taught = torch.tensor([[0.2, 0.7, 0.1], [0.0, 0.5, 0.5]])
    plain = torch.log_softmax(logits, 1)
    wanted = -(0.6 * plain[[0, 1], truth] + 0.4 * (taught * plain).sum(1)).sum()
    assert float(total_loss(logits, truth, taught=taught, trust=0.4)) == pytest.approx(
        float(wanted), rel=1e-6
    )
    assert total_loss(logits, truth, taught=taught).equal(total_loss(logits, truth))


def test_accumulation_ends_with_the_same_weights(base: Path, tmp_path: Path) -> None:
    one, four = (made(base, tmp_path / "m", replace(RECIPE, accumulation=n, epochs=1)) for n in (1, 4))
    for run in (one, four):
        run.evaluations = []
        list(run.steps())
    assert one.step == four.step == 12
    np.testing.assert_allclose(one.losses, four.losses, rtol=1e-3)
    for (name, p), (_, q) in zip(
        one.learner.named_parameters(), four.learner.named_parameters(), strict=True
    ):
        np.testing.assert_allclose(p.detach(), q.detach(), atol=2e-3, err_msg=name)


def test_tokens_left_out_follow_from_seed_and_step_alone(base: Path, tmp_path: Path) -> None:
    run = made(base, tmp_path / "m", replace(RECIPE, token_dropout=0.3), head=False)
    rows = np.arange(20)
    first = [ids.tolist() for ids in run._thinned(rows).ids]
    assert [ids.tolist() for ids in run._thinned(rows).ids] == first
    assert first != [ids.tolist() for ids in run.material.train.encoded.select(rows).ids]
    run.step = 1
    assert [ids.tolist() for ids in run._thinned(rows).ids] != first
    special = set(run.reader.tokenizer.all_special_ids)
    for ids, whole in zip(first, run.material.train.encoded.ids, strict=False):
        assert [t for t in ids if t in special] == [t for t in whole.tolist() if t in special]
