"""Data sets from a Hub: the real client libraries against a real server on 127.0.0.1.

The libraries run in a child process of their own, so what they read from the environment is set for it alone.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_stand_in import HubStandIn, closed_port_url, hub_environment

from core.data.hub import load_hub_dataset
from core.data.table import Table
from core.errors import BadData, HubNotFound, Offline, TooLarge
from core.settings import MIB, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url="sqlite://", max_file_bytes=MIB)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubStandIn]:
    root = tmp_path_factory.mktemp("hub")

    def repository(name: str, files: dict[str, str | bytes]) -> None:
        for path, content in files.items():
            file = root / "datasets" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    repository(
        "acme/reviews", {"data/train.csv": "text,label\na,x\nb,y\n", "data/test.csv": "text,label\nc,x\n"}
    )
    configs = "---\nconfigs:\n- config_name: en\n  data_files: en.csv\n- config_name: de\n  data_files: de.csv\n---\n"
    repository("acme/two", {"README.md": configs, "en.csv": "text\nhello\n", "de.csv": "text\nhallo\n"})
    repository("acme/gated", {"train.csv": "text\na\n", ".gated": ""})
    repository("acme/private", {"train.csv": "text\na\n", ".private": ""})
    repository("acme/script", {"script.py": "raise SystemExit(1)\n"})
    repository("acme/large", {"train.csv": "text\n" + "some text\n" * 200_000})
    repository("acme/pictures", {"train/a.png": _dot()})
    for split, texts in (("train", ["a", "b", None]), ("validation", ["c"]), ("test", ["d"])):
        features = {
            "text": {"dtype": "string", "_type": "Value"},
            "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
        }
        meta = {"huggingface": json.dumps({"info": {"features": features}})}
        labels = pa.array([i % 3 - 1 for i in range(len(texts))], pa.int64())
        out = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": texts, "label": labels}).replace_schema_metadata(meta), out)
        repository("acme/classes", {f"{split}-00000-of-00001.parquet": out.getvalue().to_pybytes()})
    repository("classes", {".moved": "acme/classes"})
    with HubStandIn(root) as stand_in:
        yield stand_in


def _dot() -> bytes:
    """A PNG of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(4)))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Points the child processes of this test to a Hub."""

    def at(url: str) -> None:
        for name in [n for n in os.environ if n.startswith(("HF_", "HUGGING"))]:
            monkeypatch.delenv(name)
        for name, value in hub_environment(url, tmp_path / "hf").items():
            monkeypatch.setenv(name, value)

    return at


def rows(table: Table) -> list[tuple[str | None, ...]]:
    return list(zip(*(c.to_pylist() for c in table.data.columns), strict=True))


def test_all_splits_come_one_after_another_with_their_parts(hub, at, settings):
    at(hub.url)
    table = load_hub_dataset("acme/reviews", settings=settings)
    assert table.columns == ("text", "label")
    assert rows(table) == [("a", "x"), ("b", "y"), ("c", "x")]
    assert table.given_parts == ("train", "train", "test")
    assert any("train 2, test 1" in n for n in table.notes)


def test_a_short_name_is_followed_and_class_numbers_become_names(hub, at, settings):
    at(hub.url)
    table = load_hub_dataset("classes", settings=settings)  # the Hub has moved it to acme/classes
    assert rows(table) == [("a", None), ("b", "neg"), (None, "pos"), ("c", None), ("d", None)]
    assert table.given_parts == ("train", "train", "train", "validation", "test")


def test_a_configuration_is_asked_for_and_taken(hub, at, settings):
    at(hub.url)
    with pytest.raises(BadData, match="Choose one of them: “en”, “de”"):
        load_hub_dataset("acme/two", settings=settings)
    with pytest.raises(BadData, match="no configuration “fr”"):
        load_hub_dataset("acme/two", "fr", settings=settings)
    assert rows(load_hub_dataset("acme/two", "de", settings=settings)) == [("hallo",)]


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("acme/none", HubNotFound, "has no data set “acme/none”"),
        ("acme/private", HubNotFound, "or it is private"),
        ("acme/gated", HubNotFound, "is gated"),
        ("acme/script", BadData, "running its own code"),
        ("acme/large", TooLarge, "2 MB of files; the limit is 1 MB"),
        ("acme/pictures", BadData, "pictures, sounds or the like in “image”"),
    ],
)
def test_what_cannot_be_loaded_says_why(hub, at, settings, name, error, says):
    at(hub.url)
    with pytest.raises(error, match=says):
        load_hub_dataset(name, settings=settings)


def test_an_unknown_revision_says_so(hub, at, settings):
    at(hub.url)
    with pytest.raises(HubNotFound, match="no such revision"):
        load_hub_dataset("acme/reviews", revision="v9", settings=settings)


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b/c", "", "a b", "hf://x"])
def test_what_is_no_name_never_leaves_the_machine(at, settings, name):
    at(closed_port_url())
    with pytest.raises(HubNotFound, match="not a name of a data set"):
        load_hub_dataset(name, settings=settings)


def test_offline_is_a_sentence_and_an_earlier_download_still_works(hub, at, settings):
    at(hub.url)
    first = load_hub_dataset("acme/reviews", settings=settings)
    at(closed_port_url())
    again = load_hub_dataset("acme/reviews", settings=settings)
    assert rows(again) == rows(first)
    assert "copy of an earlier download" in again.notes[0]
    with pytest.raises(
        Offline, match=r"cannot be reached. Check the connection, or download the file and upload"
    ):
        load_hub_dataset("acme/two", "de", settings=settings)


def test_loading_works_from_a_thread(hub, at, settings):
    at(hub.url)
    found: list[Table] = []
    thread = threading.Thread(
        target=lambda: found.append(load_hub_dataset("acme/reviews", settings=settings))
    )
    thread.start()
    thread.join()
    assert found[0].rows == 3


def test_the_stand_in_serves_models_to_the_real_client(tmp_path):
    folder = tmp_path / "hub" / "models" / "acme" / "tiny"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (folder / "sub" / "weights.bin").write_bytes(bytes(range(256)) * 100)
    code = (
        "from huggingface_hub import snapshot_download, hf_hub_download\n"
        "from pathlib import Path\n"
        "p = Path(snapshot_download('acme/tiny'))\n"
        "print(sorted(f.relative_to(p).as_posix() for f in p.rglob('*') if f.is_file()))\n"
        "print(len((p / 'sub' / 'weights.bin').read_bytes()))\n"
        "try: hf_hub_download('acme/none', 'config.json')\n"
        "except Exception as error: print(type(error).__name__)\n"
        "try: hf_hub_download('acme/tiny', 'none.json')\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    with HubStandIn(tmp_path / "hub") as hub:
        ran = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=hub.environment(tmp_path / "hf"),
            check=True,
        )
    assert ran.stdout.split("\n")[:4] == [
        "['config.json', 'sub/weights.bin']",
        "25600",
        "RepositoryNotFoundError",
        "RemoteEntryNotFoundError",
    ]
