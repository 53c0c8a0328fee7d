"""A small Hugging Face Hub on 127.0.0.1, serving folders on disk.

It speaks the part of the Hub's HTTP interface that `datasets.load_dataset`,
`huggingface_hub.snapshot_download` and `from_pretrained` use, so tests run the real client libraries
against a real server. It knows `main` (or the commit it reports) and pull requests, and no uploads,
branches or Xet storage.

    root/models/ORG/NAME/...      or root/models/NAME/...
    root/datasets/ORG/NAME/...    or root/datasets/NAME/...

A file named `.gated` in a repository makes it gated, `.private` makes it private (the Hub then answers as
if it did not exist), `.moved` holds the name that it has today (the Hub redirects, as from imdb to
stanfordnlp/imdb). `.pull-requests.json` lists pull requests, and the folder `.pr-N` holds the files as
number N would leave them; `.no-discussions` switches them off. The client libraries read HF_ENDPOINT when they are imported, so what talks to the
stand-in has to be a new process:

    with HubStandIn(tmp_path / "hub") as hub:
        subprocess.run([sys.executable, ...], env=hub.environment(tmp_path / "hf-home"))
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KINDS = ("models", "datasets")
MARKERS = (".gated", ".private", ".moved", ".pull-requests.json", ".no-discussions")
CHUNK = 1 << 20


@dataclass(frozen=True)
class Repository:
    kind: str  # models | datasets
    name: str  # NAME or ORG/NAME
    folder: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        return {
            p.relative_to(self.folder).as_posix(): p
            for p in sorted(self.folder.rglob("*"))
            if p.is_file()
            and p.name not in MARKERS
            and not p.relative_to(self.folder).parts[0].startswith(".pr-")
        }

    @cached_property
    def commit(self) -> str:
        digest = hashlib.sha1(self.name.encode(), usedforsecurity=False)
        for path in self.files:
            digest.update(f"{path} {self.oid(path)}\n".encode())
        return digest.hexdigest()

    def oid(self, path: str) -> str:
        """Names a file's content; from size and time of change, so large models cost nothing."""
        stat = self.files[path].stat()
        mark = f"{self.kind}/{self.name}/{path} {stat.st_size} {stat.st_mtime_ns}"
        return hashlib.sha1(mark.encode(), usedforsecurity=False).hexdigest()

    def info(self) -> dict[str, Any]:
        return {
            "_id": self.commit[:24],
            "id": self.name,
            "modelId": self.name,
            "sha": self.commit,
            "lastModified": "2024-01-01T00:00:00.000Z",
            "createdAt": "2024-01-01T00:00:00.000Z",
            "private": (self.folder / ".private").exists(),
            "gated": "manual" if (self.folder / ".gated").exists() else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [
                {"rfilename": p, "size": f.stat().st_size, "blobId": self.oid(p)}
                for p, f in self.files.items()
            ],
        }

    def entry(self, path: str) -> dict[str, Any] | None:
        if path in self.files:
            size = self.files[path].stat().st_size
            return {"type": "file", "path": path, "size": size, "oid": self.oid(path)}
        if any(p.startswith(f"{path}/") for p in self.files):
            oid = hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()
            return {"type": "directory", "path": path, "size": 0, "oid": oid}
        return None

    def tree(self, under: str, recursive: bool) -> list[dict[str, Any]]:
        prefix = f"{under}/" if under else ""
        paths: dict[str, None] = {}
        for file in self.files:
            if file.startswith(prefix):
                parts = file[len(prefix) :].split("/")
                for depth in range(1, len(parts) + 1 if recursive else 2):
                    paths[prefix + "/".join(parts[:depth])] = None
        return [entry for p in paths if (entry := self.entry(p))]


class HubStandIn:
    """Serves `root` until closed. `url` is the endpoint, `requests` what was asked: ("GET", "/api/...")."""

    def __init__(self, root: Path, *, delay: float = 0.0) -> None:
        self.root = Path(root)
        self.delay = delay  # seconds to wait before each answer: a slow Hub
        self.requests: list[tuple[str, str]] = []
        self.closing = threading.Event()
        stand_in = self

        class Bound(_Handler):
            hub = stand_in

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> HubStandIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environment(self, hf_home: Path | str) -> dict[str, str]:
        """The variables for a child process that talks to this Hub and keeps its cache in `hf_home`."""
        return hub_environment(self.url, hf_home)

    def repository(self, kind: str, segments: list[str]) -> tuple[Repository, list[str]] | None:
        """The repository that a path begins with, and what is left of the path."""
        for length in (2, 1):
            name = "/".join(segments[:length])
            folder = self.root / kind / name
            if len(segments) >= length and ".." not in segments and folder.is_dir():
                if length == 1 and not any(p.is_file() for p in folder.iterdir()):
                    return None  # an organisation, not a repository
                return Repository(kind, name, folder), segments[length:]
        return None


