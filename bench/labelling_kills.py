"""Whether a label that was acknowledged is ever lost, when the server is killed while four people label.

    python -m bench.labelling_kills [--count 200] [--server api|app] [--seed 0] [--writers 4]

A real server process (the API under uvicorn, or the whole app as `streamlit run app.py`) gets SIGKILL at random
moments, most of them within a request. Four writers label over HTTP all the while: they ask for batches, send one
answer at a time, change earlier ones now and then, and send again what was not acknowledged, under the same number.
After each kill, before the next server starts, the database is read: every acknowledged answer has to stand, in the
trail once, and the database has to be whole. Prints counts; ends with status 1 when anything is missing.

Knows processes and HTTP. A kill is the death of the process, not of the machine: what a power cut does is up to
`synchronous=FULL` and the disk.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import func, select

from api import tickets
from bench import common
from core.data.table import Table
from core.labels.nouns import Plan
from core.labels.scheme import from_names
from core.records import Reading
from core.settings import Settings, read_settings
from core.store import labels as label_rows
from core.store import schema, schemes
from core.workspace import Workspace

TEXTS = 20_000
PEOPLE = 2  # that each text goes to
LABELS = ("praise", "complaint", "question")
LONGEST = 0.8  # seconds that a server lives after its first answer, at most
PATIENCE = 120.0  # seconds without an answer after which something is wrong


@dataclass
class Tally:
    kills: int = 0
    acknowledged: int = 0  # answers
    repeated: int = 0  # requests sent again because no answer came
    saved_unseen: int = 0  # answers that were committed, but whose acknowledgement the kill swallowed
    missing: list[str] = field(default_factory=list)  # acknowledged, and not there
    twice: int = 0  # answers that are in the trail more than once
    shared: int = 0  # texts that more people hold than the plan wants
    damaged: list[str] = field(default_factory=list)  # what the database says of itself

    @property
    def sound(self) -> bool:
        return not (self.missing or self.twice or self.shared or self.damaged)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200, help="kills")
    parser.add_argument("--server", choices=("api", "app"), default="api", help="what is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the answers")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve(asked.serve)
    with tempfile.TemporaryDirectory() as folder:
        tally = run(Path(folder), asked.count, server=asked.server, seed=asked.seed, writers=asked.writers)
    return report(tally, asked.server)


def run(folder: Path, count: int, *, server: str = "api", seed: int = 0, writers: int = 4) -> Tally:
    """Kill a server `count` times over a home in `folder`. Returns what was counted."""
    tally, chance = Tally(), random.Random(seed)
    with free_seat() as seat:
        port = seat.getsockname()[1]
    ws = Workspace.open(read_settings({"FINESIFT_HOME": str(folder / "home")}))
    people = prepare(ws, writers, port, seed)
    process = start(ws.settings, port, server)
    try:
        for person in people:
            person.start()
        while tally.kills < count:
            wait_for_answers(people, process)
            time.sleep(chance.uniform(0, LONGEST))
            process.send_signal(signal.SIGKILL)
            process.wait()
            tally.kills += 1
            look(ws, people, tally)
            if tally.kills % 10 == 0:
                print(f"{tally.kills} kills, {tally.acknowledged:,} acknowledged, {len(tally.missing)} lost",
                      file=sys.stderr, flush=True)  # fmt: skip
            process = start(ws.settings, port, server)
        wait_for_answers(people, process)
    finally:
        for person in people:
            person.stop()
        process.kill()
        process.wait()
    look(ws, people, tally)
    ws.close()
    return tally


# --------------------------------------------------------------------------- the server


def serve(port: int) -> int:
    """The API of the desk in a process of its own."""
    import uvicorn
    from starlette.applications import Starlette

    from api.labels import routes

    ws = Workspace.open(read_settings())
    app = Starlette(routes=routes(lambda: ws))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
    return 0


def start(settings: Settings, port: int, server: str) -> subprocess.Popen[bytes]:
    commands = {
        "api": ["-m", "bench.labelling_kills", "--serve", str(port)],
        "app": ["-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"],
    }
    with (settings.home.parent / "server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *commands[server]],
            cwd=common.ROOT,
            env={**os.environ, **settings.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def free_seat() -> socket.socket:
    seat = socket.socket()
    seat.bind(("127.0.0.1", 0))
    return seat


def wait_for_answers(people: list[Writer], process: subprocess.Popen[bytes]) -> None:
    """Until every writer has had an answer from this server."""
    before = [person.heard for person in people]
    limit = time.monotonic() + PATIENCE
    while any(person.heard == seen for person, seen in zip(people, before, strict=True)):
        if process.poll() is not None or time.monotonic() > limit:
            raise RuntimeError("The server does not answer; its log lies beside the home folder.")
        time.sleep(0.005)


# --------------------------------------------------------------------------- the writers


class Writer(threading.Thread):
    """One person at a desk: a batch, one answer after the other, each sent until it is acknowledged."""

    def __init__(
        self, number: int, person: str, ticket: str, labels: list[str], port: int, seed: int
    ) -> None:
        super().__init__(daemon=True)
        self.person, self.ticket, self.labels, self.port = person, ticket, labels, port
        self.session = f"desk-{seed}-{number}"
        self.chance = random.Random(f"{seed} {number}")
        self.heard = 0  # answers from any server
        self.repeated = 0
        self.acknowledged: dict[int, tuple[int, str]] = {}  # seq -> row, label id
        self.stands: dict[int, str] = {}  # row -> the label acknowledged last
        self.pending: dict[str, Any] | None = None  # what was sent and not acknowledged
        self.fault: str | None = None
        self.lock = threading.Lock()
        self.halt = threading.Event()

    def run(self) -> None:
        seq = 0
        cards: list[int] = []
        while not self.halt.is_set() and self.fault is None:
            if not cards:
                said = self.ask("batch", {"strategy": "random", "n": 20})
                cards = [card["row"] for card in said.get("cards", [])]
                continue
            seq += 1
            earlier = self.stands and self.chance.random() < 0.1
            row = self.chance.choice(list(self.stands)) if earlier else cards.pop(0)
            self.answer(seq, row, self.chance.choice(self.labels))

    def answer(self, seq: int, row: int, label: str) -> None:
        stamp = int(time.time() * 1e6)
        one = {"seq": seq, "row": row, "labels": [label], "state": "labelled", "stamp": stamp, "key": "1"}
        with self.lock:
            self.pending = one
        said = self.ask("answers", {"sent": [one], "session": self.session})
        with self.lock:
            if said.get("acknowledged") == [seq]:
                self.acknowledged[seq] = (row, label)
                self.stands[row] = label
                self.pending = None
            elif not self.halt.is_set():
                self.fault = f"{self.session}: answer {seq} was not acknowledged but “{said}”"

    def ask(self, verb: str, body: dict[str, Any]) -> dict[str, Any]:
        """Again and again until there is an answer."""
        data = json.dumps({"ticket": self.ticket, **body}).encode()
        headers = {"content-type": "application/json"}
        while not self.halt.is_set():
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                line.request("POST", f"/api/labels/{verb}", data, headers)
                answer = line.getresponse()
                content = answer.read()
                if answer.status == 200:
                    self.heard += 1
                    return dict(json.loads(content))
                if answer.status < 500:
                    self.fault = f"{self.session}: {verb} was refused with {content.decode()[:300]}"
                    return {}
            except (OSError, http.client.HTTPException):
                pass  # killed, or not up yet
            finally:
                line.close()
            self.repeated += 1
            time.sleep(0.02)
        return {}

    def stop(self) -> None:
        self.halt.set()
        self.join(60)


def prepare(ws: Workspace, writers: int, port: int, seed: int) -> list[Writer]:
    """A data set that all writers label, and a ticket for each of them."""
    cells = pa.array([f"message {n}" for n in range(TEXTS)], pa.large_string())
    table = Table(("text",), pa.table({"c0": cells}), Reading(format="csv"))
    data = ws.add_dataset(table, name="messages", text_column=0, label_column=None)
    scheme = schemes.add(ws.db, from_names(data.id, list(LABELS), author="bench"))
    label_rows.set_plan(ws.db, Plan(data.id, people=PEOPLE))
    ids = [label.id for label in scheme.labels]
    found = []
    for number in range(writers):
        person = label_rows.annotator(ws.db, f"writer {number + 1}").id
        ticket = tickets.issue(ws.settings.home, data.id, person)
        found.append(Writer(number, person, ticket, ids, port, seed))
    return found


# --------------------------------------------------------------------------- what is there


def look(ws: Workspace, people: list[Writer], tally: Tally) -> None:
    """Compare the store with what was acknowledged; the server is dead meanwhile."""
    dataset_id = ws.datasets()[0].id
    snapshots = []
    for person in people:  # first what they know, then what is there
        with person.lock:
            snapshots.append((person, dict(person.acknowledged), dict(person.stands), person.pending))
        if person.fault:
            raise RuntimeError(person.fault)
    arrived: Counter[tuple[Any, ...]] = Counter()  # session, seq, row, label
    after = 0
    while entries := label_rows.trail(ws.db, dataset_id, after):
        after = entries[-1].number
        arrived.update(
            (e.sent.session, e.sent.seq, e.sent.answer.row, *e.sent.answer.labels) for e in entries
        )
    tally.acknowledged = sum(len(acknowledged) for _, acknowledged, _, _ in snapshots)
    tally.repeated = sum(person.repeated for person in people)
    tally.twice = sum(n > 1 for n in Counter(one[:3] for one in arrived.elements()).values())
    for person, acknowledged, stands, pending in snapshots:
        there = {
            a.row: a.labels for _, a in label_rows.answers(ws.db, dataset_id, annotator_id=person.person)
        }
        for seq, (row, label) in acknowledged.items():
            if (person.session, seq, row, label) not in arrived:
                tally.missing.append(
                    f"kill {tally.kills}: {person.session}, number {seq}, row {row}: not in the trail"
                )
        unseen = (
            pending is not None
            and (person.session, pending["seq"], pending["row"], *pending["labels"]) in arrived
        )
        tally.saved_unseen += unseen
        for row, label in stands.items():
            wanted = pending["labels"] if unseen and pending and pending["row"] == row else [label]
            if list(there.get(row, ())) != wanted:
                tally.missing.append(
                    f"kill {tally.kills}: {person.session}, row {row}: {there.get(row)} stands"
                )
    S = schema.slots  # noqa: N806
    with ws.db.read() as connection:
        query = select(S.c.row).group_by(S.c.row).having(func.count() > PEOPLE)
        tally.shared = len(connection.execute(query).all())
        if ws.db.engine.dialect.name == "sqlite":
            said = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            if said != "ok":
                tally.damaged.append(f"kill {tally.kills}: {said}")


def report(tally: Tally, server: str) -> int:
    """Prints what was counted. Returns 1 unless nothing was lost."""
    what = {"api": "the API under uvicorn", "app": "streamlit run app.py"}[server]
    rows = [
        [f"kill -9 of {what}", f"{tally.kills:,}"],
        ["labels acknowledged", f"{tally.acknowledged:,}"],
        ["acknowledged labels lost", f"{len(tally.missing):,}"],
        ["committed, with the acknowledgement swallowed by a kill", f"{tally.saved_unseen:,}"],
        ["requests sent again", f"{tally.repeated:,}"],
        ["labels kept twice", f"{tally.twice:,}"],
        [f"texts held by more than {PEOPLE} people", f"{tally.shared:,}"],
        ["times the database was damaged", f"{len(tally.damaged):,}"],
    ]
    print(common.table(["what", "number"], rows))
    for each in (*tally.missing[:20], *tally.damaged):
        print(f"Not so: {each}")
    return 0 if tally.sound else 1


if __name__ == "__main__":
    sys.exit(main())
