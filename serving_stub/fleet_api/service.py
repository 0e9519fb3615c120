"""A live fleet from its socket to its stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serving_stub.api.control_tokens import tokens_of
from serving_stub.api.door_settings import load_door
from serving_stub.api.serve import bind, serve, url_of
from serving_stub.fleet.arrival import Arrival
from serving_stub.fleet.route_knob import FLEET_KNOBS, LOSE, ROUTE
from serving_stub.fleet.spec import Faulted, FleetEvent, FleetSpec, Lost
from serving_stub.fleet_api.app import FleetApp, FleetRoutes, build_outside, control_of_fleet
from serving_stub.fleet_api.cluster import ClusterSettings, LiveCluster
from serving_stub.fleet_api.fleet_metrics import FleetMetrics
from serving_stub.fleet_api.http_router import HttpRouter
from serving_stub.fleet_api.live_router import LiveRouter
from serving_stub.fleet_api.load import FleetPlayer
from serving_stub.fleet_api.outages import Outages
from serving_stub.frontdoor.clock import SteadyClock
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.frontdoor.lease import LeaseRequest
from serving_stub.frontdoor.lease_id import new_lease_id

_LOG = logging.getLogger(__name__)
FLEET_JOURNAL = "fleet"
SWITCH_S = 0.0005
"""How long a thread may compute while another waits. With two dozen engines in a process the usual 5 ms would let each
of them delay a scrape or a drain."""
GARBAGE_THRESHOLD = 10_000
"""So many new values before the youngest are searched for garbage cycles."""


class FleetSettings(BaseModel):
    """How a fleet is served.

    Args:
        state_dir: of lease journals.
        tenants, door, control_tokens: files that all clusters share.
        step_overhead_s: what a step costs beyond its roof.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    state_dir: Path
    door: Path | None = None
    tenants: Path | None = None
    control_tokens: Path | None = None
    control_token: SecretStr | None = None
    grace_s: float = 5.0
    max_body_bytes: int = 1 << 20
    step_overhead_s: float = 0.002
    seed: int = 0


def run_fleet(
    fleet: FleetSpec,
    settings: FleetSettings,
    announce: Callable[[str], None],
    *,
    arrivals: Iterable[Arrival] = (),
    events: Iterable[FleetEvent] = (),
) -> None:
    """Serve *fleet* until SIGTERM or SIGINT; *announce* is given lines for people, the first when all is ready.

    Args:
        arrivals: simulated requests, in order of time, which begin when all is ready.
        events: beside those of the fleet's file.
    Raises: SettingError, JournalError.
    """
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener), contextlib.ExitStack() as open_things:
        url = url_of(settings.host, listener.getsockname()[1])
        clock = SteadyClock()
        tokens = tokens_of(settings.control_token, settings.control_tokens)
        shared = ClusterSettings(
            load_door(settings.door),
            settings.tenants,
            tokens,
            settings.state_dir,
            settings.max_body_bytes,
            settings.step_overhead_s,
        )
        clusters: dict[str, LiveCluster] = {}
        for spec in fleet.clusters:
            clusters[spec.name] = LiveCluster(spec, shared, clock)
            open_things.callback(clusters[spec.name].stop)
        journal, book = LeaseJournal.open(settings.state_dir / f"{FLEET_JOURNAL}.jsonl", FLEET_KNOBS, clock.now())
        open_things.callback(journal.close)

        async def serving() -> None:
            router = LiveRouter(fleet, clusters, settings.seed)
            player = FleetPlayer(router)
            outages = Outages(fleet, router.out, lambda: router.routes)
            servers = [cluster.start(outages.of_cluster(name)) for name, cluster in clusters.items()]
            desk = LeaseDesk(
                book,
                journal,
                clock,
                {},
                new_lease_id,
                layer_setters={ROUTE.name: router.set_routes, LOSE.name: router.set_lost},
                notes=journal.notes,
                ramp=shared.door.ramp.plan(),
            )
            metrics = FleetMetrics(fleet, router, player, clusters.values())
            outside = build_outside(
                FleetRoutes(fleet, router, clusters, metrics),
                control_of_fleet(desk, tokens, clock, fleet, outages.of_fleet),
            )
            v1 = HttpRouter(fleet, router, settings.max_body_bytes, int(clock.now()))
            ready = (
                f"serving_stub: the fleet {fleet.name} of {len(clusters)} clusters is ready on {url} "
                f"(page {url}/, router {url}/v1, clusters {url}/clusters)"
            )
            began = asyncio.Event()

            def on_ready() -> None:
                # Hardly anything here refers to itself, and searching thousands of open requests and all clusters for
                # garbage cycles stops everybody for a third of a second, every ten seconds at Python's own pace.
                gc.collect()
                gc.freeze()
                gc.set_threshold(GARBAGE_THRESHOLD, 20, 50)
                announce(ready)
                began.set()

            async def play() -> None:
                await began.wait()
                await player.run(arrivals)
                await player.finish()
                if player.num_sent:
                    ended = ", ".join(f"{number} {outcome}" for outcome, number in player.outcomes.most_common())
                    announce(f"serving_stub: the scenario is over: {player.num_sent} requests, {ended}")
                await asyncio.Event().wait()

            async def happen() -> None:
                await began.wait()
                await _happen((*fleet.events, *events), router, clusters)
                await asyncio.Event().wait()

            await serve(
                FleetApp(clusters, v1, outside),
                listener,
                servers,
                settings.grace_s,
                on_ready,
                beside=[desk.run(), router.run(), play(), happen()],
            )

        sys.setswitchinterval(SWITCH_S)
        asyncio.run(serving())


async def _happen(events: Iterable[FleetEvent], router: LiveRouter, clusters: dict[str, LiveCluster]) -> None:
    """Let each event come about at its time; a fault is a lease of its cluster like any other."""
    began = time.monotonic()
    for number, event in enumerate(sorted(events, key=lambda one: one.at_s)):
        await asyncio.sleep(max(0.0, began + event.at_s - time.monotonic()))
        if isinstance(event, Faulted):
            for name, request in _faults(event, number):
                await clusters[name].services.desk.grant(request, by="server", stack=True)
        else:
            router.lose_by_event(event.clusters, is_lost=isinstance(event, Lost))
        _LOG.info("%s: %s", type(event).__name__.lower(), ", ".join(event.clusters))


def _faults(event: Faulted, number: int) -> Iterator[tuple[str, LeaseRequest]]:
    for name in event.clusters:
        yield (
            name,
            LeaseRequest(
                knob=event.knob,
                value=event.value,
                mode="finish",
                ttl_s=event.for_s,
                owner="fleet-file",
                reason=f"event at {event.at_s:g} s of the fleet's file",
                idempotency_key=f"event-{number}-{name}-{time.time_ns()}",
            ),
        )
