"""Training as a generator: `train(...)` yields what happened, and whoever no longer asks has stopped it.

Knows the order of things: load, fit the quick head, fine-tune from there, keep the best, compare with simple
methods. Does not know threads, databases, screens or where data come from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import BadRecipe
from core.models.forward import multiple
from core.records import Event, Finished, Note, Rung, Started, event_from_json
from core.training import checkpoint, few, resume, setup, snapshots, task
from core.training import recipe as recipes
from core.training.averaging import Average
from core.training.clock import Clock
from core.training.ending import try_average
from core.training.features import Embeddings
from core.training.freezing import freeze
from core.training.group import Group
from core.training.keeper import Keeper
from core.training.ladder import simple_rungs
from core.training.material import Part, first_batch
from core.training.optimizer import class_weights, make_optimizer
from core.training.recipe import Recipe
from core.training.run import Run
from core.training.setup import Fitted
from core.training.task import TrainingData
from core.training.validation import evaluation_steps


@dataclass(frozen=True)
class Places:
    """Where a run may leave things besides its model; what is None is not kept."""

    checkpoints: Path | None = None
    cache: Path | None = None  # embeddings and timings, shared by all runs
    seconds: float = 10.0  # between two checkpoints at least
    snapshots: Path | None = None  # states on the way


def train(
    data: TrainingData,
    recipe: Recipe,
    base_folder: Path,
    out_folder: Path,
    *,
    base_name: str,
    sidecar: dict[str, Any] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    places: Places | None = None,
    ladder: bool = False,
    group: Group | None = None,
) -> Iterator[Event]:
    """Trains a classifier on the encoder in `base_folder` and leaves the best state by validation macro-F1 in
    `out_folder`, a plain Hugging Face folder that is complete whenever it exists.

    Every method begins with the quick head, a regularised regression on the frozen encoder, and the encoder is
    fine-tuned from there (A. Kumar et al., 2022: linear probing, then fine-tuning); whichever state is best on
    the validation part is kept, the quick head's included. Yields Note, Progress, Started, FirstBatch, Step
    (every optimizer step), Evaluated, Checkpointed, Rung and at last Finished.

    `should_stop` is asked between steps and batches; then the best state so far is kept and Finished says so.
    Closing the generator ends it at once, with what is on the disk. With `places.checkpoints` a run that finds a
    sound checkpoint of its own goes on from there, bit by bit as if it had never stopped. With `ladder` simple
    baselines are measured too. The same seed, precision and thread count give the same weights on one machine.
    Every process of a `group` calls this with the same data and recipe; the first one writes and is stopped. What
    cannot be split (few labels, the end of quick) it does alone, and the others' events just end.

    Raises BadData, BadRecipe, BadModel, UnsafeModel, ResumeRefused, Diverged (before the weights take part in
    it), OutOfMemory, DeviceLost, DiskFull, WorkerFailed (another process of the group is gone).
    """
    recipes.check(recipe)
    if recipe.method == "few" and data.several:
        raise BadRecipe(recipes.FEW_NEEDS_ONE)
    places, group = places or Places(), group or Group()
    if not group.first:
        places, ladder = Places(), False
    for warning in task.check(data):
        yield Note(warning)
    yield Note(f"Loading {base_name} and reading {len(data.train_texts):,} texts.")
    work = _Work(data, recipe, Path(base_folder), Path(out_folder), base_name, sidecar or {}, places, group)
    try:
        yield from work.go(should_stop, ladder)
    finally:
        group.leave()


@dataclass
class _Work:
    """One call of `train`: what it was given, and what its stages hand on."""

    data: TrainingData
    recipe: Recipe
    base_folder: Path
    out_folder: Path
    base_name: str
    sidecar: dict[str, Any]
    places: Places
    group: Group
    then: checkpoint.Loaded | None = None  # the checkpoint to go on from, without its tensors

    def go(self, should_stop: Callable[[], bool], ladder: bool) -> Iterator[Event]:
        found = self._checkpoint()
        for sentence in found.notes:
            yield Note(sentence)
        self.then = None if found.found is None else replace(found.found, tensors={})
        checkpointed = resume.on_all(found.found, self.group)
        known = None if checkpointed is None else checkpointed.state
        self.setup = setup.prepare(
            self.data,
            self.recipe,
            self.base_folder,
            self.places.cache,
            lambda: self.group.agree(should_stop()),
            None if known is None else known["precision"],
            self.group,
        )
        self.method, why = self._method()
        yield Note(why)
        yield Note(self.setup.precision.note)
        if known is None:
            yield from self._from_the_start(ladder)
        else:
            yield from self._go_on(checkpointed, ladder)

    # ----------------------------------------------------------------- the stages

    def _from_the_start(self, ladder: bool) -> Iterator[Event]:
        part = few.examples(self.setup) if self.method == "few" else None
        most = None if self.method in ("quick", "few") else setup.HEAD_TEXTS
        fitted = yield from self._head(self.setup.store(), part, most)
        quick = None if fitted is None else self._rung("quick", fitted, self.setup.elapsed)
        if quick is not None:
            yield quick
        if self.method in ("quick", "few") or fitted is None or not fitted.whole:
            self.group.leave()  # the rest cannot be split
            if self.group.first:
                yield from self._without_steps(fitted, quick, ladder)
            return
        yield from setup.teach(self.setup, fitted)
        run = self._run({"quick": None if quick is None else quick.to_json()})
        yield from self._fine_tune(run, quick, ladder)

    def _head(
        self, store: Embeddings | None, part: Part | None, most: int | None = None
    ) -> Generator[Event, None, Fitted | None]:
        fitted: Fitted | None = None
        for event in setup.fit_head(self.setup, store, most, part):
            if isinstance(event, Fitted):
                fitted = event
            else:
                yield event
        return fitted

    def _go_on(self, found: checkpoint.Loaded | None, ladder: bool) -> Iterator[Event]:
        assert found is not None  # noqa: S101
        extra = found.state["extra"]
        told = None if extra["quick"] is None else event_from_json(Rung.kind, extra["quick"])
        quick = told if isinstance(told, Rung) else None
        run = self._run(extra)
        resume.restore(run, found.tensors, found.state)
        yield Note(f"Going on from the checkpoint after step {run.step:,}.")
        yield from self._fine_tune(run, quick, ladder, resumed_from=run.step)

    def _fine_tune(
        self, run: Run, quick: Rung | None, ladder: bool, resumed_from: int = 0
    ) -> Iterator[Event]:
        if not resumed_from:
            run.clock = Clock()
        yield self._started(run, resumed_from)
        yield first_batch(
            self.setup.tokenizer,
            self.setup.material,
            self.data,
            run.batches(0)[0],
            multiple(self.setup.device.torch_name),
        )
        if run.keeper.state is None:
            event = run.evaluate(run.should_stop)  # the quick head: what fine-tuning has to beat
            if event is not None:
                yield event
        yield from run.steps()
        if self.recipe.average_weights:
            yield from try_average(run)
        yield from run.last_measurement()
        run.keeper.write()
        if run.keeper.step == 0 and quick is not None:
            yield replace(quick, kept=True)
        if run.tuned is not None:
            kept = run.keeper.step > 0
            yield _rung_of(self.method, run.tuned.scores, self.setup.elapsed, kept, run.keeper.step)
        spent = self.setup.elapsed  # the baselines are measured besides
        if ladder and not run.stopped:
            yield from simple_rungs(self.data, self.recipe.seed)
        if self.places.checkpoints is not None:
            if run.stopped and isinstance(run.checkpoint, resume.Writer):
                run.checkpoint.write(run)  # who stopped may want to go on after all
            else:
                checkpoint.clear(self.places.checkpoints)
        yield self._finished(run, spent)

    def _without_steps(self, fitted: Fitted | None, quick: Rung | None, ladder: bool) -> Iterator[Event]:
        """The quick head is the model; or few labels, where the encoder learns by comparing texts first."""
        work, kept = self.setup, "quick"
        keeper = self._keeper()
        stopped = fitted is None or not fitted.whole
        made = {"precision": work.precision.name, "device": work.device.title, "step": 0, "epoch": 0.0}
        if fitted is not None:
            keeper.improve(fitted.measured, 0, made)
        if self.method == "few" and fitted is not None and fitted.whole:
            start = work.learner.state()
            yield few.started(work)
            compared = yield from few.contrast(work, few.examples(work))
            found = yield from self._head(None, few.examples(work))
            stopped = stopped or found is None or not found.whole or work.should_stop()
            if found is not None and found.whole:
                better = compared and _as_right(found) >= _as_right(fitted)
                yield self._rung("few", found, work.elapsed, better)
                if better:
                    fitted, kept = found, "few"
                    keeper.improve(found.measured, 0, made)
        validation = None
        if fitted is not None and fitted.whole:
            measured = fitted.measured
            if kept == "few" and not stopped:
                yield Note(
                    "The figures stand. Now the same once more with the validation texts among the others."
                )
                work.learner.restore(start)
                everything = few.examples(work, whole=True)
                yield from few.contrast(work, everything, few.STEPS)
                again = None if work.should_stop() else (yield from self._head(None, everything))
                stopped = again is None or not again.whole
            else:
                work.learner.restore(keeper.state or {})
                setup.refit(work, fitted)
            if not stopped or kept == "quick":
                validation = measured.scores.to_json()
                keeper.improve(measured, 0, made)
                keeper.sidecar["learnt_from_validation"] = True
        elif fitted is None:
            keeper.improve(None, 0, made)
        keeper.write()
        if quick is not None and kept == "quick":
            yield replace(quick, kept=True)
        spent = work.elapsed
        if ladder and not stopped:
            yield from simple_rungs(self.data, self.recipe.seed)
        yield Finished(
            folder=str(self.out_folder),
            step=0,
            best_step=0,
            reason=_reason_without_steps(self.method, kept, stopped, fitted),
            stopped=stopped,
            seconds=spent,
            texts_per_second=(len(self.data.train_texts) + len(self.data.validation_texts))
            / max(spent, 1e-9),
            device=work.device.title,
            precision=work.precision.name,
            method=kept,
            validation=validation,
        )

    # ----------------------------------------------------------------- parts

    def _method(self) -> tuple[str, str]:
        parameters = sum(p.numel() for _, p in self.setup.learner.named_parameters())
        if self.recipe.method != "auto":
            return self.recipe.method, recipes.METHOD_WORDS[self.recipe.method]
        return recipes.choose_method(
            len(self.data.train_texts), len(self.data.labels), self.data.several, parameters
        )

    def _checkpoint(self) -> checkpoint.Search:
        """The newest sound checkpoint, before anything is computed; its identity is checked once that is known."""
        if self.places.checkpoints is None:
            return checkpoint.Search(None, [])
        return checkpoint.newest(self.places.checkpoints, None)

    def _keeper(self) -> Keeper:
        material = self.setup.material
        windows = material.windows
        return Keeper(
            self.setup.learner,
            self.setup.tokenizer,
            self.out_folder,
            {
                "base_model": self.base_name,
                "task": "several labels a text" if material.several else "single-label classification",
                "method": self.method,
                "recipe": self.recipe.to_json(),
                "max_length_in_training": material.max_length,
                **(
                    {}
                    if windows is None
                    else {"windows": {"length": windows.length, "overlap": windows.overlap}}
                ),
                **self.sidecar,
            },
            self.group.first,
        )

    def _run(self, extra: dict[str, Any]) -> Run:
        import torch

        work, recipe = self.setup, self.recipe
        identity = resume.identity(work, recipe)
        if self.then is not None:
            checkpoint.refuse_changes(self.then, identity)
        freeze(work.learner, replace(recipe, method=self.method))
        work.learner.to(work.device.torch_name)
        self.group.same([p for _, p in work.learner.trainable()])
        pieces, held = len(work.material.train.encoded), len(work.material.validation.encoded)
        total = recipe.steps(pieces)
        run = Run(
            recipe=recipe,
            material=work.material,
            should_stop=work.should_stop,
            device=work.device,
            learner=work.learner,
            reader=work.reader(),
            optimizer=make_optimizer(work.learner, recipe, work.device.torch_name),
            weights=class_weights(work.material.train.targets, len(self.data.labels), work.device.torch_name)
            if recipe.class_weights
            else None,
            total=total,
            evaluations=evaluation_steps(total, recipe.steps_per_epoch(pieces), pieces, held),
            precision=work.precision,
            scaler=torch.amp.GradScaler(work.device.torch_name, enabled=work.precision.name == "fp16"),
            keeper=self._keeper(),
            group=self.group,
            accumulation=recipe.accumulation,
            taught=work.taught if self.data.soft is None else self.data.soft_targets,
            trust=recipe.distillation if self.data.soft is None else 1.0,
            average=Average(total if recipe.average_weights else 0),
        )
        if self.places.checkpoints is not None:
            run.checkpoint = resume.Writer(self.places.checkpoints, identity, self.places.seconds, extra)
        if self.places.snapshots is not None:
            if self.then is None:
                snapshots.clear(self.places.snapshots)  # of an attempt that had no checkpoint to go on from
            if recipe.snapshots:
                run.snapshot = snapshots.Writer(self.places.snapshots, recipe.snapshots)
        torch.manual_seed(recipe.seed)  # dropout begins the same, whatever was computed before
        return run

    def _started(self, run: Run, resumed_from: int) -> Started:
        sizes = [(p.numel(), p.requires_grad) for _, p in run.learner.named_parameters()]
        return Started(
            device=self.setup.device.title,
            precision=run.precision.name,
            parameters=sum(n for n, _ in sizes),
            trainable=sum(n for n, trains in sizes if trains),
            train_texts=run.material.train.texts,
            validation_texts=run.material.validation.texts,
            cut_texts=run.material.cut,
            epochs=self.recipe.epochs,
            steps=run.total,
            method=self.method,
            resumed_from=resumed_from,
        )

    def _rung(self, name: str, fitted: Fitted, seconds: float, kept: bool = False) -> Rung:
        return _rung_of(name, fitted.measured.scores, seconds, kept, 0)

    def _finished(self, run: Run, spent: float) -> Finished:
        epochs = self.recipe.epochs
        done = "The epoch is done." if epochs == 1 else f"All {epochs:g} epochs are done."
        if run.tuned is None:
            kept = "Fine-tuning was not measured yet, so the quick head is kept."
        elif run.keeper.step == 0:
            kept = (
                "Fine-tuning did not get better than the quick head on the validation part, so that is kept."
            )
        else:
            kept = f"The {'best ' if run.keeper.best else ''}state after step {run.keeper.step:,} is kept."
        return Finished(
            folder=str(self.out_folder),
            step=run.step,
            best_step=run.keeper.step,
            reason=f"{run.reason or done} {kept}",
            stopped=run.stopped,
            seconds=spent,
            texts_per_second=run.clock.average,
            device=self.setup.device.title,
            precision=run.precision.name,
            method=self.method if run.keeper.step else "quick",
            validation=run.keeper.best.scores.to_json()
            if run.keeper.best is not None and self.data.several
            else None,
        )


def _rung_of(name: str, scores: Any, seconds: float, kept: bool, step: int) -> Rung:
    words = {
        "quick": "A regularised regression on the frozen encoder's mean state.",
        "few": "The encoder learnt to tell classes apart by comparing texts, then the quick head.",
        "lora": f"Small updates beside the frozen weights, merged at the end; best after step {step:,}.",
        "full": f"The whole encoder fine-tuned from the quick head on; best after step {step:,}.",
    }
    return Rung(name, scores.accuracy, scores.macro_f1, seconds, kept, words[name])


def _as_right(fitted: Fitted) -> tuple[float, float]:
    """By the share that is right: with one or two validation texts of each class, macro-F1 says little."""
    return fitted.measured.scores.accuracy.value, -fitted.measured.loss


def _reason_without_steps(method: str, kept: str, stopped: bool, fitted: Fitted | None) -> str:
    if fitted is None:
        return "Stopped before anything was learnt; the model's head is untrained."
    if stopped:
        return "Stopped on request. The quick head on the texts read so far is kept."
    if method == "few":
        chosen = (
            "Comparing texts made the model better, so that is kept"
            if kept == "few"
            else "Comparing texts did not get better than the quick head on the validation part, so that is kept"
        )
        return f"{chosen}; it learnt from the validation texts too, after they were measured."
    return "The quick head is fitted; it learnt from the validation texts too, after they were measured."
