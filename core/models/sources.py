"""From a name to a folder with a model in it: the bundled encoder, a local folder, or the Hugging Face Hub.

Knows which files a model may consist of (safetensors and JSON, no code, no pickle). Does not load weights and
imports no torch.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import BadModel, DiskFull, FinesiftError, HubNotFound, NotFound, Offline, UnsafeModel
from core.models.catalogue import BUNDLED_NAMES, bundled_folder

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# top-level files only: repositories carry ONNX, OpenVINO and TensorFlow copies in folders and beside
_WANTED = ["model*.safetensors", "*.json", "*.txt", "*.model"]
_UNWANTED = ["*/*", "model.fp16*", "model.bf16*"]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9_][\w.-]*)?", re.ASCII)
_CONVERSION_BOT, _CONVERSION_TITLE = "SFconvertbot", "Adding `safetensors` variant of this model"
_CONVERTED = "finesift-converted"  # our reference in the Hub's cache
_HUB_SECONDS = 10.0  # until an unanswered question counts as offline


def resolve(name: str) -> Path:
    """The folder of a base model: a bundled name, a local folder, or a name on the Hub (downloaded once).

    Raises UnsafeModel (needs code or pickles), BadModel (not a model folder, not a valid name), NotFound (no
    such folder), HubNotFound, Offline, DiskFull.
    """
    name = name.strip()
    if name in BUNDLED_NAMES:
        return bundled_folder()
    if looks_like_path(name):
        return _local(Path(name).expanduser())
    if Path(name).is_dir():
        return _local(Path(name))
    if not valid_hub_name(name):
        raise BadModel(
            f"“{name}” is neither a folder here nor a name on the Hugging Face Hub. "
            "A Hub name looks like “bert-base-uncased” or “owner/model”."
        )
    return _from_hub(name)


def looks_like_path(name: str) -> bool:
    """Whether only a folder can be meant: absolute, from home or here, or deeper than owner/model."""
    path = name.replace("\\", "/")
    return (
        path.startswith(("/", "~", "./", "../"))
        or path in (".", "..")
        or "\\" in name
        or bool(re.match(r"[A-Za-z]:/", path))
    )


def valid_hub_name(name: str) -> bool:
    """“model” or “owner/model”: no URL, no path, no "..", at most 96 characters."""
    return (
        len(name) <= 96
        and _HUB_NAME.fullmatch(name) is not None
        and ".." not in name
        and "--" not in name
        and not name.endswith((".git", ".ipynb", "."))
    )


def check_folder(folder: Path) -> dict[str, Any]:
    """The config of a model folder that is safe to load. Raises BadModel or UnsafeModel."""
    config = _read_config(folder)
    if config.get("auto_map"):
        raise UnsafeModel(
            f"The model in {folder.name} brings its own program code (its config has an “auto_map”), and "
            "Finesift never runs code that comes with a model. Choose a model of an architecture that "
            "transformers has built in."
        )
    _require_safetensors((p.name for p in folder.iterdir()), f"The folder {folder.name}")
    return config


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise BadModel(
            f"The folder {folder.name} has no config.json, so it is not a Hugging Face model. "
            "Choose the folder that holds config.json and model.safetensors."
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadModel(
            f"The config.json of {folder.name} cannot be read ({error}). Fetch the model again."
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise BadModel(
            f"The config.json of {folder.name} does not name a model type, so it is not a transformers model."
        )
    return config


def _require_safetensors(names: Iterable[str], subject: str) -> None:
    found = list(names)
    if any(n.endswith(".safetensors") and n.startswith("model") for n in found):
        return
    if any(n.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")) for n in found):
        raise UnsafeModel(
            f"{subject} has its weights only in a format that can run code when it is opened, and none as "
            "safetensors. Where you trust it, load it once with transformers and write it again with "
            "model.save_pretrained(folder) and tokenizer.save_pretrained(folder); that folder can be used "
            "here."
        )
    raise BadModel(
        f"{subject} has no model.safetensors. Choose a folder or name that holds a complete model."
    )


def _local(folder: Path) -> Path:
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Check its name, or choose a model from the list.")
    folder = folder.resolve()
    check_folder(folder)
    return folder


# --------------------------------------------------------------------------- the Hub


def _from_hub(name: str) -> Path:
    try:
        with _hub_errors(name):
            revision = _revision(name)
            folder = _snapshot(name, revision)
            if revision != "main":
                _remember(name, revision)
    except Offline:
        cached = _cached(name)
        if cached is None:
            raise
        folder = cached
    check_folder(folder)
    return folder


def _revision(name: str) -> str:
    """Where the weights lie as safetensors: on the main branch, or, for an older repository, in the pull
    request that the Hub's own conversion bot has opened there. transformers looks in the same two places.

    Raises BadModel or UnsafeModel when there is neither.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    info = api.model_info(name, timeout=_HUB_SECONDS)
    names = [s.rfilename for s in info.siblings or ()]
    try:
        _require_safetensors(names, f"The Hub model {name}")
    except UnsafeModel:
        converted = _converted(api, name, info.sha)
        if converted is None:
            raise
        return converted
    return "main"


