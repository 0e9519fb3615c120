"""The heartbeat against a real receiver, database and roles: it is silent whenever one part of the loop is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from opsbot.clock import SystemClock
from opsbot.config import Settings, load_settings
from opsbot.config_secrets import load_secrets
from opsbot.errors import ConfigError
from opsbot.events.role import EventsRole
from opsbot.heartbeat.beat import Heartbeat
from opsbot.heartbeat.metrics import HeartbeatMetrics
from opsbot.heartbeat.parts import LoopParts, Places
from opsbot.listen import bind
from opsbot.store.database import Database
from opsbot.store.pulse import PulseRepository
from opsbot.web.tokens import Tokens
from tests.support.alert_night import Night
from tests.support.beat_receiver import SECRET, BeatReceiver, beat_receiver
from tests.support.serving_app import serving_app

pytestmark = pytest.mark.integration


class HandClock:
    """Moves when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Loop:
    """Everything that a heartbeat asks, with a hand on each part."""

    def __init__(self, folder: Path, receiver: BeatReceiver, places: Places, inside: httpx.AsyncClient) -> None:
        self.receiver = receiver
        self.clock = HandClock()
        self.night = Night(folder)
        self.slack_problem: str | None = None
        self.num_reviews = 0
        self.rounds = 0
        self.registry = CollectorRegistry()
        parts = LoopParts(
            PulseRepository(self.night.database, "core-1").beat,
            lambda: self.slack_problem,
            lambda: self.num_reviews,
            places,
            inside,
            60.0,
            self.clock,
        )
        self.heartbeat = Heartbeat(
            parts, receiver.url, "post", 60.0, inside, HeartbeatMetrics(self.registry), self.clock
        )

    async def look(self, *, moves: bool = True, after_s: float = 1.0) -> bool:
        """One look of the heartbeat; meanwhile watch and core have made their rounds, unless nothing *moves*."""
        self.clock.seconds += after_s
        if moves:
            self.num_reviews += 1
            self.rounds += 1
        return await self.heartbeat.once()

    def ok(self, part: str) -> float | None:
        """What the metric says of a part."""
        return self.registry.get_sample_value("opsbot_heartbeat_part_ok", {"part": part})


@asynccontextmanager
async def whole_loop(folder: Path) -> AsyncIterator[Loop]:
    """A loop that is whole: a receiver, the events role, and watch's count of rounds under the test's hand."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(beat_receiver())
        inside = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        events = EventsRole(folder / "events.sqlite", Tokens.of("t", {}), SystemClock())
        stack.callback(events.close)
        made: list[Loop] = []

        async def metrics(request: Request) -> Response:
            return PlainTextResponse(
                f"# TYPE opsbot_watch_rounds counter\nopsbot_watch_rounds_total {made[0].rounds}\n"
            )

        watch = Starlette(routes=[Route("/metrics", metrics)])
        places = Places(
            await stack.enter_async_context(serving_app(watch, bind("127.0.0.1", 0))),
            await stack.enter_async_context(serving_app(events.app, bind("127.0.0.1", 0))),
        )
        made.append(Loop(folder, receiver, places, inside))
        stack.callback(made[0].night.database.close)
        yield made[0]


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[Loop]:
    """A loop that has beaten once."""
    async with whole_loop(tmp_path) as made:
        # Nothing was seen to move before the second look.
        assert not await made.look()
        assert made.heartbeat.health().startswith("silent: core: its look at what is due was not seen to move yet")
        assert await made.look()
        assert made.receiver.heard == ["POST"]
        yield made


def our_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the heartbeat itself has logged."""
    return [record.getMessage() for record in caplog.records if record.name == "opsbot.heartbeat.beat"]


async def test_it_beats_while_the_loop_is_whole(loop: Loop) -> None:
    """Each look is one call, and every part is well."""
    assert await loop.look()
    assert loop.receiver.heard == ["POST", "POST"]
    assert [loop.ok(part) for part in ("database", "outbox", "slack", "core", "watch", "events")] == [1.0] * 6
    assert loop.heartbeat.health() == "beating, last 0s ago"


