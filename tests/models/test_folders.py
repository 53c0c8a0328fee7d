"""Tokenizers, loading, saving, the forward pass, the device."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadModel, DiskFull, OutOfMemory
from core.models import forward
from core.models.catalogue import bundled_folder
from core.models.device import memory_used, pick_device, quick_title
from core.models.loading import (
    class_names,
    head_names,
    load_classifier,
    load_encoder,
    load_for_training,
    load_tokenizer,
    readable_length,
)
from core.models.saving import SIDECAR, read_sidecar, save_model
from tests.models.support import ROOT, copy_of, edit_config
from tests.tiny import FAMILIES, LABELS, POSITIONS, tiny_encoder, toy_texts

# --------------------------------------------------------------------------- tokenizers


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reads_as_many_tokens_as_it_has_positions(family: str, tmp_path: Path) -> None:
    import torch

    folder = tiny_encoder(tmp_path / family, family)
    tokenizer, model = load_tokenizer(folder), load_encoder(folder)
    assert tokenizer.model_max_length == POSITIONS
    encoded = forward.encode(tokenizer, ["parcel " * 500, "late"], tokenizer.model_max_length)
    assert encoded.lengths[0] == POSITIONS
    assert encoded.full[0] > 500
    assert encoded.cut == 1
    with torch.inference_mode():
        state = model(
            **forward.accepted(model, forward.collate(encoded, [0, 1], tokenizer))
        ).last_hidden_state
    assert state.shape[:2] == (2, POSITIONS)
    assert bool(torch.isfinite(state).all())


def test_baked_in_truncation_and_padding_are_taken_out() -> None:
    tokenizer = load_tokenizer(bundled_folder())
    assert len(tokenizer("word " * 300)["input_ids"]) == 302
    assert len(tokenizer("word")["input_ids"]) == 3
    assert tokenizer.model_max_length == 512


def test_length_comes_from_the_config_and_else_from_the_tokenizer() -> None:
    assert readable_length({"model_type": "bert", "max_position_embeddings": 512}, 128) == 512
    assert (
        readable_length({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}) == 512
    )
    assert readable_length({"model_type": "bert"}) == 512
    assert readable_length({"model_type": "t5"}, 300) == 300


# --------------------------------------------------------------------------- loading


def test_training_head_has_the_class_names_and_the_encoder_its_weights(base: Path) -> None:
    import torch

    model = load_for_training(base, LABELS)
    assert class_names(model) == LABELS
    assert model.config.problem_type == "single_label_classification"
    encoder = load_encoder(base)
    for name, weight in encoder.state_dict().items():
        assert torch.equal(model.bert.state_dict()[name], weight)
    assert model.dtype == torch.float32


def test_head_starts_from_the_seed(base: Path) -> None:
    import torch

    def head(seed: int) -> Any:
        torch.manual_seed(seed)
        return load_for_training(base, LABELS).classifier.weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))


def test_dropout_can_be_replaced(base: Path) -> None:
    assert load_for_training(base, LABELS).config.hidden_dropout_prob == 0.1
    assert load_for_training(base, LABELS, dropout=0.0).config.hidden_dropout_prob == 0.0


def test_trained_head_is_kept_for_its_own_classes_only(trained: Path) -> None:
    import torch

    old = load_classifier(trained).classifier.weight
    assert torch.equal(load_for_training(trained, LABELS).classifier.weight, old)
    others = load_for_training(trained, ("x", "y", "z"))
    assert not torch.equal(others.classifier.weight, old)
    assert class_names(others) == ("x", "y", "z")
    assert load_for_training(trained, ("x", "y")).classifier.weight.shape[0] == 2


def test_base_model_is_refused_as_a_classifier(base: Path) -> None:
    with pytest.raises(BadModel, match="has not learnt any classes"):
        load_classifier(base)


def test_head_without_weights_is_refused(base: Path, tmp_path: Path) -> None:
    folder = copy_of(base, tmp_path / "m", edit_config(architectures=["BertForSequenceClassification"]))
    with pytest.raises(BadModel, match="incomplete"):
        load_classifier(folder)


def test_a_head_for_a_number_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="does not choose among classes"):
        load_classifier(copy_of(trained, tmp_path / "m", edit_config(problem_type="regression")))


def test_attention_can_be_read_where_it_is_asked_for(base: Path) -> None:
    model, tokenizer = load_encoder(base, "eager"), load_tokenizer(base)
    found = model(**tokenizer("my parcel", return_tensors="pt"), output_attentions=True).attentions
    assert len(found) == 2


def test_loading_is_silent(base: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from core.models import loading as l; f = Path(sys.argv[1])\n"
        "l.load_for_training(f, ['a', 'b']); l.load_tokenizer(f); l.load_encoder(f)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(base)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == ""


# --------------------------------------------------------------------------- saving


def test_saved_model_gives_the_same_logits(base: Path, tmp_path: Path) -> None:
    model, tokenizer = load_for_training(base, LABELS), load_tokenizer(base)
    texts, _ = toy_texts(40)
    before = forward.logits(model, tokenizer, texts)
    save_model(model, tokenizer, tmp_path / "m", {})
    after = forward.logits(load_classifier(tmp_path / "m"), load_tokenizer(tmp_path / "m"), texts)
    assert np.array_equal(before, after)


def test_saved_folder_is_plain_and_has_a_readable_sidecar(trained: Path) -> None:
    names = {p.name for p in trained.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", SIDECAR} <= names
    assert not any(n.endswith((".bin", ".pt", ".pkl", ".py")) for n in names)
    found = json.loads((trained / SIDECAR).read_text(encoding="utf-8"))
    assert found["labels"] == list(LABELS)
    assert found["base_model"] == "tiny"
    assert "transformers" in found["versions"]
    assert read_sidecar(trained) == found
    assert [p.name for p in trained.parent.iterdir()] == [trained.name]


def test_saved_tokenizer_neither_cuts_nor_pads(base: Path, tmp_path: Path) -> None:
    model, tokenizer = load_for_training(base, LABELS), load_tokenizer(base)
    tokenizer(
        ["a"], truncation=True, max_length=5, padding="max_length"
    )  # the last call leaves its settings behind
    save_model(model, tokenizer, tmp_path / "m", {})
    written = json.loads((tmp_path / "m" / "tokenizer.json").read_text())
    assert written["truncation"] is None
    assert written["padding"] is None
    assert json.loads((tmp_path / "m" / "tokenizer_config.json").read_text())["model_max_length"] == POSITIONS


def test_saving_again_replaces_weights_and_sidecar(base: Path, tmp_path: Path) -> None:
    import torch

    model, tokenizer = load_for_training(base, LABELS), load_tokenizer(base)
    save_model(model, tokenizer, tmp_path / "m", {"step": 1})
    with torch.no_grad():
        model.classifier.bias += 1
    save_model(model, tokenizer, tmp_path / "m", {"step": 2})
    assert read_sidecar(tmp_path / "m")["step"] == 2
    assert torch.equal(load_classifier(tmp_path / "m").classifier.bias, model.classifier.bias)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


class FullDisk:
    """A tokenizer whose folder has no space left."""

    def __init__(self, tokenizer: Any) -> None:
        self.backend_tokenizer = tokenizer.backend_tokenizer

    def save_pretrained(self, folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_the_last_model_as_it_was(base: Path, tmp_path: Path) -> None:
    model, tokenizer = load_for_training(base, LABELS), load_tokenizer(base)
    save_model(model, tokenizer, tmp_path / "m", {"step": 1})
    before = {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()}
    with pytest.raises(DiskFull, match="no space left"):
        save_model(load_for_training(base, LABELS), FullDisk(tokenizer), tmp_path / "m", {"step": 2})
    assert {p.name: p.read_bytes() for p in (tmp_path / "m").iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_what_a_killed_process_left_is_swept_away(base: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp-m-123").mkdir()
    (tmp_path / "tmp-m-123" / "model.safetensors").write_bytes(b"half")
    save_model(load_for_training(base, LABELS), load_tokenizer(base), tmp_path / "m", {})
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


# --------------------------------------------------------------------------- forward


def test_logits_come_in_the_order_of_the_texts(trained: Path) -> None:
    model, tokenizer = load_classifier(trained), load_tokenizer(trained)
    texts = [" ".join(["parcel"] * n) + f" {t}" for n, t in enumerate(toy_texts(60)[0])]
    whole = forward.logits(model, tokenizer, texts, batch_tokens=200)
    single = np.concatenate([forward.logits(model, tokenizer, [t]) for t in texts])
    assert whole.shape == (60, 3)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_batches_hold_every_row_once_and_no_more_tokens_than_allowed() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 1000)
    groups = forward.batches(lengths, 2048, 32)
    assert sorted(np.concatenate(groups).tolist()) == list(range(1000))
    for rows in groups:
        assert len(rows) <= 32
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= 2048
    assert lengths[groups[0]].max() == lengths.max()  # the most demanding batch comes first


def test_chunks_do_not_change_the_logits(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = load_classifier(trained), load_tokenizer(trained)
    texts, _ = toy_texts(50)
    whole = forward.logits(model, tokenizer, texts)
    monkeypatch.setattr(forward, "CHUNK", 7)
    np.testing.assert_allclose(forward.logits(model, tokenizer, texts), whole, atol=1e-5)


def test_pairs_are_read_as_transformers_reads_them(trained: Path) -> None:
    import torch

    model, tokenizer = load_classifier(trained), load_tokenizer(trained)
    found = forward.logits(model, tokenizer, ["my parcel"], ["was late"])
    with torch.inference_mode():
        wanted = model(**tokenizer("my parcel", "was late", return_tensors="pt")).logits.numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_text_with_half_a_character_is_read(trained: Path) -> None:
    model, tokenizer = load_classifier(trained), load_tokenizer(trained)
    assert np.isfinite(forward.logits(model, tokenizer, ["my \ud83d parcel", ""])).all()


def test_softmax_rows_sum_to_one_even_for_huge_logits() -> None:
    found = forward.softmax(np.asarray([[1e4, -1e4, 0], [1, 2, 3], [0, 0, 0]], dtype=np.float32))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[2], 1 / 3, atol=1e-6)


def test_too_little_memory_is_said_in_words() -> None:
    import torch

    for error in (
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
        MemoryError(),
    ):
        with pytest.raises(OutOfMemory, match="32 texts of 128 tokens"), forward.memory_in_words(32, 128):
            raise error
    with pytest.raises(RuntimeError, match="shape"), forward.memory_in_words(1, 1):
        raise RuntimeError("shape mismatch")


def test_real_allocation_beyond_all_memory_is_said_in_words() -> None:
    import torch

    with pytest.raises(OutOfMemory), forward.memory_in_words(1, 1):
        torch.empty(2**50)


# --------------------------------------------------------------------------- device


def test_device_is_named_in_words() -> None:
    device = pick_device()
    assert quick_title() == device.title
    assert memory_used(device) > 0


def test_quick_title_without_torch_says_what_torch_will_say() -> None:
    code = "from core.models import device as d; d_ = d.quick_title(); assert d_ == d.pick_device().title, d_"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_head_is_found_in_every_family(tmp_path: Path) -> None:
    for family in FAMILIES:
        model = load_for_training(tiny_encoder(tmp_path / family, family), LABELS)
        head = head_names(model)
        assert any("classifier" in name for name in head)
        assert not any(".layer" in name or "embedding" in name for name in head)
