"""What durability costs: a step of a run beside DBOS's own, and a hundred runs at once.

`python -m bench.runbook_engine`. A step here changes something and holds no lease: its intent, its result and its
timeline entry are committed with `synchronous=FULL`, as everything is. DBOS's own step, which records only its answer,
is measured in the same process on the same kind of file. Nothing is acted on: the action answers at once.
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from dbos import DBOS
from sqlalchemy import event

from opsbot.runbook.action import Action, ActionContext, Outcome
from opsbot.runbook.executor import Executor, ExecutorSettings
from tests.support.noted import NotedWorld, note, runbook
from tests.support.noting import Note, NoteArguments

AIM_RATIO = 2.5
AIM_S = 20.0
MOST_S = 120.0
NUM_STEPS = 40
NUM_RUNS = 100
NUM_STEPS_EACH = 10


class BenchWorld(NotedWorld):
    """With the pauses that a bot has, not those of tests."""

    def executor(self, instance: str = "core-bench") -> Executor:
        settings = ExecutorSettings(f"sqlite:///{self.folder}/dbos.sqlite", instance)
        return Executor(settings, self.runs, self.registry, self.metrics, self.clock)


class Nothing(Note):
    """Answers at once."""

    name: ClassVar[str] = "tests.nothing"

    async def act(self, arguments: NoteArguments, context: ActionContext) -> Outcome:
        return Outcome(f"nothing about {arguments.what}", {"line": arguments.what})


def book(runbook_id: str, num_steps: int) -> str:
    """A runbook of *num_steps* such steps."""
    return runbook(
        "\n".join(note(f"s{index}", uses="tests.nothing") for index in range(num_steps)), runbook_id=runbook_id
    )


def world_in(folder: Path) -> BenchWorld:
    """A fresh store."""
    folder.mkdir()
    world = BenchWorld(folder)
    actions: list[Action[Any]] = [*world.actions, Nothing(world.notes)]
    world.actions = actions
    return world


async def one_step(folder: Path) -> tuple[float, float, float]:
    """Milliseconds of a step of a run, of a DBOS step, and SQL statements of ours for each step."""
    world = world_in(folder)
    num_statements = 0

    def count(*_: Any) -> None:
        nonlocal num_statements
        num_statements += 1

    event.listen(world.database.engine, "before_cursor_execute", count)
    async with world.executing():
        run_id = world.fire("warm", book("warm", 5))
        await world.ended(run_id)
        run_id = world.fire("steps", book("steps", NUM_STEPS))
        num_statements = 0
        await world.ended(run_id)
        entries = [entry.at for entry in world.view(run_id).timeline if entry.kind == "step.acted"]
        gaps = [later - earlier for earlier, later in pairwise(entries)]
        ours = statistics.median(gaps)
        theirs = await _dbos_step()
    await world.close()
    return ours * 1e3, theirs * 1e3, num_statements / NUM_STEPS


async def _dbos_step() -> float:
    times: list[float] = []

    async def nothing() -> str:
        return "nothing"

    @DBOS.workflow(name="bench.nothing")
    async def workflow() -> str:
        for _ in range(NUM_STEPS):
            begun = time.perf_counter()
            await DBOS.run_step_async({"name": "nothing"}, nothing)
            times.append(time.perf_counter() - begun)
        return ""

    handle = await DBOS.start_workflow_async(workflow)
    await handle.get_result()
    return statistics.median(times)


async def many(folder: Path) -> float:
    """Seconds from queueing a hundred runs until the last is over."""
    world = world_in(folder)
    async with world.executing():
        begun = time.perf_counter()
        runs = [world.fire(f"r{index}", book(f"book{index}", NUM_STEPS_EACH)) for index in range(NUM_RUNS)]
        while left := await asyncio.to_thread(world.runs.unfinished):
            if time.perf_counter() - begun > MOST_S:
                raise SystemExit(f"{len(left)} of {len(runs)} runs do not end within {MOST_S:.0f} s")
            await asyncio.sleep(0.1)
        took = time.perf_counter() - begun
    await world.close()
    return took


def main() -> None:
    """Measure, print, and say whether the aims are met."""
    where = f"{platform.platform()}, Python {platform.python_version()}"
    print(f"{where}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{NUM_STEPS} steps in one run; then {NUM_RUNS} runs of {NUM_STEPS_EACH} steps; SQLite, WAL, synchronous=FULL"
    )
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs, statements = asyncio.run(one_step(Path(folder) / "one"))
        print(f"a step of a run: {ours:.2f} ms, {statements:.0f} statements; a DBOS step: {theirs:.2f} ms; ", end="")
        print(f"{ours / theirs:.1f} times (aim {AIM_RATIO})")
        took = asyncio.run(many(Path(folder) / "many"))
        steps_per_s = NUM_RUNS * NUM_STEPS_EACH / took
        print(f"{NUM_RUNS} runs at once: {took:.1f} s, {steps_per_s:.0f} steps/s (aim {AIM_S:.0f} s)")
    sys.exit(0 if ours / theirs <= AIM_RATIO and took < AIM_S else 1)


if __name__ == "__main__":
    main()
