"""What watch shows of its sources: the Prometheus servers that it asks, and the lists that its targets come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from opsbot.clock import to_rfc3339
from opsbot.source.discovery import Discovery
from opsbot.source.health import SourceHealth
from opsbot.watch.remote import ServerRules

SERVER = "prometheus"
_LABELS = ("kind", "source")


def sources(servers: Sequence[ServerRules], discoveries: Sequence[Discovery]) -> Sequence[Mapping[str, object]]:
    """Each source and its health, as JSON."""
    found: list[Mapping[str, object]] = [
        {
            **_shown(SERVER, server.address.name, server.health),
            "url": server.address.base_url,
            "labels": dict(server.address.labels),
            "lastRoundDuration": server.round_s,
        }
        for server in servers
    ]
    found += [{**_shown(one.kind, one.name, one.health), "numTargets": len(one.targets)} for one in discoveries]
    return found


def source_metrics(servers: Sequence[ServerRules], discoveries: Sequence[Discovery]) -> Iterator[Metric]:
    """Their health as metrics."""
    up = GaugeMetricFamily("opsbot_watch_source_up", "Whether a source answers.", labels=_LABELS)
    asked = CounterMetricFamily("opsbot_watch_source_asked", "Questions to a source.", labels=_LABELS)
    failures = CounterMetricFamily("opsbot_watch_source_failures", "Times that it did not answer.", labels=_LABELS)
    seconds = GaugeMetricFamily(
        "opsbot_watch_source_round_seconds", "How long the last round of a server's rules took.", labels=_LABELS
    )
    healths = [(SERVER, server.address.name, server.health) for server in servers]
    healths += [(one.kind, one.name, one.health) for one in discoveries]
    for kind, name, health in healths:
        up.add_metric([kind, name], float(health.failing_since is None))
        asked.add_metric([kind, name], health.num_asked)
        failures.add_metric([kind, name], health.num_failures)
    for server in servers:
        seconds.add_metric([SERVER, server.address.name], server.round_s)
    yield from (up, asked, failures, seconds)


def _shown(kind: str, name: str, health: SourceHealth) -> Mapping[str, object]:
    since = health.failing_since
    return {
        "kind": kind,
        "name": name,
        "health": health.word,
        "failingSince": to_rfc3339(since) if since is not None else None,
        "lastError": health.last_error,
    }