async def test_it_is_silent_while_slack_is_away(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """It says why once, and beats again by itself."""
    caplog.set_level(logging.INFO)
    loop.slack_problem = "the connection to Slack was lost"
    assert not await loop.look()
    assert not await loop.look()
    assert len(loop.receiver.heard) == 1
    assert loop.heartbeat.health() == "silent: slack: the connection to Slack was lost"
    assert (loop.ok("slack"), loop.ok("events")) == (0.0, 1.0)
    loop.slack_problem = None
    assert await loop.look()
    said = our_log(caplog)
    assert said == [
        "the heartbeat is silent: slack: the connection to Slack was lost",
        "the heartbeat beats again",
    ]
    assert SECRET not in str(said)


async def test_it_is_silent_while_something_is_not_said(loop: Loop) -> None:
    """An incident whose message nobody got for longer than the patience; not before."""
    loop.night.fire("Slow")
    assert await loop.look()
    assert await loop.look(after_s=60)
    assert not await loop.look()
    assert "outbox: something waits to be said in Slack or to PagerDuty for 1m1s" in loop.heartbeat.health()
    for item in loop.night.stores.outbox.due(loop.clock.seconds, 100):
        loop.night.stores.outbox.mark_delivered(item.key, item.revision, "C1", "1.0")
    assert await loop.look()


async def test_it_is_silent_while_the_database_takes_no_change(loop: Loop) -> None:
    """Reading alone does not do."""
    with loop.night.database.engine.connect() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE UPDATE ON heartbeat BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
        connection.commit()
    assert not await loop.look()
    assert loop.heartbeat.health().startswith("silent: database: the database did not take a change")


@pytest.mark.parametrize("part", ["core", "watch"])
async def test_it_is_silent_while_rounds_stand_still(loop: Loop, part: str) -> None:
    """Answering is not enough."""
    assert await loop.look(moves=False, after_s=29)
    assert not await loop.look(moves=False, after_s=2)
    assert loop.ok(part) == 0.0
    assert await loop.look()


async def test_a_url_that_does_not_take_it_is_said(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """Without the URL."""
    loop.receiver.status = 404
    assert not await loop.look()
    assert not await loop.look()
    assert loop.heartbeat.health() == "not heard: the outside URL answers 404"
    assert our_log(caplog)[-1:] == ["the heartbeat is not heard: the outside URL answers 404"]
    assert SECRET not in caplog.text
    assert loop.registry.get_sample_value("opsbot_heartbeat_failures_total") == 2.0


GIVEN = {"OPSBOT_API_TOKEN": "t", "SERVING_CONTROL_TOKEN": "t"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a heartbeat."""
    path = tmp_path / "opsbot.yaml"
    path.write_text(
        "version: 1\nserving: [{cluster: a, url: 'http://127.0.0.1:1'}]\nheartbeat: {url_env: HEARTBEAT_URL}\n",
        encoding="utf-8",
    )
    return load_settings(path)


def test_the_url_comes_from_the_environment(settings: Settings) -> None:
    """A variable that is named and not set is asked for."""
    with pytest.raises(ConfigError, match="HEARTBEAT_URL is not set: the URL of the heartbeat"):
        load_secrets(settings, GIVEN)
    secrets = load_secrets(settings, {**GIVEN, "HEARTBEAT_URL": "https://x.example/1"})
    assert secrets.heartbeat_url == "https://x.example/1"


@pytest.mark.parametrize("url", ["ftp://x/y-secret", "not-a-url-secret", "http://[::1-secret"])
def test_a_url_that_is_none_is_refused_without_showing_it(settings: Settings, url: str) -> None:
    """It may hold a secret all the same."""
    with pytest.raises(ConfigError, match="HEARTBEAT_URL holds no http") as error:
        load_secrets(settings, {**GIVEN, "HEARTBEAT_URL": url})
    assert "secret" not in str(error.value).replace("secrets are missing", "")


def test_the_pulse_is_one_row_for_each_core(tmp_path: Path) -> None:
    """However often it beats."""
    database = Database(f"sqlite:///{tmp_path}/opsbot.sqlite")
    for at in (1.0, 2.0):
        for name in ("core-1", "core-2"):
            PulseRepository(database, name).beat(at)
    with database.read() as connection:
        rows = connection.execute(text("SELECT instance, at FROM heartbeat ORDER BY instance")).all()
    assert [tuple(row) for row in rows] == [("core-1", 2.0), ("core-2", 2.0)]
    database.close()
