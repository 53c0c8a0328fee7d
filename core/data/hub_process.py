"""The process that loads a data set from the Hub with `datasets.load_dataset`. Started by core.data.hub.

    python -m core.data.hub_process   < request as JSON   > answer as JSON

Knows the Hub's libraries and their errors. Request: {"name", "config", "revision", "out", "max_download",
"max_bytes", "max_seconds"}; answer: {"columns", "splits": [[part or null, rows]], "notes"} or
{"error", "message"}.
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.data.json_table import part_of
from core.data.limits import limited
from core.data.parquet import as_strings, has_class_names
from core.data.writer import TableWriter
from core.errors import BadData, BadFile, FinesiftError, HubNotFound, Offline, TooLarge

_SECONDS = 10.0  # for the first answer of the Hub
_BATCH = 8192  # rows
_ASKED = 500  # files whose sizes are asked for at once
_OFFLINE = (
    "The Hugging Face Hub cannot be reached. Check the connection, or download the file and upload it here."
)
# Features whose cells are text, numbers or lists of them. All others are pictures, sounds and their kin.
# fmt: off
_READABLE = frozenset((
    "Value", "ClassLabel", "List", "LargeList", "Sequence", "Translation", "TranslationVariableLanguages",
    "Json", "Array2D", "Array3D", "Array4D", "Array5D",
))
_NO_CONNECTION = frozenset((
    "ConnectError", "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ProxyError", "ReadError",
    "WriteError", "RemoteProtocolError", "OfflineModeIsEnabled", "LocalEntryNotFoundError",
))
# fmt: on
_FILE = re.compile(r"hf://datasets/(?P<name>[^@]+)@(?P<revision>[^/]+)/(?P<path>.+)")
_LIMITS = (errno.ENOSPC, errno.EFBIG, errno.ENOMEM)  # core.data.limits has words for these


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Loads, checks and writes the data set. Raises FinesiftError for what a user can mend."""
    import datasets

    name, config = request["name"], request["config"]
    with errors_in_words(name):
        name, revision = _find(name, request["revision"])
        config, configs = _choose_config(name, config, revision)
        builder = datasets.load_dataset_builder(name, config, revision=revision)
        _refuse_size(builder, name, request["max_download"])
        splits = datasets.load_dataset(name, config, revision=revision, verification_mode="no_checks")
    if not splits or not any(map(len, splits.values())):
        raise BadData(f"“{name}” has no rows. Choose another data set or configuration.")
    features = {split: data.features.to_dict() for split, data in splits.items()}
    columns = tuple(dict.fromkeys(c for feature in features.values() for c in feature))
    _refuse_media(features, name)
    with TableWriter(Path(request["out"]), len(columns)) as writer:
        for split, data in splits.items():
            _write(data, features[split], columns, writer)
    return {
        "columns": list(columns),
        "splits": [[part_of(split), len(data)] for split, data in splits.items()],
        "notes": _notes(splits, features, config if len(configs) > 1 else None) + writer.notes(),
    }


@contextlib.contextmanager
def errors_in_words(name: str) -> Iterator[None]:
    """Turns the errors of the Hub's libraries into ours."""
    try:
        yield
    except FinesiftError:
        raise
    except Exception as error:
        chain = list(_chain(error))
        for cause in chain:
            if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _LIMITS):
                raise cause from error
        kinds = {kind.__name__ for e in chain for kind in type(e).__mro__}
        message = " ".join(str(e) for e in chain)
        codes = {code for e in chain if (code := getattr(getattr(e, "response", None), "status_code", None))}
        if "GatedRepoError" in kinds or "is a gated dataset" in message:
            raise HubNotFound(
                f"“{name}” is gated: its owners let in only people who have asked. Ask for access on its page, "
                "set HF_TOKEN to your access token and start Finesift again."
            ) from error
        if "RevisionNotFoundError" in kinds or "Revision '" in message:
            raise HubNotFound(f"“{name}” has no such revision. Leave the revision empty.") from error
        if "RepositoryNotFoundError" in kinds or "DatasetNotFoundError" in kinds:
            raise HubNotFound(
                f"The Hub has no data set “{name}”, or it is private. Check the spelling; for a private one, "
                "set HF_TOKEN to your access token and start Finesift again."
            ) from error
        if any(code >= 500 or code == 429 for code in codes):
            raise Offline(
                f"The Hugging Face Hub answers with an error ({max(codes)}). Try again later, or download the "
                "file and upload it here."
            ) from error
        if kinds & _NO_CONNECTION or isinstance(error, ConnectionError | TimeoutError):
            raise Offline(_OFFLINE) from error
        if "scripts are no longer supported" in message:
            raise BadData(
                f"“{name}” can only be loaded by running its own code, which is not done here. Download its "
                "files from the Hub's page and upload one of them."
            ) from error
        if kinds & {"EmptyDatasetError", "DataFilesNotFoundError"}:
            raise BadData(f"“{name}” has no data files that can be read as a table.") from error
        raise BadFile(
            f"“{name}” cannot be loaded ({_brief(error)}). Download its files from the Hub's page and upload "
            "one of them here."
        ) from error


