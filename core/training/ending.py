"""How a fine-tuning ends: the mean of its last states is one more candidate for the best one."""

from __future__ import annotations

from collections.abc import Iterator

from core.records import Evaluated, Event, Note
from core.training.run import Run


def try_average(run: Run) -> Iterator[Event]:
    """The averaged state, and the one half way to it, are measured like any other; the best is kept."""
    if run.stopped or run.average.count < 2:
        return
    last, mean = run.learner.state(), run.average.state([name for name, _ in run.learner.trainable()])
    yield Note(f"Measuring the mean of the last {run.average.count} states as well.")
    for share in (1.0, 0.5):
        mixed = {name: value.cpu() * share + last[name] * (1 - share) for name, value in mean.items()}
        run.learner.restore(mixed)
        event: Evaluated | None = run.evaluate(run.should_stop)
        if event is None:
            break
        yield event
    run.learner.restore(last)
