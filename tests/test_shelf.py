"""Texts on disk and their lengths in tokens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from core.data.lengths import share_longer, token_lengths
from core.data.prepare import Prepared, prepare
from core.data.shelf import find_rows, open_shelf, part_texts, save
from core.data.splits import text_hash
from core.data.table import Table
from core.data.whole import disk_full_in_words
from core.errors import BadData, BadModel, DiskFull, NotFound
from core.records import Reading

TEXTS: list[str | None] = [
    *(
        "Where is my CARD?",
        "where is  my card?",
        "100% of it (really)",
        "Ärger mit der Bank",
        "a\r\nb\u2028c",
    ),
    *(None, "  ", "no label here", "=SUM(1)", "😀 مرحبا"),
]
LABELS: list[str | None] = ["card", "card", "fee", "Fee", "fee", "fee", "card", None, "card", "fee"]


@pytest.fixture
def prepared() -> Prepared:
    arrays = [pa.array(cells, pa.large_string()) for cells in (TEXTS, LABELS, [f"n{i}" for i in range(10)])]
    data = pa.table(arrays, names=["c0", "c1", "c2"])
    return prepare(Table(("text", "label", "label"), data, Reading("csv")), 0, 1)


@pytest.fixture
def shelf(tmp_path: Path, prepared: Prepared) -> Path:
    save(prepared, tmp_path / "data" / "abc")
    return tmp_path / "data" / "abc"


def numbers(found: tuple[int, list]) -> list[int]:
    assert found[0] == len(found[1])
    return [row.row for row in found[1]]


def test_rows_come_back_to_the_letter(shelf, prepared):
    total, rows = find_rows(shelf)
    assert total == 10
    assert [r.row for r in rows] == list(range(10))
    assert [r.text for r in rows] == prepared.texts
    assert [r.label for r in rows] == LABELS
    assert [r.part for r in rows] == prepared.parts
    assert [r.original for r in rows] == list(zip(TEXTS, LABELS, [f"n{i}" for i in range(10)], strict=True))
    assert rows[0].text_hash == text_hash("Where is my CARD?")


def test_search_is_literal_and_ignores_case(shelf):
    assert numbers(find_rows(shelf, query="my  card")) == []
    assert numbers(find_rows(shelf, query="is my")) == [0]
    assert numbers(find_rows(shelf, query="MY")) == [0, 1]
    assert numbers(find_rows(shelf, query="(really)")) == [2]
    assert numbers(find_rows(shelf, query="100%")) == [2]
    assert numbers(find_rows(shelf, query="äRGER")) == [3]
    assert numbers(find_rows(shelf, query=".*")) == []
    assert numbers(find_rows(shelf, query="\u2028")) == [4]


def test_filters_combine(shelf, prepared):
    assert numbers(find_rows(shelf, label="fee")) == [2, 4, 5, 9]
    assert numbers(find_rows(shelf, label="Fee")) == [3]
    assert numbers(find_rows(shelf, label="card", query="where")) == [0, 1]
    train = [i for i, p in enumerate(prepared.parts) if p == "train"]
    assert numbers(find_rows(shelf, part="train")) == train
    assert numbers(find_rows(shelf, part="train", label="card")) == [i for i in train if LABELS[i] == "card"]


def test_faults_are_found(shelf):
    assert numbers(find_rows(shelf, fault="without_text")) == [5, 6]
    assert numbers(find_rows(shelf, fault="without_label")) == [7]
    assert numbers(find_rows(shelf, fault="duplicate")) == [1]
    with pytest.raises(BadData, match="no fault “ugly”"):
        find_rows(shelf, fault="ugly")


def test_pages_cover_all_rows_once(shelf):
    seen = []
    for offset in range(0, 12, 3):
        total, rows = find_rows(shelf, offset=offset, limit=3)
        assert total == 10
        seen += [r.row for r in rows]
    assert seen == list(range(10))
    assert [r.row for r in find_rows(shelf, label="fee", offset=1, limit=2)[1]] == [4, 5]


def test_part_texts_are_those_of_the_part(shelf, prepared):
    gathered = [row for part in ("train", "validation", "test") for row in part_texts(shelf, part)[0]]
    assert sorted(gathered) == [0, 1, 2, 3, 4, 8, 9]
    rows, texts, labels = part_texts(shelf, "train")
    assert [(prepared.texts[i], prepared.labels[i]) for i in rows] == list(zip(texts, labels, strict=True))


def test_datasets_opens_the_folder_memory_mapped_without_a_cache(tmp_path, shelf):
    code = (
        "import sys; from pathlib import Path; from core.data.shelf import open_shelf\n"
        "d = open_shelf(Path(sys.argv[1])); print(d.num_rows, d.cache_files[0]['filename'], d['text'][0])"
    )
    cache = tmp_path / "hf"
    environment = {**os.environ, "HF_HOME": str(cache)}
    ran = subprocess.run(
        [sys.executable, "-c", code, str(shelf)], capture_output=True, text=True, env=environment, check=True
    )
    assert ran.stdout.startswith(f"10 {shelf}")
    assert ran.stdout.rstrip().endswith("Where is my CARD?")
    assert ran.stderr == ""
    assert not list(cache.rglob("*.arrow"))


def test_saving_again_replaces_and_leaves_nothing_behind(shelf, prepared):
    old = open_shelf(shelf)
    arrays = [pa.array(["new"], pa.large_string()), pa.array(["x"], pa.large_string())]
    small = Table(("text", "label"), pa.table(arrays, names=["c0", "c1"]), Reading("csv"))
    save(prepare(small, 0, 1), shelf)
    assert find_rows(shelf)[0] == 1
    assert [p.name for p in shelf.parent.iterdir()] == ["abc"]
    if os.name == "posix":
        assert old["text"][0] == "Where is my CARD?"  # who had it open reads on


def test_a_save_that_fails_leaves_the_old_shelf(shelf, prepared, monkeypatch):
    import datasets

    def fail(self: object, path: str) -> None:
        Path(path).mkdir()
        (Path(path) / "half.arrow").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets.Dataset, "save_to_disk", fail)
    with pytest.raises(DiskFull, match="no space left"):
        save(prepared, shelf)
    assert [p.name for p in shelf.parent.iterdir()] == ["abc"]
    assert find_rows(shelf)[0] == 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_a_sentence(tmp_path):
    with pytest.raises(DiskFull, match=r"no space left .* try again"), disk_full_in_words(tmp_path):
        Path("/dev/full").write_bytes(b"x")
    with pytest.raises(PermissionError), disk_full_in_words(tmp_path):
        raise PermissionError(13, "denied")


def test_a_missing_or_damaged_shelf_is_a_sentence(tmp_path, shelf):
    for call in (find_rows, open_shelf, lambda f: part_texts(f, "train")):
        with pytest.raises(NotFound, match="Import the data set again"):
            call(tmp_path / "none")
    next(shelf.glob("*.arrow")).write_bytes(b"broken")
    with pytest.raises(NotFound, match="gone or damaged"):
        find_rows(shelf)


# ------------------------------------------------------------------ lengths


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    """Splits at spaces, adds [CLS] and [SEP], and has truncation and padding baked in, as real ones do."""
    words = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "a": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=4, pad_id=3, pad_token="[PAD]")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def test_lengths_are_those_of_the_uncut_texts(tokenizer_file):
    lengths = token_lengths(["a", "a a a a a a", "", None, " ", "x y"], tokenizer_file)
    assert lengths.tolist() == [3, 8, 4]
    assert lengths.dtype == np.int64


def test_a_sample_is_taken_of_many_texts_and_is_the_same_for_a_seed(tokenizer_file):
    texts = ["a " * (i + 1) for i in range(300)]
    first = token_lengths(texts, tokenizer_file, limit=50, seed=3)
    assert len(first) == 50
    assert len(set(first.tolist())) == 50
    assert first.tolist() == token_lengths(texts, tokenizer_file, limit=50, seed=3).tolist()
    assert first.tolist() != token_lengths(texts, tokenizer_file, limit=50, seed=4).tolist()


def test_no_texts_have_no_lengths(tokenizer_file):
    assert token_lengths([], tokenizer_file).shape == (0,)


def test_a_damaged_tokenizer_is_a_sentence(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadModel, match=r"tokenizer\.json cannot be read"):
        token_lengths(["a"], tmp_path / "tokenizer.json")


def test_the_share_of_longer_texts_has_a_wilson_interval():
    found = share_longer(np.array([10] * 90 + [200] * 10), 128)
    # Wilson interval for 10 of 100, as published in textbooks: 5.5 % to 17.4 %.
    assert found.value == 0.1
    assert found.low == pytest.approx(0.0552, abs=1e-4)
    assert found.high == pytest.approx(0.1744, abs=1e-4)
    assert share_longer(np.array([128, 128]), 128).value == 0.0
    assert (share_longer(np.array([]), 5).low, share_longer(np.array([]), 5).high) == (0.0, 1.0)
