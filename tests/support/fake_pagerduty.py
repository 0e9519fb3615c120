"""PagerDuty's Events API v2 as its documentation describes it, with failures on demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ACTIONS = ("trigger", "acknowledge", "resolve")


@dataclass(slots=True)
class FakePagerDuty:
    """Keeps alerts by dedup key, as the service does.

    Args:
        answers: statuses for the next calls, which then change nothing; a negative one is applied and answered 500.
    """

    routing_key: str = "R" * 32
    answers: list[int] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    standing: dict[str, str] = field(default_factory=dict)
    num_calls: int = 0

    @property
    def app(self) -> Starlette:
        """Its one route."""
        return Starlette(routes=[Route("/v2/enqueue", self.enqueue, methods=["POST"])])

    async def enqueue(self, request: Request) -> Response:
        """Take an event."""
        self.num_calls += 1
        event = json.loads(await request.body())
        status = self.answers.pop(0) if self.answers else 202
        if status not in (202,) and status > 0:
            return JSONResponse({"status": "error"}, status, dict(self.headers))
        wrong = self._wrong(event)
        if wrong:
            return JSONResponse({"status": "invalid event", "errors": wrong}, 400)
        self.events.append(event)
        self._apply(event)
        if status < 0:
            return JSONResponse({"status": "error"}, 500)
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}, 202)

    @property
    def told(self) -> list[str]:
        """What was sent, in short."""
        return [f"{event['event_action']} {event['dedup_key'].rsplit(':', 1)[1]}" for event in self.events]

    def _wrong(self, event: Mapping[str, Any]) -> list[str]:
        wrong = []
        if event.get("routing_key") != self.routing_key:
            wrong.append("'routing_key' is invalid")
        if event.get("event_action") not in ACTIONS:
            wrong.append("'event_action' is invalid")
        if event.get("event_action") == "trigger":
            body = event.get("payload", {})
            wrong += [
                f"'payload.{name}' is missing" for name in ("summary", "source", "severity") if not body.get(name)
            ]
            if body.get("severity") not in ("critical", "error", "warning", "info"):
                wrong.append("'payload.severity' is invalid")
        elif not event.get("dedup_key"):
            wrong.append("'dedup_key' is missing")
        return wrong

    def _apply(self, event: Mapping[str, Any]) -> None:
        key, known = event["dedup_key"], self.standing.get(event["dedup_key"])
        match event["event_action"]:
            case "trigger" if known != "acknowledged":
                self.standing[key] = "triggered"
            case "acknowledge" if known is not None:
                self.standing[key] = "acknowledged"
            case "resolve":
                self.standing.pop(key, None)
