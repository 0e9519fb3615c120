"""One cluster of a live fleet: the whole server of its sizes, on an engine that simulates in real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.types import Receive, Scope, Send

from serving_stub.api.app import build_app
from serving_stub.api.assembly import IN_FLIGHT_PER_SEQ, assemble, engine_knobs
from serving_stub.api.control import Guard
from serving_stub.api.control_tokens import ControlTokens
from serving_stub.api.door_parts import build_parts
from serving_stub.api.door_settings import DoorSettings, load_door
from serving_stub.api.errors import ApiError
from serving_stub.api.front import Front
from serving_stub.api.serve import ServerWork
from serving_stub.api.services import Services
from serving_stub.engine.loop import EngineLoop
from serving_stub.fleet.cluster_spec import ClusterSpec
from serving_stub.fleet.outage import Out
from serving_stub.fleet.queue_wait import QueueWait
from serving_stub.fleet.router import ClusterView
from serving_stub.fleet_api.below_http import BelowHttp
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.gate import Gate, why_unhealthy
from serving_stub.frontdoor.journal import LeaseJournal
from serving_stub.metrics import ServingMetrics
from serving_stub.model.tiny import tokenizer_tables
from serving_stub.model.tokenizer import Tokenizer
from serving_stub.sim.build import build_simulated
from serving_stub.sim.pace import RealTimePace

LOST = ApiError(
    503, "cluster_lost", "this cluster is lost: nothing of it answers until it is back; GET /clusters of the fleet"
)
_LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What all clusters of a fleet share.

    Args:
        door, tenants: for clusters that have none of their own.
        step_overhead_s: what a step costs beyond its roof.
        state_dir: holds a lease journal for each cluster.
    """

    door: DoorSettings
    tenants: Path | None
    tokens: ControlTokens
    state_dir: Path
    max_body_bytes: int
    step_overhead_s: float


class LiveCluster:
    """A cluster that serves.

    `own_count` is the router's: requests that it sent here and that have not ended.

    Raises: SettingError, JournalError.
    """

    def __init__(self, spec: ClusterSpec, settings: ClusterSettings, clock: Clock) -> None:
        self.spec = spec
        self.own_count = 0
        self.is_lost = False
        self._settings = settings
        self._clock = clock
        self.pace = RealTimePace(self._is_fresh)
        self._engine, _ = build_simulated(
            spec.sizes, self.pace.now, self.pace.pass_time, fixed_s=settings.step_overhead_s
        )
        self.metrics = ServingMetrics(spec.model.name, spec.sizes.max_model_len, of_process=False)
        self.loop = EngineLoop(self._engine, self.metrics)
        self._gate = Gate()
        self._door = build_parts(
            _door_of(spec, settings.door if spec.door is None else load_door(spec.door)),
            tenants=spec.tenants or settings.tenants,
            clock=clock,
            gate=self._gate,
            max_in_flight=IN_FLIGHT_PER_SEQ * spec.sizes.max_num_seqs,
            max_body_bytes=settings.max_body_bytes,
            environment={},
        )
        self._leases = LeaseJournal.open(
            settings.state_dir / f"{spec.name}.jsonl", engine_knobs(self._engine.config), clock.now()
        )
        self._services: Services | None = None
        self._front: Front | None = None
        self._last_view: ClusterView | None = None
        self._queue_wait = QueueWait()
        self._restarting: set[asyncio.Future[bool]] = set()

    def start(self, guard: Guard) -> ServerWork:
        """Put it together on the running event loop and start its engine.

        Args:
            guard: of its control API.
        """
        services = assemble(
            self._engine,
            Tokenizer(tokenizer_tables()),
            self.loop,
            self.metrics,
            self._door,
            self._gate,
            self._clock,
            self._settings.tokens,
            self._leases,
            model_name=self.spec.model.name,
            feed_token=None,
        )
        front = build_app(services, guard=guard, before=lambda routes: BelowHttp(services, routes))
        self._services, self._front = services, front
        self.loop.start()
        return ServerWork(front, services.desk, services.in_flight)

    def stop(self) -> None:
        """Stop the engine and close the journal."""
        self.loop.stop()
        self._leases[0].close()

    @property
    def services(self) -> Services:
        """Its parts; there are none before `start`."""
        assert self._services is not None
        return self._services

    def set_lost(self, *, is_lost: bool) -> None:
        """It is gone, and with it what ran on it; or it is back, empty."""
        if is_lost and not self.is_lost and self._services is not None:
            restarting = asyncio.get_running_loop().run_in_executor(None, self.loop.restart)
            self._restarting.add(restarting)
            restarting.add_done_callback(self._restarting.discard)
        self.is_lost = is_lost

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the cluster's own server does."""
        if self.is_lost:
            await LOST.response()(scope, receive, send)
            return
        assert self._front is not None
        await self._front(scope, receive, send)

    @property
    def out(self) -> Out | None:
        """Why it takes no traffic, as far as that is its own matter."""
        if self.is_lost:
            return Out.LOST
        if self._gate.is_fenced:
            return Out.FENCED
        return Out.DRAINED if self._gate.is_drained else None

    def look(self) -> ClusterView | None:
        """What whoever asks its metrics and its health sees now; None where it sees nothing new.

        Frozen metrics are seen as they were, and look new.
        """
        if self._services is None or self.is_lost or self._services.faults.is_blacked_out:
            return None
        if self._services.faults.is_frozen and self._last_view is not None:
            return replace(self._last_view, own_count=self.own_count)
        stats = self.loop.stats()
        waiting = stats.num_waiting + self._door.admission.queue.num_waiting
        self._last_view = ClusterView(
            name=self.spec.name,
            model=self.spec.model.name,
            countries=self.spec.countries,
            batch_limit=stats.batch_limit,
            kv_usage=stats.kv_cache_usage,
            running=stats.num_running,
            waiting=waiting,
            wait_s=self._queue_wait.seen(self.pace.now(), waiting, stats.num_first_tokens),
            is_healthy=why_unhealthy(stats) is None,
            is_taking=self._gate.refusal() is None,
            age_s=0.0,
            own_count=self.own_count,
        )
        return self._last_view

    def view(self, last: ClusterView | None, age_s: float) -> ClusterView:
        """What the router knows: what it saw last, and what it knows by itself, which is of drains and losses too."""
        is_taking = not self.is_lost and self._gate.refusal() is None
        if last is None:
            last = ClusterView(
                name=self.spec.name,
                model=self.spec.model.name,
                countries=self.spec.countries,
                batch_limit=self.spec.sizes.max_num_seqs,
                kv_usage=0.0,
                running=0,
                waiting=0,
                wait_s=0.0,
                is_healthy=True,
                is_taking=is_taking,
                age_s=age_s,
                own_count=self.own_count,
            )
        return last.later(age_s, self.own_count, is_taking=is_taking)

    def _is_fresh(self) -> bool:
        return not any(seq.num_computed_tokens for seq in self._engine.scheduler.running)


def _door_of(spec: ClusterSpec, door: DoorSettings) -> DoorSettings:
    """The fleet's door for one cluster: named after it, and behind the router, whose headers it believes."""
    trusted = (*door.enrich.trusted_proxies, *_LOOPBACK)
    enrich = door.enrich.model_copy(update={"trusted_proxies": tuple(dict.fromkeys(trusted))})
    return door.model_copy(update={"cluster": spec.name, "enrich": enrich})
