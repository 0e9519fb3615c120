"""Builds core's heartbeat from the settings: every object once, and the clients that it owns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import httpx

from opsbot.clock import Clock
from opsbot.config import Settings
from opsbot.config_secrets import Secrets
from opsbot.heartbeat.beat import Heartbeat
from opsbot.heartbeat.metrics import HeartbeatMetrics
from opsbot.heartbeat.parts import LoopParts, Places
from opsbot.slack.role import SlackRole
from opsbot.store.database import Database
from opsbot.store.pulse import PulseRepository

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build_heartbeat(
    settings: Settings,
    secrets: Secrets,
    database: Database,
    slack: SlackRole,
    num_reviews: Callable[[], int],
    metrics: HeartbeatMetrics,
    clock: Clock,
    stack: AsyncExitStack,
) -> Heartbeat | None:
    """The heartbeat, whose clients *stack* closes; None where the settings have none."""
    section = settings.heartbeat
    if section is None or secrets.heartbeat_url is None:
        return None
    url = secrets.heartbeat_url
    # The other roles are ours and near; what is outside may be behind a proxy.
    inside = httpx.AsyncClient(trust_env=False)
    outside = httpx.AsyncClient(trust_env=urlsplit(url).hostname not in LOOPBACK)
    stack.push_async_callback(inside.aclose)
    stack.push_async_callback(outside.aclose)
    parts = LoopParts(
        PulseRepository(database, settings.instance).beat,
        lambda: None if slack.is_connected else (slack.problem or "it is not connected yet"),
        num_reviews,
        Places(*(_base(role.host, role.port) for role in (settings.watch, settings.events))),
        inside,
        section.patience,
        clock,
    )
    return Heartbeat(parts, url, section.method, section.every, outside, metrics, clock)


def _base(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
