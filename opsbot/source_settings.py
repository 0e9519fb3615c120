"""The metrics sources that the settings name, as the roles use them."""

from __future__ import annotations

from collections.abc import Mapping

from opsbot.clock import Clock
from opsbot.config import Settings
from opsbot.source.first_healthy import FirstHealthy
from opsbot.source.prometheus import PrometheusSource
from opsbot.source.scrape import Target
from opsbot.source.servers import ServerAddress


def server_addresses(settings: Settings, tokens: Mapping[str, str]) -> list[ServerAddress]:
    """The Prometheus servers, with their *tokens* by name."""
    return [
        ServerAddress(
            url=server.url,
            name=server.name,
            labels=server.labels,
            token=tokens.get(server.name),
            ca_file=server.ca_file,
            is_insecure=server.insecure,
            timeout_s=server.timeout,
            interval_s=server.interval,
        )
        for server in settings.prometheus
    ]


def scraped_clusters(settings: Settings) -> list[Target]:
    """The clusters that watch scrapes by their entries; none where lists or servers say what there is."""
    if settings.prometheus or settings.targets_file or settings.targets_url:
        return []
    return [Target(f"{serving.url.rstrip('/')}/metrics", serving.cluster) for serving in settings.serving]


def asked_source(settings: Settings, tokens: Mapping[str, str], clock: Clock) -> PrometheusSource | FirstHealthy:
    """What is asked for values: the first Prometheus that answers, or watch where there is none."""
    addresses = server_addresses(settings, tokens)
    if addresses:
        return FirstHealthy([PrometheusSource(address) for address in addresses], clock)
    host = settings.watch.host
    return PrometheusSource(f"http://{f'[{host}]' if ':' in host else host}:{settings.watch.port}")
