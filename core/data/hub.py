"""Data sets from the Hugging Face Hub, by name.

Knows names, limits and what an answer means. Does not know the Hub's libraries: they run in a child process
(core.data.hub_process), because they read their settings when they are imported, keep connections and
progress bars of their own, and can hang or fill the memory for longer than a page may wait. So
`load_hub_dataset` is also safe to call from a thread.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.data.guarded import ask, open_arrow, scratch_folder
from core.data.table import Table
from core.errors import FinesiftError, HubNotFound, Offline
from core.records import Reading
from core.settings import Settings

DOWNLOAD_SECONDS = 300.0  # on top of the time for reading
_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?", re.ASCII)

# Silence from the Hub, in seconds, after which a request counts as failed.
_TIMEOUTS = {"HF_HUB_ETAG_TIMEOUT": "8", "HF_HUB_DOWNLOAD_TIMEOUT": "15"}
_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def load_hub_dataset(
    name: str, config: str | None = None, revision: str | None = None, *, settings: Settings
) -> Table:
    """A data set of the Hub, all splits one after another; `given_parts` from the splits' names.

    `name` is NAME or ORG/NAME. Class numbers become class names. Without a network, the copy of an earlier
    download is used where there is one. Runs no code of the data set.
    Raises Offline, HubNotFound (unknown, private or gated), BadData (which lists the configurations where one
    has to be chosen, or names columns that hold no text), TooLarge or BadFile.
    """
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise HubNotFound(
            f"“{name}” is not a name of a data set on the Hub. Names look like “imdb” or “stanfordnlp/imdb”."
        )
    try:
        return _load(name, config, revision, settings, {})
    except Offline:
        try:
            copy = _load(name, config, revision, settings, {"HF_HUB_OFFLINE": "1"})
        except FinesiftError:
            copy = None  # whatever is wrong with the copy, being offline is the reason to give
        if copy is None:
            raise
    note = "The Hugging Face Hub cannot be reached; this is the copy of an earlier download."
    return Table(copy.columns, copy.data, copy.reading, (note, *copy.notes), copy.given_parts)


def _load(
    name: str, config: str | None, revision: str | None, settings: Settings, environment: dict[str, str]
) -> Table:
    with scratch_folder(settings) as folder:
        out = Path(folder) / "table.arrow"
        request: dict[str, Any] = {
            "name": name,
            "config": config or None,
            "revision": revision or None,
            "out": str(out),
            "max_download": settings.max_file_bytes,
        }
        found = ask(
            "core.data.hub_process",
            request,
            settings,
            subject=f"“{name}”",
            advice="Download its files from the Hub's page and upload one of them here.",
            seconds=DOWNLOAD_SECONDS + settings.max_parse_seconds,
            environment={**_TIMEOUTS, **_QUIET, **environment},
        )
        data = open_arrow(out)
    parts = [part for part, rows in found["splits"] for _ in range(rows)]
    return Table(
        columns=tuple(found["columns"]),
        data=data,
        reading=Reading(format="hub"),
        notes=tuple(found["notes"]),
        given_parts=tuple(parts) if any(parts) else None,
    )
