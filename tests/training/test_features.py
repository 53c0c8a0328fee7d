"""Embeddings that are computed once, kept by content, and never needed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.models.forward import Encoded, encode
from core.models.loading import load_tokenizer
from core.records import Progress
from core.training import features
from core.training.features import Embeddings, embed, encoder_key
from core.training.learner import Learner
from core.training.loop import Places
from core.training.reader import Reader
from tests.tiny import LABELS, tiny_bert, toy_texts
from tests.training.support import RECIPE, equal, of, start, weights

TEXTS = [*toy_texts(70)[0], "late", "late", ""]


@pytest.fixture(scope="module")
def learner(base: Path) -> Learner:
    return Learner.load(base, LABELS)


def read(learner: Learner, base: Path, texts: list[str], store: Embeddings | None) -> tuple[Any, list[int]]:
    """(N, 32) features of the texts, and how many were known after each look."""
    tokenizer = load_tokenizer(base)
    out, known = np.zeros((len(texts), 32), dtype=np.float32), np.zeros(len(texts), dtype=bool)
    told = list(embed(Reader(learner, tokenizer, "cpu"), encode(tokenizer, texts, 128), out, known, store))
    assert known.all()
    return out, told


@pytest.fixture
def store(tmp_path: Path) -> Embeddings:
    return Embeddings(tmp_path / "embeddings", "one")


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that were really computed."""
    sizes: list[int] = []
    whole = Reader.features

    def counted(self: Reader, encoded: Encoded, noisy: Any = None) -> Any:
        sizes.append(len(encoded))
        return whole(self, encoded, noisy)

    monkeypatch.setattr(Reader, "features", counted)
    return sizes


def files(store: Embeddings, kind: str = "") -> list[Path]:
    return sorted(store.folder.glob(f"*{kind}.npy"))


# --------------------------------------------------------------------------- computing


def test_features_come_in_the_order_of_the_texts(learner: Learner, base: Path) -> None:
    together, told = read(learner, base, TEXTS, None)
    alone = np.concatenate([read(learner, base, [text], None)[0] for text in TEXTS[-6:]])
    np.testing.assert_allclose(together[-6:], alone, atol=1e-5)
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] == len(TEXTS)


def test_who_no_longer_asks_has_what_was_computed_so_far(learner: Learner, base: Path) -> None:
    tokenizer = load_tokenizer(base)
    out, known = np.zeros((len(TEXTS), 32), dtype=np.float32), np.zeros(len(TEXTS), dtype=bool)
    for count in embed(Reader(learner, tokenizer, "cpu"), encode(tokenizer, TEXTS, 128), out, known):
        if count:
            break
    assert 0 < known.sum() == count < len(TEXTS)
    np.testing.assert_allclose(out[known], read(learner, base, TEXTS, None)[0][known], atol=1e-6)
    assert not out[~known].any()


# --------------------------------------------------------------------------- keeping


def test_a_second_time_nothing_is_computed(
    learner: Learner, base: Path, store: Embeddings, computed: list[int]
) -> None:
    first, _ = read(learner, base, TEXTS, store)
    assert sum(computed) == len(TEXTS)
    computed.clear()
    again, told = read(learner, base, TEXTS[::-1], store)
    assert computed == []
    assert told[0] == len(TEXTS)
    assert np.array_equal(again[::-1], first)


def test_only_new_texts_are_computed(
    learner: Learner, base: Path, store: Embeddings, computed: list[int]
) -> None:
    read(learner, base, TEXTS, store)
    computed.clear()
    found, told = read(learner, base, [*TEXTS[:5], "a new text", *TEXTS[5:]], store)
    assert computed == [1]
    assert told == [len(TEXTS), len(TEXTS) + 1]
    np.testing.assert_allclose(found[5], read(learner, base, ["a new text"], None)[0][0], atol=1e-5)


def test_another_encoder_has_embeddings_of_its_own(
    learner: Learner, base: Path, store: Embeddings, computed: list[int]
) -> None:
    read(learner, base, TEXTS, store)
    computed.clear()
    read(learner, base, TEXTS, Embeddings(store.root, "two"))
    assert sum(computed) == len(TEXTS)


