"""Before a run: a few seconds of real steps on this machine tell how long it will take, whether it fits in memory,
and what to change.

Knows which measurements make which figure. Does not know how a step is computed (`trial`) or timed (`timing`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.lengths import share_longer
from core.errors import OutOfMemory
from core.models.device import pick_device
from core.models.forward import BATCH_TEXTS, BATCH_TOKENS, batches, multiple
from core.models.loading import load_tokenizer
from core.records import Interval, Preflight
from core.training import few, ladder, task
from core.training import recipe as recipes
from core.training.advice import advise, classes_with
from core.training.learner import Learner
from core.training.material import Material, Part, prepare
from core.training.memory import PeakMemory
from core.training.recipe import Recipe
from core.training.setup import HEAD_TEXTS
from core.training.task import TrainingData
from core.training.timing import Estimate, Rows, Timing, time_batches, time_steps
from core.training.trial import Sample, Trial, sample
from core.training.validation import evaluation_steps

_STEPPING = 0.7  # share of the seconds for steps; the rest is for passes without learning
_SAFE = 0.9  # share of the free memory that a run may need
_FLOAT = 4  # bytes
_COPIES = 3  # of the features, while a head is fitted on them
_BESIDE = (
    300_000_000  # bytes of a process on the CPU for scikit-learn, the baselines and the head's fit (measured)
)
# passes of the head's fit over its texts (core.training.head): at most so many to choose the penalty, on a sample of
# so many texts, and so many for the fit itself; it converges earlier as a rule
_CHOOSING, _CHOOSING_TEXTS, _FITTING = 600, 2000, 300
_PER_PASS = 5e-4  # seconds of a pass whatever its size
_NEEDED = Estimate(0.4, 0.1, 1.0)  # share of these passes until it converges


def preflight(data: TrainingData, recipe: Recipe, base_folder: Path, *, seconds: float = 6.0) -> Preflight:
    """Measures a run of `recipe` on `data` without running it: about `seconds` of real steps on real batches (after
    loading, tokenising and the choice of the precision), whose weights are thrown away. Nothing is written.

    Of large data a sample is read, and the figures are those of the whole. Raises BadData, BadRecipe, BadModel,
    UnsafeModel, and OutOfMemory where not even a single text at a time fits.
    """
    recipes.check(recipe)
    warnings = task.check(data)
    tokenizer = load_tokenizer(Path(base_folder))
    read = sample(data, recipe.seed)
    material = prepare(tokenizer, read.data, recipe)
    device = pick_device()
    with PeakMemory(device) as peak:
        learner = Learner.load(Path(base_folder), data.labels, dropout=recipe.dropout, several=data.several)
        method, why = _method(recipe, data, learner)
        trial = Trial(learner, tokenizer, material, replace(recipe, method=method), device)
        precision = trial.choose_precision()
        steps = _time_steps(trial, peak, _STEPPING * seconds) if trial.takes_steps else None
        reading = _time_reading(trial, (1 - _STEPPING if steps else 1.0) * seconds)
        needed = _memory_needed(trial, peak, steps)
    plan = _Plan(trial, read, steps, reading)
    whole = plan.whole_run()
    counts = task.counts(data.train_labels, data.several)
    found = Preflight(
        device=device.title,
        precision=precision.name,
        precision_note=precision.note,
        method=method,
        method_note=why,
        parameters=trial.parameters,
        trainable=trial.trainable,
        train_texts=len(data.train_texts),
        validation_texts=len(data.validation_texts),
        classes=len(data.labels),
        max_length=material.max_length,
        longer=_longer(material),
        windows=material.windows is not None,
        steps=plan.steps,
        evaluations=plan.evaluations,
        accumulation=trial.parts,
        texts_per_second=plan.texts_per_second,
        seconds=whole.value,
        seconds_low=whole.low,
        seconds_high=whole.high,
        memory_needed=needed,
        memory_free=peak.free,
        fits=needed <= _SAFE * peak.free,
        below_five=classes_with(range(1, 5), counts, data.labels),
        below_twenty=classes_with(range(5, 20), counts, data.labels),
    )
    readable = int(tokenizer.model_max_length)
    return replace(found, advice=(*warnings, *advise(found, recipe, counts, data.labels, readable)))


def _method(recipe: Recipe, data: TrainingData, learner: Learner) -> tuple[str, str]:
    """The method that will run and why, a sentence."""
    if recipe.method != "auto":
        return recipe.method, recipes.METHOD_WORDS[recipe.method]
    parameters = sum(p.numel() for _, p in learner.named_parameters())
    return recipes.choose_method(len(data.train_texts), len(data.labels), data.several, parameters)


# --------------------------------------------------------------------------- measuring


def _time_steps(trial: Trial, peak: PeakMemory, seconds: float) -> Timing:
    """Steps on batches as training makes them, computed in as many parts as it takes to fit."""

    def room(tokens: int) -> float:
        """The share of a batch that fits. A graphics card says so itself; a computer would swap, or end us."""
        at_once = trial.most_tokens
        working = peak.growth - trial.lasting_bytes
        if peak.device.torch_name == "cuda" or working <= 0 or not at_once:
            return 1.0
        spare = max(0.0, _SAFE * peak.free - trial.lasting_bytes)
        return spare / (working / at_once * tokens / trial.parts)

    lengths = trial.material.train.encoded.lengths
    while True:
        try:
            if trial.recipe.method == "few":
                groups = _contrast_groups(lengths, trial.recipe.seed)
                return time_batches(
                    trial.step, lengths, groups, seconds=seconds, multiple=_eights(trial), room=room
                )
            return time_steps(
                trial.step,
                lengths,
                trial.recipe.batch_size,
                seconds=seconds,
                seed=trial.recipe.seed,
                multiple=_eights(trial),
                room=room,
            )
        except OutOfMemory:
            trial.give_way()


def _contrast_groups(lengths: Rows, seed: int) -> list[Rows]:
    """Batches of texts that are compared with each other: of any lengths, since classes make them up."""
    order = np.random.default_rng(seed).permutation(len(lengths))
    count = min(len(order), few.CLASSES * few.TEXTS)
    return [order[at : at + count] for at in range(0, len(order) - count + 1, count)]


def _eights(trial: Trial) -> int:
    return multiple(trial.device.torch_name)


def _time_reading(trial: Trial, seconds: float) -> Timing:
    """Passes over the training part without learning: what embedding and evaluating are made of."""
    encoded = trial.material.train.encoded
    return time_batches(
        lambda rows: trial.forward(encoded, rows),
        encoded.lengths,
        _reading_groups(trial, encoded.lengths),
        seconds=seconds,
        multiple=_eights(trial),
    )


def _reading_groups(trial: Trial, lengths: Rows) -> list[Rows]:
    name = trial.device.torch_name
    return batches(lengths, BATCH_TOKENS.get(name, 4096), BATCH_TEXTS.get(name, 64))


def _memory_needed(trial: Trial, peak: PeakMemory, steps: Timing | None) -> int:
    """Bytes at the highest: what was measured, and what a whole run holds beyond that."""
    working = max(0, peak.growth - trial.lasting_bytes)
    beside = _BESIDE if trial.device.torch_name == "cpu" else 0
    if steps is None:
        material = trial.material
        texts = len(material.train.encoded) + len(material.validation.encoded)
        return int(trial.lasting_bytes + working + beside + _COPIES * _FLOAT * texts * trial.width)
    kept = _FLOAT * trial.trainable if beside else 0  # the best state so far
    return int(trial.lasting_bytes + working / steps.share + kept + beside)


def _longer(material: Material) -> Interval:
    """The share of training texts that are longer than the maximum length."""
    part = material.train
    if material.windows is None:
        return share_longer(part.encoded.full, material.max_length)
    pieces = np.bincount(part.owner, minlength=part.texts)
    return share_longer(pieces, 1)


# --------------------------------------------------------------------------- the whole run


class _Plan:
    """What the run will do, and how long each part of it takes here."""

    def __init__(self, trial: Trial, read: Sample, step_times: Timing | None, reading: Timing) -> None:
        self.trial, self.read, self.step_times, self.reading = trial, read, step_times, reading
        recipe, material = trial.recipe, trial.material
        pieces = max(1, round(len(material.train.encoded) * read.train_scale))
        held = max(1, round(len(material.validation.encoded) * read.validation_scale))
        self.few = recipe.method == "few"
        self.tuned = step_times is not None and not self.few
        self.steps = 2 * few.STEPS if self.few else recipe.steps(pieces) if self.tuned else 0
        self.per_epoch = recipe.steps_per_epoch(pieces)
        between = evaluation_steps(self.steps, self.per_epoch, pieces, held) if self.tuned else []
        self.evaluations = (1 + len(between)) if self.tuned else 0  # the quick head's comes first

    @property
    def texts_per_second(self) -> float:
        if self.step_times is None:
            return self.trial.material.train.texts / self._pass(self.trial.material.train).value
        if self.few:
            return self.step_times.texts_per_second
        return self.trial.material.train.texts / self.step_times.epoch.value

    def whole_run(self) -> Estimate:
        """Baselines and the quick head, then what the method adds to them."""
        simple = ladder.expected_seconds(self.read.data) * min(self.read.train_scale, 2.0)
        quick = self._quick()
        held = self._pass(self.trial.material.validation).times(self.read.validation_scale)
        found = Estimate(simple, 0.5 * simple, 2.0 * simple).plus(quick)
        found = found.plus(held.times(self.evaluations + 1))  # at last the model that is kept
        if self.step_times is None:
            return found
        if self.few:
            groups = _contrast_groups(self.trial.material.train.encoded.lengths, self.trial.recipe.seed)
            return found.plus(self.step_times.epoch.times(self.steps / len(groups))).plus(quick)
        return found.plus(self.step_times.epoch.times(self.read.train_scale * self.steps / self.per_epoch))

    def _quick(self) -> Estimate:
        """Both parts embedded, and the head fitted; before fine-tuning on so many texts at most."""
        texts = len(self.read.data.train_texts)
        fitted = texts * self.read.train_scale
        if self.tuned:
            fitted = min(fitted, HEAD_TEXTS)
        train = self._pass(self.trial.material.train).times(fitted / texts)
        held = self._pass(self.trial.material.validation).times(self.read.validation_scale)
        return train.plus(held).plus(self._head(fitted))

    def _pass(self, part: Part) -> Estimate:
        """Seconds to read a part of the sample once."""
        lengths = part.encoded.lengths
        return self.reading.total(lengths, _reading_groups(self.trial, lengths))

    def _head(self, texts: float) -> Estimate:
        """The head's fit, from the speed of one pass of it: two products of arrays of the real size."""
        n = int(min(texts, 1000))
        rng = np.random.default_rng(0)
        features = rng.standard_normal((n, self.trial.width), dtype=np.float32)
        weight = rng.standard_normal((self.trial.width, len(self.trial.material.labels)), dtype=np.float32)
        features.T @ (features @ weight)
        start = time.perf_counter()
        features.T @ (features @ weight)
        per_text = (time.perf_counter() - start) / n
        choosing = _CHOOSING * (_PER_PASS + per_text * min(texts, _CHOOSING_TEXTS))
        return _NEEDED.times(choosing + _FITTING * (_PER_PASS + per_text * texts))
