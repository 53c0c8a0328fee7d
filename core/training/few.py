"""Few labels: the encoder learns to put texts of one class together and others apart, then a head is fitted.

Supervised contrastive learning (P. Khosla et al., 2020) on the mean states, as SetFit (L. Tunstall et al., 2022)
does it for sentence encoders; the names of the classes are further examples of them. Knows texts per class and
steps; does not know what is kept in the end.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from core.errors import Diverged
from core.models.device import memory_used
from core.models.forward import Encoded, encode, memory_in_words
from core.records import Event, Note, Started, Step
from core.training import batching
from core.training.clock import Clock
from core.training.freezing import freeze
from core.training.material import Part, joined
from core.training.optimizer import make_optimizer, set_rate
from core.training.reader import Noisy, Reader
from core.training.setup import Setup

TEMPERATURE = 0.1
STEPS = 200
CLASSES, TEXTS = 24, 3  # per step: so many classes, so many texts of each
RATE = 5e-5


def examples(work: Setup, whole: bool = False) -> Part:
    """The training texts, with `whole` the validation texts too, and the name of each class as one more text of it."""
    material = work.material
    names = [name_in_words(label) for label in material.labels]
    spoken = np.asarray([c for c, name in enumerate(names) if name], dtype=np.int64)
    called = encode(work.tokenizer, [names[c] for c in spoken], material.max_length)
    parts = [material.train, Part(called, np.arange(len(spoken)), len(spoken), spoken)]
    return joined([material.validation, *parts] if whole else parts)


def contrast(work: Setup, part: Part, before: int = 0) -> Generator[Event, None, bool]:
    """Fine-tunes the learner's encoder on a part. Yields Note and Step, numbered from `before` on; ends early when a
    stop is asked for. Returns whether there was anything to compare. Raises Diverged, OutOfMemory.
    """
    import torch

    pool, classes = part.encoded, part.targets[part.owner]
    rows_of = [np.flatnonzero(classes == c) for c in range(len(work.material.labels))]
    if all(len(rows) < 2 for rows in rows_of):
        yield Note("No class has two texts to compare, so the encoder stays as it is.")
        return False
    recipe = replace(work.recipe, method="full", layers="all", learning_rate=RATE)
    freeze(work.learner, recipe)
    for name, parameter in work.learner.named_parameters():
        if name in work.learner.head_names():
            parameter.requires_grad_(False)
    optimizer = make_optimizer(work.learner, recipe, work.device.torch_name)
    rng, clock = np.random.default_rng([recipe.seed, 11]), Clock()
    torch.manual_seed(recipe.seed)
    special = np.asarray(work.tokenizer.all_special_ids)
    reader = work.reader()
    if work.precision.name == "fp16":
        reader.dtype = None  # a few hundred steps do not repay scaling gradients for fp16's small range
    for step, rows in enumerate(_batches(rows_of, rng)):
        if work.should_stop():
            break
        start = time.perf_counter()
        rate = set_rate(optimizer, recipe.rate_factor(step, STEPS))
        tokens = batching.thin(pool, rows, recipe.token_dropout, special, rng)
        loss, norm = _step(work, reader, optimizer, tokens, (before + step, rows), classes[rows])
        clock.trained(time.perf_counter() - start, len(rows))
        yield Step(
            step=before + step + 1,
            epoch=clock.texts / max(1, len(pool)),
            loss=loss,
            learning_rate=rate,
            gradient_norm=norm,
            texts=clock.texts,
            texts_per_second=clock.current,
            memory=memory_used(work.device),
            elapsed=work.elapsed,
            remaining=clock.remaining((2 * STEPS - before - step - 1) * len(rows), 0, 0),
        )
    for _, parameter in work.learner.named_parameters():
        parameter.requires_grad_(True)
    return True


def name_in_words(label: str) -> str:
    """“card_arrival” and “cardArrival” to “card arrival”; empty for a name without letters, which says nothing."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    words = re.sub(r"[\W_]+", " ", apart).strip()
    return words if sum(ch.isalpha() for ch in words) >= 3 else ""


def _batches(rows_of: list[np.ndarray[Any, Any]], rng: np.random.Generator) -> Iterator[np.ndarray[Any, Any]]:
    """STEPS batches of some classes, the same number of texts of each; every class comes up as often."""
    usable = [c for c, rows in enumerate(rows_of) if len(rows) > 1]
    waiting: list[int] = []
    for _ in range(STEPS):
        while len(waiting) < min(CLASSES, len(usable)):
            waiting += [usable[i] for i in rng.permutation(len(usable))]
        chosen, waiting = waiting[:CLASSES], waiting[CLASSES:]
        texts = max(TEXTS, -(-CLASSES * TEXTS // max(1, len(set(chosen)))))
        yield np.concatenate(
            [
                rng.choice(rows_of[c], min(texts, len(rows_of[c])), replace=False)
                for c in dict.fromkeys(chosen)
            ]
        )


def _step(
    work: Setup,
    reader: Reader,
    optimizer: Any,
    tokens: Encoded,
    noisy: Noisy,
    classes: np.ndarray[Any, Any],
) -> tuple[float, float]:
    import torch

    learner, step = work.learner, noisy[0]
    vectors = reader.features(tokens, noisy)
    with memory_in_words(len(tokens), int(tokens.lengths.max())):
        loss = contrastive_loss(vectors, torch.from_numpy(classes).to(reader.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise _diverged(step)
        loss.backward()
        limit = work.recipe.gradient_clip or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_([p for _, p in learner.trainable()], limit, foreach=True))
        if not math.isfinite(norm):
            raise _diverged(step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return value, norm


def contrastive_loss(vectors: Any, classes: Any) -> Any:
    """Mean over texts that have a partner of -log(share of similarity that goes to the partners), nats.

    `vectors` (n, D), `classes` (n,). P. Khosla et al. (2020), Supervised Contrastive Learning, equation 2.
    """
    import torch

    unit = torch.nn.functional.normalize(vectors.float(), dim=1)
    alike = unit @ unit.T / TEMPERATURE
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    partners = (classes.unsqueeze(0) == classes.unsqueeze(1)) & ~itself
    shares = alike - torch.logsumexp(alike.masked_fill(itself, float("-inf")), dim=1, keepdim=True)
    each = -(shares * partners).sum(dim=1) / partners.sum(dim=1).clamp(min=1)
    return each[partners.any(dim=1)].mean()


def _diverged(step: int) -> Diverged:
    return Diverged(
        f"The loss or its gradient became infinite at step {step + 1:,}, so training ended before it could spoil "
        "the weights. Choose the quick method for these data."
    )


def started(work: Setup) -> Started:
    """Comparing is done twice: without the validation texts, to be measured, and with them."""
    sizes = [(p.numel(), p.requires_grad) for _, p in work.learner.named_parameters()]
    return Started(
        device=work.device.title,
        precision=work.precision.name,
        parameters=sum(n for n, _ in sizes),
        trainable=sum(n for n, trains in sizes if trains),
        train_texts=work.material.train.texts,
        validation_texts=work.material.validation.texts,
        cut_texts=work.material.cut,
        epochs=round(2 * STEPS * CLASSES * TEXTS / max(1, work.material.train.texts), 1),
        steps=2 * STEPS,
        method="few",
    )
