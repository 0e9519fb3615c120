"""Watch over lists of targets: a file that changes, and a live fleet that says itself what it has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from opsbot.clock import SystemClock
from opsbot.watch import roster
from opsbot.watch.watcher import WatchSettings, run_watch
from tests.support.fleet_server import fleet_serving
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.watching import TOKEN, Door, Exposed, rule_text, served, write_rules

pytestmark = pytest.mark.integration

FLEET = """
name: four
defaults: {gpu: h100, model: llama-3.1-8b, max_num_seqs: 16, max_model_len: 2048}
clusters:
  - {name: w, region: west, countries: [US], count: 2}
  - {name: e, region: east, countries: [DE], count: 2}
router: {max_view_age: 2s}
limits: {fleet: 0.5, region: 1, model: 0.5}
"""


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are looked at more often than in earnest."""
    monkeypatch.setattr(roster, "EVERY_S", 0.1)


@asynccontextmanager
async def watching(
    folder: Path, rule: str, *, files: Sequence[Path] = (), urls: Sequence[str] = ()
) -> AsyncIterator[tuple[Door, httpx.AsyncClient]]:
    """The role, the door that it tells, and a client of its API."""
    door, door_port, port = Door(), free_port(), free_port()
    settings = WatchSettings(
        [],
        [write_rules(folder / "rules.yaml", rule)],
        f"http://127.0.0.1:{door_port}",
        TOKEN,
        listen_port=port,
        interval_s=0.2,
        targets_files=files,
        targets_urls=urls,
    )
    async with (
        served(door.app, door_port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", trust_env=False) as http,
    ):
        role = asyncio.create_task(run_watch(settings, SystemClock()))
        try:
            yield door, http
        finally:
            role.cancel()
            await asyncio.gather(role, return_exceptions=True)


async def shown(http: httpx.AsyncClient, what: str) -> Any:
    """What the role's API shows."""
    return (await http.get(f"/{what}")).raise_for_status().json()["data"]


def listed(path: Path, *targets: tuple[int, str]) -> Path:
    """A file of targets by port and cluster."""
    groups = [{"targets": [f"127.0.0.1:{port}"], "labels": {"cluster": name}} for port, name in targets]
    path.write_text(json.dumps(groups))
    return path


async def test_a_file_is_followed(tmp_path: Path) -> None:
    """Targets come and go with it; one that is gone is stale, is no alert, and a bad file changes nothing."""
    path = tmp_path / "targets.json"
    east, west = Exposed({"m": 9.0}), Exposed({"m": 9.0})
    async with served(east.app) as one, served(west.app) as two:
        ports = [httpx.URL(url).port or 0 for url in (one, two)]
        listed(path, (ports[0], "east"))
        async with watching(tmp_path, rule_text(no_data="resolve"), files=[path]) as (door, http):
            await until(lambda: door.told("Busy") == ["firing"])
            assert door.last("Busy")["labels"]["cluster"] == "east"
            listed(path, (ports[0], "east"), (ports[1], "west"))
            await until(lambda: door.last("Busy")["labels"]["cluster"] == "west")
            path.write_text("[")
            asked = east.num_asked
            await until(lambda: east.num_asked > asked + 5)
            (source,) = (await shown(http, "sources"))["sources"]
            assert (source["health"], source["numTargets"]) == ("down", 2)
            assert source["lastError"] == f"{path}:1:2: not JSON: Expecting value"
            listed(path, (ports[1], "west"))
            await until(lambda: door.told("Busy")[-1] == "resolved")
            assert door.last("Busy")["labels"]["cluster"] in ("east", "west")
            targets = (await shown(http, "targets"))["activeTargets"]
            assert [target["labels"]["cluster"] for target in targets] == ["west"]
            assert door.told("MetricsSourceDown") == []


async def test_an_alert_about_a_target_that_was_taken_out_ends(tmp_path: Path) -> None:
    """Not while the list is only unreadable; and not the alert of a target that stays, though it is blind too."""
    path = tmp_path / "targets.json"
    east, west = Exposed({"m": 9.0}), Exposed({"m": 9.0})
    async with served(east.app) as one, served(west.app) as two:
        ports = [httpx.URL(url).port or 0 for url in (one, two)]
        listed(path, (ports[0], "east"), (ports[1], "west"))
        async with watching(tmp_path, rule_text(), files=[path]) as (door, http):
            await until(lambda: told_of(door) == {("east", "firing", False), ("west", "firing", False)})
            east.status = west.status = 503
            await until(lambda: told_of(door) >= {("east", "firing", True), ("west", "firing", True)})
            path.write_text("[")
            asked = east.num_asked
            await until(lambda: east.num_asked > asked + 5)
            assert (await shown(http, "sources"))["sources"][0]["health"] == "down"
            assert not any(state == "resolved" for _, state, _ in told_of(door))
            listed(path, (ports[1], "west"))
            await until(lambda: door.last("Busy")["status"] == "resolved")
            assert door.last("Busy")["labels"]["cluster"] == "east"
            assert door.last("Busy")["annotations"]["opsbot_end"] == "its target was taken out of the list"
            asked = west.num_asked
            await until(lambda: west.num_asked > asked + 5)
            assert ("west", "resolved", False) not in told_of(door)


def told_of(door: Door) -> set[tuple[str, str, bool]]:
    """Clusters, states and blindness of the alert `Busy`, as core was told of them."""
    return {
        (alert["labels"]["cluster"], alert["status"], "opsbot_blind" in alert["annotations"])
        for alert in door.alerts
        if alert["labels"]["alertname"] == "Busy"
    }


async def test_a_fleet_says_what_it_has(tmp_path: Path) -> None:
    """Each of its clusters is watched by one address, with its region; what the fleet loses is told by cluster."""
    file = tmp_path / "four.yaml"
    file.write_text(FLEET)
    rule = rule_text(expr='count by (region) (up{job="serving"} == 1 and on (cluster) vllm:num_requests_running) == 2')
    with fleet_serving(tmp_path / "state", file) as fleet:
        url = f"{fleet.url}/targets"
        async with watching(tmp_path, rule, urls=[url]) as (door, http):
            await until(lambda: len({a["labels"].get("region") for a in door.alerts}) == 2, 30.0)
            assert {a["labels"]["region"] for a in door.alerts} == {"west", "east"}
            (source,) = (await shown(http, "sources"))["sources"]
            assert (source["kind"], source["name"], source["numTargets"]) == ("targets_url", url, 4)
            text = (await http.get(str(http.base_url).replace("/api/v1/", "/metrics"))).text
            assert f'opsbot_watch_source_up{{kind="targets_url",source="{url}"}} 1.0' in text
            scrapes = [line for line in text.splitlines() if line.startswith("opsbot_watch_scrapes_total{")]
            assert len({line.rpartition(" ")[0] for line in scrapes}) == len(scrapes) == 4
