"""Quick, few, full: which is chosen, what is kept, and what the run says about it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadRecipe
from core.inference.classifier import Classifier
from core.models.saving import read_sidecar
from core.records import Evaluated, Event, Finished, Note, Progress, Rung, Started, Step, event_from_json
from core.training import few, setup
from core.training import head as heads
from core.training.learner import Learner
from core.training.recipe import Recipe, choose_method
from core.training.task import TrainingData
from tests.tiny import FILLER, LABELS, TOPICS, tiny_encoder, toy_texts
from tests.training.support import RECIPE, equal, of, start, toy_data, weights

# --------------------------------------------------------------------------- the choice


@pytest.mark.parametrize(
    ("texts", "classes", "several", "parameters", "wanted"),
    [
        (59, 3, False, 22e6, "few"),
        (60, 3, False, 22e6, "full"),
        (59, 3, True, 22e6, "full"),
        (10_000, 77, False, 110e6, "full"),
        (10_000, 77, False, 335e6, "lora"),
        (100, 77, False, 335e6, "few"),
    ],
)
def test_the_method_follows_from_the_data_and_the_model(
    texts: int, classes: int, several: bool, parameters: float, wanted: str
) -> None:
    method, why = choose_method(texts, classes, several, int(parameters))
    assert method == wanted
    assert why.endswith(".")


def test_the_run_says_what_it_chose_and_why(base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, method="auto", epochs=0.1)
    events = list(start(base, tmp_path / "m", recipe))
    assert any("enough to fine-tune the whole model" in n.message for n in of(Note, events))
    assert of(Started, events)[0].method == "full"
    assert read_sidecar(tmp_path / "m")["method"] == "full"
    assert Recipe.from_json(read_sidecar(tmp_path / "m")["recipe"]).method == "auto"


# --------------------------------------------------------------------------- quick


@pytest.fixture(scope="module")
def quick(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], Path]:
    out = tmp_path_factory.mktemp("quick") / "m"
    return list(start(base, out, replace(RECIPE, method="quick"))), out


def test_quick_takes_no_step_and_keeps_the_encoder(quick: tuple[list[Event], Path], base: Path) -> None:
    events, out = quick
    assert of(Step, events) == of(Evaluated, events) == []
    assert of(Progress, events)
    assert [(r.name, r.kept) for r in of(Rung, events)] == [("quick", False), ("quick", True)]
    assert of(Rung, events)[-1].macro_f1.value > 0.8
    before = Learner.load(base, LABELS).encoder.state_dict()
    after = Learner.load(out, LABELS).encoder.state_dict()
    assert equal(before, after)


def test_quick_learns_from_the_validation_texts_after_they_were_measured_and_says_so(
    quick: tuple[list[Event], Path], base: Path
) -> None:
    events, out = quick
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.method, finished.step, finished.stopped) == ("quick", 0, False)
    assert "learnt from the validation texts too, after they were measured" in finished.reason
    found = read_sidecar(out)
    assert found["learnt_from_validation"] is True
    rung = of(Rung, events)[0]
    assert found["validation"]["macro_f1"] == rung.macro_f1.value  # the honest figure, from before
    assert finished.validation is not None
    assert finished.validation["accuracy"]["value"] == rung.accuracy.value
    work = setup.prepare(toy_data(), replace(RECIPE, method="quick"), base, None, lambda: False)
    (fitted,) = [e for e in setup.fit_head(work, None) if isinstance(e, setup.Fitted)]
    both = heads.fit(
        np.concatenate([fitted.train, fitted.validation]),
        np.asarray([*toy_data().train_labels, *toy_data().validation_labels]),
        3,
        strength=fitted.head.strength,
    )
    saved = Classifier.load(out).logits(toy_data().validation_texts)
    np.testing.assert_allclose(saved, both.logits(fitted.validation), atol=1e-3)
    assert np.abs(saved - fitted.head.logits(fitted.validation)).max() > 1e-2


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_quick_works_without_the_averaging_layer(family: str, tmp_path: Path) -> None:
    base = tiny_encoder(tmp_path / "base", family)
    events = list(start(base, tmp_path / "m", replace(RECIPE, method="quick")))
    assert isinstance(events[-1], Finished)
    data = toy_data()
    measured = of(Rung, events)[0].accuracy.value
    predicted = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (predicted == np.asarray(data.validation_labels)).mean() >= measured - 0.1


# --------------------------------------------------------------------------- full against quick


def test_full_that_is_worse_than_quick_is_not_kept_and_the_run_says_so(base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=0.1, epochs=0.5)
    events = list(start(base, tmp_path / "m", recipe))
    finished = events[-1]
    assert isinstance(finished, Finished)
    rungs = of(Rung, events)
    assert [(r.name, r.kept) for r in rungs] == [("quick", False), ("quick", True), ("full", False)]
    assert rungs[2].macro_f1.value < rungs[0].macro_f1.value
    assert (finished.method, finished.best_step, finished.step) == ("quick", 0, 6)
    assert "did not get better than the quick head" in finished.reason
    assert equal(
        Learner.load(base, LABELS).encoder.state_dict(),
        Learner.load(tmp_path / "m", LABELS).encoder.state_dict(),
    )
    data = toy_data()
    predicted = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (predicted == np.asarray(data.validation_labels)).mean() == rungs[0].accuracy.value


# --------------------------------------------------------------------------- few

FEW = replace(RECIPE, method="auto", token_dropout=0.1)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few, "STEPS", 12)
    monkeypatch.setattr(few, "RATE", 3e-3)


def test_few_labels_learn_by_comparing_texts(base: Path, tmp_path: Path, short: None) -> None:
    data = toy_data(18, 30)
    events = list(start(base, tmp_path / "m", FEW, data))
    started, finished = of(Started, events)[0], events[-1]
    assert isinstance(finished, Finished)
    assert (started.method, started.steps) == ("few", 24)
    steps = of(Step, events)  # on the training texts, and once more with the validation texts
    assert [s.step for s in steps] == list(range(1, 25))
    assert any("once more with the validation texts" in n.message for n in of(Note, events))
    losses = [s.loss for s in steps[:12]]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    quick, better = of(Rung, events)
    assert (quick.name, better.name, better.kept) == ("quick", "few", True)
    assert better.accuracy.value >= quick.accuracy.value
    assert finished.method == "few"
    assert finished.validation is not None
    assert finished.validation["accuracy"]["value"] == better.accuracy.value  # from before that
    assert "Comparing texts made the model better" in finished.reason
    assert read_sidecar(tmp_path / "m")["learnt_from_validation"] is True
    predicted = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (predicted == np.asarray(data.validation_labels)).mean() > 0.9
    list(start(base, tmp_path / "again", FEW, data))
    assert equal(weights(tmp_path / "again"), weights(tmp_path / "m"))


def test_comparing_that_does_not_help_is_undone(
    base: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few, "RATE", 0.5)
    data = toy_data(30, 30)
    events = list(start(base, tmp_path / "m", FEW, data))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert [(r.name, r.kept) for r in of(Rung, events)] == [
        ("quick", False),
        ("few", False),
        ("quick", True),
    ]
    assert finished.method == "quick"
    assert "did not get better than the quick head" in finished.reason
    assert len(of(Step, events)) == 12
    assert equal(
        Learner.load(base, LABELS).encoder.state_dict(),
        Learner.load(tmp_path / "m", LABELS).encoder.state_dict(),
    )


def test_a_stop_while_comparing_keeps_the_quick_head(base: Path, tmp_path: Path, short: None) -> None:
    seen: list[Event] = []
    for event in start(
        base, tmp_path / "m", FEW, toy_data(30, 30), should_stop=lambda: len(of(Step, seen)) >= 3
    ):
        seen.append(event)
    assert len(of(Step, seen)) == 3
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].stopped, seen[-1].method) == (True, "quick")
    assert equal(
        Learner.load(base, LABELS).encoder.state_dict(),
        Learner.load(tmp_path / "m", LABELS).encoder.state_dict(),
    )


def test_one_text_per_class_and_names_that_say_nothing_are_enough(
    base: Path, tmp_path: Path, short: None
) -> None:
    texts, labels = toy_texts(6)
    data = TrainingData(texts[:3], labels[:3], texts[3:], labels[3:], ("1", "2", "3"))
    events = list(start(base, tmp_path / "m", FEW, data))
    assert any("No class has two texts" in n.message for n in of(Note, events))
    assert isinstance(events[-1], Finished)
    assert Classifier.load(tmp_path / "m").labels == ("1", "2", "3")


def test_names_become_words() -> None:
    assert few.name_in_words("card_arrival") == "card arrival"
    assert few.name_in_words("cardArrival") == "card Arrival"
    assert few.name_in_words("12") == few.name_in_words("A1") == ""


def test_the_contrastive_loss_is_the_share_that_goes_to_the_partners() -> None:
    import torch

    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 2.0], [0.0, -1.0]])
    classes = torch.tensor([0, 0, 1, 2])
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    alike = np.exp((unit @ unit.T).numpy() / few.TEMPERATURE)
    wanted = [
        -np.log(alike[i, j] / sum(alike[i, k] for k in range(4) if k != i)) for i, j in ((0, 1), (1, 0))
    ]
    found = few.contrastive_loss(vectors, classes)
    assert float(found) == pytest.approx(float(np.mean(wanted)), rel=1e-4)


# --------------------------------------------------------------------------- several labels


def several(n: int, seed: int = 0) -> tuple[list[str], list[tuple[int, ...]]]:
    """Texts with the words of none, one or two topics."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(n):
        own = tuple(sorted(rng.choice(3, size=i % 3, replace=False).tolist()))
        words = [w for c in own for w in rng.choice(TOPICS[LABELS[c]], size=3)]
        words += rng.choice(FILLER, size=4).tolist()
        texts.append(" ".join(rng.permutation(words)))
        labels.append(own)
    return texts, labels


