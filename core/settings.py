"""One `Settings`, read from the environment once, at the door. Nothing else reads FINESIFT_*."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import FinesiftError

MIB = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    home: Path  # FINESIFT_HOME: everything a user makes lies in it
    database_url: str  # FINESIFT_DATABASE_URL: SQLite in the home folder by default
    max_file_bytes: int = 200 * MIB  # FINESIFT_MAX_FILE_MB: larger files are refused
    max_parse_bytes: int = 4096 * MIB  # FINESIFT_MAX_PARSE_MB: memory of the reading process
    max_parse_seconds: float = 120.0  # FINESIFT_MAX_PARSE_SECONDS: its wall clock
    trainings: int = 1  # FINESIFT_TRAININGS: at once on this machine
    lease_seconds: float = 30.0  # FINESIFT_LEASE_SECONDS: silence after which a worker counts as gone
    checkpoint_seconds: float = 10.0  # FINESIFT_CHECKPOINT_SECONDS: between two checkpoints at least
    demo: bool = False  # FINESIFT_DEMO: a public demo: smaller limits

    @property
    def datasets(self) -> Path:
        return self.home / "datasets"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def cache(self) -> Path:
        """What can be computed again: embeddings, timings."""
        return self.home / "cache"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    def with_home(self, home: Path | str) -> Settings:
        """The same settings over another home folder (`--home`)."""
        path = _absolute(home)
        url = self.database_url
        if url == _sqlite_url(self.home):
            url = _sqlite_url(path)
        return replace(self, home=path, database_url=url)

    def environment(self) -> dict[str, str]:
        """The variables that give a child process these settings."""
        return {
            "FINESIFT_HOME": str(self.home),
            "FINESIFT_DATABASE_URL": self.database_url,
            "FINESIFT_MAX_FILE_MB": _plain(self.max_file_bytes / MIB),
            "FINESIFT_MAX_PARSE_MB": _plain(self.max_parse_bytes / MIB),
            "FINESIFT_MAX_PARSE_SECONDS": _plain(self.max_parse_seconds),
            "FINESIFT_TRAININGS": str(self.trainings),
            "FINESIFT_LEASE_SECONDS": _plain(self.lease_seconds),
            "FINESIFT_CHECKPOINT_SECONDS": _plain(self.checkpoint_seconds),
            "FINESIFT_DEMO": "1" if self.demo else "0",
        }


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. Raises FinesiftError with the variable's name when one is off."""
    env = os.environ if environ is None else environ
    home = _absolute(env.get("FINESIFT_HOME") or "~/.finesift")
    demo = env.get("FINESIFT_DEMO", "").strip().lower() in ("1", "true", "yes", "on")
    return Settings(
        home=home,
        database_url=env.get("FINESIFT_DATABASE_URL") or _sqlite_url(home),
        max_file_bytes=int(_number(env, "FINESIFT_MAX_FILE_MB", 20 if demo else 200) * MIB),
        max_parse_bytes=int(_number(env, "FINESIFT_MAX_PARSE_MB", 4096) * MIB),
        max_parse_seconds=_number(env, "FINESIFT_MAX_PARSE_SECONDS", 120),
        trainings=int(_number(env, "FINESIFT_TRAININGS", 1)),
        lease_seconds=_number(env, "FINESIFT_LEASE_SECONDS", 30),
        checkpoint_seconds=_number(env, "FINESIFT_CHECKPOINT_SECONDS", 10),
        demo=demo,
    )


def _absolute(path: Path | str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(str(path))))


def _sqlite_url(home: Path) -> str:
    return f"sqlite:///{(home / 'finesift.db').as_posix()}"


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    raw = env.get(name)
    if raw is None or not raw.strip():
        return float(default)
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise FinesiftError(f"{name} is “{raw}”, which is not a positive number. Correct it or unset it.")
    return value


def _plain(value: float) -> str:
    return f"{value:.10g}"