def _find(name: str, revision: str | None) -> tuple[str, str | None]:
    """The name that the Hub has for it today (“imdb” is “stanfordnlp/imdb”) and the commit to load.

    Asked with a short time limit: the libraries themselves wait and try again for minutes.
    """
    import huggingface_hub

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return name, revision
    found = huggingface_hub.HfApi().dataset_info(name, revision=revision, timeout=_SECONDS)
    return str(found.id), str(found.sha) if found.sha else revision


def _choose_config(name: str, config: str | None, revision: str | None) -> tuple[str | None, list[str]]:
    """The configuration to load and those there are. Raises BadData where one has to be chosen."""
    import datasets
    import huggingface_hub

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return config, []
    configs = list(datasets.get_dataset_config_names(name, revision=revision))
    listed = ", ".join(f"“{c}”" for c in configs[:50])
    if config is not None and config not in configs:
        raise BadData(f"“{name}” has no configuration “{config}”. There are: {listed}.")
    if config is None and len(configs) > 1:
        config = datasets.get_dataset_default_config_name(name, revision=revision)
        if config is None:
            raise BadData(f"“{name}” has several configurations. Choose one of them: {listed}.")
    return config, configs


def _refuse_size(builder: Any, name: str, most: int) -> None:
    """Raises TooLarge before anything is downloaded, where the files' sizes are known."""
    import huggingface_hub

    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return
    files = [str(f) for split in (builder.config.data_files or {}).values() for f in split]
    inside = [found for f in files if (found := _FILE.fullmatch(f))]
    total = 0
    for start in range(0, len(inside), _ASKED):
        paths = [found["path"] for found in inside[start : start + _ASKED]]
        repository, revision = inside[0]["name"], inside[0]["revision"]
        entries = huggingface_hub.HfApi().get_paths_info(
            repository, paths, repo_type="dataset", revision=revision
        )
        total += sum(getattr(entry, "size", 0) for entry in entries)
    if total > most:
        raise TooLarge(
            f"“{name}” has {total / 2**20:,.0f} MB of files; the limit is {most / 2**20:,.0f} MB. Choose a smaller "
            "configuration, or raise FINESIFT_MAX_FILE_MB."
        )


def _refuse_media(features: dict[str, dict[str, Any]], name: str) -> None:
    found = {column for split in features.values() for column, f in split.items() if not _readable(f)}
    if found:
        listed = ", ".join(f"“{c}”" for c in sorted(found))
        raise BadData(f"“{name}” has pictures, sounds or the like in {listed}. Choose a data set of texts.")


def _readable(feature: Any) -> bool:
    if isinstance(feature, list):
        return all(map(_readable, feature))
    if not isinstance(feature, dict):
        return True
    kind = feature.get("_type")
    if isinstance(kind, str) and kind not in _READABLE:
        return False
    if kind == "Value":
        return feature.get("dtype") not in ("binary", "large_binary")
    inner = feature.get("feature") if isinstance(kind, str) else list(feature.values())
    return inner is None or _readable(inner)


def _write(data: Any, features: dict[str, Any], columns: tuple[str, ...], writer: TableWriter) -> None:
    table = data.data.table
    for batch in table.to_batches(max_chunksize=_BATCH):
        named = zip(batch.schema.names, batch.columns, strict=True)
        cells = {name: as_strings(column, features.get(name), writer.strings) for name, column in named}
        empty = writer.strings([None] * batch.num_rows)
        writer.arrays([cells.get(column, empty) for column in columns])


def _notes(splits: Any, features: dict[str, dict[str, Any]], config: str | None) -> list[str]:
    notes = [f"The configuration is “{config}”."] if config else []
    sizes = ", ".join(f"{split} {len(data):,}" for split, data in splits.items())
    notes.append(f"The splits and their rows: {sizes}.")
    named = sorted({c for of_split in features.values() for c, f in of_split.items() if has_class_names(f)})
    if named:
        listed = ", ".join(f"“{n}”" for n in named)
        notes.append(f"The numbers in {listed} were turned into the class names that the data set gives.")
    return notes


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _brief(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def main() -> None:
    request = json.load(sys.stdin.buffer)
    reply = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # libraries print; stdout is for the answer
        found = limited(answer, request, f"“{request['name']}”")
    reply.write(json.dumps(found))


if __name__ == "__main__":
    main()
