"""`/healthz` and `/readyz`, alike on every role: alive, and able to do its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.readiness import Ready


def health_routes(role: str, ready: Ready, about: Callable[[], Mapping[str, str]] = dict) -> list[Route]:
    """The two routes of a role.

    Args:
        ready: asked at each `GET /readyz`.
        about: what else `/healthz` tells of the role's parts; called in a thread.
    """

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok", **await run_in_threadpool(about)})

    async def readyz(request: Request) -> Response:
        found = await ready()
        body = {
            "status": "ready" if found.is_ready else "not_ready",
            "role": role,
            "reasons": list(found.reasons),
            "warnings": list(found.warnings),
        }
        return JSONResponse(body, 200 if found.is_ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]
