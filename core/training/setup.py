"""What a run needs before its first step: device, model, tokens, number format, and the quick head.

Knows how the parts are put together. Does not know the order of a run (`loop`) or a single step (`run`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BadModel, Diverged
from core.models.device import Device, pick_device
from core.models.forward import memory_in_words, pool_windows
from core.models.loading import load_tokenizer
from core.records import Event, Note, Progress
from core.training import head as heads
from core.training import material as materials
from core.training import precision
from core.training.features import Embeddings, embed, encoder_key
from core.training.group import Group
from core.training.head import Head
from core.training.learner import Learner
from core.training.losses import total_loss
from core.training.material import Material, Part
from core.training.precision import Precision
from core.training.reader import Reader
from core.training.recipe import Recipe
from core.training.task import TrainingData
from core.training.validation import Measured, measure

HEAD_TEXTS = 20_000  # texts that a head is fitted on before fine-tuning: more of them hardly help its start


_TAUGHT = 4_000_000  # probabilities that may be kept, and written with each checkpoint


@dataclass
class Setup:
    data: TrainingData
    recipe: Recipe
    device: Device
    tokenizer: Any
    learner: Learner
    material: Material
    precision: Precision
    encoder: str  # names base model, tokenizer and length by content
    cache: Path | None  # where embeddings and timings are kept
    should_stop: Callable[[], bool]
    group: Group
    taught: np.ndarray[Any, Any] | None = (
        None  # (N, C) float32: what the quick head says of each training text
    )
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    def reader(self) -> Reader:
        """Of the learner as it is now, without dropout unless the caller asks for noise."""
        return Reader(
            self.learner,
            self.tokenizer,
            self.device.torch_name,
            self.precision.dtype,
            self.recipe.dropout,
            self.recipe.seed,
        )

    def store(self) -> Embeddings | None:
        """Embeddings of the encoder as it came; not to be asked once it has learnt."""
        if self.cache is None or not self.learner.averaging:
            return None
        return Embeddings(self.cache / "embeddings", f"{self.encoder}-{self.precision.name}")


def prepare(
    data: TrainingData,
    recipe: Recipe,
    base_folder: Path,
    cache: Path | None,
    should_stop: Callable[[], bool],
    precision_name: str | None = None,
    group: Group | None = None,
) -> Setup:
    """Loads model and texts. `precision_name` skips the measuring (a run that goes on). Raises BadModel,
    UnsafeModel, OutOfMemory.
    """
    started = time.perf_counter()
    import torch

    group = group or Group()
    device = pick_device()
    device = replace(device, title=group.title(device.title))
    torch.manual_seed(recipe.seed)  # the new head's start, where none is fitted
    tokenizer = load_tokenizer(base_folder)
    learner = Learner.load(base_folder, data.labels, dropout=recipe.dropout, several=data.several)
    material = materials.prepare(tokenizer, data, recipe)
    with memory_in_words(recipe.batch_size, material.max_length):
        learner.to(device.torch_name)
    learner.attend_fastest(device.torch_name, material.max_length)
    encoder = encoder_key(base_folder, material.max_length, "windows" if material.windows else "whole")
    if group.share({}, encoder)[1] != encoder:
        raise BadModel(
            "The base model or its tokenizer is another one here than where the first process runs. Copy its folder."
        )
    if precision_name is not None:
        chosen = Precision(precision_name, f"Computing in {precision_name}, as before.")
    else:
        if group.first:
            chosen = _precision(learner, tokenizer, material, recipe, device, cache, encoder)
        chosen = Precision(*group.share({}, [chosen.name, chosen.note] if group.first else None)[1])
    return Setup(
        data,
        recipe,
        device,
        tokenizer,
        learner,
        material,
        chosen,
        encoder,
        cache,
        should_stop,
        group,
        started=started,
    )


# --------------------------------------------------------------------------- the quick head


@dataclass
class Fitted:
    """A head on a frozen encoder, and the features that it stands on."""

    head: Head
    train: np.ndarray[Any, Any]  # (n, D) of the texts that it was fitted on
    train_targets: np.ndarray[Any, Any]
    validation: np.ndarray[Any, Any]  # (M, D)
    measured: Measured
    whole: bool  # False: stopped before all texts were embedded


def fit_head(
    setup: Setup, store: Embeddings | None, most: int | None = None, part: Part | None = None
) -> Iterator[Event | Fitted]:
    """Embeds both parts, fits a head on the training part (or on `part`; on `most` texts of it at most), puts it on
    the learner and measures it. Yields Progress, and at last a Fitted; none when a stop came before anything was embedded.
    Raises Diverged where the encoder's states are not finite, OutOfMemory.
    """
    recipe, material = setup.recipe, setup.material
    part = part or material.train
    if most is not None and part.texts > most:
        part = _sample(part, most, recipe.seed)
    begun, reader = time.perf_counter(), setup.reader()
    total = len(part.encoded) + len(material.validation.encoded)
    found: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = []
    done, whole = 0, True
    for piece in (part, material.validation):
        vectors = np.zeros((len(piece.encoded), setup.learner.head.in_features), dtype=np.float32)
        known = np.zeros(len(piece.encoded), dtype=bool)
        for count in embed(reader, piece.encoded, vectors, known, store, setup.group):
            seconds = time.perf_counter() - begun
            rate = (done + count) / seconds if seconds > 0 else 0.0
            left = (total - done - count) / rate if rate > 0 else 0.0
            yield Progress(done + count, total, rate, setup.elapsed, left)
            if whole and setup.should_stop():
                whole = False
            if not whole:
                setup.group.gather(vectors, known)
                break
        done += len(piece.encoded)
        found.append((vectors, known))
    (train, train_known), (validation, validation_known) = found
    train, targets = _texts(train, train_known, part)
    held, held_targets = _texts(validation, validation_known, material.validation)
    if not len(train) or not len(held):
        return
    if not (np.isfinite(train).all() and np.isfinite(held).all()):
        raise Diverged(
            "What the model makes of some texts is infinite or not numbers, so nothing can be learnt from it. Fetch "
            "the base model again, or choose another one, or the number format fp32."
        )
    head = _head(setup, train, targets, whole)
    setup.learner.set_head(head.weight, head.bias)
    measured = measure(head.logits(held), held_targets, material.labels)
    yield Fitted(head, train, targets, held, measured, whole)


def _head(setup: Setup, train: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], whole: bool) -> Head:
    """Fitted by the first process, which meanwhile has the machine to itself."""
    import torch

    made: tuple[dict[str, Any], Any] = ({}, None)
    if setup.group.first:
        head = heads.fit(
            train,
            targets,
            len(setup.material.labels),
            balanced=setup.recipe.class_weights,
            strength=None if whole else 0.1,
            seed=setup.recipe.seed,
        )
        arrays = {"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)}
        made = (arrays, head.strength)
    found, strength = setup.group.share(*made)
    return Head(found["weight"].numpy(), found["bias"].numpy(), strength)


def teach(setup: Setup, fitted: Fitted) -> Iterator[Event]:
    """Leaves in `setup.taught` what heads that have not seen a text say of it, if the recipe wants to know and the
    table stays small. A wrong label then pulls less, and classes that are alike are told to be. Yields a Note.
    """
    import torch

    classes = len(setup.material.labels)
    wanted = setup.recipe.distillation > 0 and not setup.material.several and setup.data.soft is None
    if not wanted or len(fitted.train) != setup.material.train.texts or len(fitted.train) * classes > _TAUGHT:
        return
    made: dict[str, Any] = {}
    if setup.group.first:
        found = heads.cross_fitted(
            fitted.train,
            fitted.train_targets,
            classes,
            balanced=setup.recipe.class_weights,
            seed=setup.recipe.seed,
        )
        made = {} if found is None else {"taught": torch.from_numpy(found)}
    shared, _ = setup.group.share(made, None)
    if "taught" in shared:
        setup.taught = shared["taught"].numpy()
        yield Note(
            f"{setup.recipe.distillation:.0%} of each target is what quick heads say that have not seen the text."
        )


def refit(setup: Setup, fitted: Fitted) -> None:
    """The head once more, on training and validation texts together: no text that was labelled is wasted. What
    was measured before stays the honest figure.
    """
    head = heads.fit(
        np.concatenate([fitted.train, fitted.validation]),
        np.concatenate([fitted.train_targets, setup.material.validation.targets]),
        len(setup.material.labels),
        balanced=setup.recipe.class_weights,
        strength=fitted.head.strength,
        seed=setup.recipe.seed,
    )
    setup.learner.set_head(head.weight, head.bias)


def _texts(
    vectors: np.ndarray[Any, Any], known: np.ndarray[Any, Any], part: Part
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(n, D) features of the texts whose windows are all known, and their targets. A text's features are the mean
    over its windows: the logits of a linear head are then the mean of the windows' logits.
    """
    if known.all() and len(known) == part.texts:
        return vectors, part.targets
    whole = np.ones(part.texts, dtype=bool)
    whole[part.owner[~known]] = False
    return pool_windows(vectors, part.owner, part.texts)[whole], part.targets[whole]


