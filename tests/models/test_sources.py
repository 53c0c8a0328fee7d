"""From a name to a folder, on this machine and from the Hub."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadModel, NotFound, UnsafeModel
from core.models.catalogue import BUNDLED, CATALOGUE, base_model, bundled_folder
from core.models.loading import (
    load_classifier,
    load_encoder,
    load_for_training,
    load_tokenizer,
)
from core.models.sources import resolve, valid_hub_name
from tests.hub_stand_in import HubStandIn, closed_port_url, hub_environment
from tests.models.support import ROOT, copy_of, edit_config
from tests.tiny import LABELS

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


def propose(folder: Path, base: Path, other: dict[str, Any]) -> None:
    """A pull request as the conversion bot makes it: all of main, and the weights as safetensors."""
    proposed = copy_of(base, folder / ".pr-3", lambda _: None)
    (proposed / "pytorch_model.bin").write_bytes(b"pickle")
    (proposed / "modeling_x.py").write_text("raise SystemExit")
    title = "Adding `safetensors` variant of this model"
    request = {"num": 3, "title": title, "author": "SFconvertbot", "status": "open", **other}
    (folder / ".pull-requests.json").write_text(json.dumps([request]))


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
    for name, other in {
        "org/converted": {},
        "org/forged": {"author": "somebody"},
        "org/retitled": {"title": "Better weights"},
        "org/closed": {"status": "closed"},
        "org/talk": {"isPullRequest": False},
        "org/outdated": {"made_on": "0" * 40},
        "org/quiet": {},
    }.items():
        propose(put(name, lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin")), base, other)
    (root / "models" / "org/quiet" / ".no-discussions").touch()
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


def test_weights_that_the_conversion_bot_proposes_are_taken(hub_root: Path, tmp_path: Path) -> None:
    home = tmp_path / "hf"
    with HubStandIn(hub_root) as hub:
        first = ask_hub("org/converted", hub.environment(home), tmp_path)
    assert first.split()[0] == "folder"
    assert "model.safetensors" in first
    assert "tokenizer.json" in first
    assert ".bin" not in first
    assert ".py" not in first
    assert ask_hub("org/converted", hub_environment(closed_port_url(), home), tmp_path) == first


def test_weights_that_the_conversion_bot_proposes_load(hub_root: Path, base: Path, tmp_path: Path) -> None:
    home = tmp_path / "hf"
    with HubStandIn(hub_root) as hub:
        assert ask_hub("org/converted", hub.environment(home), tmp_path).split()[0] == "folder"
    (folder,) = (home / "hub" / "models--org--converted" / "snapshots").iterdir()
    loaded, made = load_encoder(folder).state_dict(), load_encoder(base).state_dict()
    assert loaded.keys() == made.keys()
    assert all(loaded[name].equal(made[name]) for name in made)
    text = "where is my parcel"
    assert load_tokenizer(folder)(text)["input_ids"] == load_tokenizer(base)(text)["input_ids"]


def test_a_pull_request_that_lies_in_the_cache_is_not_taken_for_the_bots(
    hub_root: Path, tmp_path: Path
) -> None:
    home = tmp_path / "hf"
    fetch = "from huggingface_hub import snapshot_download as s; s('org/forged', revision='refs/pr/3')"
    with HubStandIn(hub_root) as hub:
        subprocess.run(
            [sys.executable, "-c", fetch], env=hub.environment(home), check=True, capture_output=True
        )
    assert list(home.rglob("model.safetensors"))
    told = ask_hub("org/forged", hub_environment(closed_port_url(), home), tmp_path)
    assert told.split()[0] == "Offline"


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("org/none", "HubNotFound", "no model named “org/none”"),
        ("org/private", "HubNotFound", "or it is private"),
        ("org/gated", "HubNotFound", "is gated"),
        ("org/old", "UnsafeModel", "none as safetensors"),
        ("org/forged", "UnsafeModel", "none as safetensors"),
        ("org/retitled", "UnsafeModel", "none as safetensors"),
        ("org/closed", "UnsafeModel", "none as safetensors"),
        ("org/talk", "UnsafeModel", "none as safetensors"),
        ("org/outdated", "UnsafeModel", "none as safetensors"),
        ("org/quiet", "UnsafeModel", "none as safetensors"),
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
