"""A test's series are asked as a Prometheus would be, at the virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from opsbot.promql.condition import Verdict
from opsbot.testing.metrics import SeriesMetrics
from opsbot.testing.notation import series
from opsbot.testing.virtual import VirtualClock, VirtualLoop


def on(given: dict[str, str], ask: Callable[[SeriesMetrics], Awaitable[None]], interval_s: float = 1.0) -> None:
    """Ask series in virtual time."""

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await ask(
            SeriesMetrics([series(name, values) for name, values in given.items()], interval_s, VirtualClock(loop))
        )

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(whole())


def test_a_value_is_the_last_sample_by_now() -> None:
    """One for each interval."""
    seen: list[float | None] = []

    async def ask(metrics: SeriesMetrics) -> None:
        for _ in range(3):
            seen.append(await metrics.value("sum(m)"))
            await asyncio.sleep(30.0)

    on({'m{a="b"}': "1 2 3", 'm{a="c"}': "10x3"}, ask, interval_s=30.0)
    assert seen == [11.0, 12.0, 13.0]


def test_holds_fails_and_unknown_are_told_apart() -> None:
    """By the rules that hold for every source."""
    seen: list[Verdict] = []

    async def ask(metrics: SeriesMetrics) -> None:
        seen.extend([await metrics.check("m == 1"), await metrics.check("m == 2"), await metrics.check("n == 1")])

    on({"m": "1x9"}, ask)
    assert seen == ["holds", "fails", "unknown"]


def test_a_gap_is_looked_over_and_a_stale_mark_is_not() -> None:
    """As in Prometheus."""
    seen: list[float | None] = []

    async def ask(metrics: SeriesMetrics) -> None:
        await asyncio.sleep(5.0)
        seen.extend([await metrics.value("gap"), await metrics.value("gone")])
        await asyncio.sleep(301.0)
        seen.append(await metrics.value("gap"))

    on({"gap": "7 _x9", "gone": "7 stale"}, ask)
    assert seen == [7.0, None, None]


def test_what_an_act_sets_begins_with_the_next_sample() -> None:
    """And leaves what was before as it was."""
    seen: list[float | None] = []

    async def ask(metrics: SeriesMetrics) -> None:
        await asyncio.sleep(10.0)
        metrics.replace([series("m", "100 200x60")])
        seen.append(await metrics.value("m"))
        await asyncio.sleep(1.0)
        seen.append(await metrics.value("m"))
        await asyncio.sleep(1.0)
        seen.extend([await metrics.value("m"), await metrics.value("max_over_time(m[5s] offset 3s)")])

    on({"m": "1x60"}, ask)
    assert seen == [1.0, 100.0, 200.0, 1.0]


def test_rates_are_those_of_the_written_counter() -> None:
    """Three more each second."""
    seen: list[float | None] = []

    async def ask(metrics: SeriesMetrics) -> None:
        await asyncio.sleep(20.0)
        seen.append(await metrics.value("rate(c_total[10s])"))

    on({"c_total": "0+3x60"}, ask)
    assert seen == [3.0]
