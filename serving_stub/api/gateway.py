"""`--upstream URL`: the same door before any OpenAI-compatible server, with no model and no engine in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from pydantic import ValidationError

from serving_stub.api import openapi
from serving_stub.api.account_events import AccountEvents
from serving_stub.api.ask import BackendAsk
from serving_stub.api.control_commands import NoRestart
from serving_stub.api.control_routes import control_routes
from serving_stub.api.control_tokens import tokens_of
from serving_stub.api.door import Door
from serving_stub.api.door_parts import build_parts
from serving_stub.api.door_settings import DoorSettings, load_door
from serving_stub.api.errors import ApiError
from serving_stub.api.front import Front, application
from serving_stub.api.inflight import InFlight
from serving_stub.api.observe import version_route
from serving_stub.api.serve import ServerWork, bind, serve, url_of
from serving_stub.api.upstream import Upstream
from serving_stub.api.upstream_metrics import UpstreamMetrics, UpstreamObserve
from serving_stub.api.upstream_room import UpstreamRoom
from serving_stub.api.upstream_settings import UpstreamSettings
from serving_stub.config import ServerSettings
from serving_stub.errors import SettingError
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.door_knobs import DOOR_KNOBS, FAILWHALE
from serving_stub.frontdoor.fallback_vetting import FallbackVetting
from serving_stub.frontdoor.faults import Faults
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate, gate_setters
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.lease_id import new_lease_id
from serving_stub.frontdoor.probe import Prober

MAX_IN_FLIGHT = 256
"""Unless the door's settings say otherwise: as many as a vLLM takes into one batch."""


def run(settings: ServerSettings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; *announce* is given one line when the gateway is ready.

    Raises: SettingError, JournalError.
    """
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener):
        port: int = listener.getsockname()[1]
        clock = SteadyClock()
        gate = Gate()
        door_settings = load_door(settings.door)
        to = _upstream(settings, door_settings)
        door = build_parts(
            door_settings,
            tenants=settings.tenants,
            clock=clock,
            gate=gate,
            max_in_flight=MAX_IN_FLIGHT,
            max_body_bytes=settings.max_body_bytes,
            environment=os.environ,
        )
        tokens = tokens_of(settings.control_token, settings.control_tokens)
        knobs = (*DOOR_KNOBS, DRAIN, FENCE)
        journal, book = LeaseJournal.open(settings.journal_path(port), knobs, clock.now())

        async def serving() -> None:
            in_flight = InFlight()
            backend = Upstream(to, in_flight)
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            metrics = UpstreamMetrics(to.root, lambda: generate_latest(registry), key=to.key)
            room = UpstreamRoom(metrics)
            desk = LeaseDesk(
                book,
                journal,
                clock,
                {},
                new_lease_id,
                layer_setters={**gate_setters(gate), **door.setters()},
                notes=journal.notes,
                ramp=door_settings.ramp.plan(),
                may_ramp=lambda: room.has_room() and door.has_room(),
                why_unhealthy=room.why_unhealthy,
            )
            registry.register(door.collector(lambda: len(desk.layers(FAILWHALE.name)), desk.num_open))
            vetting = FallbackVetting(door.library, Prober(BackendAsk(backend, None), to.root), desk.layers)

            def why_closed() -> ApiError | None:
                refusal = gate.health()
                if refusal is None:
                    return None
                return ApiError(refusal.status, refusal.code, refusal.message, headers=dict(refusal.wire_headers()))

            outside = application(
                [
                    *control_routes(
                        desk, tokens, clock, server=to.root, faults=Faults(), restart=NoRestart(), vet=vetting.vet
                    ),
                    *UpstreamObserve(metrics, lambda: not in_flight.is_closed, why_closed).routes(),
                    version_route(),
                    *AccountEvents(door.accounts, settings.feed_token).routes(),
                    *openapi.routes(),
                ]
            )
            front = Front(Door(door, desk.layers, vetting, backend, None), outside, door, vetting)
            ready = f"serving_stub: a gateway to {to.root} is ready on {url_of(settings.host, port)}"
            try:
                await serve(
                    front,
                    listener,
                    [ServerWork(front, desk, in_flight)],
                    settings.grace_s,
                    lambda: announce(ready),
                    beside=[room.run(lambda: any(desk.num_open().values()))],
                )
            finally:
                await backend.close()
                await metrics.close()

        try:
            asyncio.run(serving())
        finally:
            journal.close()


def _upstream(settings: ServerSettings, door: DoorSettings) -> UpstreamSettings:
    try:
        return UpstreamSettings(
            **door.upstream.model_dump(),
            url=settings.upstream or "",
            key=settings.upstream_key,
            passes_key=settings.upstream_key is None and settings.tenants is None,
            max_body_bytes=settings.max_body_bytes,
        )
    except ValidationError as error:
        raise SettingError(
            f"--upstream is '{settings.upstream}', expected the root of a server such as http://127.0.0.1:8000"
        ) from error
