"""Whether a damaged checkpoint is ever taken for a sound one.

    python -m bench.damage [--count 300] [--seed 0]

Trains a tiny model with AdamW for a few steps, writes real checkpoints after three of them and damages copies
in random ways: the newest one always, in about every third round all of them. Counts what `newest` then does.
“Silent” means that anything else came back than the newest checkpoint whose files are still byte for byte the
written ones, or that it came back without a word. Ends with status 1 when there is any.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from core.errors import ResumeRefused
from core.models.loading import load_for_training, load_tokenizer, quiet
from core.training import checkpoint
from tests.tiny import LABELS, tiny_bert, toy_texts

FILES = (checkpoint.TENSORS, checkpoint.STATE, checkpoint.MANIFEST)
IDENTITY = {
    "recipe": checkpoint.fingerprint("recipe"),
    "data": checkpoint.fingerprint("data"),
    "threads": "2",
}
STEPS = (2, 4, 6)  # that checkpoints are written after
OUTCOMES = ("silent", "fell back", "refused")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as home:
        sound = Path(home) / "sound"
        written = train_and_write(Path(home), sound)
        rounds = Counter(
            one_round(sound, Path(home) / "damaged", list(DAMAGES)[i % len(DAMAGES)], chance, written)
            for i in range(asked.count)
        )
    return report(rounds, asked.count)


def train_and_write(home: Path, folder: Path) -> dict[int, dict[str, torch.Tensor]]:
    """Checkpoints of weights, AdamW's moments and generators; returns what each holds, by step."""
    with quiet():
        base = tiny_bert(home / "base")
        tokenizer, model = load_tokenizer(base), load_for_training(base, LABELS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    texts, labels = toy_texts(16)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    written = {}
    for step in range(1, max(STEPS) + 1):
        loss = model(**batch, labels=torch.tensor(labels)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in STEPS:
            moments = optimizer.state_dict()["state"]
            tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
            tensors |= {f"optimizer/{i}/{name}": v for i, each in moments.items() for name, v in each.items()}
            tensors |= checkpoint.generators()
            state = {
                "step": step,
                "loss": float(loss.detach()),
                "best": float("-inf"),
                "labels": list(LABELS),
            }
            checkpoint.write(folder, step, tensors, state, IDENTITY, keep=len(STEPS))
            written[step] = {name: value.clone() for name, value in tensors.items()}
    return written


# --------------------------------------------------------------------------- ways to be damaged


def flip_bits(path: Path, chance: random.Random, _: Path) -> None:
    content = bytearray(path.read_bytes())
    for position in chance.sample(range(len(content)), chance.choice((1, 1, 1, 2, 8))):
        content[position] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def truncate(path: Path, chance: random.Random, _: Path) -> None:
    path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size)])


def remove(path: Path, _: random.Random, __: Path) -> None:
    path.unlink()


def zero_block(path: Path, chance: random.Random, _: Path) -> None:
    """As a file system leaves a block that never reached the disk."""
    content = bytearray(path.read_bytes())
    before = bytes(content)
    while content == before:
        start = chance.randrange(len(content))
        length = min(chance.choice((16, 512, 4096)), len(content) - start)
        content[start : start + length] = bytes(length)
    path.write_bytes(content)


def swap(path: Path, _: random.Random, other: Path) -> None:
    """The same file of the other checkpoint in this one's place, and the other way round."""
    mine, theirs = path.read_bytes(), (other / path.name).read_bytes()
    path.write_bytes(theirs)
    (other / path.name).write_bytes(mine)


DAMAGES: dict[str, Callable[[Path, random.Random, Path], None]] = {
    "flipped bits": flip_bits,
    "cut short": truncate,
    "file missing": remove,
    "block of zeros": zero_block,
    "files swapped": swap,
}


def one_round(
    sound: Path, folder: Path, damage: str, chance: random.Random, written: dict[int, dict[str, Any]]
) -> tuple[str, str]:
    """(damage, what `newest` did with it)."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    newest, before, oldest = (folder / f"step-{step:08d}" for step in reversed(STEPS))
    neighbours = [(newest, before), (before, oldest), (oldest, before)]
    for path, other in neighbours if chance.randrange(3) == 0 else neighbours[:1]:
        DAMAGES[damage](path / chance.choice([f for f in FILES if (path / f).exists()]), chance, other)
    return damage, outcome(folder, newest_intact(folder, sound), written)


def newest_intact(folder: Path, sound: Path) -> int:
    """The step of the newest checkpoint whose files are those of `sound`, byte for byte; 0: none is."""

    def files(path: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in path.iterdir()}

    names = {step: f"step-{step:08d}" for step in STEPS}
    return max(
        (step for step, name in names.items() if files(folder / name) == files(sound / name)), default=0
    )


def outcome(folder: Path, expected: int, written: dict[int, dict[str, Any]]) -> str:
    """`expected`: the step of the checkpoint that has to come back; 0: none may."""
    assert expected != max(STEPS), "nothing was damaged"
    try:
        search = checkpoint.newest(folder, IDENTITY)
    except ResumeRefused:
        return "refused"
    if search.found is None:
        return "refused" if search.notes and not expected else "silent"
    found, truth = search.found, written.get(expected, {})
    same = found.step == expected and found.state["step"] == expected and found.tensors.keys() == truth.keys()
    same = same and all(torch.equal(found.tensors[name], truth[name]) for name in truth)
    return "fell back" if same and search.notes else "silent"


def report(rounds: Counter[tuple[str, str]], count: int) -> int:
    print(f"{'damage':<16}{'rounds':>8}" + "".join(f"{name:>11}" for name in OUTCOMES))
    for damage in DAMAGES:
        counts = [rounds[damage, name] for name in OUTCOMES]
        print(f"{damage:<16}{sum(counts):>8}" + "".join(f"{n:>11}" for n in counts))
    totals = [sum(n for (_, name), n in rounds.items() if name == each) for each in OUTCOMES]
    print(f"{'all':<16}{count:>8}" + "".join(f"{n:>11}" for n in totals))
    return 1 if totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
