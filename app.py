"""The front door: one process that serves the screens, the API and the security headers.

    streamlit run app.py                      # the home folder is $FINESIFT_HOME or ~/.finesift
    streamlit run app.py -- --home FOLDER

Knows nothing about data or models.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from api import labels as label_api
from api.health import health_route
from api.security import SecurityHeaders
from core.errors import FinesiftError
from core.jobs import recover
from core.settings import MIB, read_settings
from ui.state import workspace

log = logging.getLogger("finesift")


def choose_home(arguments: list[str]) -> None:
    """`--home FOLDER` goes into the environment, where pages and worker processes read it as well."""
    parser = argparse.ArgumentParser(prog="streamlit run app.py --", description="Start Finesift.")
    parser.add_argument("--home", help="the folder that holds everything you make (default: ~/.finesift)")
    home = parser.parse_args(arguments).home
    if home:
        os.environ.update(read_settings().with_home(home).environment())


def warm_up() -> None:
    """What the first visitor would otherwise wait for: the store, and the imports that all pages share."""
    recover(workspace())
    for module in ("pandas", "ui.parts", "ui.live", "ui.data_add", "ui.data_view"):
        importlib.import_module(module)


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Open the home folder before the first visitor comes, and pick up what an earlier server left behind."""
    try:
        await run_in_threadpool(warm_up)
    except FinesiftError as error:
        log.error("%s", error)  # the pages show the same sentence
    yield


def show_fault(error: Exception) -> bool:
    """What no page caught: a sentence on the screen, the details in the server's log."""
    if isinstance(error, FinesiftError):
        message = str(error)
    else:
        log.error("A page failed", exc_info=error)
        message = (
            f"Something went wrong on this page ({type(error).__name__}). Nothing you saved is lost. "
            "Reload the page; the server's log has the details."
        )
    from ui.parts import fault

    fault(message)
    return True


def limit_uploads() -> None:
    """The server refuses what the settings refuse; a page could only ask the browser to."""
    megabytes = max(1, read_settings().max_file_bytes // MIB)
    st.config.set_option("server.maxUploadSize", megabytes)


choose_home(sys.argv[1:] if Path(sys.argv[0]).name == "app.py" else [])
limit_uploads()

app = st.App(
    "ui/main.py",
    lifespan=lifespan,
    routes=[health_route(workspace), *label_api.routes(workspace)],
    middleware=[
        Middleware(
            SecurityHeaders,
            index_page=Path(st.__file__).parent / "static" / "index.html",
            framed_by_spaces=read_settings().demo,
        )
    ],
    on_script_error=show_fault,
)
