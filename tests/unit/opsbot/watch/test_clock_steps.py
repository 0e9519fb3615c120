"""The machine's clock is set by an hour: samples go on, and no `for` is over sooner or later for that."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from opsbot.source.scrape import Target
from opsbot.watch.watcher import Watcher, WatchSettings
from tests.support.watching import TOKEN, Door, Exposed, StepClock, rule_text, write_rules

HOUR_S = 3600.0


class Bench:
    """Watch between a target and a door in this process, on a clock that a test sets."""

    def __init__(self, folder: Path, rule: str) -> None:
        self.clock, self.exposed, self.door = StepClock(), Exposed({"m": 9.0}), Door()
        mounts = {
            "http://target": httpx.ASGITransport(self.exposed.app),
            "http://core": httpx.ASGITransport(self.door.app),
        }
        http = httpx.AsyncClient(mounts=mounts)
        settings = WatchSettings(
            [Target("http://target/metrics", "east")], [write_rules(folder / "r.yaml", rule)], "http://core", TOKEN
        )
        self.watcher = Watcher(settings, self.clock, http)

    async def seconds(self, number: int) -> list[str]:
        """So many rounds, a second apart; answers what core was told of the alert in all."""
        for _ in range(number):
            self.clock.advance(1.0)
            await self.watcher._scrapers[0].scrape()
            self.watcher.evaluate()
            await self.watcher.tell()
        return self.door.told("Busy")


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_a_pending_alert_waits_its_time(step_s: float, tmp_path: Path) -> None:
    """Two minutes are two minutes."""
    bench = Bench(tmp_path, rule_text(for_="2m"))
    assert await bench.seconds(30) == []
    bench.clock.wall += step_s
    assert await bench.seconds(89) == []
    assert await bench.seconds(3) == ["firing"]


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_a_firing_alert_ends_in_its_time(step_s: float, tmp_path: Path) -> None:
    """So do the two minutes below the lower level, and the alert's begin stays what core was told."""
    bench = Bench(tmp_path, rule_text(clear_expr="m < 3", clear_for="2m"))
    assert await bench.seconds(5) == ["firing"]
    began = bench.door.last("Busy")["startsAt"]
    bench.exposed.lines["m"] = 1.0
    await bench.seconds(30)
    bench.clock.wall += step_s
    assert await bench.seconds(89) == ["firing"]
    assert await bench.seconds(3) == ["firing", "resolved"]
    assert bench.door.last("Busy")["startsAt"] == began


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
async def test_samples_go_on(step_s: float, tmp_path: Path) -> None:
    """The next scrape is the newest at once; after a step forward windows fill anew, after one back they go on."""
    bench = Bench(tmp_path, rule_text(expr="count_over_time(m[20s]) > 10"))
    assert await bench.seconds(8) == []
    bench.clock.wall += step_s
    assert await bench.seconds(5) == ([] if step_s > 0 else ["firing"])
    assert await bench.seconds(7) == ["firing"]
