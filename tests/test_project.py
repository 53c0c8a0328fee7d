"""The project's papers are true: README, Dockerfile, requirements, and what must stand in no file."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.__main__ import _parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OURS = {"__pycache__", "test-results", "build", "dist", "venv", "node_modules"}
TREE_FOLDERS = ("core", "ui", "pages", "api")  # their modules have to be named in the tree


def ours(folder: Path = ROOT) -> Iterator[Path]:
    """The repository's files: no caches, no environment, nothing that git ignores by name."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            hidden = entry.name.startswith(".") and entry.name not in (".ci", ".streamlit", ".github")
            if not hidden and entry.name not in NOT_OURS and not entry.name.endswith(".egg-info"):
                yield from ours(entry)
        elif entry.suffix != ".pyc":
            yield entry


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree() -> list[str]:
    """The paths named in the README's tree; folders end with a slash. Indentation is four spaces a level."""
    block = re.search(r"## The tree\n+```text\n(.*?)```", README, flags=re.DOTALL)
    assert block, "README.md has no tree"
    paths, above = [], [""]
    for line in block[1].splitlines():
        found = re.fullmatch(r"( *)(\S+)(?: {2,}(\S.*))?", line)
        assert found, f"a line of the tree that is no path with a phrase: {line!r}"
        assert found[3], f"{found[2]} has no phrase"
        level = len(found[1]) // 4
        path = above[level] + found[2]
        paths.append(path)
        above[level + 1 :] = [path]
    return paths


def front_matter() -> dict[str, str]:
    assert README.startswith("---\n")
    block = README.split("---\n")[1]
    return dict(line.split(": ", 1) for line in block.splitlines())


# ------------------------------------------------------------------------------------ README


def test_everything_in_the_readme_tree_exists() -> None:
    missing = [path for path in tree() if not (ROOT / path).exists()]
    slashes = [path for path in tree() if path.endswith("/") != (ROOT / path).is_dir()]
    assert not missing
    assert not slashes


def test_every_module_and_top_level_folder_is_in_the_readme_tree() -> None:
    files = [relative(path) for path in ours()]
    top = {path for path in files if "/" not in path and path.endswith(".py")}
    folders = {path.split("/")[0] + "/" for path in files if "/" in path and not path.startswith(".")}
    modules = {
        path
        for path in files
        if re.fullmatch(rf"({'|'.join(TREE_FOLDERS)})/(\w+/)?\w+\.py", path)
        and not path.endswith("__init__.py")
    }
    assert top | folders | modules <= set(tree())


def test_front_matter_has_what_a_space_needs() -> None:
    found = front_matter()
    assert found["title"] == "Finesift"
    assert found["sdk"] == "docker"
    assert found["app_port"] == "8501"
    assert found["license"] == "apache-2.0"
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {found["colorFrom"], found["colorTo"]} <= colours
    assert found["emoji"]
    assert 0 < len(found["short_description"]) <= 60


def test_the_settings_table_names_every_variable() -> None:
    read = (ROOT / "core" / "settings.py").read_text(encoding="utf-8")
    variables = set(re.findall(r'"(FINESIFT_\w+)"', read))
    assert len(variables) >= 8
    assert set(re.findall(r"^\| `(FINESIFT_\w+)`", README, flags=re.MULTILINE)) == variables


def test_the_command_lines_in_the_readme_are_ones_that_the_program_takes() -> None:
    lines = re.findall(r"^python -m core (.+)$", README, flags=re.MULTILINE)
    shown = {_parser().parse_args(shlex.split(line)).verb.__name__ for line in lines}
    assert shown == {
        "import_file", "train", "resume", "preflight", "evaluate", "classify", "attention", "explain", "datasets", "runs",
        "models", "labels_import", "labels_export", "agreement", "aggregate",
    }  # fmt: skip


def test_links_between_the_papers_lead_somewhere() -> None:
    broken = []
    for page in [p for p in ours() if p.suffix == ".md"]:
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{relative(page)}: {target}")
    assert not broken


# ------------------------------------------------------------------------------------ what stands nowhere


def test_no_file_holds_a_machine_path_or_a_package_registry_host() -> None:
    forbidden = [
        "/".join(parts)
        for parts in (("", "work", "main"), ("", "work", "shared"), ("", "root", ""), ("", "opt", "wheels"))
    ]
    hosts = (("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"),
             ("download", "pytorch", "org"), ("deb", "debian", "org"), ("conda", "anaconda", "org"))  # fmt: skip
    forbidden += [".".join(host) for host in hosts]
    needles = [word.encode() for word in forbidden]
    found = [
        f"{relative(path)}: {needle.decode()}"
        for path in ours()
        for needle in needles
        if needle in path.read_bytes()
    ]
    assert not found


def test_no_python_file_is_longer_than_500_lines() -> None:
    lengths = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in ours()
        if path.suffix == ".py"
    }
    assert len(lengths) > 20
    assert {path: n for path, n in lengths.items() if n > 500} == {}


# ------------------------------------------------------------------------------------ set-up


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_and_name_no_index(name: str) -> None:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and line != "-r requirements.txt"]
    assert lines
    loose = [line for line in lines if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.]+( *;.*)?", line)]
    assert not loose


def test_dockerfile_runs_as_a_user_on_the_port_of_the_front_matter() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--uid 1000" in text
    assert re.search(r"^USER user$", text, flags=re.MULTILINE)
    assert re.search(rf"^EXPOSE {front_matter()['app_port']}$", text, flags=re.MULTILINE)
    assert '"8501"' in text
    assert "FINESIFT_DEMO=1" in text
    assert "/_stcore/health" in text


def test_xsrf_protection_is_switched_off_in_the_dockerfile_alone() -> None:
    switch = re.compile(r"enableXsrfProtection\W{1,4}false", flags=re.IGNORECASE)
    texts = {
        relative(path): path.read_text(encoding="utf-8")
        for path in ours()
        if path.suffix in (".py", ".toml", ".sh", "") and path.name != "test_project.py"
    }
    assert [path for path, text in texts.items() if switch.search(text)] == ["Dockerfile"]


def test_the_container_takes_nothing_of_a_users() -> None:
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".git", ".venv", "*.db", "*.safetensors", ".finesift"} <= set(left_out)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert "make test" in text


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "Copyright 2026 The Finesift authors" in text
    assert text.count("Copyright 20") == 1
