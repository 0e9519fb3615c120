"""Admission of runs: cooldowns, how often, one of a group, and people and incidents that are not held back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from opsbot.people import Person
from tests.support.noted import NotedWorld, note, runbook

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


WAITS = "approval: {from: responder, timeout: 1m}"


def book(more: str, *steps: str) -> str:
    """A runbook with such a head."""
    return runbook("\n".join(steps or (note("done"),)), more=more)


async def test_a_cooldown_is_waited_for(world: NotedWorld) -> None:
    """The second start is put off, says so once, and is made when the time is over."""
    first = world.fire("one", book("cooldown: 2s"))
    async with world.executing():
        await world.ended(first)
        second = world.fire("two", book("cooldown: 2s"))
        await world.until_text(second, "its cooldown on local ends in")
        await world.ended(second)
    started = [world.runs.run(run_id).admitted_at or 0.0 for run_id in (first, second)]
    assert started[1] - started[0] >= 2.0
    assert world.kinds(second).count("run.held_back") == 1


async def test_an_incident_that_ends_in_the_cooldown_needs_no_run(world: NotedWorld) -> None:
    """It is cancelled, and says why."""
    first = world.fire("one", book("cooldown: 1h"))
    async with world.executing():
        await world.ended(first)
        second = world.fire("two", book("cooldown: 1h"))
        await world.until_text(second, "its cooldown on local ends in")
        world.resolve("two")
        await world.until_run(second, "cancelled")
    assert world.notes.said() == ["do done"]


async def test_too_many_runs_call_a_person(world: NotedWorld) -> None:
    """The run is not made, somebody is paged in the same transaction, and a person who asks is not held back."""
    world.incidents.is_paging = True
    more = "max_runs: {count: 1, per: 1h}"
    first = world.fire("one", book(more))
    async with world.executing():
        await world.ended(first)
        second = world.fire("two", book(more))
        await world.until_run(second, "cancelled")
        assert any(key.startswith(f"page_entry:{second}:run.refused:") for key in world.outbox())
        third = world.fire_as("three", book(more), requester="U1")
        await world.ended(third)
    assert world.notes.said() == ["do done", "do done"]


async def test_drills_do_not_count_for_incidents(world: NotedWorld) -> None:
    """A rehearsal is no reason to leave an incident alone."""
    drill = world.fire_as("drill", book("max_runs: {count: 1, per: 1h}"), is_drill=True)
    async with world.executing():
        await world.ended(drill)
        run_id = world.fire("real", book("max_runs: {count: 1, per: 1h}"))
        await world.ended(run_id)
    assert world.notes.said() == ["do done", "do done"]


async def test_of_one_group_the_later_waits(world: NotedWorld) -> None:
    """Both are queued at once, and are made one after the other."""
    undo = "undo: {uses: tests.unnote, with: {what: x}}"
    world.metrics.verdict = "fails"
    slow = note("slow", f"{undo}, verify: {{expr: up == 1, timeout: 700ms}}")
    runs = [world.fire(name, book("", slow)) for name in ("one", "two", "three")]
    async with world.executing():
        for run_id in runs:
            await world.ended(run_id)
    spans = sorted((run.started_at or 0.0, run.ended_at or 0.0) for run in map(world.runs.run, runs))
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans))


async def test_of_one_group_the_later_may_be_skipped(world: NotedWorld) -> None:
    """`skip`: it is not made."""
    more = "concurrency: {on_conflict: skip}"
    first = world.fire("one", book(more, note("asks", WAITS)))
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire("two", book(more, note("asks", WAITS)))
        run = await world.until_run(second, "cancelled")
    assert run.detail == f"{first} of the same group is waiting"


async def test_of_one_group_the_later_may_replace_the_earlier(world: NotedWorld) -> None:
    """`replace`: the earlier is undone first."""
    more = "concurrency: {on_conflict: replace}"
    undo = "undo: {uses: tests.unnote, with: {what: x}}"
    first = world.fire("one", book(more, note("does", undo), note("asks", WAITS)))
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire("two", book(more))
        await world.ended(second)
    assert world.notes.said() == ["do does", "undo x", "do done"]
    assert world.runs.run(first).state == "undone"


async def test_a_queued_run_can_be_cancelled(world: NotedWorld) -> None:
    """It never began, so there is nothing to take back."""
    first = world.fire("one", book("cooldown: 1h"))
    async with world.executing() as executor:
        await world.ended(first)
        second = world.fire("two", book("cooldown: 1h"))
        await world.until_text(second, "its cooldown")
        await executor.cancel(second, Person("U1"), "not now")
        await world.until_run(second, "cancelled")
    assert world.states(second) == {}


async def test_a_mistake_about_one_run_holds_no_other_back(world: NotedWorld) -> None:
    """A run whose pinned text cannot be read is not started; those behind it are."""
    broken = world.fire_as("broken", book(""), runbook_json="{")
    run_id = world.fire("good", book(""))
    async with world.executing():
        await world.ended(run_id)
    assert world.runs.run(broken).state in ("queued", "cancelled")
