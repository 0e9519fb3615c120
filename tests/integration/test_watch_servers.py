"""Rules on real Prometheus servers: they fire and end there, and a server that is gone neither fires nor ends one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsbot.cli import main
from opsbot.clock import SystemClock
from opsbot.source.first_healthy import FirstHealthy
from opsbot.source.prometheus import PrometheusSource
from opsbot.source.servers import ServerAddress
from opsbot.watch.watcher import WatchSettings, run_watch
from tests.support.certificate import make_certificate
from tests.support.ports import free_port
from tests.support.prometheus import prometheus
from tests.support.rule_packs import book
from tests.support.waiting import until
from tests.support.watching import TOKEN, Door, Exposed, rule_text, served, write_rules

pytestmark = [pytest.mark.integration, pytest.mark.long]

BUSY = rule_text(clear_expr="m < 3", annotations='{summary: "busy in {{ region }} at {{ value }}"}')
LIMIT_S = 30.0
BEARER = "server-token"


class Fleet:
    """A target, a door, and watch between a Prometheus and the door."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exposed = Exposed({"m": 1.0, "n": 1.0})
        self.door = Door()
        self.target_port, self.door_port, self.port = free_port(), free_port(), free_port()
        self.rules = write_rules(folder / "rules.yaml", BUSY)

    @asynccontextmanager
    async def watching(self, *servers: ServerAddress) -> AsyncIterator[None]:
        """The target, the door and the role for the length of an async with block."""
        settings = WatchSettings(
            [],
            [self.rules],
            f"http://127.0.0.1:{self.door_port}",
            TOKEN,
            listen_port=self.port,
            interval_s=0.1,
            servers=servers,
        )
        async with (
            served(self.exposed.app, self.target_port),
            served(self.door.app, self.door_port),
        ):
            role = asyncio.create_task(run_watch(settings, SystemClock()))
            try:
                yield
            finally:
                role.cancel()
                await asyncio.gather(role, return_exceptions=True)

    async def told(self, name: str, *states: str) -> None:
        """Wait until the door was told exactly these states."""
        await until(lambda: self.door.told(name) == list(states), LIMIT_S)

    async def scraped(self, times: int = 2) -> None:
        """Wait for so many more scrapes."""
        asked = self.exposed.num_asked
        await until(lambda: self.exposed.num_asked >= asked + times, LIMIT_S)

    async def shown(self, what: str) -> Any:
        """What the role's API shows."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            return (await http.get(f"/api/v1/{what}")).raise_for_status().json()["data"]

    @property
    def targets(self) -> Sequence[str]:
        """What Prometheus scrapes."""
        return [f"127.0.0.1:{self.target_port}"]


def address(url: str, name: str = "eu", **more: Any) -> ServerAddress:
    """A server that is asked five times a second."""
    return ServerAddress(url, name, {"region": name}, interval_s=0.2, timeout_s=2.0, **more)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Nothing runs yet."""
    return Fleet(tmp_path)


async def test_a_rule_fires_and_ends_on_a_server(fleet: Fleet) -> None:
    """With the server's label and the element's; between the levels it goes on, and without data it is blind."""
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with fleet.watching(address(url)):
            await fleet.scraped()
            fleet.exposed.lines["m"] = 9.0
            await fleet.told("Busy", "firing")
            alert = fleet.door.last("Busy")
            assert alert["labels"] == {
                "alertname": "Busy", "severity": "high", "region": "eu",
                "instance": fleet.targets[0], "job": "serving",
            }  # fmt: skip
            assert alert["annotations"]["summary"] == "busy in eu at 9"
            fleet.exposed.lines["m"] = 4.0
            await fleet.scraped(4)
            await fleet.told("Busy", "firing")
            fleet.exposed.status = 503
            await until(lambda: fleet.door.last("Busy")["annotations"].get("opsbot_blind") == "true", LIMIT_S)
            fleet.exposed.status, fleet.exposed.lines["m"] = 200, 1.0
            await fleet.told("Busy", "firing", "resolved")
            assert fleet.door.told("MetricsSourceDown") == []


