"""The whole application: what observers and operators ask stands beside the door, everything else goes through it.

So health, metrics and control answer while the failwhale is up, and nobody can be shut out of ending it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from serving_stub.api.control import answer_journal_error, answer_lease_error
from serving_stub.api.door import Door
from serving_stub.api.door_parts import DoorParts
from serving_stub.api.errors import ApiError, answer_api_error, answer_failure, answer_http_exception
from serving_stub.errors import JournalError, LeaseError
from serving_stub.frontdoor.fallback_vetting import FallbackVetting

_OUTSIDE = frozenset({"/health", "/metrics", "/version", "/openapi.json", "/events"})


@dataclass(frozen=True, slots=True)
class Front:
    """An ASGI application, and what has to run beside it."""

    door: Door
    outside: Starlette
    parts: DoorParts
    vetting: FallbackVetting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_outside(scope["path"]):
            await self.door(scope, receive, send)
        else:
            await self.outside(scope, receive, send)


def is_outside(path: str) -> bool:
    """Whether a path is none of the door's."""
    return path in _OUTSIDE or path == "/control" or path.startswith("/control/")


def application(routes: Sequence[BaseRoute]) -> Starlette:
    """*routes* with the answers to every kind of error."""
    return Starlette(
        routes=list(routes),
        exception_handlers={
            ApiError: answer_api_error,
            LeaseError: answer_lease_error,
            JournalError: answer_journal_error,
            HTTPException: answer_http_exception,
            Exception: answer_failure,
        },
    )