def _converted(api: HfApi, name: str, main: str | None) -> str | None:
    """The commit of the bot's open pull request that adds nothing but its one commit to `main`, so that its
    config and tokenizer are those of `main` and its weights were converted from them. None without one.

    transformers does the same by default, except that it asks for a conversion where there is none.
    """
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        for request in api.get_repo_discussions(name, discussion_type="pull_request"):
            by_the_bot = request.author == _CONVERSION_BOT and request.title == _CONVERSION_TITLE
            if by_the_bot and request.is_pull_request and request.status == "open":
                history = [c.commit_id for c in api.list_repo_commits(name, revision=request.git_reference)]
                if main is not None and history[1:2] == [main]:
                    return history[0]
    except HfHubHTTPError as error:
        # a repository whose owner has switched discussions off
        if isinstance(error, GatedRepoError) or error.response.status_code != 403:
            raise
    return None


def _snapshot(name: str, revision: str, offline: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    # "main" by its name, not its commit: only then does the cache remember it for a day without a network
    with _without_bars():
        return Path(
            snapshot_download(
                name,
                revision=revision,
                local_files_only=offline,
                allow_patterns=_WANTED,
                ignore_patterns=_UNWANTED,
            )
        )


def _remember(name: str, commit: str) -> None:
    """Leaves a reference to a conversion in the cache. It is our own name, because without a network nobody
    can tell who wrote what lies under refs/pr."""
    path = _references(name) / _CONVERTED
    with suppress(OSError):  # a cache that cannot be written to: the model works, with a network
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(commit, encoding="utf-8")


def _references(name: str) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs"


def _cached(name: str) -> Path | None:
    """What an earlier download left on this machine."""
    from huggingface_hub.errors import HFValidationError

    for revision in ("main", _CONVERTED):
        try:
            folder = _snapshot(name, revision, offline=True)
        except (OSError, HFValidationError):
            continue
        if (folder / "config.json").is_file() and any(folder.glob("model*.safetensors")):
            return folder
    return None


@contextmanager
def _without_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Turns what the Hub's client raises into our sentences."""
    try:
        yield
    except FinesiftError:
        raise
    except Exception as error:
        told = _told(name, error)
        if told is None:
            raise
        raise told from error


def _told(name: str, error: Exception) -> FinesiftError | None:
    """Our error for one of the client's; None for what is not about the Hub."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return HubNotFound(
            f"The Hub model {name} is gated: its owner wants you to agree to terms first. Agree on its page "
            "on the Hub, log in with `hf auth login` on this machine, and try again."
        )
    if isinstance(error, RepositoryNotFoundError):
        return HubNotFound(
            f"The Hugging Face Hub has no model named “{name}”, or it is private. Check the spelling, owner "
            "included."
        )
    if isinstance(error, HFValidationError):
        return BadModel(f"“{name}” is not a valid name on the Hugging Face Hub.")
    if isinstance(error, HfHubHTTPError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 404:
            return HubNotFound(f"The Hugging Face Hub has no model named “{name}”. Check the spelling.")
        return Offline(
            f"The Hugging Face Hub answered with an error{f' ({status})' if status else ''} when asked for "
            f"“{name}”. Try again later, or use the bundled encoder or a local folder."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"There is no space left to download {name}. Free some disk space and try again.")
    if isinstance(error, LocalEntryNotFoundError | ConnectionError | TimeoutError) or _is_network(error):
        return Offline(
            f"“{name}” is not on this machine, and the Hugging Face Hub cannot be reached. "
            "Check the network, or use the bundled encoder or a local folder."
        )
    return None


def _is_network(error: BaseException) -> bool:
    """The client's HTTP library is not ours to name: every error class of it counts as no answer."""
    return any(base.__module__.split(".")[0] in _HTTP_LIBRARIES for base in type(error).__mro__)


_HTTP_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"})
