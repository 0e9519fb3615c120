"""The watch role as a process that is killed and started again: timers go on, and the past is still there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from opsbot.clock import from_rfc3339
from opsbot.history.file import HistoryFile, Limits
from opsbot.promql.labelset import freeze
from opsbot.watch.durable import HISTORY_FILE
from opsbot.watch.sheet_key import key_text
from tests.support.history import block, series, written
from tests.support.ports import free_port
from tests.support.waiting import until
from tests.support.watch_process import WatchProcess
from tests.support.watching import Door, Exposed, rule_text, served, write_rules

pytestmark = pytest.mark.integration

FOR_S = 12.0


class World:
    """A target, a door, and a watch process over one folder."""

    def __init__(self, folder: Path) -> None:
        self.exposed, self.door = Exposed({"m": 1.0, "requests_total": 7.0}), Door()
        self.target_port, core_port = free_port(), free_port()
        self.core_port = core_port
        rules = folder / "rules.yaml"
        write_rules(
            rules,
            rule_text(for_=f"{FOR_S:.0f}s"),
            rule_text("Slow", expr="m < -5", clear_expr="m > 100"),
            rule_text("OverAnHour", expr="rate(requests_total[1h]) > 4"),
        )
        self.rules = rules
        self.watch = WatchProcess(folder, rules, {"east": f"http://127.0.0.1:{self.target_port}"}, core_port)

    async def pending_since(self) -> float | None:
        """Since when the rule `Busy` holds."""
        active = await self.watch.active("Busy")
        return from_rfc3339(active["activeAt"]) if active is not None else None

    async def is_pending(self) -> None:
        """Wait until it does."""
        for _ in range(100):
            if await self.pending_since() is not None:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("Busy is not pending")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Target and door answer; watch is not started."""
    made = World(tmp_path)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(served(made.exposed.app, made.target_port))
        await stack.enter_async_context(served(made.door.app, made.core_port))
        yield made


async def test_a_pending_alert_goes_on_after_a_kill(world: World) -> None:
    """Killed in the middle of `for`, watch fires the alert at the time at which it would have fired."""
    world.exposed.lines["m"] = 9.0
    async with world.watch.living() as process:
        await world.is_pending()
        since = await world.pending_since()
        assert since is not None
        await asyncio.sleep(2.0)
        process.kill()
        await process.wait()
    async with world.watch.living():
        await world.is_pending()
        assert await world.pending_since() == since
        await until(lambda: world.door.told("Busy") == ["firing"], limit_s=FOR_S + 10)
    fired = from_rfc3339(world.door.last("Busy")["startsAt"])
    assert since + FOR_S <= fired < since + FOR_S + 2.5


async def test_a_rule_that_was_edited_meanwhile_begins_anew(world: World) -> None:
    """Its timer may be another's."""
    world.exposed.lines["m"] = 9.0
    async with world.watch.living() as process:
        await world.is_pending()
        since = await world.pending_since()
        process.kill()
        await process.wait()
    write_rules(world.rules, rule_text(expr="m > 6", for_=f"{FOR_S:.0f}s"))
    async with world.watch.living():
        await world.is_pending()
        assert since is not None
        assert (await world.pending_since() or 0) > since + 0.5


async def test_long_windows_go_on_from_disk(world: World) -> None:
    """With two hours on disk an alert over an hour fires at once, and queries over hours see them."""
    now = time.time()
    labels = {"cluster": "east", "instance": f"127.0.0.1:{world.target_port}", "job": "serving"}
    counter = series("requests_total", **labels)
    start_s = (now - 7200) // 10 * 10
    times = [start_s + 10 * step + 9.5 for step in range(718)]
    key = key_text(("target", freeze(labels)))
    world.watch.data_dir.mkdir()
    file = HistoryFile(world.watch.data_dir / HISTORY_FILE, Limits(), "then")
    written(file, key, block(times, {counter: [5 * (time_s - start_s) for time_s in times]}))
    file.tidy(now)
    file.close()
    world.exposed.lines["requests_total"] = 5 * (now - start_s)
    async with world.watch.living():
        await until(lambda: world.door.told("OverAnHour") == ["firing"], limit_s=15.0)
        found = await world.watch.ask(
            "/api/v1/query_range", query="rate(requests_total[5m])", start=str(start_s + 600), end=str(now), step="60"
        )
        (one,) = found["result"]
        assert one["metric"] == labels
        assert len(one["values"]) >= 108
        assert [float(value) for _, value in one["values"][:-2]] == pytest.approx([5.0] * (len(one["values"]) - 2))
        found = await world.watch.ask("/api/v1/query", query="increase(requests_total[1h])")
        ((_, value),) = (one["value"] for one in found["result"])
        assert float(value) == pytest.approx(18_000, rel=0.01)


@pytest.mark.long
async def test_the_last_minutes_are_there_after_a_restart(world: World) -> None:
    """What was scraped in a life that ended orderly is kept at 10 s, and short windows go on with it."""
    async with world.watch.living():
        began = time.time()
        await until(lambda: world.exposed.num_asked >= 22, limit_s=40.0)
    stopped = time.time()
    async with world.watch.living():
        await until(lambda: world.exposed.num_asked >= 25, limit_s=20.0)
        found = await world.watch.ask("/api/v1/query", query="count_over_time(m[5m])")
        assert float(found["result"][0]["value"][1]) >= 4
        found = await world.watch.ask("/api/v1/query", query=f"timestamp(m @ {stopped:.3f})")
        seen = float(found["result"][0]["value"][1])
        assert began < seen <= stopped
        metrics = await world.watch.metrics()
        assert metrics["opsbot_watch_history_failures_total"] == 0
        assert metrics["opsbot_watch_history_series"] >= 3


async def test_damaged_files_stop_nothing(world: World) -> None:
    """Both are moved aside and said to be; watching goes on, and new ones begin."""
    world.watch.data_dir.mkdir()
    for name in (HISTORY_FILE, "watch-holds.sqlite"):
        (world.watch.data_dir / name).write_bytes(b"this is no database" * 1000)
    world.exposed.lines["m"] = 9.0
    async with world.watch.living():
        await world.is_pending()
        await until(lambda: len(list(world.watch.data_dir.glob("*.damaged-*"))) == 2)
        assert (await world.watch.metrics())["opsbot_watch_history_damaged_total"] == 1
    assert f"{HISTORY_FILE} cannot be read" in world.watch.log
