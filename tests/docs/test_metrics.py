"""docs/metrics.md names every metric and PromQL function that the bot has, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette

from opsbot.clock import SystemClock
from opsbot.events.role import EventsRole
from opsbot.process_metrics import ProcessMetrics
from opsbot.promql.functions import SUPPORTED_FUNCTIONS
from opsbot.promql.support import AGGREGATIONS, OPERATORS
from opsbot.source.scrape import Target
from opsbot.telemetry import CoreMetrics
from opsbot.watch.watcher import Watcher, WatchSettings
from opsbot.web.tokens import Tokens
from serving_stub.frontdoor.door_metrics import DoorCollector, DoorCounts, DoorGauges, LogGauges
from serving_stub.frontdoor.moderation import Outcome
from serving_stub.frontdoor.request_log import DropReason

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


EVERYWHERE = types(ProcessMetrics("core").exposition())


def own(exposition: str) -> list[tuple[str, str]]:
    """What is exposed beside what every role does, all of which must be there."""
    exposed = types(exposition)
    assert set(EVERYWHERE) <= set(exposed)
    return sorted(set(exposed) - set(EVERYWHERE))


def test_what_every_role_exposes_is_documented() -> None:
    """Exactly one row for each, in the section of every role."""
    section = PAGE.split("### Every role")[1].split("### Core")[0]
    assert sorted(re.findall(r"^\| `(opsbot_\w+)` \| (\w+) \|", section, re.MULTILINE)) == EVERYWHERE


def test_cores_metrics_are_documented() -> None:
    """Exactly one row for each metric of core."""
    documented = [row for row in rows("opsbot_") if not row[0].startswith(("opsbot_watch_", "opsbot_events_"))]
    assert sorted(set(documented) - set(EVERYWHERE)) == own(CoreMetrics().exposition())


async def test_watchs_metrics_are_documented() -> None:
    """Exactly one row for each metric of watch."""
    settings = WatchSettings([Target("http://127.0.0.1:9/metrics", "a")], [], "http://127.0.0.1:9", "t")
    async with httpx.AsyncClient() as http:
        text = await exposition(Watcher(settings, SystemClock(), http).app)
    assert rows("opsbot_watch_") == own(text)


async def test_events_metrics_are_documented(tmp_path: Path) -> None:
    """Exactly one row for each metric of events."""
    role = EventsRole(tmp_path / "events.sqlite", Tokens.of("t", {}), SystemClock())
    text = await exposition(role.app)
    role.close()
    assert rows("opsbot_events_") == own(text)


def test_the_promql_subset_is_documented() -> None:
    """Every supported function, aggregation and operator has its place in the table, and nothing else has."""
    section = PAGE.split("## PromQL without Prometheus")[1]
    table = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", section, re.MULTILINE))
    words = {kind: set(re.findall(r"`([^`]+)`", text)) for kind, text in table.items()}
    kinds = ["counters over a range", "gauges over a range", "samples over a range", "values", "labels", "others"]
    assert set().union(*(words[kind] for kind in kinds)) == SUPPORTED_FUNCTIONS
    assert words["aggregations"] == AGGREGATIONS | {"by", "without"}
    assert words["arithmetic"] | words["comparison"] | words["sets"] == OPERATORS | {"bool"}


@pytest.mark.parametrize("is_whole", [False, True], ids=["bare", "with log and moderation"])
def test_the_doors_metrics_are_documented(is_whole: bool) -> None:
    """Each metric of the door's collector has its row, and with everything configured there is no other row."""
    log = LogGauges(0, 0, {DropReason.REJECTED: 1}, 0) if is_whole else None
    gauges = DoorGauges(0, 0, {"default": 0}, 0, 1, log=log, moderation={Outcome.SCORED: 1} if is_whole else None)
    registry = CollectorRegistry()
    registry.register(DoorCollector(DoorCounts(), lambda: gauges))
    exposed = re.findall(r"^# TYPE (frontdoor_\w+) (\w+)$", generate_latest(registry).decode(), re.MULTILINE)
    documented = re.findall(r"^\| `(frontdoor_\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    assert set(exposed) <= set(documented)
    assert not is_whole or sorted(exposed) == sorted(documented)
