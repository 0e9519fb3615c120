"""The engine in memory keeps DBOS's promises: answers are recorded once, waits count over deaths, replays agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from opsbot.runbook.workflow import Durable, StageFailed
from opsbot.testing.crash import Deaths
from opsbot.testing.engine import Journal, MemoryEngine, WentAnotherWay
from opsbot.testing.virtual import VirtualClock, VirtualLoop

Interpret = Callable[[str, Durable], Awaitable[str]]


class Bench:
    """Engines over one journal."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = VirtualClock(loop)
        self.journal: Journal = {}
        self.deaths = Deaths()

    async def live(self, interpret: Interpret, *, for_s: float, wake_at: float | None = None) -> None:
        """One process, which begins the run and dies after a while."""

        async def run(run_id: str, durable: Durable) -> str:
            return await interpret(run_id, durable)

        engine = MemoryEngine(self.journal, self.clock, self.deaths)
        await engine.start(run)
        await engine.begin("run", "workflow")
        if wake_at is not None:
            await asyncio.sleep(wake_at)
            await engine.wake("workflow")
        await asyncio.sleep(for_s - (wake_at or 0.0))
        await engine.stop()


def on_bench(whole: Callable[[Bench], Awaitable[None]]) -> None:
    """Run something in virtual time."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await whole(Bench(loop))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_a_stage_is_performed_once_and_its_answer_is_taken_again() -> None:
    """Also by another process."""
    calls, answers = [], []

    async def interpret(run_id: str, durable: Durable) -> str:
        async def call() -> dict[str, int]:
            calls.append(run_id)
            return {"number": len(calls)}

        answers.append(await durable.stage("one", call))
        await durable.wait(60.0)
        answers.append(await durable.stage("two", call))
        return "over"

    async def whole(bench: Bench) -> None:
        await bench.live(interpret, for_s=10.0)
        await bench.live(interpret, for_s=100.0)

    on_bench(whole)
    assert calls == ["run", "run"]
    assert answers == [{"number": 1}, {"number": 1}, {"number": 2}]


def test_a_wait_counts_over_a_death_and_ends_at_a_message() -> None:
    """It is not begun anew."""
    ends: list[float] = []

    async def whole(bench: Bench) -> None:
        async def interpret(run_id: str, durable: Durable) -> str:
            await durable.wait(60.0)
            ends.append(bench.clock.monotonic())
            await durable.wait(600.0)
            ends.append(bench.clock.monotonic())
            return "over"

        await bench.live(interpret, for_s=50.0)
        await bench.live(interpret, for_s=40.0, wake_at=30.0)

    on_bench(whole)
    assert ends == [60.0, 80.0]


def test_a_stage_is_tried_six_times_and_its_failure_is_recorded() -> None:
    """The replay fails in the same way, without trying."""
    tries, failures = [], []

    async def interpret(run_id: str, durable: Durable) -> str:
        async def call() -> None:
            tries.append(run_id)
            raise KeyError("a mistake")

        try:
            await durable.stage("one", call)
        except StageFailed as error:
            failures.append(str(error))
        await durable.wait(600.0)
        return "over"

    async def whole(bench: Bench) -> None:
        await bench.live(interpret, for_s=60.0)
        await bench.live(interpret, for_s=60.0)

    on_bench(whole)
    assert len(tries) == 6
    assert failures == ["one: KeyError: 'a mistake'"] * 2


def test_a_replay_that_takes_another_way_is_told() -> None:
    """It would be a run that cannot be resumed."""
    lives: list[int] = []

    async def interpret(run_id: str, durable: Durable) -> str:
        lives.append(1)

        async def call() -> None:
            return None

        await durable.stage(f"stage {len(lives)}", call)
        await durable.wait(600.0)
        return "over"

    async def whole(bench: Bench) -> None:
        await bench.live(interpret, for_s=10.0)
        await bench.live(interpret, for_s=10.0)
        assert isinstance(bench.deaths.error, WentAnotherWay)
        with pytest.raises(WentAnotherWay, match="asked for 'stage 2' where it had asked for 'stage 1'"):
            raise bench.deaths.error

    on_bench(whole)