def hub_environment(url: str, hf_home: Path | str) -> dict[str, str]:
    """os.environ with the Hub at `url` and nothing of the developer's own cache or token."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    env.update(
        HF_ENDPOINT=url,
        HF_HOME=str(hf_home),
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    )
    return env


def closed_port_url() -> str:
    """An endpoint where nothing listens: a machine without a network."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up waiting
            self._dispatch()

    def _dispatch(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append((self.command, self.path))
        if self.hub.delay:
            self.hub.closing.wait(self.hub.delay)
        url = urlsplit(self.path)
        segments = [unquote(s) for s in url.path.split("/") if s]
        api = segments[:1] == ["api"]
        rest = segments[1:] if api else segments
        if rest[:1] and rest[0] in KINDS:
            kind, rest = rest[0], rest[1:]
        elif api:
            return self._error(404, "NotFound", f"the stand-in does not know {url.path}")
        else:
            kind = "models"
        found = self.hub.repository(kind, rest)
        if found is None or (found[0].folder / ".private").exists():
            return self._error(401 if found else 404, "RepoNotFound", "Repository not found")
        repository, rest = found
        moved = repository.folder / ".moved"
        if moved.exists():
            return self._redirect(repository.name, moved.read_text(encoding="utf-8").strip())
        if api:
            return self._api(repository, rest, parse_qs(url.query), body)
        if len(rest) > 2 and rest[0] == "resolve":
            return self._resolve(repository, rest[1], "/".join(rest[2:]))
        return self._error(404, "NotFound", f"the stand-in does not know {url.path}")

    def _api(self, repo: Repository, rest: list[str], query: dict[str, list[str]], body: bytes) -> None:
        if rest[:1] == ["discussions"]:
            return self._discussions(repo)
        if rest[:1] == ["commits"] and len(rest) == 2:
            return self._commits(repo, rest[1])
        verb, revision = [*rest, "info", "main"][:2] if len(rest) < 2 else rest[:2]
        repo = self._pull_request(repo, revision) or repo
        if not self._has_revision(repo, revision):
            return None
        if verb in ("info", "revision"):
            return self._json(repo.info())
        if verb == "refs":
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commit}
            return self._json({"branches": [main], "tags": [], "converts": []})
        if verb == "tree":
            under = "/".join(rest[2:])
            entries = repo.tree(under, query.get("recursive", [""])[0].lower() == "true")
            if under and not entries:
                return self._error(404, "EntryNotFound", f"{under} does not exist", repo)
            return self._json(entries)
        if verb == "paths-info":
            paths = parse_qs(body.decode()).get("paths", [])
            return self._json([entry for p in paths if (entry := repo.entry(p.strip("/")))])
        return self._error(404, "NotFound", f"the stand-in does not know {verb}")

    def _resolve(self, repo: Repository, revision: str, path: str) -> None:
        repo = self._pull_request(repo, revision) or repo
        if not self._has_revision(repo, revision):
            return None
        if (repo.folder / ".gated").exists():
            return self._error(401, "GatedRepo", "Access to this repository is restricted.", repo)
        if path not in repo.files:
            return self._error(404, "EntryNotFound", "Entry not found", repo)
        return self._file(repo, path)

    def _discussions(self, repo: Repository) -> None:
        if (repo.folder / ".no-discussions").exists():
            return self._error(403, "Forbidden", "Discussions are disabled for this repo")
        shown = [
            {
                "isPullRequest": True,
                **entry,
                "author": {"name": entry["author"]},
                "createdAt": "2024-01-01T00:00:00.000Z",
                "repo": {"name": repo.name, "type": "model"},
            }
            for entry in self._pull_requests(repo)
        ]
        return self._json({"count": len(shown), "start": 0, "discussions": shown})

    def _commits(self, repo: Repository, revision: str) -> None:
        """Newest first: a pull request's own commit, then the one of main that it was made on."""
        history = [repo.commit]
        if proposed := self._pull_request(repo, revision):
            made_on = {f"refs/pr/{e['num']}": e.get("made_on") for e in self._pull_requests(repo)}
            history = [proposed.commit, made_on.get(revision) or repo.commit]
        date = "2024-01-01T00:00:00.000Z"
        return self._json(
            [{"id": c, "title": "", "message": "", "date": date, "authors": []} for c in history]
        )

    def _pull_requests(self, repo: Repository) -> list[dict[str, Any]]:
        """Objects with num, title, author, status, and perhaps isPullRequest and made_on (a commit)."""
        path = repo.folder / ".pull-requests.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def _pull_request(self, repo: Repository, revision: str) -> Repository | None:
        """The repository as pull request N would leave it: the folder `.pr-N` in it."""
        for folder in repo.folder.glob(".pr-*"):
            proposed = Repository(repo.kind, repo.name, folder)
            if revision in (f"refs/pr/{folder.name.removeprefix('.pr-')}", proposed.commit):
                return proposed
        return None

    def _redirect(self, old: str, new: str) -> None:
        self.send_response(307)
        self.send_header("Location", self.path.replace(old, new, 1))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _has_revision(self, repo: Repository, revision: str) -> bool:
        if revision in ("main", repo.commit) or repo.folder.name.startswith(".pr-"):
            return True
        self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}", repo)
        return False

    def _file(self, repo: Repository, path: str) -> None:
        file, size = repo.files[path], repo.files[path].stat().st_size
        first, last = 0, size - 1
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and size:
            start, _, end = asked[len("bytes=") :].partition("-")
            first = int(start) if start else max(0, size - int(end))
            last = min(int(end), size - 1) if start and end else size - 1
        self.send_response(206 if asked and size else 200)
        if asked and size:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{repo.oid(path)}"')
        self.send_header("X-Repo-Commit", repo.commit)
        self.end_headers()
        if self.command == "HEAD":
            return
        with file.open("rb") as stream:
            stream.seek(first)
            left = last - first + 1
            while left > 0 and (chunk := stream.read(min(CHUNK, left))):
                self.wfile.write(chunk)
                left -= len(chunk)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _error(self, status: int, code: str, message: str, repo: Repository | None = None) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        if repo is not None:
            headers["X-Repo-Commit"] = repo.commit
        self._json({"error": message}, status, headers)
