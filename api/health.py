"""GET /api/health: does the app answer, and can it read its store? For monitors and for the start script."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.errors import FinesiftError
from core.workspace import Workspace


def health_route(workspace: Callable[[], Workspace]) -> Route:
    """The route; `workspace` opens the home folder, or hands out the open one."""

    def look() -> dict[str, object]:
        jobs = workspace().open_jobs()
        running = sum(job.state.active for job in jobs)
        return {"status": "ok", "running": running, "waiting": len(jobs) - running}

    async def health(_request: Request) -> JSONResponse:
        try:
            return JSONResponse(await run_in_threadpool(look))
        except FinesiftError as error:
            return JSONResponse({"status": "fault", "reason": str(error)}, status_code=503)

    return Route("/api/health", health, methods=["GET"])
