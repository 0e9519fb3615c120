"""The watch role between a real target and a real alert door, each of which comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from opsbot.clock import SystemClock
from opsbot.errors import ConfigError
from opsbot.source.prometheus import PrometheusSource
from opsbot.source.scrape import Target
from opsbot.watch.watcher import WatchSettings, run_watch
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.watching import TOKEN, Door, Exposed, rule_text, served, write_rules

pytestmark = pytest.mark.integration

BUSY = rule_text(clear_expr="m < 3", annotations='{summary: "busy on {{ cluster }}"}')


class Watched:
    """A target, a door, and the ports between them and watch."""

    def __init__(self, folder: Path) -> None:
        self.exposed = Exposed({"m": 1.0})
        self.door = Door()
        self.target_port, self.door_port, self.port = free_port(), free_port(), free_port()
        self.rules = write_rules(folder / "rules.yaml", BUSY)
        self.own_targets: list[Target] = []

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """The role for the length of an async with block."""
        settings = WatchSettings(
            [Target(f"http://127.0.0.1:{self.target_port}/metrics", "east")],
            [self.rules],
            f"http://127.0.0.1:{self.door_port}",
            TOKEN,
            listen_port=self.port,
            interval_s=0.05,
            own_targets=self.own_targets,
        )
        role = asyncio.create_task(run_watch(settings, SystemClock()))
        try:
            yield
        finally:
            role.cancel()
            await asyncio.gather(role, return_exceptions=True)

    def is_told(self, name: str, *states: str) -> bool:
        """Whether the door was told exactly these states of an alert."""
        return self.door.told(name) == list(states)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """Nothing runs yet."""
    return Watched(tmp_path)


async def test_an_alert_fires_and_ends(watched: Watched) -> None:
    """Above the rule's level it fires, between the levels it goes on, below the lower one it ends."""
    async with (
        served(watched.exposed.app, watched.target_port),
        served(watched.door.app, watched.door_port),
        watched.watching(),
    ):
        source = PrometheusSource(f"http://127.0.0.1:{watched.port}")
        await until(lambda: watched.exposed.num_asked > 2)
        assert await source.check("m == 1") == "holds"
        watched.exposed.lines["m"] = 9.0
        await until(lambda: watched.is_told("Busy", "firing"))
        assert watched.door.last("Busy")["annotations"]["summary"] == "busy on east"
        watched.exposed.lines["m"] = 4.0
        asked = watched.exposed.num_asked
        await until(lambda: watched.exposed.num_asked > asked + 5)
        assert watched.is_told("Busy", "firing")
        watched.exposed.lines["m"] = 2.0
        await until(lambda: watched.is_told("Busy", "firing", "resolved"))


async def test_a_target_that_dies_holds_its_alert_and_is_one_itself(watched: Watched) -> None:
    """Without data the alert goes on, marked blind; after three seconds the silence is an alert; both end with data."""
    async with served(watched.door.app, watched.door_port), watched.watching():
        watched.exposed.lines["m"] = 9.0
        async with served(watched.exposed.app, watched.target_port):
            await until(lambda: watched.is_told("Busy", "firing"))
        await until(lambda: watched.door.last("Busy")["annotations"].get("opsbot_blind") == "true")
        await until(lambda: watched.is_told("MetricsSourceDown", "firing"))
        assert watched.is_told("Busy", "firing")
        watched.exposed.lines["m"] = 1.0
        async with served(watched.exposed.app, watched.target_port):
            await until(lambda: watched.is_told("MetricsSourceDown", "firing", "resolved"))
            await until(lambda: watched.is_told("Busy", "firing", "resolved"))


async def test_what_happens_while_core_is_away_is_told_later(watched: Watched) -> None:
    """Core starts after the alert began and ended: it is told both, in order."""
    async with served(watched.exposed.app, watched.target_port), watched.watching():
        watched.exposed.lines["m"] = 9.0
        asked = watched.exposed.num_asked
        await until(lambda: watched.exposed.num_asked > asked + 3)
        watched.exposed.lines["m"] = 1.0
        asked = watched.exposed.num_asked
        await until(lambda: watched.exposed.num_asked > asked + 3)
        async with served(watched.door.app, watched.door_port):
            await until(lambda: watched.is_told("Busy", "firing", "resolved"), limit_s=20.0)


async def test_a_restart_neither_forgets_nor_ends_an_alert(watched: Watched) -> None:
    """A new watch asks what fires; between the two levels the alert goes on, below the lower one it ends."""
    watched.exposed.lines["m"] = 9.0
    async with served(watched.exposed.app, watched.target_port), served(watched.door.app, watched.door_port):
        async with watched.watching():
            await until(lambda: watched.is_told("Busy", "firing"))
        watched.door.firing = [watched.door.last("Busy")]
        watched.exposed.lines["m"] = 4.0
        async with watched.watching():
            asked = watched.exposed.num_asked
            await until(lambda: watched.exposed.num_asked > asked + 5)
            assert watched.is_told("Busy", "firing")
            watched.exposed.lines["m"] = 1.0
            await until(lambda: watched.is_told("Busy", "firing", "resolved"))


