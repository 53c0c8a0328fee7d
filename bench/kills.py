"""Whether a training that is killed at random moments ends with the weights of one that was not.

    python -m bench.kills [--count 50] [--seed 0] [--epochs 60]

A tiny model with dropout learns from a toy data set, slowly, so that its best state comes late; as a real job with a
real worker process and checkpoints as often as they may be (FINESIFT_CHECKPOINT_SECONDS=0.05). One run is left alone.
Every other run is killed (SIGKILL to its worker) once or several times and continued with `python -m core resume RUN`
each time. Kills fall at random moments after the first checkpoint: while it trains; while a checkpoint is being
written (the draft's folder is there); while a resumed worker loads; or, seldom, while the first worker loads, before the
first checkpoint, after which a run has to be started anew. In the end model.safetensors has to be the same, byte
for byte, and every evaluation on the way too. Ends with status 1 when one differs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import common
from core import jobs
from core.jobs.resume import checkpoints
from core.records import Dataset, Evaluated, JobState, Run, Started
from core.settings import read_settings
from core.store import jobs as job_rows
from core.training.recipe import Recipe
from core.workspace import Workspace

TEXTS = 400  # of the toy data
MOMENTS = {"training": 0.55, "writing": 0.25, "loading": 0.15, "early": 0.05}
SPAN = 3.0  # seconds that a moment while training is drawn from
LOADING = 4.0  # the same for a worker that loads
MOST_PER_RUN = 8  # kills
PATIENCE = 300.0  # seconds without an end after which something is wrong


Outcome = tuple[
    str, list[tuple[int, float, float]]
]  # of the weights, SHA-256; of each evaluation: step, loss, F1


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)  # by moment
    resumes: int = 0
    refused: list[str] = field(default_factory=list)  # resumes that ended with a fault, in words
    restarts: int = 0  # runs started anew: killed before the first checkpoint
    identical: int = 0
    different: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50, help="kills after which a run goes on")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--epochs", type=float, default=60.0, help="of each run")
    parser.add_argument("--submit", metavar="JSON", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.submit:
        return submit(json.loads(asked.submit))
    chance, tally = random.Random(asked.seed), Tally()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), asked.epochs)
        try:
            alone = bench.left_alone()
            whole = bench.outcome(alone)
            best, steps = alone.summary["best_step"], alone.summary["steps"]
            print(f"Left alone: {steps:,} steps, the best state after {best:,}", file=sys.stderr, flush=True)
            number = 0
            while tally.resumes < asked.count:
                number += 1
                bench.one_run(
                    f"run {number}",
                    min(draw_kills(chance), asked.count - tally.resumes),
                    chance,
                    tally,
                    whole,
                )
                print(f"{tally.killed} kills, {tally.resumes} resumes, {tally.identical} of {number} runs identical",
                      file=sys.stderr, flush=True)  # fmt: skip
        finally:
            bench.close()
    return report(tally, asked.count)


def draw_kills(chance: random.Random) -> int:
    return chance.randint(1, MOST_PER_RUN)


def draw_moment(chance: random.Random, first: bool) -> str:
    """While what the next kill falls; `first`: the run has no checkpoint yet, so there is nothing to resume."""
    never = "loading" if first else "early"
    allowed = {moment: share for moment, share in MOMENTS.items() if moment != never}
    return chance.choices(list(allowed), list(allowed.values()))[0]


# --------------------------------------------------------------------------- runs


class Bench:
    """A home folder with a toy data set, a tiny base model, and the runs on them."""

    def __init__(self, folder: Path, epochs: float) -> None:
        from core.models.loading import quiet
        from tests.tiny import tiny_bert

        self.environment = {"FINESIFT_HOME": str(folder / "home"), "FINESIFT_CHECKPOINT_SECONDS": "0.05"}
        self.ws = Workspace.open(read_settings(self.environment))
        with quiet():
            self.base = tiny_bert(folder / "tiny")
        self.dataset = toy_data(self.ws, folder / "toy.csv")
        self.recipe = Recipe(
            method="full", epochs=epochs, batch_size=8, learning_rate=1e-4, dropout=0.1, precision="fp32"
        )

    def close(self) -> None:
        for holder in job_rows.holders(self.ws.db):
            kill(holder.pid)
        self.ws.close()

    def left_alone(self) -> Run:
        """The run that every other one is compared with."""
        run = self.submit("left alone")
        self.wait_for(run)
        return self.ws.run(run.id)

    def one_run(self, name: str, kills: int, chance: random.Random, tally: Tally, whole: Outcome) -> None:
        """A run that is killed at most so often, and brought to its end."""
        run, process, seen = self.submit(name), None, -1
        for number in range(kills + 1):
            wanted = draw_moment(chance, first=jobs.checkpoint_step(self.ws, run.id) is None)
            hit = number < kills and self.kill_at(run, wanted, seen, chance)
            if not hit:  # the last attempt, or over before the moment came
                self.wait_for(run)
            self.follow_up(process, run)
            if not hit:
                break
            tally.kills[wanted] += 1
            seen = max((e.seq for e in self.ws.events_after(run.job_id)), default=-1)
            if jobs.checkpoint_step(self.ws, run.id) is None:
                tally.restarts += 1
                run, process = self.submit(f"{name}, anew"), None
                seen = -1
            else:
                tally.resumes += 1
                process = self.resume(run)
                self.wait_until_queued(run, process)
        job = self.ws.job(run.job_id)
        if job.state is not JobState.FINISHED:
            tally.refused.append(f"{name}: {job.state.value}, {job.reason}")
        elif self.outcome(self.ws.run(run.id)) == whole:
            tally.identical += 1
        else:
            tally.different.append(f"{name}, {job.id}")

    # ----------------------------------------------------------------- the processes

    def submit(self, name: str) -> Run:
        """Queue a run from a process that ends at once, as a page that is closed: the worker goes on alone."""
        order = {
            "environment": self.environment,
            "dataset": self.dataset.id,
            "base": str(self.base),
            "recipe": self.recipe.to_json(),
            "name": name,
        }
        done = subprocess.run(
            [sys.executable, "-m", "bench.kills", "--submit", json.dumps(order)],
            cwd=common.ROOT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"A run could not be submitted:\n{done.stderr[-2000:]}")
        return self.ws.run(done.stdout.split()[-1])

    def resume(self, run: Run) -> subprocess.Popen[str]:
        """`python -m core resume RUN`, which follows the run until it ends or is killed again."""
        return subprocess.Popen(
            [sys.executable, "-m", "core", "resume", run.id],
            cwd=common.ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def follow_up(self, process: subprocess.Popen[str] | None, run: Run) -> None:
        """Wait until a resume has seen the end of the run, and the store knows that the worker is gone."""
        if process is not None:
            _, said = process.communicate(timeout=PATIENCE)
            if not self.over(run):
                raise RuntimeError(f"python -m core resume ended before its run:\n{said[-2000:]}")
        self.wait_for(run)

    # ----------------------------------------------------------------- the moment

    def kill_at(self, run: Run, moment: str, seen: int, chance: random.Random) -> bool:
        """Kill the run's worker at that moment. False: the run had ended by then."""
        self.wait(lambda: self.holder(run) is not None or self.over(run))
        if moment in ("loading", "early"):
            time.sleep(chance.uniform(0, LOADING))
        else:
            self.wait(lambda: self.trains(run, seen) or self.over(run))
            if moment == "training":
                time.sleep(chance.uniform(0, SPAN))
            else:
                self.wait(
                    lambda: self.over(run) or any(checkpoints(self.ws, run.id).glob("tmp-*")), pause=0.0005
                )
        holder = self.holder(run)
        if holder is None or self.over(run):
            return False
        kill(holder.pid)
        self.wait_for(run)
        return self.ws.job(run.job_id).state is JobState.INTERRUPTED

    def holder(self, run: Run) -> job_rows.Holder | None:
        return next((h for h in job_rows.holders(self.ws.db) if h.job.id == run.job_id), None)

    def trains(self, run: Run, seen: int) -> bool:
        """The worker of this attempt has begun to train, and there is a checkpoint to go on from."""
        events = self.ws.events_after(run.job_id, seen)
        begun = any(isinstance(e.event, Started) for e in events)
        return begun and jobs.checkpoint_step(self.ws, run.id) is not None

    def over(self, run: Run) -> bool:
        return self.ws.job(run.job_id).state.ended

    def wait_for(self, run: Run) -> None:
        self.wait(lambda: self.over(run))

    def wait_until_queued(self, run: Run, resume: subprocess.Popen[str]) -> None:
        """Until the resume has put the run into the queue again, or has been refused."""
        self.wait(lambda: not self.over(run) or resume.poll() is not None)

    def wait(self, until: Callable[[], bool], pause: float = 0.02) -> None:
        """Until it holds, looking after dead workers meanwhile. Raises RuntimeError after PATIENCE."""
        limit, looked = time.monotonic() + PATIENCE, 0.0
        while not until():
            if time.monotonic() - looked > 0.5:
                jobs.recover(self.ws)
                looked = time.monotonic()
            if time.monotonic() > limit:
                raise RuntimeError(f"Nothing has ended for {PATIENCE:.0f} s.")
            time.sleep(pause)

    def outcome(self, run: Run) -> Outcome:
        assert run.model_id is not None, run.reason
        content = (self.ws.settings.models / run.model_id / "model.safetensors").read_bytes()
        events = [e.event for e in self.ws.events_after(run.job_id)]
        measured = [(e.step, e.loss, e.macro_f1) for e in events if isinstance(e, Evaluated)]
        return hashlib.sha256(content).hexdigest(), measured