@pytest.mark.parametrize("method", ["quick", "full"])
def test_several_labels_come_with_thresholds(base: Path, tmp_path: Path, method: str) -> None:
    texts, labels = several(120)
    held, truth = several(60, seed=1)
    data = TrainingData(texts, labels, held, truth, LABELS, several=True)
    events = list(start(base, tmp_path / "m", replace(RECIPE, method=method, epochs=4), data))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.method == method
    found = read_sidecar(tmp_path / "m")
    assert found["task"] == "several labels a text"
    assert len(found["thresholds"]) == 3
    assert all(0 < t < 1 for t in found["thresholds"])
    assert {"accuracy", "macro_f1", "micro_f1"} <= set(found["validation"])
    assert finished.validation is not None
    assert finished.validation["micro_f1"]["value"] == pytest.approx(found["validation"]["micro_f1"])
    classifier = Classifier.load(tmp_path / "m")
    assert classifier.several
    fresh, wanted = several(60, seed=2)
    answers = classifier.predict(fresh)
    names = [tuple(LABELS[c] for c in own) for own in wanted]
    assert np.mean([a == b for a, b in zip(answers, names, strict=True)]) > 0.5
    again = event_from_json("finished", json.loads(json.dumps(finished.to_json())))
    assert json.dumps(again.to_json()) == json.dumps(finished.to_json())


