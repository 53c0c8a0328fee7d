"""From memory to a plain Hugging Face folder, whole or not at all.

Knows what `transformers.pipeline` needs to find, and how to replace files without a moment in which the
folder is not a model. Does not know runs, the store or what is in the sidecar beyond labels and versions.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core.data.whole import disk_full_in_words
from core.models.loading import class_names, plain, quiet

SIDECAR = "finesift.json"
_WEIGHTS = ".safetensors"


def save_model(
    model: Any,
    tokenizer: Any,
    folder: Path,
    sidecar: dict[str, Any],
    state: dict[str, Any] | None = None,
) -> None:
    """Writes config, weights (safetensors), tokenizer files and the sidecar to `folder`.

    A new folder appears by one rename. In an existing one (the last best of the same run) each file is
    replaced by a rename, the sidecar last, so that at every moment it is a complete model. The tokenizer is
    saved without truncation and padding and with the length that the model can read: a plain pipeline then
    sees what we see. `state` replaces the model's own state dict. Raises DiskFull; the old state then stays as it was.
    """
    folder = Path(folder)
    with disk_full_in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        fresh = folder.parent / f"{_temporary(folder)}{os.getpid()}"
        try:
            fresh.mkdir()
            _write(model, tokenizer, fresh, sidecar, state)
            _sync(fresh)
            _publish(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        sync_folder(folder.parent)


def read_sidecar(folder: Path) -> dict[str, Any]:
    """What `save_model` wrote beside the model; empty for a folder that Finesift did not train."""
    try:
        found = json.loads((Path(folder) / SIDECAR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def versions() -> dict[str, str]:
    """What a model was made with."""
    packages = ("torch", "transformers", "tokenizers", "safetensors")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _temporary(folder: Path) -> str:
    return f"tmp-{folder.name}-"


def _sweep(folder: Path) -> None:
    """Removes what a killed process left half written."""
    for old in folder.parent.glob(f"{_temporary(folder)}*"):
        if old.name.removeprefix(_temporary(folder)).isdigit():  # not those of a folder “name-2”
            shutil.rmtree(old, ignore_errors=True)


def _write(
    model: Any, tokenizer: Any, folder: Path, sidecar: dict[str, Any], state: dict[str, Any] | None
) -> None:
    plain(tokenizer)
    with quiet():
        model.save_pretrained(folder, safe_serialization=True, state_dict=state)
        tokenizer.save_pretrained(folder)
    content = {"labels": list(class_names(model)), **sidecar, "versions": versions()}
    (folder / SIDECAR).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _publish(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    files = sorted(p.name for p in fresh.iterdir())
    # small files first: within one run only weights and sidecar differ from what is there
    for name in sorted(files, key=lambda n: (n == SIDECAR, n.endswith(_WEIGHTS), n)):
        (fresh / name).replace(folder / name)
    for path in folder.glob(f"model*{_WEIGHTS}"):
        if path.name not in files:
            path.unlink()
    sync_folder(folder)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("r+b") as stream:  # Windows syncs only what may be written
            os.fsync(stream.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Names that were made, moved or removed in a folder are on the disk afterwards."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