async def test_a_server_that_is_killed_holds_its_alerts_and_is_one(fleet: Fleet) -> None:
    """What ends meanwhile ends when the server is back; the silence itself is told, by the server's name."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with fleet.watching(address(url)):
        with prometheus(fleet.folder / "p", targets=fleet.targets, port=port):
            fleet.exposed.lines["m"] = 9.0
            await fleet.told("Busy", "firing")
        fleet.exposed.lines["m"] = 1.0
        await fleet.told("MetricsSourceDown", "firing")
        down = fleet.door.last("MetricsSourceDown")
        assert down["labels"] == {
            "alertname": "MetricsSourceDown", "severity": "high", "region": "eu", "source": "eu",
        }  # fmt: skip
        await until(lambda: fleet.door.last("Busy")["annotations"].get("opsbot_blind") == "true", LIMIT_S)
        assert fleet.door.told("Busy") == ["firing"]
        (source,) = (await fleet.shown("sources"))["sources"]
        assert (source["kind"], source["name"], source["health"]) == ("prometheus", "eu", "down")
        assert source["failingSince"] is not None
        assert source["lastError"] == "All connection attempts failed"
        with prometheus(fleet.folder / "p", targets=fleet.targets, port=port):
            await fleet.told("MetricsSourceDown", "firing", "resolved")
            await fleet.told("Busy", "firing", "resolved")


async def test_two_servers_are_each_asked_each_rule(fleet: Fleet) -> None:
    """Their alerts differ by region; when one is gone, the other's go on firing and ending."""
    other = Exposed({"m": 9.0})
    other_port = free_port()
    with prometheus(fleet.folder / "eu", targets=fleet.targets) as eu:
        async with served(other.app, other_port):
            with prometheus(fleet.folder / "us", targets=[f"127.0.0.1:{other_port}"]) as us:
                async with fleet.watching(address(eu), address(us, "us")):
                    await until(lambda: fleet.door.told("Busy") == ["firing"], LIMIT_S)
                    assert fleet.door.last("Busy")["labels"]["region"] == "us"
                    fleet.exposed.lines["m"] = 9.0
                    await until(lambda: len(regions(fleet.door, "firing")) == 2, LIMIT_S)
                    groups = (await fleet.shown("rules"))["groups"]
                    shown = [alert["labels"]["region"] for alert in groups[0]["rules"][0]["alerts"]]
                    assert sorted(shown) == ["eu", "us"]
                    other.lines["m"] = 1.0
                    await until(lambda: regions(fleet.door, "resolved") == {"us"}, LIMIT_S)


def regions(door: Door, state: str) -> set[str]:
    """Of the alerts that were told to be so."""
    found = [alert for alert in door.alerts if alert["labels"]["alertname"] == "Busy" and alert["status"] == state]
    return {alert["labels"]["region"] for alert in found}


async def test_a_restart_goes_on_with_the_servers_alerts(fleet: Fleet) -> None:
    """A new watch asks core what fires: it neither fires twice nor ends what lies between the levels."""
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with fleet.watching(address(url)):
            fleet.exposed.lines["m"] = 9.0
            await fleet.told("Busy", "firing")
        began = fleet.door.last("Busy")["startsAt"]
        fleet.door.firing = [fleet.door.last("Busy")]
        fleet.exposed.lines["m"] = 4.0
        async with fleet.watching(address(url)):
            await fleet.scraped(4)
            assert fleet.door.last("Busy")["startsAt"] == began
            await fleet.told("Busy", "firing")
            fleet.exposed.lines["m"] = 1.0
            await fleet.told("Busy", "firing", "resolved")


async def test_recorded_series_are_written_out_for_a_server(fleet: Fleet) -> None:
    """A server that does not record them is asked for what they are made of, over time and with matchers too."""
    write_rules(
        fleet.rules,
        "      - {record: m:double, expr: m * 2, labels: {kind: double}}\n",
        rule_text(expr='max_over_time(m:double{kind="double",job!="other"}[10s]) > 11 and m:double offset 1ms > 11'),
    )
    fleet.exposed.lines["m"] = 6.0
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with fleet.watching(address(url)):
            await fleet.told("Busy", "firing")
            assert fleet.door.last("Busy")["labels"]["kind"] == "double"


async def test_a_servers_refusal_is_shown_by_rule(fleet: Fleet) -> None:
    """In the server's own words; the other rules and the server are well."""
    write_rules(fleet.rules, BUSY, rule_text("Torn", expr='-{__name__=~"m|n"} < 0'))
    fleet.exposed.lines["m"] = 9.0
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with fleet.watching(address(url)):
            await fleet.told("Busy", "firing")
            (group,) = (await fleet.shown("rules"))["groups"]
            torn = next(rule for rule in group["rules"] if rule["name"] == "Torn")
            assert torn["health"] == "err"
            assert torn["lastError"].startswith("eu refuses it (execution): vector cannot contain metrics")
            (source,) = (await fleet.shown("sources"))["sources"]
            assert source["health"] == "up"