def submit(order: dict[str, Any]) -> int:
    """In a process of its own: queue the run, start its worker, print its id."""
    ws = Workspace.open(read_settings(order["environment"]))
    recipe = Recipe.from_json(order["recipe"])
    run = jobs.submit_training(ws, ws.dataset(order["dataset"]), order["base"], recipe, name=order["name"])
    ws.close()
    print(run.id)
    return 0


def toy_data(ws: Workspace, path: Path) -> Dataset:
    from core.data.intake import read_table
    from tests.tiny import LABELS, toy_texts

    texts, labels = toy_texts(TEXTS)
    common.write_rows(path, [(text, LABELS[label]) for text, label in zip(texts, labels, strict=True)])
    return ws.add_dataset(read_table(path, path.name, ws.settings), name="toy", text_column=0, label_column=1)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


# --------------------------------------------------------------------------- the report


def report(tally: Tally, count: int) -> int:
    """Prints what happened. Returns 1 unless every run ended with the weights of the one left alone."""
    runs = tally.identical + len(tally.different) + len(tally.refused)
    print(common.table(["kills while …", "number"], [[m, f"{tally.kills[m]}"] for m in MOMENTS]))
    print(f"Kills: {tally.killed}; resumed: {tally.resumes}; started anew (killed before the first checkpoint): "
          f"{tally.restarts}")  # fmt: skip
    print(f"Runs that ended with bit-identical weights and evaluations: {tally.identical} of {runs}")
    for each in (*tally.different, *tally.refused):
        print(f"Not so: {each}")
    sound = tally.identical == runs and tally.resumes >= count
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
