"""A data set with a scheme and a sheet to show: texts of three clouds, in the files that the assist job leaves.

The clouds stand at known places, so a test knows which texts a lasso has to hold. Everything comes into the store and
the folder through the product's own functions; only the places and probabilities are chosen here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.desk import Desk
from core.labels import pool
from core.labels.nouns import Annotator, Scheme
from core.labels.scheme import from_names
from core.records import Dataset
from core.store import labels as label_rows
from core.store import schemes
from core.workspace import Workspace
from tests import homes
from ui.map_points import SHEET

# The view alone, with the API beside it. No worker: the files it would leave are there.
APP = """
import streamlit as st

from api import labels
from core.jobs import supervise
from tests.homes import NoWorker
from ui.state import workspace

supervise._spawn = NoWorker
app = st.App({script!r}, routes=labels.routes(workspace))
"""
SCRIPT = """
import streamlit as st

from core.store import labels
from ui import annotate_map, state

st.set_page_config(layout="wide")
ws = state.workspace()
annotate_map.show(ws, ws.datasets()[0], labels.annotator(ws.db, "ann"))
"""

NAMES = ("billing", "delivery", "refund")
CENTRES = np.array([[-2.0, -1.0], [2.0, -1.0], [0.0, 2.0]])  # of the clouds, each of radius 0.5


def build(ws: Workspace, n: int = 240) -> tuple[Dataset, Scheme, Annotator]:
    """Row r is of cloud r % 3; its text says so."""
    words = [(f"{NAMES[r % 3]} question {r}\nsecond line of {r}", None) for r in range(n)]
    dataset = homes.add_rows(ws, words, name="map")
    scheme = schemes.add(ws.db, from_names(dataset.id, NAMES, author="ann"))
    me = label_rows.annotator(ws.db, "ann")
    leave(Desk.open(ws, dataset.id).folder, scheme, n)
    return dataset, scheme, me


def find(ws: Workspace) -> tuple[Dataset, Scheme, Annotator]:
    """What was built in this home."""
    dataset = homes.only(ws.datasets())
    scheme = schemes.newest(ws.db, dataset.id)
    assert scheme is not None
    return dataset, scheme, label_rows.annotator(ws.db, "ann")


def places(n: int) -> np.ndarray:
    """(n, 2) float32: within half a unit of the row's centre."""
    rng = np.random.default_rng(5)
    turn, far = rng.uniform(0, 2 * np.pi, n), 0.5 * np.sqrt(rng.uniform(0, 1, n))
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1) * far[:, None]
    return (CENTRES[np.arange(n) % 3] + around).astype(np.float32)


def leave(folder: Path, scheme: Scheme, n: int) -> None:
    """What the assist job leaves: the sheet, and one generation of the pool, sure of most texts."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / SHEET, places(n))
    which = np.arange(n) % 3
    best = np.where(np.arange(n) % 10 == 0, 0.5, 0.97)
    shares = np.repeat((1 - best)[:, None] / 2, 3, axis=1)
    shares[np.arange(n), which] = best
    arrays = {
        "probabilities": shares.astype(np.float16),
        "margins": (best - (1 - best) / 2).astype(np.float16),
        "entropies": -(shares * np.log(shares)).sum(axis=1).astype(np.float16),
        "predicted": which.astype(np.int16),
        "doubts": np.full(n, np.nan, np.float16),
        "diverse": np.arange(n, dtype=np.int32)[:1000],
        "auto": np.arange(n, dtype=np.int32)[:1000],
        "known": np.ones(n, bool),
    }
    facts = {
        "generation": 1, "trained_on": 0, "scheme_version": scheme.version, "several": scheme.several,
        "label_ids": [label.id for label in scheme.labels], "by": "model", "labelled": 30,
        "certainty": {}, "evaluation": None, "curve": None,
    }  # fmt: skip
    pool.write(folder, arrays, facts)


@contextmanager
def served(folder: Path, port: int) -> Iterator[str]:
    """The view over folder/home, in a server of its own. Yields its address."""
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    (folder / "app.py").write_text(APP.format(script=str(folder / "script.py")), encoding="utf-8")
    root = Path(__file__).resolve().parents[1]
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(folder / "app.py"), "--server.port", str(port)],
            cwd=root,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "FINESIFT_HOME": str(folder / "home"),
            },
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(15)
