"""What a run does when something goes wrong: broken numbers, too little memory, a full disk."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import DiskFull, Diverged, OutOfMemory
from core.inference.classifier import Classifier
from core.models import saving
from core.models.forward import Encoded
from core.models.saving import read_sidecar
from core.records import Evaluated, Event, Finished, Note, Step
from core.training import run as run_module
from core.training.packed import Packed
from core.training.run import Run
from tests.training.support import RECIPE, made, of, start, toy_data

# --------------------------------------------------------------------------- broken numbers


def broken(base: Path, folder: Path) -> Path:
    """A base model one of whose weights is not a number."""
    import torch
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in base.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    state = load_file(folder / "model.safetensors")
    state["encoder.layer.1.output.dense.bias"][0] = torch.nan
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("method", ["quick", "few", "full"])
def test_states_that_are_no_numbers_end_training_before_the_first_step(
    base: Path, tmp_path: Path, method: str
) -> None:
    seen: list[Event] = []
    events = start(broken(base, tmp_path / "bad"), tmp_path / "m", replace(RECIPE, method=method))
    with pytest.raises(Diverged, match="not numbers"):
        seen.extend(events)
    assert of(Step, seen) == []
    assert not (tmp_path / "m").exists()


def copies(run: Run) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in run.learner.named_parameters()}


def same(run: Run, before: dict[str, Any]) -> bool:
    return all(p.equal(before[name]) for name, p in run.learner.named_parameters())


def test_loss_that_is_no_number_never_reaches_the_weights(base: Path, tmp_path: Path) -> None:
    import torch

    run = made(base, tmp_path / "m")
    with torch.no_grad():
        run.learner.head.bias[0] = torch.inf
    before = copies(run)
    with pytest.raises(Diverged, match=r"at step 1\b.*No model was kept.*smaller learning rate"):
        list(run.steps())
    assert same(run, before)
    assert not (tmp_path / "m").exists()


def test_infinite_gradient_never_reaches_the_weights(base: Path, tmp_path: Path) -> None:
    run = made(base, tmp_path / "m")
    before = copies(run)
    run.learner.head.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(Diverged, match="gradient"):
        list(run._train_on(np.arange(16)))
    assert same(run, before)


def test_fp16_leaves_out_steps_that_overflow_and_gives_up_after_many(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_MOST_SKIPPED", 2)
    run = made(base, tmp_path / "m", replace(RECIPE, precision="fp16"))
    before = copies(run)
    run.learner.head.weight.register_hook(lambda gradient: gradient * float("inf"))
    scale = run.scaler.get_scale()
    steps = [of(Step, list(run._train_on(np.arange(8))))[0] for _ in range(2)]
    assert [step.gradient_norm for step in steps] == [0.0, 0.0]
    assert same(run, before)
    assert run.scaler.get_scale() < scale
    with pytest.raises(Diverged, match="gradient"):
        list(run._train_on(np.arange(8)))
    assert same(run, before)


def test_diverging_keeps_the_best_state_before_it(base: Path, tmp_path: Path) -> None:
    import torch

    run = made(base, tmp_path / "m")
    events = run.steps()
    while not isinstance(next(events), Evaluated):
        pass
    with torch.no_grad():
        run.learner.head.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="after step 12, is kept"):
        next(events)
    assert np.isfinite(Classifier.load(tmp_path / "m").logits(["my parcel"])).all()


def test_validation_loss_that_is_no_number_is_not_kept(base: Path, tmp_path: Path) -> None:
    import torch

    run = made(base, tmp_path / "m")
    with torch.no_grad():
        run.learner.head.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="validation"):
        run.evaluate(lambda: False)
    assert not (tmp_path / "m").exists()


def test_diverging_after_the_quick_head_keeps_the_quick_head(base: Path, tmp_path: Path) -> None:
    import torch

    run = made(base, tmp_path / "m")
    run.evaluate(lambda: False)
    with torch.no_grad():
        run.learner.head.bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="The quick head is kept"):
        list(run.steps())
    data = toy_data()
    right = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (right == np.asarray(data.validation_labels)).mean() > 0.8


# --------------------------------------------------------------------------- too little memory


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A device that learns from at most three texts at once; the sizes that were tried."""
    import torch

    tried: list[int] = []
    whole = Packed.features

    def features(self: Packed, encoded: Encoded, dtype: Any = None, noisy: Any = None) -> Any:
        if noisy is not None and not torch.is_inference_mode_enabled():
            tried.append(len(encoded))
            if tried[-1] > 3:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(self, encoded, dtype, noisy)

    monkeypatch.setattr(Packed, "features", features)
    return tried


def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    base: Path, tmp_path: Path, cramped: list[int]
) -> None:
    events = list(start(base, tmp_path / "m", replace(RECIPE, epochs=1)))
    notes = [n.message for n in of(Note, events) if "too little memory" in n.message]
    assert ["in 2 parts" in notes[0], "in 4 parts" in notes[1], len(notes)] == [True, True, 2]
    assert cramped[:3] == [8, 4, 2]
    assert set(cramped[3:]) == {2}
    assert len(of(Step, events)) == 12
    assert isinstance(events[-1], Finished)


def test_halving_changes_nothing_but_memory(base: Path, tmp_path: Path, cramped: list[int]) -> None:
    run = made(base, tmp_path / "m")
    list(run._train_on(np.arange(8)))
    small = made(base, tmp_path / "n", replace(RECIPE, accumulation=4))
    list(small._train_on(np.arange(8)))
    assert run.accumulation == 4
    for (name, one), (_, two) in zip(
        run.learner.named_parameters(), small.learner.named_parameters(), strict=True
    ):
        assert one.equal(two), name


def test_one_text_that_does_not_fit_is_told(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    run = made(base, tmp_path / "m")
    before = copies(run)

    def features(self: Packed, encoded: Encoded, dtype: Any, noisy: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Packed, "features", features)
    seen: list[Event] = []
    with pytest.raises(OutOfMemory, match="1 texts of"):
        seen.extend(run._train_on(np.arange(8)))
    assert [n.message.count("parts") for n in of(Note, seen)] == [1, 1, 1]  # 2, 4 and 8
    assert same(run, before)


# --------------------------------------------------------------------------- a full disk


def test_full_disk_is_told_and_leaves_the_last_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Event] = []
    events = start(base, tmp_path / "m")
    for event in events:
        seen.append(event)
        if isinstance(event, Evaluated):
            break  # the quick head is written

    def write(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "_write", write)
    with pytest.raises(DiskFull, match="no space left"):
        seen.extend(events)
    assert read_sidecar(tmp_path / "m")["trained"]["step"] == 0
    assert np.isfinite(Classifier.load(tmp_path / "m").logits(["my parcel"])).all()
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
