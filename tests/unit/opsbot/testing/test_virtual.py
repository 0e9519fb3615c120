"""Virtual time passes in jumps, and only when nothing is left to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from opsbot.testing.virtual import START_S, NothingLeft, VirtualClock, VirtualLoop

T = TypeVar("T")


def run(what: Coroutine[Any, Any, T]) -> T:
    """Run something in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(what)


def clock() -> VirtualClock:
    """The running loop's."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return VirtualClock(loop)


def test_a_day_passes_at_once_and_in_order() -> None:
    """Sleepers wake in the order of their times."""

    async def whole() -> list[tuple[float, str]]:
        seen: list[tuple[float, str]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((clock().now() - START_S, name))

        await asyncio.gather(sleeper("day", 86_400.0), sleeper("second", 1.0), sleeper("hour", 3600.0))
        return seen

    began = time.perf_counter()
    assert run(whole()) == [(1.0, "second"), (3600.0, "hour"), (86_400.0, "day")]
    assert time.perf_counter() - began < 5.0


def test_a_deadline_that_was_added_up_is_met_exactly() -> None:
    """So nobody who waits until then wakes an instant too early."""

    async def whole() -> bool:
        until = clock().now() + 600.0
        for _ in range(6000):
            await asyncio.sleep(0.1)
        await asyncio.sleep(until - clock().now())
        return clock().now() >= until

    assert run(whole())


def test_a_timeout_ends_what_hangs() -> None:
    """asyncio's own timeouts are virtual too."""

    async def whole() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30.0):
                await asyncio.Event().wait()
        return clock().monotonic()

    assert run(whole()) == 30.0


def test_work_for_threads_is_done_at_once() -> None:
    """Its errors are told as threads' are."""

    def fail() -> None:
        raise ValueError("no")

    async def whole() -> int:
        with pytest.raises(ValueError, match="no"):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(lambda: 7)

    assert run(whole()) == 7


def test_a_wait_that_nothing_can_end_is_an_error() -> None:
    """And does not hang the tests."""

    async def whole() -> None:
        await asyncio.Event().wait()

    loop = VirtualLoop()
    with pytest.raises(NothingLeft):
        loop.run_until_complete(waiting := whole())
    loop.close()
    waiting.close()
