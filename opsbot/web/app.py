"""Core's routes. Those of webhooks are in `opsbot.web.inbound`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsbot.alert.alert import Alert
from opsbot.clock import Clock, SystemClock, to_rfc3339
from opsbot.errors import ApprovalError, ConfigError, InvalidTransition, NotFoundError, OpsbotError
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.explanation import Explanation
from opsbot.incident.view import IncidentView
from opsbot.people import Person
from opsbot.readiness import Ready, always_ready
from opsbot.runbook.commands import RunCommands
from opsbot.spoken.commands import ActCommands
from opsbot.telemetry import CoreMetrics
from opsbot.web.acts import ActsApi
from opsbot.web.answers import error, unauthorized
from opsbot.web.handling import HandlingApi
from opsbot.web.health import health_routes
from opsbot.web.inbound.door import InboundCore, InboundDoor
from opsbot.web.inbound.pagerduty import PagerDutyDoor
from opsbot.web.inbound.receiver import Receiver, with_alert_door
from opsbot.web.previews import PreviewsApi
from opsbot.web.runs import RunsApi
from opsbot.web.tokens import Tokens

logger = logging.getLogger(__name__)


class CoreCommands(IncidentCommands, InboundCore, Protocol):
    """What the web API needs of core."""

    async def all_incidents(self) -> tuple[IncidentView, ...]: ...

    def firing(self) -> tuple[Alert, ...]: ...

    async def explain(self, about: str) -> Explanation: ...


class CoreApi:
    """Core's HTTP routes."""

    def __init__(
        self,
        core: CoreCommands,
        tokens: Tokens,
        person_for: Callable[[str], Person],
        metrics: CoreMetrics,
        refresh_metrics: Callable[[], None],
        health: Callable[[], Mapping[str, str]],
        ready: Ready = always_ready,
        receivers: Sequence[Receiver] = (),
        clock: Clock | None = None,
        pagerduty: PagerDutyDoor | None = None,
        runs: RunCommands | None = None,
        acts: ActCommands | None = None,
    ) -> None:
        self._core = core
        self._tokens = tokens
        self._person_for = person_for
        self._metrics = metrics
        self._refresh_metrics = refresh_metrics
        self._ready = ready
        self.app = Starlette(
            routes=[
                *InboundDoor(
                    with_alert_door(receivers, tokens.api_digest), core, metrics, clock or SystemClock()
                ).routes(),
                Route("/api/v1/alerts", self.alerts),
                Route("/api/v1/explain", self.explain),
                Route("/api/v1/incidents", self.incidents),
                Route("/api/v1/incidents/{incident_id}", self.incident),
                Route("/api/v1/incidents/{incident_id}/acknowledge", self.acknowledge, methods=["POST"]),
                *(RunsApi(runs, tokens, person_for).routes() if runs is not None else ()),
                *(PreviewsApi(runs, tokens, person_for).routes() if runs is not None else ()),
                *(ActsApi(acts, tokens, person_for).routes() if acts is not None else ()),
                *(pagerduty.routes() if pagerduty is not None else ()),
                *HandlingApi(core, tokens, person_for).routes(),
                *health_routes("core", ready, health),
                Route("/metrics", self.exposition),
            ],
            exception_handlers={OpsbotError: _explain},
        )

    async def alerts(self, request: Request) -> Response:
        """The alerts behind every open incident."""
        if not self._may_read(request):
            return unauthorized()
        firing = await run_in_threadpool(self._core.firing)
        return JSONResponse(
            {
                "alerts": [
                    {
                        "status": "firing",
                        "labels": dict(alert.labels),
                        "annotations": dict(alert.annotations),
                        "startsAt": to_rfc3339(alert.starts_at),
                        "fingerprint": alert.fingerprint,
                    }
                    for alert in firing
                ]
            }
        )

    async def incidents(self, request: Request) -> Response:
        """Open incidents, or with `state=all` the newest ones."""
        if not self._may_read(request):
            return unauthorized()
        wants_all = request.query_params.get("state") == "all"
        views = await (self._core.all_incidents() if wants_all else self._core.open_incidents())
        return JSONResponse({"incidents": [dataclasses.asdict(view) for view in views]})

    async def incident(self, request: Request) -> Response:
        """One incident."""
        if not self._may_read(request):
            return unauthorized()
        return JSONResponse(dataclasses.asdict(await self._core.incident(request.path_params["incident_id"])))

    async def explain(self, request: Request) -> Response:
        """What was decided, and why, about an incident's id, an alert's name or a fingerprint."""
        if not self._may_read(request):
            return unauthorized()
        about = request.query_params.get("about", "").strip()
        if not about:
            return error(400, "bad_request", "`about` is an incident's id, an alert's name or a fingerprint")
        return JSONResponse(dataclasses.asdict(await self._core.explain(about)))

    async def acknowledge(self, request: Request) -> Response:
        """Take an incident."""
        user = self._tokens.user(request)
        if user is None:
            return unauthorized()
        message = await self._core.acknowledge(request.path_params["incident_id"], self._person_for(user))
        return JSONResponse({"message": message})

    async def exposition(self, request: Request) -> Response:
        """Our own metrics."""
        try:
            await run_in_threadpool(self._refresh_metrics)
        except OpsbotError as raised:
            # What needs no database is told all the same: it is what the database's trouble is seen by.
            logger.warning("some metrics are as old as the last time they were asked for: %s", raised)
        self._metrics.process.note_ready((await self._ready()).is_ready)
        return PlainTextResponse(self._metrics.exposition(), media_type="text/plain; version=0.0.4")

    def _may_read(self, request: Request) -> bool:
        return self._tokens.is_machine(request) or self._tokens.user(request) is not None


def _explain(request: Request, raised: Exception) -> Response:
    match raised:
        case NotFoundError():
            return error(404, "not_found", str(raised))
        case ApprovalError():
            return error(403, "not_allowed", str(raised))
        case ConfigError():
            return error(400, "bad_request", str(raised))
        case InvalidTransition():
            return error(409, "invalid_transition", str(raised))
        case _:
            return error(503, "unavailable", str(raised))
