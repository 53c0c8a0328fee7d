"""A home with a model that was really fine-tuned, in a second: its states on the way, and its heads ranked by change."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import jobs
from core.records import JobState
from core.training import snapshots
from core.training.recipe import Recipe
from tests import homes
from tests.tiny import tiny_bert

FULL = Recipe(method="full", epochs=2, batch_size=8, learning_rate=5e-3, precision="fp32")


QUICK = Recipe(method="quick", precision="fp32")


def build_trained(folder: Path, recipe: Recipe = FULL) -> Path:
    """Returns the home folder: the data set and the run “toy”, of a tiny BERT."""
    base = tiny_bert(folder / "tiny")
    ws = homes.open_home(folder / "home")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.jobs.submit.ensure_workers", lambda *_: None)
            patch.setattr(snapshots, "SECONDS", 60.0)  # however slow this machine is at the moment
            jobs.submit_training(ws, homes.add_data(ws), str(base), recipe, name="toy")
            job = homes.work(ws, "train")
            assert job.state is JobState.FINISHED, job.reason
    finally:
        ws.close()
    return folder / "home"
