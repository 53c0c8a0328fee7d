"""Starts the app on this machine only, on the first free port from 8501 on, and prints its address.

Knows the server's flags; what the app itself needs to know is in its settings (core/settings.py).

    python scripts/run.py [--home FOLDER] [--port N]
"""

from __future__ import annotations

import argparse
import http.client
import os
import runpy
import socket
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
FIRST_PORT = 8501
PORTS_TRIED = 100


def main() -> None:
    asked = arguments()
    if asked.home:
        os.environ["FINESIFT_HOME"] = str(Path(asked.home).expanduser().resolve())
    port = free_port(asked.port)
    threading.Thread(target=announce, args=(port,), daemon=True).start()
    serve(port)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start Finesift on this machine.")
    parser.add_argument("--home", help="folder for everything that you make (FINESIFT_HOME)")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port to try (%(default)s)")
    return parser.parse_args()


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on; without one the program ends with a sentence."""
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        if is_free(port):
            return port
    sys.exit(f"No free port was found from {first} on. Name another one with --port.")


def is_free(port: int) -> bool:
    with socket.socket() as knock:
        knock.settimeout(0.5)
        if knock.connect_ex((HOST, port)) == 0:
            return False  # also a server on 0.0.0.0, beside which some systems would let us bind
    with socket.socket() as seat:
        if os.name == "posix":  # a port that a server has just left counts as free, as it does for the server
            seat.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            seat.bind((HOST, port))
        except OSError:
            return False
    return True


def announce(port: int) -> None:
    """Prints the address once the server answers there, so that the line is true when it is read."""
    while not answers(port):
        time.sleep(0.1)
    sys.stdout.write(f"Finesift runs at http://{HOST}:{port} (stop it with Ctrl+C)\n")
    sys.stdout.flush()


def answers(port: int) -> bool:
    line = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        line.request("GET", "/_stcore/health")
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def serve(port: int) -> None:
    """`python -m streamlit run app.py …` in this process: no child that could outlive it."""
    os.chdir(ROOT)
    sys.path[0] = str(ROOT)  # what `-m` does; otherwise it is this script's folder
    sys.argv = ["streamlit", "run", "app.py"]
    sys.argv += ["--server.address", HOST, "--server.port", str(port), "--server.headless", "true"]
    sys.argv += ["--browser.gatherUsageStats", "false", "--logger.hideWelcomeMessage", "true"]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
