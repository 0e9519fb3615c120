"""Two processes with executors of their own over the same files: each run is made once, whoever takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.noted import NotedWorld, note, runbook
from tests.support.replica import replicas

pytestmark = pytest.mark.fault

UNDO = "undo: {uses: tests.unnote, with: {what: undone}}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """The test's own view of the disk that the processes share."""
    world = NotedWorld(tmp_path)
    async with world.executing():
        # The files of DBOS are there before two processes want to make them.
        pass
    yield world
    await world.close()


async def test_each_run_is_made_once(world: NotedWorld) -> None:
    """Runs that both see at the same moment, each with two acts that must not be repeated."""
    steps = f"{note('a')}\n{note('b')}"
    with replicas(world.folder, "core-1", "core-2"):
        runs = [world.fire(f"run{index}", runbook(steps, runbook_id=f"book{index}")) for index in range(8)]
        for run_id in runs:
            run = await world.ended(run_id)
            assert run.state == "succeeded", world.say(run_id)
    keys = Counter(key for _, _, key in world.notes.lines())
    assert keys == dict.fromkeys((f"{run_id}:{step}:1" for run_id in runs for step in ("a", "b")), 1)


async def test_of_one_group_only_one_is_admitted(world: NotedWorld) -> None:
    """Whichever process admits it: of five runs of one group one is made at a time."""
    step = note("a", f"{UNDO}, verify: {{expr: up == 1, for: 300ms, timeout: 5s}}")
    with replicas(world.folder, "core-1", "core-2"):
        runs = [world.fire(f"run{index}", runbook(step)) for index in range(5)]
        for run_id in runs:
            await world.ended(run_id)
    spans = sorted((run.started_at or 0.0, run.ended_at or 0.0) for run in map(world.runs.run, runs))
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans)), spans
    assert world.notes.said() == ["do a"] * 5


async def test_what_a_dead_one_left_goes_on_with_its_restart(world: NotedWorld) -> None:
    """A run that waits while its process dies is made by the process that is started in its place."""
    text = runbook(f"{note('a')}\n{note('b', 'approval: {from: responder, timeout: 1m}')}\n{note('c')}")
    with replicas(world.folder, "core-1"):
        run_id = world.fire("dies", text)
        await world.until_run(run_id, "waiting")
    world.vote(run_id, "b", "U1")
    with replicas(world.folder, "core-2", "core-1"):
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b", "do c"]
