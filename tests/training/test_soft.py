"""Soft labels: fine-tuning's whole target, and nothing else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import harvest, jobs
from core.harvest import How
from core.jobs import supervise
from core.jobs.train_job import gather
from core.labels import scheme as schemes_of
from core.labels.nouns import Answer, AnswerState, Plan, Sent
from core.store import labels as label_rows
from core.store import schemes
from core.training.task import TrainingData, check
from core.workspace import Workspace
from tests import homes
from tests.tiny import toy_texts
from tests.training.support import RECIPE, made, toy_data


def shares(n: int, classes: int, several: bool = False) -> list[list[float]]:
    found = np.random.default_rng(3).random((n, classes))
    return (found if several else found / found.sum(axis=1, keepdims=True)).round(4).tolist()


@pytest.mark.parametrize("several", [False, True])
def test_a_step_learns_from_soft_labels_alone(base: Path, tmp_path: Path, several: bool) -> None:
    import torch

    data = toy_data(24, 6)
    if several:
        data = replace(
            data,
            train_labels=[(c,) for c in data.train_labels],
            validation_labels=[(c,) for c in data.validation_labels],
            several=True,
        )
    soft = shares(24, 3, several)
    recipe = replace(RECIPE, distillation=0.0 if several else 0.3)
    run = made(base, tmp_path / "out", recipe, replace(data, soft=soft))
    rows = np.array([5, 2, 17])
    encoded = run.material.train.encoded.select(rows)
    loss, _ = run._loss(rows, encoded)
    logits = run.reader.logits(encoded, (run.step, rows)).detach()
    target = torch.tensor(soft)[rows]
    if several:
        cells = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        wanted = cells.mean(dim=1).sum()
    else:
        wanted = -(target * torch.log_softmax(logits, dim=1)).sum()
    assert float(loss.detach()) == pytest.approx(float(wanted), rel=1e-4)


def test_soft_labels_have_a_row_for_each_text_and_a_column_for_each_class() -> None:
    data = toy_data(9, 3)
    assert check(replace(data, soft=shares(9, 3))) == check(data)
    for wrong in (shares(8, 3), shares(9, 2)):
        with pytest.raises(ValueError, match="soft labels of shape"):
            check(replace(data, soft=wrong))
    assert TrainingData([], [], [], [], ()).soft_targets is None


# --------------------------------------------------------------------------- from a data set to a run


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(supervise, "_spawn", homes.NoWorker)
    workspace = homes.open_home(tmp_path / "home")
    yield workspace
    workspace.close()


def test_a_run_gets_the_shares_of_its_own_texts_in_the_order_of_its_classes(ws: Workspace) -> None:
    texts, _ = toy_texts(30)
    dataset = homes.add_rows(ws, [(f"{text} {i}", None) for i, text in enumerate(texts)], "toy")
    scheme = schemes.add(ws.db, schemes_of.from_names(dataset.id, ("zeta", "alpha"), author="Ana"))
    label_rows.set_plan(ws.db, Plan(dataset.id, people=3, evaluation_share=0.2))
    for number, name in enumerate(("Ana", "Bo", "Cem")):
        person = label_rows.annotator(ws.db, name)
        ids = [label.id for label in scheme.labels]
        answers = [
            Answer(i, person.id, (ids[(i % 2) ^ (number == 2 and i % 3 == 0)],), AnswerState.LABELLED, i + 1)
            for i in range(30)
        ]
        sent = [Sent(f"desk-{name}", i + 1, answer) for i, answer in enumerate(answers)]
        label_rows.save(ws.db, dataset.id, person.id, sent)
    hard = harvest.harvest(ws, dataset, How(), "hard")
    soft = harvest.harvest(ws, dataset, How(soft=True), "soft")
    assert gather(ws, jobs.submit_training(ws, hard, "all-MiniLM-L6-v2", homes.QUICK)).soft is None
    found = gather(ws, jobs.submit_training(ws, soft, "all-MiniLM-L6-v2", homes.QUICK))
    assert found.labels == ("alpha", "zeta")
    assert found.soft is not None
    assert any("soft labels" in note for note in found.notes)
    numbers = [int(text.rsplit(" ", 1)[1]) for text, _ in found.train]
    wanted = [[(i % 2), 1 - (i % 2)] if i % 3 else [abs(i % 2 - 1 / 3), abs(i % 2 - 2 / 3)] for i in numbers]
    assert np.allclose(found.soft, wanted, atol=1e-4)
    assert np.allclose(np.sum(found.soft, axis=1), 1.0)
