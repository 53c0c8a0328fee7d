"""The command line as scripts use it: one JSON object last on stdout, sentences on stderr, exit codes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.__main__ import main
from tests.test_jobs import WORDS, colours, write_csv
from tests.tiny import tiny_bert

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Said:
    code: int
    out: list[str]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        value = json.loads(self.out[-1])
        assert isinstance(value, dict)
        return value


class Line:
    """`python -m core` over one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: object, **environment: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "core", "--home", str(self.home), *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        return Said(done.returncode, done.stdout.splitlines(), done.stderr)


class Inside:
    """The same verbs in this process, which saves the start of Python for tests of many small faults."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Said:
        self.capsys.readouterr()
        code = main(["--home", str(self.home), *map(str, arguments)])
        said = self.capsys.readouterr()
        return Said(code, said.out.splitlines(), said.err)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def line(folder: Path) -> Line:
    return Line(folder / "home")


@pytest.fixture(scope="module")
def base(folder: Path) -> Path:
    return tiny_bert(folder / "tiny")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    return write_csv(folder / "colours.csv", [*colours(), ("no label here", ""), ("", "red")])


@pytest.fixture(scope="module")
def own_test(folder: Path) -> Path:
    rows = [
        (f"this {word} {i} is another one", label)
        for label, words in WORDS.items()
        for i, word in enumerate(words)
    ]
    return write_csv(folder / "own-test.csv", [*rows, ("a text without label", "")])


@pytest.fixture(scope="module")
def trained(line: Line, base: Path, data: Path, own_test: Path) -> dict[str, Any]:
    assert line("import", data).code == 0
    said = line(
        "train",
        "colours",
        "--model",
        base,
        "--epochs",
        2,
        "--batch-size",
        8,
        "--learning-rate",
        1e-3,
        "--test",
        own_test,
    )
    assert said.code == 0, said.err
    return said.result


def test_import_counts_what_is_there(folder: Path, data: Path) -> None:
    said = Line(folder / "other")("import", data, "--text", "text", "--label", "label", "--name", "mine")
    assert said.code == 0
    result = said.result
    assert (result["rows"], result["without_text"], result["without_label"]) == (38, 1, 1)
    assert result["labels"] == {"red": 13, "green": 12, "blue": 12}
    assert Line(folder / "other")("datasets").result["datasets"][0]["name"] == "mine"


def test_train_reports_what_scripts_need(line: Line, trained: dict[str, Any]) -> None:
    assert set(trained) == {
        "run",
        "model",
        "state",
        "method",
        "validation",
        "test",
        "seconds",
        "texts_per_second",
    }
    assert trained["state"] == "finished"
    assert set(trained["validation"]) == set(trained["test"]) == {"accuracy", "macro_f1"}
    assert line("runs").result["runs"][0]["id"] == trained["run"]
    assert line("models").result["models"][0]["id"] == trained["model"]


def test_evaluate_agrees_with_the_training_report(
    line: Line, trained: dict[str, Any], own_test: Path
) -> None:
    result = line("evaluate", trained["model"], own_test).result
    assert (result["rows"], result["skipped"]) == (9, 1)
    assert result["accuracy"] == pytest.approx(trained["test"]["accuracy"])
    assert result["macro_f1"] == pytest.approx(trained["test"]["macro_f1"])
    assert set(result["per_class"]) == set(WORDS)


def test_classify_keeps_the_file_and_adds_columns(line: Line, trained: dict[str, Any], folder: Path) -> None:
    source = write_csv(
        folder / "in.csv",
        [("007", "the sky is here", "NA"), ("008", "", "x"), ("009", 'a "quoted", leaf\nin two lines', "-5")],
        header=("id", "text", "note"),
    )
    said = line("classify", trained["model"], source, "--out", folder / "out.csv")
    assert said.code == 0, said.err
    assert said.result["rows"] == 3
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        assert reader.fieldnames == [
            "id",
            "text",
            "note",
            "predicted_label",
            "probability",
            "blue",
            "green",
            "red",
        ]
    assert [(r["id"], r["note"]) for r in rows] == [("007", "NA"), ("008", "x"), ("009", "-5")]
    assert rows[2]["text"] == 'a "quoted", leaf\nin two lines'
    for row in (rows[0], rows[2]):
        shares = {label: float(row[label]) for label in WORDS}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert row["predicted_label"] == max(shares, key=shares.__getitem__)
        assert float(row["probability"]) == pytest.approx(max(shares.values()), abs=1e-6)


def test_a_plain_pipeline_says_the_same(line: Line, trained: dict[str, Any], folder: Path) -> None:
    """In a process of its own that knows nothing of Finesift."""
    texts = ["the sky is here", "a leaf", "the rose number 7 " * 5, "ümlaut ☂ cherry", "ink"]
    source = write_csv(folder / "plain.csv", [(t,) for t in texts], header=("text",))
    assert line("classify", trained["model"], source, "--out", folder / "plain-out.csv").code == 0
    model_folder = line("models").result["models"][0]["folder"]
    code = (
        "import json, sys; from transformers import pipeline\n"
        f"p = pipeline('text-classification', model={model_folder!r}, top_k=None)\n"
        "print(json.dumps(p(json.loads(sys.stdin.read()))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    plain = json.loads(done.stdout.splitlines()[-1])
    with (folder / "plain-out.csv").open(encoding="utf-8", newline="") as file:
        ours = list(csv.DictReader(file))
    for mine, theirs in zip(ours, plain, strict=True):
        assert mine["predicted_label"] == theirs[0]["label"]
        for entry in theirs:
            assert float(mine[entry["label"]]) == pytest.approx(entry["score"], abs=1e-4)


def test_attention_writes_arrays_that_sum_to_one(
    line: Line, trained: dict[str, Any], base: Path, folder: Path
) -> None:
    for name, model in (("trained", trained["model"]), ("base", base)):
        out = folder / f"{name}.npz"
        said = line("attention", model, "the sky", "--pair", "a leaf", "--out", out)
        assert said.code == 0, said.err
        with np.load(out, allow_pickle=False) as found:
            weights, tokens = found["weights"], found["tokens"]
        assert weights.dtype == np.float32
        assert weights.shape[2] == weights.shape[3] == len(tokens)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "{folder}/absent.csv"], "There is no file"),
        (["import", "{folder}/empty.csv"], "empty"),
        (["import", "{folder}/program.csv"], "not"),
        (["import", "{data}", "--text", "body"], "body"),
        (["import", "{data}", "--label", "kind"], "kind"),
        (["train", "nothing"], "no data set"),
        (["train", "one class"], "at least two classes"),
        (["train", "singles"], "only one text"),
        (["train", "unlabelled"], "No row"),
        (["train", "colours", "--epochs", "-1"], "Epochs"),
        (["train", "colours", "--layers", "some"], "layers"),
        (["evaluate", "nothing-here", "{data}"], "nothing-here"),
        (["classify", "{base}", "{data}", "--out", "{folder}/x.csv"], "trained"),
        (["classify", "{model}", "{data}", "--out", "{folder}/no/such/x.csv"], "folder"),
        (["attention", "{base}", "   ", "--out", "{folder}/x.npz"], "text"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence_and_an_exit_code(
    line: Line,
    trained: dict[str, Any],
    base: Path,
    data: Path,
    folder: Path,
    arguments: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    inside = Inside(folder / "home", capsys)
    if not (folder / "empty.csv").exists():
        (folder / "empty.csv").write_bytes(b"")
        (folder / "program.csv").write_bytes(b"MZ\x90\x00\x03\x00\x00\x00\x04" + bytes(range(256)) * 40)
        for name, rows in (
            ("one class", [("a text", "x"), ("b text", "x"), ("c text", "x")]),
            ("singles", [("a text", "x"), ("b text", "y"), ("c text", "z")]),
            ("unlabelled", [("a text", ""), ("b text", "")]),
        ):
            path = write_csv(folder / f"{name}.csv", rows)  # type: ignore[arg-type]
            assert inside("import", path, "--text", "text", "--label", "label").code == 0
    before = inside("datasets").result, inside("models").result
    values = {"folder": folder, "data": data, "base": base, "model": trained["model"]}
    said = inside(*[a.format(**values) for a in arguments])
    assert said.code not in (0, None)
    assert "Traceback" not in said.err
    assert sentence.lower() in said.result["error"].lower()
    assert said.result["error"] in said.err
    assert (inside("datasets").result, inside("models").result) == before


def test_a_file_over_the_limit_is_refused_with_the_limit(line: Line, folder: Path) -> None:
    big = folder / "big.csv"
    with big.open("wb") as out:
        out.write(b"text,label\n")
        out.seek(300 * 1024 * 1024)
        out.write(b"\n")
    said = line("import", big)
    assert said.code == 1
    assert said.result["fault"] == "TooLarge"
    assert "300" in said.result["error"]
    big.unlink()


def test_a_training_that_fails_says_why_and_exits_with_one(line: Line, trained: dict[str, Any]) -> None:
    said = line("train", "colours", "--model", "someone/no-such-model", HF_ENDPOINT="http://127.0.0.1:9")
    assert said.code == 1
    assert "Hub" in said.result["error"]
    assert line("runs").result["runs"][0]["state"] == "failed"
