"""One port for a whole fleet.

`/clusters/NAME/…` is that cluster's own server, all of it; `/v1/…` goes through the router; the rest is the fleet's.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving_stub.api.control import Control, ControlDesk, Guard, guarded
from serving_stub.api.control_page import ControlPage
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.errors import ApiError, json_response
from serving_stub.api.front import application
from serving_stub.api.observe import version_route
from serving_stub.fleet.spec import FleetSpec
from serving_stub.fleet_api.cluster import LiveCluster
from serving_stub.fleet_api.fleet_metrics import FleetMetrics
from serving_stub.fleet_api.fleet_page import fleet_page
from serving_stub.fleet_api.fleet_view import fleet_state
from serving_stub.fleet_api.live_router import LiveRouter
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.faults import Faults
from serving_stub.metrics import CONTENT_TYPE
from serving_stub.yamlfile import suggest

_PREFIX = "/clusters/"


class FleetApp:
    """An ASGI application.

    Args:
        clusters: by name.
        v1: the router's.
        outside: the fleet's own routes.
    """

    def __init__(self, clusters: Mapping[str, LiveCluster], v1: ASGIApp, outside: ASGIApp) -> None:
        self._clusters = clusters
        self._v1 = v1
        self._outside = outside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if scope["type"] == "http" and path.startswith(_PREFIX):
            name, slash, rest = path.removeprefix(_PREFIX).partition("/")
            found = self._clusters.get(name)
            if found is None:
                await _no_cluster(name, self._clusters).response()(scope, receive, send)
            else:
                await found({**scope, "path": slash + rest or "/"}, receive, send)
        elif scope["type"] == "http" and path.startswith("/v1/"):
            await self._v1(scope, receive, send)
        else:
            await self._outside(scope, receive, send)


class FleetRoutes:
    """What is the fleet's own: health, metrics, its clusters as data, and the page."""

    def __init__(
        self, fleet: FleetSpec, router: LiveRouter, clusters: Mapping[str, LiveCluster], metrics: FleetMetrics
    ) -> None:
        self._fleet = fleet
        self._router = router
        self._clusters = clusters
        self._metrics = metrics

    def routes(self) -> list[BaseRoute]:
        """What to mount at the root."""
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/clusters", self.list_clusters, methods=["GET"]),
            Route("/targets", self.list_targets, methods=["GET"]),
            version_route(),
        ]

    async def page(self, request: Request) -> Response:
        """GET /: the fleet to look at."""
        return fleet_page(fleet_state(self._fleet, self._router, tuple(self._clusters.values())))

    async def health(self, request: Request) -> Response:
        """GET /health: 200 while there is a cluster that takes traffic."""
        if len(self._router.out()) == len(self._clusters):
            raise ApiError(503, "all_out", "every cluster is out; GET /clusters says why", headers={"retry-after": "5"})
        return Response()

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: the router's."""
        return Response(self._metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    async def list_clusters(self, request: Request) -> Response:
        """GET /clusters."""
        return json_response(fleet_state(self._fleet, self._router, tuple(self._clusters.values())))

    async def list_targets(self, request: Request) -> Response:
        """GET /targets: for Prometheus's `http_sd_configs`, under the name by which it asked."""
        host = request.headers.get("host", "")
        groups = [
            {
                "targets": [host],
                "labels": {
                    "__metrics_path__": f"{_PREFIX}{one.spec.name}/metrics",
                    "cluster": one.spec.name,
                    "region": one.spec.region,
                },
            }
            for one in self._clusters.values()
        ]
        return JSONResponse(groups)


def control_of_fleet(
    desk: LeaseDesk, tokens: ControlTokens, clock: Clock, fleet: FleetSpec, guard: Guard
) -> list[BaseRoute]:
    """The fleet's own control API: `route` and `fault.lose`; a cluster's is below that cluster's path."""
    routes = Control(ControlDesk(desk, clock), Faults(), guard=guard).routes()
    return [
        *guarded(routes, tokens, clock),
        *ControlPage(desk, tokens, clock, f"the fleet {fleet.name}").routes(),
    ]


def build_outside(own: FleetRoutes, control: list[BaseRoute]) -> ASGIApp:
    """The fleet's own application."""
    return application([*own.routes(), *control])


def _no_cluster(name: str, clusters: Mapping[str, LiveCluster]) -> ApiError:
    shown = name[:60]
    return ApiError(
        404, "cluster_not_found", f"there is no cluster {shown!r}{suggest(shown, clusters)}; GET /clusters lists them"
    )
