"""Makes .venv and installs the pinned requirements into it; a second call finds that nothing is to do.

Needs nothing but Python's standard library, since it runs before anything is installed.
A stamp in .venv holds a hash of the requirement files: edit one of them, and the next call installs again.

    python scripts/setup.py          what the app needs
    python scripts/setup.py --dev    what the tests need as well
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NEEDS = {
    "app": ("requirements.txt",),
    "dev": ("requirements.txt", "requirements-dev.txt"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--dev", action="store_true", help="also what the tests need")
    kind = "dev" if parser.parse_args().dev else "app"
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may well start this script
        return fail(f"Finesift needs Python 3.11 or newer; this is {platform.python_version()}.")
    if is_ready(kind):
        return 0
    if not has_pip() and not make_venv():
        return 1
    if not install(NEEDS[kind][-1]):
        return 1
    write_stamp(kind)
    return 0


def is_ready(kind: str) -> bool:
    """Whether .venv holds what this kind needs. The tests' requirements include the app's."""
    return PYTHON.exists() and any(
        stamp(k).is_file() and stamp(k).read_text(encoding="utf-8") == digest(k) for k in {kind, "dev"}
    )


def stamp(kind: str) -> Path:
    return VENV / f"finesift-{kind}.stamp"


def digest(kind: str) -> str:
    """Changes with the requirements and with Python's minor version."""
    seen = hashlib.sha256("{}.{}".format(*sys.version_info).encode())
    for name in NEEDS[kind]:
        seen.update((ROOT / name).read_bytes())
    return seen.hexdigest()


def write_stamp(kind: str) -> None:
    # Installing one kind may have moved what the other one rests on.
    for other in NEEDS:
        stamp(other).unlink(missing_ok=True)
    stamp(kind).write_text(digest(kind), encoding="utf-8")


def has_pip() -> bool:
    """Whether .venv is whole and of this Python's version; a call that was broken off leaves half of one."""
    if not PYTHON.exists():
        return False
    asked = "import sys, pip; print('{}.{}'.format(*sys.version_info))"
    found = subprocess.run([PYTHON, "-c", asked], capture_output=True, text=True, check=False)
    return found.returncode == 0 and found.stdout.strip() == "{}.{}".format(*sys.version_info)


def make_venv() -> bool:
    say("Making .venv …")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False)
    if made.returncode:
        fail(
            "The environment .venv could not be made; the message above says why. "
            "On Debian and Ubuntu it needs a package: apt-get install python3-venv"
        )
    return made.returncode == 0


def install(requirements: str) -> bool:
    say(f"Installing {requirements} (some minutes the first time) …")
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    errors_only = ["--quiet", "--quiet"]
    done = subprocess.run([*pip, *errors_only, "-r", str(ROOT / requirements)], cwd=ROOT, check=False)
    if done.returncode:
        fail("The requirements could not be installed; the message above says why. Is there a network?")
    return done.returncode == 0


def say(message: str) -> None:
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def fail(message: str) -> int:
    say(message)
    return 1


if __name__ == "__main__":
    sys.exit(main())
