"""The files between the assist job and the desk."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from core.labels import pool
from core.labels.asking import measures
from core.labels.pool import Pool


def write(folder: Path, generation: int, n: int = 4, several: bool = False, by: str = "model") -> None:
    """Every number of a generation is made of its own number, so that a mixture of two would show."""
    share = 1 / (1 + generation)
    probabilities = np.tile(np.asarray([[share, 1 - share]], np.float32), (n, 1))
    margins, entropies, predicted = measures(probabilities, several)
    arrays: dict[str, Any] = {
        "probabilities": probabilities.astype(np.float16),
        "margins": margins,
        "entropies": entropies,
        "predicted": predicted,
        "doubts": np.full(n, np.nan, np.float16),
        "diverse": np.arange(n, dtype=np.int32),
        "auto": np.full(2, generation, np.int32),
        "known": np.asarray([True] * (n - 1) + [False]),
    }
    facts = {
        "generation": generation,
        "trained_on": generation * 10,
        "scheme_version": 1,
        "label_ids": ["label-a", "label-b"],
        "several": several,
        "by": by,
        "labelled": 3,
        "certainty": {"texts": n, "sure": 0, "share": 0.0, "checked": None},
        "evaluation": None,
        "curve": None,
    }
    pool.write(folder, arrays, facts)


def test_there_is_no_pool_before_it_was_written(tmp_path: Path) -> None:
    assert Pool.open(tmp_path) is None
    (tmp_path / pool.FILE).write_text("{")
    assert Pool.open(tmp_path) is None, "a damaged file is no pool"


def test_a_suggestion_names_the_most_probable_label(tmp_path: Path) -> None:
    write(tmp_path, 3)
    found = Pool.open(tmp_path)
    assert found is not None
    assert found.suggestion(0) == {"labels": ["label-b"], "probability": 0.75, "by": "model"}
    assert found.suggestion(3) is None, "a row without text"
    assert found.suggestion(99) is None


def test_with_several_labels_all_that_are_likely_are_suggested_or_none(tmp_path: Path) -> None:
    write(tmp_path, 1, several=True)
    found = Pool.open(tmp_path)
    assert found is not None
    assert found.suggestion(0) == {"labels": ["label-a", "label-b"], "probability": 0.5, "by": "model"}


def test_a_reader_sees_one_whole_generation_while_others_are_written(tmp_path: Path) -> None:
    write(tmp_path, 1)
    done = threading.Event()

    def keep_writing() -> None:
        for generation in range(2, 60):
            write(tmp_path, generation)
        done.set()

    writer = threading.Thread(target=keep_writing)
    writer.start()
    seen = 0
    while not done.is_set():
        found = Pool.open(tmp_path)
        if found is None:  # it may be overtaken, but never mixed
            continue
        seen = max(seen, found.generation)
        assert found.auto.tolist() == [found.generation] * 2
        assert found.trained_on == 10 * found.generation
    writer.join()
    last = Pool.open(tmp_path)
    assert last is not None
    assert last.generation == 59
    assert seen > 0


def test_old_generations_do_not_pile_up(tmp_path: Path) -> None:
    for generation in range(1, 9):
        write(tmp_path, generation)
    assert len(list(tmp_path.glob("probabilities-*.npy"))) <= 3
    assert not list(tmp_path.glob("tmp-*"))


def test_who_asks_is_remembered(tmp_path: Path) -> None:
    assert pool.asked_at(tmp_path / "new") == 0.0
    pool.ask(tmp_path / "new")
    assert pool.asked_at(tmp_path / "new") > 0
