"""docs/metrics.md names every metric and PromQL function that the bot has, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from starlette.applications import Starlette

from opsbot.clock import SystemClock
from opsbot.events.role import EventsRole
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.syntax import AGGREGATIONS
from opsbot.source.scrape import Target
from opsbot.telemetry import CoreMetrics
from opsbot.watch.watcher import Watcher, WatchSettings
from opsbot.web.tokens import Tokens

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")


def rows(prefix: str) -> list[tuple[str, str]]:
    """The (name, type) rows of the metrics with *prefix*."""
    found = re.findall(r"^\| `(opsbot_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    return sorted((name, kind) for name, kind in found if name.startswith(prefix))


def types(exposition: str) -> list[tuple[str, str]]:
    """The same of what is exposed."""
    found = re.findall(r"^# TYPE (opsbot_\w+) (\w+)$", exposition, re.MULTILINE)
    return sorted((name, kind) for name, kind in found if not name.endswith("_created"))


async def exposition(app: Starlette) -> str:
    """What a role exposes."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://role") as http:
        return (await http.get("/metrics")).text


def test_cores_metrics_are_documented() -> None:
    """Exactly one row for each metric of core."""
    documented = [row for row in rows("opsbot_") if not row[0].startswith(("opsbot_watch_", "opsbot_events_"))]
    assert documented == types(CoreMetrics().exposition())


async def test_watchs_metrics_are_documented() -> None:
    """Exactly one row for each metric of watch."""
    settings = WatchSettings([Target("http://127.0.0.1:9/metrics", "a")], [], "http://127.0.0.1:9", "t")
    async with httpx.AsyncClient() as http:
        text = await exposition(Watcher(settings, SystemClock(), http).app)
    assert rows("opsbot_watch_") == types(text)


async def test_events_metrics_are_documented(tmp_path: Path) -> None:
    """Exactly one row for each metric of events."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of("t", {}), SystemClock())
    text = await exposition(role.app)
    role.close()
    assert rows("opsbot_events_") == types(text)


def test_the_promql_subset_is_documented() -> None:
    """Every supported function and aggregation is named, and nothing else is."""
    section = PAGE.split("## PromQL without Prometheus")[1]
    functions = next(line for line in section.splitlines() if line.startswith("- the functions"))
    assert set(re.findall(r"`(\w+)`", functions)) == SUPPORTED_FUNCTIONS
    aggregations = next(line for line in section.splitlines() if line.startswith("- the aggregations"))
    assert set(aggregations.split("`")[1].split()) == AGGREGATIONS
