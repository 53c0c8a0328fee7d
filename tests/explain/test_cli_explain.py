"""`attention` and `explain` of the command line: arrays and JSON that hold what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.__main__ import main
from core.explain.change import head_distances
from tests import tiny
from tests.explain.writers import TARGET, TEXT, tiny_writer

Said = tuple[int, dict[str, Any]]


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`python -m core` in this process: its exit code and the JSON of its last line."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = main(["--home", str(tmp_path / "home"), *map(str, arguments)])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tiny_classifier(tmp_path_factory.mktemp("cli") / "trained", seed=3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tiny_bert(tmp_path_factory.mktemp("cli") / "base")


def test_before_and_after_hold_both_models_and_the_distance_of_each_head(
    line: Callable[..., Said], trained: Path, base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "both.npz"
    code, said = line("attention", trained, "my parcel was late", "--base", base, "--out", out)
    assert code == 0, said
    line("attention", trained, "my parcel was late", "--out", tmp_path / "after.npz")
    line("attention", base, "my parcel was late", "--out", tmp_path / "before.npz")
    with (
        np.load(out) as both,
        np.load(tmp_path / "after.npz") as after,
        np.load(tmp_path / "before.npz") as before,
    ):
        np.testing.assert_allclose(both["weights"], after["weights"], atol=1e-6)
        np.testing.assert_allclose(both["base_weights"], before["weights"], atol=1e-6)
        distance = head_distances(before["weights"], after["weights"])
        np.testing.assert_allclose(both["distance"], distance, atol=1e-6)
    most = said["most_changed"]
    assert said["mean_distance"] == pytest.approx(distance.mean())
    assert (
        most["distance"]
        == pytest.approx(distance[most["layer"], most["head"]])
        == pytest.approx(distance.max())
    )
    assert most["distance"] > 0


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_writer_gives_all_three_kinds_for_a_target_of_ones_own(
    line: Callable[..., Said], tmp_path: Path
) -> None:
    folder, out = tiny_writer(tmp_path / "marian", "marian"), tmp_path / "three.npz"
    code, said = line("attention", folder, TEXT, "--target", TARGET, "--out", out)
    assert code == 0, said
    assert said["target"] == TARGET
    assert not said["generated"]
    with np.load(out, allow_pickle=False) as found:
        source, target = len(found["tokens"]), len(found["target_tokens"])
        assert found["weights"].shape == (2, 4, source, source)
        assert found["decoder_weights"].shape == (3, 4, target, target)
        assert found["cross_weights"].shape == (3, 4, target, source)
        assert (source, target) == (said["tokens"], said["target_tokens"])
        np.testing.assert_allclose(found["cross_weights"].sum(-1), 1, atol=1e-5)
    code, said = line("attention", folder, TEXT, "--out", out)
    assert code == 0
    assert said["generated"]


@pytest.mark.parametrize("base_too", [False, True])
def test_a_page_is_whole_and_under_three_megabytes(
    line: Callable[..., Said], trained: Path, base: Path, tmp_path: Path, base_too: bool
) -> None:
    out = tmp_path / "page.html"
    text = "my <script>alert(1)</script> parcel was late"
    more = ["--base", base] if base_too else []
    code, said = line("attention", trained, text, "--out", out, *more)
    assert code == 0, said
    assert said["format"] == "html"
    written = out.read_text(encoding="utf-8")
    assert len(written) < 3_000_000
    assert "<script>alert" not in written
    assert "&lt;script&gt;alert(1)" in written
    assert str(trained.parent) not in written
    assert f"{trained.name}</title>" in written
    assert not re.search(r"(src|href)=.?https?:", written)


def test_an_explanation_names_words_scores_class_and_completeness(
    line: Callable[..., Said], trained: Path
) -> None:
    code, said = line("explain", trained, "my parcel was late", "--class", tiny.LABELS[1])
    assert code == 0, said
    assert (said["method"], said["class"]) == ("ig", tiny.LABELS[1])
    assert said["words"] == ["my", "parcel", "was", "late"]
    assert len(said["tokens"]) == len(said["scores"])
    assert len(said["words"]) == len(said["word_scores"])
    assert 0 <= said["completeness_error"] < 0.01
    code, other = line(
        "explain", trained, "my parcel was late", "--class", tiny.LABELS[1], "--method", "occlusion"
    )
    assert code == 0
    assert other["completeness_error"] is None
    assert other["word_scores"] != said["word_scores"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["attention", "{trained}", "a", "--out", "{out}/no/such/x.npz"], "folder"),
        (["attention", "{trained}", "a", "--target", "b", "--out", "{out}/x.npz"], "models that write"),
        (["attention", "{trained}", " ", "--out", "{out}/x.npz"], "no text"),
        (["attention", "{trained}", "a", "--base", "{out}", "--out", "{out}/x.npz"], "config.json"),
        (["explain", "{base}", "my parcel"], "base model"),
        (["explain", "{trained}", "my parcel", "--class", "nothing"], "nothing"),
        (["explain", "{trained}", " "], "no text"),
    ],
)
def test_a_wrong_line_gets_a_sentence_and_leaves_no_file(
    line: Callable[..., Said], trained: Path, base: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    values = {"trained": trained, "base": base, "out": tmp_path}
    code, said = line(*[a.format(**values) for a in arguments])
    assert code == 1
    assert sentence in said["error"]
    assert not (tmp_path / "x.npz").exists()
