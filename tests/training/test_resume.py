"""A run that is broken off goes on from its newest sound checkpoint, bit by bit as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ResumeRefused
from core.records import Checkpointed, Evaluated, Event, Finished, Note, Started, Step
from core.training import checkpoint
from core.training.loop import Places, train
from core.training.recipe import Recipe
from core.training.task import TrainingData
from tests.tiny import LABELS, toy_texts

RECIPE = Recipe(
    method="full",
    epochs=3,
    batch_size=16,
    learning_rate=2e-3,
    dropout=0.1,
    distillation=0.3,
    precision="fp32",
    early_stopping=9,
)


def data(texts: int = 80) -> TrainingData:
    train_texts, train_labels = toy_texts(texts)
    validation_texts, validation_labels = toy_texts(30, seed=1)
    return TrainingData(train_texts, train_labels, validation_texts, validation_labels, LABELS)


def run(
    base: Path, out: Path, stop_after: int | None = None, recipe: Recipe = RECIPE, **more: object
) -> list[Event]:
    """All events; with `stop_after` the process “dies” right after that optimizer step: nobody asks any more."""
    events: list[Event] = []
    places = Places(out.parent / f"{out.name}-checkpoints", out.parent / "cache", 0.0)
    for event in train(
        more.get("data", data()), recipe, base, out, base_name="tiny", places=more.get("places", places)
    ):
        events.append(event)
        if stop_after is not None and isinstance(event, Checkpointed) and event.step >= stop_after:
            break
    return events


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import tiny_bert

    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Event]]:
    out = tmp_path_factory.mktemp("whole") / "out"
    events = run(base, out)
    return weights(out), events


@pytest.fixture(autouse=True)
def _every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step, however long the last one took."""
    monkeypatch.setattr("core.training.resume.SHARE", 0.0)


@pytest.mark.parametrize("after", [1, 5, 8])
def test_a_broken_off_run_ends_with_the_same_weights(
    base: Path, tmp_path: Path, whole: tuple[bytes, list[Event]], after: int
) -> None:
    run(base, tmp_path / "out", stop_after=after)
    events = run(base, tmp_path / "out")
    started = next(e for e in events if isinstance(e, Started))
    assert started.resumed_from == after
    assert weights(tmp_path / "out") == whole[0]
    losses = [e.loss for e in events if isinstance(e, Step)]
    assert losses == [e.loss for e in whole[1] if isinstance(e, Step)][after:]
    measured = [(e.step, e.macro_f1, e.loss, e.best) for e in events if isinstance(e, Evaluated)]
    assert measured == [
        (e.step, e.macro_f1, e.loss, e.best) for e in whole[1] if isinstance(e, Evaluated) and e.step > after
    ]


def test_a_finished_run_leaves_no_checkpoint(base: Path, tmp_path: Path) -> None:
    run(base, tmp_path / "out")
    assert not (tmp_path / "out-checkpoints").exists()


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    base: Path, tmp_path: Path, whole: tuple[bytes, list[Event]]
) -> None:
    run(base, tmp_path / "out", stop_after=6)
    path = tmp_path / "out-checkpoints" / "step-00000006" / "tensors.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    events = run(base, tmp_path / "out")
    assert any("damaged" in e.message for e in events if isinstance(e, Note))
    assert next(e for e in events if isinstance(e, Started)).resumed_from == 5
    assert weights(tmp_path / "out") == whole[0]


@pytest.mark.parametrize("what", ["recipe", "data", "tokenizer"])
def test_what_has_changed_is_refused_by_name(base: Path, tmp_path: Path, what: str) -> None:
    import shutil

    folder = tmp_path / "base"
    shutil.copytree(base, folder)
    run(folder, tmp_path / "out", stop_after=2)
    recipe, texts = RECIPE, data()
    if what == "recipe":
        recipe = replace(RECIPE, learning_rate=1e-3)
    elif what == "data":
        texts = data(82)
    else:
        vocabulary = folder / "tokenizer.json"
        vocabulary.write_text(vocabulary.read_text("utf-8").replace('"hello"', '"hellp"'), "utf-8")
    with pytest.raises(ResumeRefused, match=what) as refused:
        run(folder, tmp_path / "out", recipe=recipe, data=texts)
    assert "new run from these weights" in str(refused.value)


def test_a_stop_keeps_a_checkpoint_to_go_on_from(
    base: Path, tmp_path: Path, whole: tuple[bytes, list[Event]]
) -> None:
    places = Places(tmp_path / "out-checkpoints", None, 1000.0)  # none is due before the stop
    asked = iter([False] * 12 + [True] * 1000)
    events = list(
        train(
            data(),
            RECIPE,
            base,
            tmp_path / "out",
            base_name="tiny",
            places=places,
            should_stop=lambda: next(asked),
        )
    )
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.stopped
    assert checkpoint.steps(places.checkpoints) == [finished.step]
    run(base, tmp_path / "out")
    assert weights(tmp_path / "out") == whole[0]
