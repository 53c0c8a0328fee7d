"""Models come in safely, go out whole, and say in words what is wrong with them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadModel, DiskFull, NotFound, OutOfMemory, UnsafeModel
from core.models import forward
from core.models.catalogue import BUNDLED, CATALOGUE, base_model, bundled_folder
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
from core.models.sources import resolve, valid_hub_name
from tests.hub_stand_in import HubStandIn, closed_port_url, hub_environment
from tests.tiny import FAMILIES, LABELS, POSITIONS, tiny_bert, tiny_encoder, toy_texts

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's folder; its head is random, which these tests do not mind."""
    folder = tmp_path_factory.mktemp("models") / "trained"
    save_model(load_for_training(base, LABELS), load_tokenizer(base), folder, {"base_model": "tiny"})
    return folder


# --------------------------------------------------------------------------- catalogue and names


def test_catalogue_begins_with_the_bundled_encoder() -> None:
    assert CATALOGUE[0].name == BUNDLED
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    assert base_model("roberta-base") is not None
    assert base_model("no-such-model") is None


def test_bundled_encoder_resolves_by_both_of_its_names() -> None:
    assert resolve(BUNDLED) == bundled_folder()
    assert resolve(f"sentence-transformers/{BUNDLED}") == bundled_folder()


def test_bundled_size_is_as_the_catalogue_says() -> None:
    size = sum(p.numel() for p in load_encoder(bundled_folder()).parameters())
    assert size == pytest.approx(CATALOGUE[0].parameters, rel=0.01)


def test_pages_can_ask_about_models_without_importing_torch() -> None:
    code = (
        "import sys; import core.models.catalogue as c, core.models.sources as s, core.models.device as d, "
        "core.training.recipe as r, core.training.task, core.evaluation.metrics\n"
        "c.bundled_folder(); d.quick_title(); r.suggest(300, 7); s.resolve(c.BUNDLED)\n"
        "sys.exit(sum(m in sys.modules for m in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ["bert-base-uncased", "microsoft/deberta-v3-small", "a/b.c_d-1"])
def test_hub_names_are_accepted(name: str) -> None:
    assert valid_hub_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "a/..",
        "../a",
        "a/b/c",
        "https://huggingface.co/a/b",
        "a b",
        "/etc",
        "a\\b",
        "-a",
        "a/" + "b" * 100,
        "é/b",
    ],
)
def test_what_is_no_hub_name_is_refused(name: str) -> None:
    assert not valid_hub_name(name)


@pytest.mark.parametrize("name", ["https://huggingface.co/a/b", "a/b/c", "a b"])
def test_a_name_of_no_kind_is_told_so(name: str) -> None:
    with pytest.raises(BadModel, match="neither a folder"):
        resolve(name)


# --------------------------------------------------------------------------- folders


def test_local_folder_resolves(base: Path) -> None:
    assert resolve(str(base)) == base.resolve()


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        resolve(str(tmp_path / "nothing"))


def copy_of(folder: Path, to: Path, change: Callable[[Path], Any]) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    change(to)
    return to


def edit_config(**changes: Any) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def test_folder_with_its_own_code_is_refused(base: Path, tmp_path: Path) -> None:
    folder = copy_of(base, tmp_path / "m", edit_config(auto_map={"AutoModel": "evil.Model"}))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    for load in (lambda f: resolve(str(f)), load_tokenizer, load_encoder, load_classifier):
        with pytest.raises(UnsafeModel, match="auto_map"):
            load(folder)


def test_folder_with_pickled_weights_is_refused_with_the_way_out(base: Path, tmp_path: Path) -> None:
    folder = copy_of(
        base, tmp_path / "m", lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin")
    )
    with pytest.raises(UnsafeModel, match="save_pretrained"):
        resolve(str(folder))
    with pytest.raises(UnsafeModel):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "config.json").write_text("[]"), "model type"),
        (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    ],
)
def test_damaged_folder_is_described(
    base: Path, tmp_path: Path, change: Callable[[Path], Any], says: str
) -> None:
    with pytest.raises(BadModel, match=says):
        resolve(str(copy_of(base, tmp_path / "m", change)))