async def test_a_rule_file_that_turns_bad_keeps_its_last_good_revision(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """The bad file is told once with its place, the old rule stays in force, and a good one takes over."""
    async with (
        served(watched.exposed.app, watched.target_port),
        served(watched.door.app, watched.door_port),
        watched.watching(),
    ):
        await until(lambda: watched.exposed.num_asked > 2)
        write_rules(watched.rules, rule_text(expr="m >"))
        await until(lambda: "rules.yaml:5:15" in caplog.text)
        watched.exposed.lines["m"] = 9.0
        await until(lambda: watched.is_told("Busy", "firing"))
        write_rules(watched.rules, rule_text("Calm", expr="m > 8"))
        await until(lambda: watched.is_told("Calm", "firing") and watched.is_told("Busy", "firing", "resolved"))
    assert caplog.text.count("rules.yaml:5:15") == 1


async def test_an_address_that_is_taken_is_said_to_be(watched: Watched) -> None:
    """The error names the address and where it can be changed."""
    async with served(watched.exposed.app, watched.target_port):
        settings = WatchSettings([], [], "http://127.0.0.1:9", TOKEN, listen_port=watched.target_port)
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{watched.target_port}.*opsbot\.yaml"):
            await run_watch(settings, SystemClock())


async def test_queries_of_the_role_are_prometheuss(watched: Watched) -> None:
    """A mistake in a query gets Prometheus's error shape."""
    async with watched.watching(), httpx.AsyncClient(base_url=f"http://127.0.0.1:{watched.port}") as http:
        for _ in range(100):
            try:
                answer = await http.get("/api/v1/query", params={"query": "m >"})
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    assert (answer.status_code, answer.json()["status"], answer.json()["errorType"]) == (400, "error", "bad_data")


async def test_the_role_counts_its_rounds_and_what_it_holds(watched: Watched) -> None:
    """Its metrics tell how often it went round, and how many series and samples it has."""
    async with (
        served(watched.exposed.app, watched.target_port),
        served(watched.door.app, watched.door_port),
        watched.watching(),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{watched.port}") as http,
    ):
        await until(lambda: watched.exposed.num_asked > 5)
        lines = (await http.get("/metrics")).text.splitlines()
    own = dict(line.rsplit(" ", 1) for line in lines if line.startswith("opsbot_watch_") and "{" not in line)
    assert float(own["opsbot_watch_series"]) == 2
    assert float(own["opsbot_watch_samples"]) >= 2 * 5
    assert float(own["opsbot_watch_rounds_total"]) >= 5
    assert float(own["opsbot_watch_evaluation_cpu_seconds_total"]) > 0


async def test_recorded_series_can_be_asked_for_like_any_other(watched: Watched) -> None:
    """By queries over HTTP, and by alerts; `/api/v1/rules` lists their rules."""
    record = "      - {record: m:double, expr: m * 2}\n"
    write_rules(watched.rules, record, rule_text(expr="m:double > 11"))
    async with (
        served(watched.exposed.app, watched.target_port),
        served(watched.door.app, watched.door_port),
        watched.watching(),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{watched.port}") as client,
    ):
        watched.exposed.lines["m"] = 6.0
        await until(lambda: watched.is_told("Busy", "firing"))
        found = (await client.get("/api/v1/query", params={"query": "m:double"})).json()["data"]["result"]
        assert [(one["metric"]["cluster"], float(one["value"][1])) for one in found] == [("east", 12.0)]
        (group,) = (await client.get("/api/v1/rules")).json()["data"]["groups"]
        assert [(rule["type"], rule["name"]) for rule in group["rules"]] == [
            ("recording", "m:double"),
            ("alerting", "Busy"),
        ]


async def test_the_bot_watches_itself(watched: Watched) -> None:
    """Its own metrics are there for rules; a role of it that is gone is no target that is gone."""
    ports = (watched.port, free_port())
    watched.own_targets = [Target(f"http://127.0.0.1:{port}/metrics", "opsbot", job="opsbot") for port in ports]
    write_rules(watched.rules, rule_text(expr='count(up{job="opsbot"} == 0) == 1 and on () opsbot_watch_rules == 1'))
    async with (
        served(watched.exposed.app, watched.target_port),
        served(watched.door.app, watched.door_port),
        watched.watching(),
    ):
        await until(lambda: watched.is_told("Busy", "firing"))
    assert watched.door.told("MetricsSourceDown") == []