async def test_missing_data_fires_where_a_rule_wants_it(fleet: Fleet) -> None:
    """`no_data: fire` carries the server's labels and ends with data; a server that is gone fires nothing."""
    write_rules(fleet.rules, rule_text("Gone", expr="later > 5", no_data="fire"))
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with fleet.watching(address(url), address(f"http://127.0.0.1:{free_port()}", "us")):
            await fleet.told("Gone", "firing")
            assert fleet.door.last("Gone")["labels"]["region"] == "eu"
            fleet.exposed.lines["later"] = 1.0
            await fleet.told("Gone", "firing", "resolved")
    assert {alert["labels"]["region"] for alert in fleet.door.alerts if alert["labels"]["alertname"] == "Gone"} == {
        "eu"
    }


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
async def test_behind_tls_and_a_token(fleet: Fleet) -> None:
    """The right token and authority get answers; a wrong one, or none, is said to be."""
    certificate = make_certificate(fleet.folder)
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with served(guarded(url), certificate=certificate) as safe:
            fleet.exposed.lines["m"] = 9.0
            trusted: dict[str, Any] = {"ca_file": certificate.ca_file, "token": BEARER}
            servers = [
                address(safe, "right", **trusted),
                address(safe, "unchecked", token=BEARER, is_insecure=True),
                address(safe, "unknown", token=BEARER),
                address(safe, "refused", ca_file=certificate.ca_file, token="another"),
                address(safe, "bare", ca_file=certificate.ca_file),
            ]
            async with fleet.watching(*servers):
                await until(lambda: regions(fleet.door, "firing") == {"right", "unchecked"}, LIMIT_S)
                shown = {one["name"]: one["lastError"] for one in (await fleet.shown("sources"))["sources"]}
            assert shown["right"] == shown["unchecked"] == ""
            assert "unable to get local issuer certificate" in shown["unknown"]
            assert shown["refused"] == "401 in answer to a query: its token is not accepted"
            assert shown["bare"] == "401 in answer to a query: it wants a token: name its variable as token_env"
            sources = [PrometheusSource(one) for one in servers]
            try:
                assert await sources[0].value("vector(7)") == 7.0
                assert await FirstHealthy(sources[::-1], SystemClock()).check("vector(1) > 0") == "holds"
            finally:
                for source in sources:
                    source.close()


def guarded(url: str) -> Starlette:
    """A proxy that asks for a token."""

    async def forward(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {BEARER}":
            return Response("no", 401)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.request(
                request.method,
                f"{url}{request.url.path}",
                params=request.query_params,
                content=await request.body(),
                headers={"content-type": request.headers.get("content-type", "text/plain")},
            )
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    return Starlette(routes=[Route("/api/v1/{what}", forward, methods=["GET", "POST"])])


async def test_a_server_of_nine_seconds_holds_up_nobody(fleet: Fleet) -> None:
    """It is told as silent after its time-out, while the other server's rules fire and end."""

    async def slow(request: Request) -> Response:
        await asyncio.sleep(9.0)
        return Response("{}")

    app = Starlette(routes=[Route("/api/v1/query", slow, methods=["POST"])])
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with served(app) as other, fleet.watching(address(other, "slow"), address(url)):
            fleet.exposed.lines["m"] = 9.0
            await fleet.told("Busy", "firing")
            fleet.exposed.lines["m"] = 1.0
            await fleet.told("Busy", "firing", "resolved")
            await fleet.told("MetricsSourceDown", "firing")
            assert "no answer within 2 s" in fleet.door.last("MetricsSourceDown")["annotations"]["description"]


async def test_the_command_asks_each_rule_of_each_server(fleet: Fleet) -> None:
    """It says which rules a server refuses, and why another one does not answer; every shipped rule is taken."""
    bad = write_rules(fleet.folder / "torn.yaml", rule_text("Torn", expr='-{__name__=~"m|n"} < 0'))
    nobody = f"http://127.0.0.1:{free_port()}"
    with prometheus(fleet.folder / "p", targets=fleet.targets) as url:
        async with served(fleet.exposed.app, fleet.target_port):
            await fleet.scraped()
            config = fleet.folder / "opsbot.yaml"
            config.write_text(
                f"version: 1\nalert_rules: [policies/alerts, {bad}]\nprometheus:\n"
                f"  - {{url: '{url}', name: eu, labels: {{region: eu}}}}\n"
                f"  - {{url: '{nobody}', name: us, labels: {{region: us}}}}\n"
            )
            found = await asyncio.to_thread(CliRunner().invoke, main, ["sources", "--config", str(config)])
    lines = found.output.splitlines()
    num_rules = len([rule for rule in book().rules if not rule.origin.endswith("bot.yaml")]) + 1
    assert found.exit_code == 1
    assert lines[0] == f"ok    prometheus eu at {url}: answers, {num_rules - 1} of {num_rules} rules"
    assert lines[1].startswith(f"WRONG prometheus eu: rule Torn ({bad}): eu refuses it (execution): vector cannot")
    assert lines[2] == f"WRONG prometheus us at {nobody}: All connection attempts failed"
    assert len(lines) == 4
