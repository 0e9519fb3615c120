"""Takes webhooks: whose is it, how large, what is in it; then the events go to core, and success means a commit.

A sender repeats what was answered with 503, so nothing is said to be accepted before it is on disk, and what was
accepted is known again when it is repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.alert.inbound import InboundEvent
from opsbot.clock import Clock
from opsbot.errors import OpsbotError
from opsbot.telemetry import CoreMetrics
from opsbot.web.inbound.body import check_type, parse_json, read_body
from opsbot.web.inbound.errors import REASONS, InboundError, MalformedError, UnauthorizedError
from opsbot.web.inbound.parsed import Parsed
from opsbot.web.inbound.quiet_log import QuietLog
from opsbot.web.inbound.receiver import Receiver
from opsbot.web.timed import timed

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 16
"""Webhooks of one receiver that are read and stored at a time, so at most 64 MiB; others wait at their socket."""
MAX_TOLD = 50
"""Rejected lines of one answer."""
RETRY_AFTER_S = 5


class _Accepted(Protocol):
    @property
    def opened(self) -> tuple[str, ...]: ...

    @property
    def num_duplicates(self) -> int: ...


class InboundCore(Protocol):
    """What the door needs of core."""

    async def ingest_events(self, receiver: str, events: Sequence[InboundEvent]) -> _Accepted:
        """Accept events durably, each id once; raises OpsbotError having accepted nothing."""
        ...


class InboundDoor:
    """The routes of all receivers."""

    def __init__(self, receivers: Sequence[Receiver], core: InboundCore, metrics: CoreMetrics, clock: Clock) -> None:
        self._receivers = receivers
        self._core = core
        self._metrics = metrics
        self._clock = clock
        self._quiet = QuietLog(logger)
        for receiver in receivers:
            for counter in (metrics.alerts_received, metrics.alerts_rejected, metrics.alerts_duplicate):
                counter.labels(receiver.name)
            for reason in REASONS:
                metrics.webhooks_refused.labels(receiver.name, reason)

    def routes(self) -> list[Route]:
        """`POST /webhooks/<name>` of each receiver."""
        return [
            Route(
                f"/webhooks/{receiver.name}",
                timed(_Endpoint(self, receiver).post, self._metrics.door_seconds),
                methods=["POST"],
            )
            for receiver in self._receivers
        ]

    async def take(self, receiver: Receiver, request: Request) -> Response:
        """One webhook; answers what its sender must know."""
        try:
            parsed = await self._read(receiver, request)
            if parsed.rejected:
                self._note_rejected(receiver, parsed)
            if parsed.rejected and not parsed.events and receiver.kind != "alertmanager":
                # Alertmanager's senders are not told: watch would repeat for ever what can never be taken.
                raise MalformedError("nothing in the body could be taken: " + "; ".join(parsed.rejected[:3]))
            return await self._accept(receiver, parsed)
        except InboundError as error:
            self._note_refused(receiver, error)
            headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else {}
            return _refusal(error.status, error.kind, str(error), headers)
        except ClientDisconnect:
            return Response(status_code=400)

    async def _read(self, receiver: Receiver, request: Request) -> Parsed:
        now = self._clock.now()
        receiver.credential.check_headers(request.headers, now)
        check_type(request.headers)
        body = await read_body(request)
        signature = receiver.credential.check_body(request.headers, body)
        parsed = await run_in_threadpool(lambda: receiver.parse(parse_json(body), receiver.name, now))
        if signature is None:
            return parsed
        # A signed request without ids may be posted again by whoever saw it: its signature is its id.
        events = tuple(
            event if event.event_id is not None else replace(event, event_id=f"signature:{signature}:{index}")
            for index, event in enumerate(parsed.events)
        )
        return replace(parsed, events=events)

    async def _accept(self, receiver: Receiver, parsed: Parsed) -> Response:
        try:
            done = await self._core.ingest_events(receiver.name, parsed.events)
        except OpsbotError as error:
            self._metrics.webhooks_refused.labels(receiver.name, "not_stored").inc()
            # Later lines of a database's error quote what was to be stored.
            text = f"receiver {receiver.name}: alerts were not accepted: {str(error).splitlines()[0]}"
            self._quiet.warning((receiver.name, "not_stored"), text, self._clock.monotonic())
            return _refusal(
                503,
                "not_accepted",
                "the alerts were not stored; send them again",
                {"Retry-After": str(RETRY_AFTER_S)},
            )
        num_accepted = len(parsed.events) - done.num_duplicates
        self._metrics.alerts_received.labels(receiver.name).inc(num_accepted)
        self._metrics.alerts_duplicate.labels(receiver.name).inc(done.num_duplicates)
        self._metrics.incidents_opened.inc(len(done.opened))
        return JSONResponse(
            {"accepted": num_accepted, "duplicates": done.num_duplicates, "rejected": _told(parsed.rejected)}
        )

    def _note_rejected(self, receiver: Receiver, parsed: Parsed) -> None:
        self._metrics.alerts_rejected.labels(receiver.name).inc(len(parsed.rejected))
        text = f"receiver {receiver.name}: {len(parsed.rejected)} alerts were rejected, the first: {parsed.rejected[0]}"
        self._quiet.warning((receiver.name, "rejected"), text, self._clock.monotonic())

    def _note_refused(self, receiver: Receiver, error: InboundError) -> None:
        self._metrics.webhooks_refused.labels(receiver.name, error.reason).inc()
        text = f"receiver {receiver.name}: a webhook was refused: {error}"
        self._quiet.warning((receiver.name, error.reason), text, self._clock.monotonic())


class _Endpoint:
    """One receiver's address, which does so much at a time and no more."""

    def __init__(self, door: InboundDoor, receiver: Receiver) -> None:
        self._door = door
        self._receiver = receiver
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def post(self, request: Request) -> Response:
        async with self._slots:
            return await self._door.take(self._receiver, request)


def _told(rejected: Sequence[str]) -> list[str]:
    more = len(rejected) - MAX_TOLD
    return [*rejected[:MAX_TOLD], *([f"… and {more} more"] if more > 0 else [])]


def _refusal(status: int, kind: str, message: str, headers: dict[str, str]) -> Response:
    return JSONResponse({"error": {"type": kind, "message": message}}, status_code=status, headers=headers)