def test_comparing_texts_of_several_labels_is_refused_in_words(base: Path, tmp_path: Path) -> None:
    texts, labels = several(30)
    data = TrainingData(texts, labels, texts[:12], labels[:12], LABELS, several=True)
    with pytest.raises(BadRecipe, match="one label"):
        list(start(base, tmp_path / "m", replace(RECIPE, method="few"), data))


# --------------------------------------------------------------------------- windows


def long(n: int, seed: int) -> tuple[list[str], list[int]]:
    """Texts of some 60 words of which only the last few say the class."""
    texts, labels = toy_texts(n, seed)
    rng = np.random.default_rng(seed)
    return [" ".join([*rng.choice(FILLER, size=50), text]) for text in texts], labels


@pytest.mark.parametrize("method", ["quick", "full"])
def test_windows_read_what_stands_at_the_end(base: Path, tmp_path: Path, method: str) -> None:
    texts, labels = long(90, 1)
    held, truth = long(30, 2)
    data = TrainingData(texts, labels, held, truth, LABELS)
    recipe = replace(RECIPE, method=method, max_length=24, epochs=2, batch_size=16)
    found = {}
    for windows in (False, True):
        out = tmp_path / str(windows)
        events = list(start(base, out, replace(recipe, windows=windows), data))
        fresh, wanted = long(30, 3)
        if not windows:
            fresh = [" ".join(text.split()[:20]) for text in fresh]  # as in training
        else:
            assert of(Started, events) == [] or of(Started, events)[0].cut_texts == 0
        predicted = Classifier.load(out).predict_proba(fresh).argmax(axis=1)
        found[windows] = (predicted == np.asarray(wanted)).mean()
    assert found[False] < 0.6
    assert found[True] > 0.8
    assert read_sidecar(tmp_path / "True")["windows"] == {"length": 24, "overlap": 6}
    assert "windows" not in read_sidecar(tmp_path / "False")


def test_windows_in_use_answer_as_measured_in_training(base: Path, tmp_path: Path) -> None:
    texts, labels = long(60, 1)
    held, truth = long(30, 2)
    data = TrainingData(texts, labels, [*held, "late parcel"], [*truth, 0], LABELS)
    recipe = replace(RECIPE, max_length=24, windows=True, epochs=1)
    events = list(start(base, tmp_path / "m", recipe, data))
    best = [e for e in of(Evaluated, events) if e.best][-1]
    predicted = Classifier.load(tmp_path / "m").predict_proba(data.validation_texts).argmax(axis=1)
    assert (predicted == np.asarray(data.validation_labels)).mean() == pytest.approx(best.accuracy)