def _sample(part: Part, most: int, seed: int) -> Part:
    """A random `most` texts, with all their windows."""
    chosen = np.sort(np.random.default_rng(seed).permutation(part.texts)[:most])
    place = np.full(part.texts, -1)
    place[chosen] = np.arange(most)
    rows = np.flatnonzero(place[part.owner] >= 0)
    return Part(part.encoded.select(rows), place[part.owner[rows]], most, part.targets[chosen])


# --------------------------------------------------------------------------- the number format


def _precision(
    learner: Learner,
    tokenizer: Any,
    material: Material,
    recipe: Recipe,
    device: Device,
    cache: Path | None,
    encoder: str,
) -> Precision:
    """What this machine computes fastest in. It is measured once and remembered: a second run of the same seed
    must not come out otherwise because the machine was busy for a moment.
    """
    name = f"{device.title}:{encoder}"
    known = _known(cache).get(name)
    if recipe.precision == "auto" and known in ("fp32", "bf16"):
        return Precision(known, f"Computing in {known}, which measured fastest on this machine before.")
    rows = precision.stand_for_most(material.train.encoded.lengths)
    reader = Reader(learner, tokenizer, device.torch_name, dropout=recipe.dropout)

    def trial(dtype: Any) -> None:
        reader.dtype = dtype
        _backward(reader, material, rows)

    chosen = precision.choose(recipe.precision, device.torch_name, trial)
    if recipe.precision == "auto" and device.torch_name == "cpu":
        _remember(cache, name, chosen.name)
    return chosen


def _backward(reader: Reader, material: Material, rows: np.ndarray[Any, Any]) -> None:
    import torch

    part = material.train
    with torch.random.fork_rng(enabled=reader.device == "cpu"):
        logits = reader.logits(part.encoded.select(rows), (0, rows))
        targets = torch.from_numpy(part.targets[part.owner[rows]]).to(reader.device)
        with memory_in_words(len(rows), int(part.encoded.lengths[rows].max())):
            total_loss(logits, targets.float() if targets.ndim == 2 else targets).backward()
        for _, parameter in reader.learner.trainable():
            parameter.grad = None


def _known(cache: Path | None) -> dict[str, str]:
    try:
        found = json.loads((cache / "precision.json").read_text("utf-8")) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(cache: Path | None, name: str, chosen: str) -> None:
    if cache is None:
        return
    try:
        cache.mkdir(parents=True, exist_ok=True)
        draft = cache / f"tmp-{time.monotonic_ns()}-precision.json"
        draft.write_text(json.dumps({**_known(cache), name: chosen}, indent=1) + "\n", "utf-8")
        draft.replace(cache / "precision.json")
    except OSError:
        return  # a cache: it is then measured again