def test_an_encoder_is_named_by_weights_tokenizer_length_and_reading(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    name = encoder_key(base, 128, "whole")
    copy = Path(shutil.copytree(base, tmp_path / "elsewhere"))
    assert encoder_key(copy, 128, "whole") == name
    (copy / "finesift.json").write_text("{}")
    assert encoder_key(copy, 128, "whole") == name
    assert encoder_key(base, 64, "whole") != name
    assert encoder_key(base, 128, "windows") != name
    state = load_file(copy / "model.safetensors")
    state["encoder.layer.0.output.dense.bias"][0] += 1e-3
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert encoder_key(copy, 128, "whole") != name
    other = Path(shutil.copytree(base, tmp_path / "other"))
    vocabulary = (other / "tokenizer.json").read_text("utf-8")
    (other / "tokenizer.json").write_text(vocabulary.replace('"hello"', '"hellp"'), "utf-8")
    assert encoder_key(other, 128, "whole") != name


def test_runs_share_embeddings_and_come_out_alike(base: Path, tmp_path: Path, computed: list[int]) -> None:
    recipe = replace(RECIPE, method="quick")
    places = Places(cache=tmp_path / "cache")
    first = list(start(base, tmp_path / "one", recipe, places=places))
    assert sum(computed) == 126
    computed.clear()
    second = list(start(base, tmp_path / "two", recipe, places=places))
    assert computed == []
    assert of(Progress, second)[0].done == 96
    assert len(of(Progress, second)) < len(of(Progress, first))
    assert equal(weights(tmp_path / "one"), weights(tmp_path / "two"))
    other = tiny_bert(tmp_path / "other", seed=5)
    list(start(other, tmp_path / "three", recipe, places=places))
    assert sum(computed) == 126


# --------------------------------------------------------------------------- damage, room


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x80\x04 this is no array" * 10)


def _header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20:30] = b"(((((((((("
    path.write_bytes(content)


def _scalar(path: Path) -> None:
    np.save(path, np.float32(3), allow_pickle=False)


def _other_width(path: Path) -> None:
    array = np.load(path)
    np.save(path, array[:, : array.shape[1] // 2], allow_pickle=False)


def _fewer(path: Path) -> None:
    np.save(path, np.load(path)[:-1], allow_pickle=False)


def _one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("kind", [".keys", ".vectors"])
@pytest.mark.parametrize(
    "harm",
    [_cut, _empty, _garbage, _header, _scalar, _other_width, _fewer, _one_bit, Path.unlink],
    ids=lambda f: f.__name__.strip("_"),
)
def test_a_damaged_file_counts_as_absent_and_is_made_again(
    learner: Learner, base: Path, store: Embeddings, computed: list[int], harm: Any, kind: str
) -> None:
    texts = TEXTS[:20]
    first, _ = read(learner, base, texts, store)
    (path,) = files(store, kind)
    harm(path)
    computed.clear()
    found, _ = read(learner, base, texts, store)
    one_key = harm is _one_bit and kind == ".keys"  # is then the key of no text; the others are sound
    assert sum(computed) == (1 if one_key else len(texts))
    np.testing.assert_allclose(found, first, atol=1e-6)
    computed.clear()
    read(learner, base, texts, store)
    assert computed == []


def test_the_oldest_embeddings_make_room(
    learner: Learner, base: Path, store: Embeddings, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read(learner, base, TEXTS[:20], store)
    for path in files(store):
        os.utime(path, (1, 1))
    taken = sum(path.stat().st_size for path in files(store))
    monkeypatch.setattr(features, "_MOST_BYTES", int(1.5 * taken))
    read(learner, base, TEXTS[40:60], store)
    assert sum(path.stat().st_size for path in files(store)) <= 1.5 * taken
    computed.clear()
    read(learner, base, TEXTS[40:60], store)
    assert computed == []
    read(learner, base, TEXTS[:20], store)
    assert sum(computed) == 20


def test_what_is_no_number_is_not_kept(store: Embeddings) -> None:
    store.put([b"0" * 16], np.full((1, 32), np.nan, dtype=np.float32))
    assert store.get([b"0" * 16]) == {}


def test_a_folder_that_cannot_be_written_is_no_fault(learner: Learner, base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found, _ = read(learner, base, TEXTS[:5], Embeddings(tmp_path / "file", "one"))
    np.testing.assert_allclose(found, read(learner, base, TEXTS[:5], None)[0], atol=1e-6)
