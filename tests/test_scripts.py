"""The helper scripts: the port, the environment's stamp, the browser."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts import browser, check, run, setup

ROOT = Path(__file__).resolve().parent.parent


def listener() -> socket.socket:
    seat = socket.socket()
    seat.bind((run.HOST, 0))
    seat.listen()
    return seat


# ------------------------------------------------------------------------------------ the port


def test_a_taken_port_is_passed_over() -> None:
    with listener() as seat:
        port = seat.getsockname()[1]
        assert not run.is_free(port)
        assert run.free_port(port) > port
    assert run.is_free(port)


def test_a_port_that_a_server_on_all_addresses_holds_is_taken() -> None:
    with socket.socket() as seat:
        seat.bind(("0.0.0.0", 0))  # noqa: S104 - the case that is tested
        seat.listen()
        assert not run.is_free(seat.getsockname()[1])


def test_without_a_free_port_the_program_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "is_free", lambda _port: False)
    with pytest.raises(SystemExit, match="--port"):
        run.free_port(run.FIRST_PORT)


def test_a_server_answers_only_when_its_health_is_good() -> None:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/_stcore/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with listener() as seat:
        silent = seat.getsockname()[1]
    assert not run.answers(silent)
    with http.server.HTTPServer((run.HOST, 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert run.answers(server.server_port)
        server.shutdown()


# ------------------------------------------------------------------------------------ the environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with requirement files and an environment that has a Python."""
    (tmp_path / "requirements.txt").write_text("one==1\n", encoding="utf-8")
    (tmp_path / "requirements-dev.txt").write_text("two==2\n", encoding="utf-8")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(setup, "PYTHON", python)
    return tmp_path


def test_an_environment_is_ready_until_its_requirements_change(project: Path) -> None:
    assert not setup.is_ready("app")
    setup.write_stamp("app")
    assert setup.is_ready("app")
    (project / "requirements.txt").write_text("one==1.1\n", encoding="utf-8")
    assert not setup.is_ready("app")


def test_the_tests_environment_serves_the_app_and_not_the_other_way_round(project: Path) -> None:
    setup.write_stamp("app")
    assert not setup.is_ready("dev")
    setup.write_stamp("dev")
    assert setup.is_ready("dev")
    assert setup.is_ready("app")
    (project / "requirements-dev.txt").write_text("two==2.1\n", encoding="utf-8")
    assert not setup.is_ready("dev")


def test_an_environment_without_its_python_is_not_ready(project: Path) -> None:
    setup.write_stamp("app")
    (project / ".venv" / "bin" / "python").unlink()
    assert not setup.is_ready("app")


# ------------------------------------------------------------------------------------ the browser


def test_a_browser_that_does_not_start_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(browser.VARIABLE, str(ROOT / "README.md"))
    with pytest.raises(browser.NoBrowser, match=browser.VARIABLE):
        browser.find()


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")
def test_a_placeholder_that_fails_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, status in (("placeholder", 1), ("real", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(browser, "candidates", lambda: iter([tmp_path / "placeholder", tmp_path / "real"]))
    assert browser.find() == tmp_path / "real"


def test_without_any_browser_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(browser, "find", lambda: None)
    monkeypatch.setattr(browser, "apt_get", lambda: tried.append("apt") or False)
    monkeypatch.setattr(browser, "playwright_download", lambda: tried.append("playwright") or False)
    with pytest.raises(browser.NoBrowser, match="Install Chromium"):
        browser.find_or_install()
    assert tried == ["apt", "playwright"]


# ------------------------------------------------------------------------------------ the checks


def test_the_first_check_that_fails_ends_with_its_status() -> None:
    script = (
        "import sys; from scripts import check\n"
        "check.step = lambda title, *_: print(title) or (3 if 'Types' in title else 0)\n"
        "sys.argv = ['check', '--lint']; sys.exit(check.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1].startswith("Types")


def test_words_for_pytest_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    steps = []
    monkeypatch.setenv(browser.VARIABLE, "somewhere")  # put back afterwards: the check sets it
    monkeypatch.setattr(browser, "find_or_install", lambda: Path("chromium"))
    monkeypatch.setattr(check, "step", lambda _title, *command: steps.append(command) or 0)
    assert check.tests(False, ["-k", "attention"]) == 0
    assert steps == [
        (
            "pytest",
            "-m",
            "not slow",
            "-n",
            "2",
            "--dist",
            "loadfile",
            "--no-loadscope-reorder",
            "-k",
            "attention",
        )
    ]