def test_truncated_weights_are_described(base: Path, tmp_path: Path) -> None:
    def cut(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(BadModel, match="cannot be loaded"):
        load_encoder(copy_of(base, tmp_path / "m", cut))


def test_weights_of_another_shape_do_not_pass_as_a_new_head(base: Path, tmp_path: Path) -> None:
    folder = copy_of(base, tmp_path / "m", edit_config(intermediate_size=48))
    with pytest.raises(BadModel, match="do not belong"):
        load_for_training(folder, LABELS)


def test_unknown_architecture_is_described(base: Path, tmp_path: Path) -> None:
    folder = copy_of(base, tmp_path / "m", edit_config(model_type="no-such-architecture"))
    with pytest.raises(BadModel):
        load_for_training(folder, LABELS)


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


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_other_kinds_of_heads_are_refused(trained: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadModel, match="does not choose one class"):
        load_classifier(copy_of(trained, tmp_path / "m", edit_config(problem_type=kind)))


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


# --------------------------------------------------------------------------- the Hub, by a local stand-in

ASK = """
import sys
from core.errors import FinesiftError
from core.models.sources import resolve
try:
    folder = resolve(sys.argv[1])
    print("folder", " ".join(sorted(p.name for p in folder.iterdir())))
except FinesiftError as error:
    print(type(error).__name__, error)
"""


def ask_hub(name: str, environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, name],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def hub_root(tmp_path: Path, base: Path) -> Path:
    root = tmp_path / "hub"

    def put(name: str, *change: Callable[[Path], Any]) -> Path:
        folder = root / "models" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        return copy_of(base, folder, change[0] if change else lambda _: None)

    good = put("org/good")
    (good / "pytorch_model.bin").write_bytes(b"pickle")
    (good / "modeling_x.py").write_text("raise SystemExit")
    (good / "onnx").mkdir()
    (good / "onnx" / "config.json").write_text("{}")
    put("org/old", lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"))
    put("org/code", edit_config(auto_map={"AutoModel": "x.Y"}))
    put("org/gated", lambda f: (f / ".gated").touch())
    put("org/private", lambda f: (f / ".private").touch())
    return root


def test_hub_model_is_downloaded_once_and_without_code_or_pickles(hub_root: Path, tmp_path: Path) -> None:
    home = tmp_path / "hf"
    with HubStandIn(hub_root) as hub:
        first = ask_hub("org/good", hub.environment(home), tmp_path)
    assert first.split()[0] == "folder"
    assert "model.safetensors" in first
    assert "tokenizer.json" in first
    assert ".bin" not in first
    assert ".py" not in first
    assert "onnx" not in first
    assert ask_hub("org/good", hub_environment(closed_port_url(), home), tmp_path) == first


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("org/none", "HubNotFound", "no model named “org/none”"),
        ("org/private", "HubNotFound", "or it is private"),
        ("org/gated", "HubNotFound", "is gated"),
        ("org/old", "UnsafeModel", "none as safetensors"),
        ("org/code", "UnsafeModel", "auto_map"),
    ],
)
def test_hub_model_that_cannot_be_used_gets_a_sentence(
    hub_root: Path, tmp_path: Path, name: str, kind: str, says: str
) -> None:
    with HubStandIn(hub_root) as hub:
        told = ask_hub(name, hub.environment(tmp_path / "hf"), tmp_path)
    assert told.split()[0] == kind
    assert says in told


def test_no_network_gets_a_sentence(tmp_path: Path) -> None:
    told = ask_hub("org/good", hub_environment(closed_port_url(), tmp_path / "hf"), tmp_path)
    assert told.split()[0] == "Offline"
    assert "cannot be reached" in told
