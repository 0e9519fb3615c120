"""The front door's metrics, kept as plain numbers by the event loop and made into samples when somebody scrapes.

Labels are bounded: classes come from the tenants file, reasons and modes from closed lists, and of countries only the
first MOST_COUNTRIES are told apart.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving_stub.frontdoor.caller import ClientKnown
from serving_stub.frontdoor.moderation import Outcome
from serving_stub.frontdoor.refusal import Reason
from serving_stub.frontdoor.request_log import DropReason

S = TypeVar("S", bound=str)
MOST_COUNTRIES = 60
NOT_KNOWN = "unknown"
OTHER = "other"
WAIT_BUCKETS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(slots=True)
class DoorCounts:
    """What has happened so far; written on the event loop only."""

    requests: Counter[tuple[str, ClientKnown]] = field(default_factory=Counter)
    by_country: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[Reason, str]] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    users_turned_away: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS) + 1))
    waits_sum_s: float = 0.0

    def count(self, service_class: str, known: ClientKnown, country: str | None) -> None:
        """One request came."""
        self.requests[service_class, known] += 1
        place = country or NOT_KNOWN
        if place not in self.by_country and len(self.by_country) >= MOST_COUNTRIES:
            place = OTHER
        self.by_country[place] += 1

    def waited(self, seconds: float) -> None:
        """One request was let in after so long."""
        self.waits[bisect_left(WAIT_BUCKETS, seconds)] += 1
        self.waits_sum_s += seconds


@dataclass(frozen=True, slots=True)
class DoorGauges:
    """What a scrape reads elsewhere.

    Args:
        failwhales: leases of the failwhale in force.
        users_turned_away: since it went up; 0 while it is down.
        queue_depth: waiting by class.
        open_leases: leases in force by knob; None where the engine's own metrics show them.
        log: buffered, put, delivered and dropped by reason; None without a request log.
        moderation: outcomes; None without an endpoint.
    """

    failwhales: int
    users_turned_away: int
    queue_depth: Mapping[str, int]
    in_flight: int
    max_in_flight: int
    open_leases: Mapping[str, int] | None = None
    log: LogGauges | None = None
    moderation: Mapping[Outcome, int] | None = None


@dataclass(frozen=True, slots=True)
class LogGauges:
    """The request log as a scrape shows it."""

    buffered: int
    delivered: int
    dropped: Mapping[DropReason, int]
    without_features: int


class DoorCollector(Collector):
    """Makes the samples."""

    def __init__(self, counts: DoorCounts, gauges: Callable[[], DoorGauges]) -> None:
        self._counts = counts
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing: whoever registers it need not collect."""
        return ()

    def collect(self) -> Iterable[Metric]:
        counts, gauges = self._counts, self._gauges()
        requests = CounterMetricFamily(
            "frontdoor_requests", "Requests that came to the door.", labels=("class", "client_known")
        )
        for (service_class, known), number in counts.requests.items():
            requests.add_metric((service_class, known), number)
        yield requests
        yield _by("frontdoor_requests_by_country", "The same by country.", "country", counts.by_country)
        refused = CounterMetricFamily(
            "frontdoor_requests_shed", "Requests that the door turned away.", labels=("reason", "class")
        )
        for (reason, service_class), number in counts.refused.items():
            refused.add_metric((reason, service_class), number)
        yield refused
        yield _gauge("frontdoor_failwhale_up", "Leases of the failwhale in force.", gauges.failwhales)
        yield _gauge(
            "frontdoor_users_turned_away", "Users turned away since the failwhale went up.", gauges.users_turned_away
        )
        yield _by("frontdoor_fallback_served", "Requests that met a fallback prompt.", "mode", counts.fallbacks)
        depth = GaugeMetricFamily("frontdoor_queue_depth", "Requests that wait at the door.", labels=("class",))
        for service_class, number in gauges.queue_depth.items():
            depth.add_metric((service_class,), number)
        yield depth
        yield _gauge("frontdoor_in_flight", "Requests that the door has let in.", gauges.in_flight)
        yield _gauge("frontdoor_max_in_flight", "The most that it lets in at a time.", gauges.max_in_flight)
        yield self._waits()
        if gauges.open_leases is not None:
            leases = GaugeMetricFamily("serving_open_leases", "Leases in force.", labels=("knob",))
            for knob, number in gauges.open_leases.items():
                leases.add_metric((knob,), number)
            yield leases
        yield from _log(gauges.log)
        if gauges.moderation is not None:
            yield _by("frontdoor_moderation", "Texts for the moderation endpoint.", "outcome", gauges.moderation)

    def _waits(self) -> Metric:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, number in zip((*map(str, WAIT_BUCKETS), "+Inf"), self._counts.waits, strict=True):
            total += number
            buckets.append((bound, total))
        waits = HistogramMetricFamily("frontdoor_admission_wait_seconds", "Wait of those whom the door let in.")
        waits.add_metric((), buckets, self._counts.waits_sum_s)
        return waits


def _log(log: LogGauges | None) -> Iterable[Metric]:
    if log is None:
        return
    yield _gauge("frontdoor_request_log_buffered", "Request events that wait for the sink.", log.buffered)
    yield CounterMetricFamily("frontdoor_request_log_delivered", "Request events that it took.", value=log.delivered)
    yield _by("frontdoor_request_log_dropped", "Request events that it never got.", "reason", log.dropped)
    yield CounterMetricFamily(
        "frontdoor_request_log_without_features",
        "Request events made without features of the prompt, since too many waited for theirs.",
        value=log.without_features,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(name: str, text: str, label: str, numbers: Mapping[S, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, number in numbers.items():
        family.add_metric((value,), number)
    return family
