"""Everything that the door is made of, built once from its settings and handed to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from serving_stub.api.door_settings import MODERATION_KEY_ENV, REQUEST_LOG_TOKEN_ENV, DoorSettings, ModerationPart
from serving_stub.frontdoor.account_feed import AccountFeed, Place
from serving_stub.frontdoor.admission import Admission
from serving_stub.frontdoor.classifier import load_hazard_model
from serving_stub.frontdoor.clock import Clock
from serving_stub.frontdoor.door_knobs import FAILWHALE
from serving_stub.frontdoor.door_metrics import DoorCollector, DoorCounts, DoorGauges, LogGauges
from serving_stub.frontdoor.enrich import Enricher
from serving_stub.frontdoor.event import SignupEvent
from serving_stub.frontdoor.event_maker import EventMaker
from serving_stub.frontdoor.failwhale_page import FailwhalePage
from serving_stub.frontdoor.fold import Layers
from serving_stub.frontdoor.gate import Gate
from serving_stub.frontdoor.keyed_hash import Keyring, read_secret
from serving_stub.frontdoor.limits import RateLimiter
from serving_stub.frontdoor.log_sink import FileSink, HttpSink, Sink
from serving_stub.frontdoor.moderation import ModerationEndpoint
from serving_stub.frontdoor.pattern import PatternSets, load_pattern_sets
from serving_stub.frontdoor.prompt_library import PromptLibrary, load_library
from serving_stub.frontdoor.ramp import LARGEST_QUEUE_RATIO
from serving_stub.frontdoor.request_log import RequestLog
from serving_stub.frontdoor.signature import Signatures, load_signatures
from serving_stub.frontdoor.tenant import Tenants
from serving_stub.frontdoor.traffic_shares import TrafficShares
from serving_stub.frontdoor.turned_away import UsersTurnedAway


@dataclass(frozen=True, slots=True)
class DoorParts:
    """One door's parts.

    Args:
        max_body_bytes: of any request.
        log, events: None where no request log is configured.
    """

    settings: DoorSettings
    clock: Clock
    gate: Gate
    tenants: Tenants
    max_body_bytes: int
    admission: Admission
    limiter: RateLimiter
    shares: TrafficShares
    enricher: Enricher
    signatures: Signatures
    patterns: PatternSets
    library: PromptLibrary
    page: FailwhalePage
    turned_away: UsersTurnedAway
    counts: DoorCounts
    accounts: AccountFeed
    log: RequestLog | None
    events: EventMaker | None
    moderation: ModerationEndpoint | None

    def setters(self) -> Mapping[str, Callable[[Layers], None]]:
        """What has to know at once when a knob's leases change."""

        def failwhale(layers: Layers) -> None:
            self.turned_away.set_up(self.clock.now(), is_up=bool(layers))

        return {FAILWHALE.name: failwhale}

    def has_room(self) -> bool:
        """Whether the door's own queue is short enough for more to be let in."""
        queue = self.admission.queue
        return queue.num_waiting <= LARGEST_QUEUE_RATIO * queue.limit

    def collector(
        self, num_failwhales: Callable[[], int], open_leases: Callable[[], Mapping[str, int]] | None = None
    ) -> DoorCollector:
        """The door's metrics.

        Args:
            open_leases: where nobody else shows them.
        """

        def gauges() -> DoorGauges:
            queue = self.admission.queue
            tally = self.turned_away.tally
            return DoorGauges(
                failwhales=num_failwhales(),
                users_turned_away=0 if tally is None else tally.users,
                queue_depth={name: queue.num_waiting_of(name) for name in self.tenants.directory.classes},
                in_flight=queue.num_in_flight,
                max_in_flight=queue.limit,
                open_leases=None if open_leases is None else open_leases(),
                log=self._log_gauges(),
                moderation=None if self.moderation is None else dict(self.moderation.outcomes),
            )

        return DoorCollector(self.counts, gauges)

    def _log_gauges(self) -> LogGauges | None:
        if self.log is None or self.events is None:
            return None
        counts = self.log.counts
        return LogGauges(self.log.num_buffered, counts.delivered, counts.dropped, self.events.num_without_features)


def build_parts(
    settings: DoorSettings,
    *,
    tenants: Path | None,
    clock: Clock,
    gate: Gate,
    max_in_flight: int,
    max_body_bytes: int,
    environment: Mapping[str, str],
) -> DoorParts:
    """Read every file that the settings name.

    Args:
        max_in_flight: where the settings leave it to the server.
    Raises: SettingError.
    """
    enricher = Enricher(settings.enrich)
    log = (
        None if settings.request_log is None else RequestLog(_sink(settings, environment), settings.request_log.buffer)
    )

    def put(event: SignupEvent) -> None:
        if log is not None:
            log.put(event)

    def look_up(address: str) -> Place:
        origin = enricher.origin(address, ())
        return Place(origin.network, origin.country, origin.asn, origin.kind)

    accounts = AccountFeed(put, look_up, path=settings.accounts)
    secret = read_secret(settings.hash_secret, environment)
    moderation = None if settings.moderation is None else _moderation(settings.moderation, environment)
    events = None
    if log is not None and settings.request_log is not None:
        events = EventMaker(
            log,
            Keyring.ephemeral() if secret is None else Keyring(secret),
            accounts,
            classifier=load_hazard_model() if settings.classifier else None,
            moderation=moderation,
            cluster=settings.cluster,
            with_text=settings.request_log.text,
        )
    return DoorParts(
        settings=settings,
        clock=clock,
        gate=gate,
        tenants=Tenants(tenants),
        max_body_bytes=max_body_bytes,
        admission=Admission(settings.max_in_flight or max_in_flight, time.monotonic),
        limiter=RateLimiter(),
        shares=TrafficShares(),
        enricher=enricher,
        signatures=load_signatures(settings.signatures),
        patterns=load_pattern_sets(settings.patterns),
        library=load_library(settings.prompts),
        page=FailwhalePage(),
        turned_away=UsersTurnedAway(),
        counts=DoorCounts(),
        accounts=accounts,
        log=log,
        events=events,
        moderation=moderation,
    )


def _sink(settings: DoorSettings, environment: Mapping[str, str]) -> Sink:
    log = settings.request_log
    assert log is not None
    if log.is_url:
        return HttpSink(log.to, environment.get(REQUEST_LOG_TOKEN_ENV) or None, counts_only=log.counts_only)
    return FileSink(Path(log.to))


def _moderation(part: ModerationPart, environment: Mapping[str, str]) -> ModerationEndpoint:
    key = environment.get(MODERATION_KEY_ENV)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    http = httpx.AsyncClient(base_url=part.url, headers=headers, trust_env=False)
    return ModerationEndpoint(
        http, path=part.path, model=part.model, timeout_s=part.timeout, most_in_flight=part.most_in_flight
    )
