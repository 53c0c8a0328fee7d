"""`labels export` and `labels import`, files read as the product reads them: in a process of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.__main__ import main

ITEMS = "number,text\n7,yes\n8,yes\n9,no way\n"
ANNOTATIONS = "number,text,who,level\n7,yes,Ana,1\n7,yes,Bo,2\n8,yes,Ana,2\n9,no way,Ana,1\n9,no way,Bo,1\n"


@pytest.fixture(autouse=True)
def read_here() -> None:
    """Not here: see the conftest."""


def test_annotations_of_several_people_go_in_and_come_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def line(*words: object) -> tuple[dict[str, Any], str]:
        capsys.readouterr()
        main(["--home", str(tmp_path / "home"), *map(str, words)])
        said = capsys.readouterr()
        return json.loads(said.out.splitlines()[-1]), said.err

    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "long.csv").write_text(ANNOTATIONS)
    line("import", tmp_path / "items.csv", "--text", "text")
    columns = ("--text", "text", "--annotator", "who", "--label", "level")
    first, words = line("labels", "import", "items", tmp_path / "long.csv", *columns)
    assert (first["brought_in"], first["matched"]) == (5, {"item": 5})  # “number” tells the two “yes” apart
    assert first["people"] == {"Ana": 3, "Bo": 2}
    assert "of 5 lines, 5 speak of texts of this data set" in words
    again, _ = line("labels", "import", "items", tmp_path / "long.csv", *columns)
    assert again["brought_in"] == 0
    out = tmp_path / "out.jsonl"
    written, _ = line("labels", "export", "items", "--format", "jsonl", "--out", out)
    assert (written["texts"], written["annotations"], written["ties"]) == (3, 2, 1)
    found = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    assert [(one["labels"], one.get("by")) for one in found] == [
        (None, None),
        (["2"], "majority"),
        (["1"], "majority"),
    ]
    assert found[2]["columns"] == {"number": "9", "text": "no way"}
    mine, _ = line("labels", "export", "items", "--per", "annotation", "--who", "Bo", "--out", out)
    assert mine["annotations"] == 2
    trail, _ = line("labels", "export", "items", "--trail", "--out", tmp_path / "trail.csv")
    assert trail["annotations"] == 5
    fault, _ = line("labels", "export", "items", "--who", "Cem", "--out", out)
    assert fault["error"] == "There is no annotator “Cem” here. There are: Ana, Bo."
    (tmp_path / "other.csv").write_text("text,level\nquite another,1\nyes,1\n")
    fault, _ = line("labels", "import", "items", tmp_path / "other.csv", "--label", "level", "--who", "Ana")
    assert fault["fault"] == "BadData"
    assert "Nothing was brought in: of 2 lines, 1 speak of texts" in fault["error"]
