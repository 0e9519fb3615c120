"""What observers ask: is it healthy, how is it doing, which release is it. No token, nothing secret."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.errors import ApiError, json_response
from serving_stub.api.schema import Version
from serving_stub.api.stopping import ENGINE_DEAD, STOPPING
from serving_stub.metrics import CONTENT_TYPE

if TYPE_CHECKING:  # a gateway has no engine, and loading one takes seconds
    from serving_stub.api.services import Services


class Observe:
    """/health, /metrics and /version."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._frozen: bytes | None = None

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            version_route(),
        ]

    async def health(self, request: Request) -> Response:
        """GET /health: 200 while the engine lives and the server is neither stopping nor fenced."""
        if not self._services.loop.stats().is_alive:
            raise ENGINE_DEAD
        if self._services.in_flight.is_closed:
            raise STOPPING
        refusal = self._services.gate.health()
        if refusal is not None:
            raise ApiError(refusal.status, refusal.code, refusal.message, headers=dict(refusal.wire_headers()))
        return Response()

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: always plain text 0.0.4, whatever `Accept` says.

        Under the fault `metrics_frozen` it is what the first scrape since then has seen.
        """
        if self._services.faults.is_blacked_out:
            raise ApiError(503, "metrics_blackout", "a fault was asked for: there are no metrics until its lease ends")
        if not self._services.faults.is_frozen:
            self._frozen = None
        elif self._frozen is None:
            self._frozen = self._services.metrics.exposition()
        return Response(self._frozen or self._services.metrics.exposition(), headers={"content-type": CONTENT_TYPE})


def version_route() -> BaseRoute:
    """GET /version, of a server or a gateway."""

    async def show(request: Request) -> Response:
        return json_response(Version(version=version("opsbot")))

    return Route("/version", show, methods=["GET"])
