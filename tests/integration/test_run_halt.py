"""The global stop: nothing acts and nothing is given back by itself, what is held is renewed, people may still undo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.people import Person
from tests.support.noted import NotedWorld, note, runbook
from tests.support.noting import Note
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import serving

pytestmark = pytest.mark.integration

UNDO = "undo: {uses: tests.unnote, with: {what: undone}}"
WAITS = "approval: {from: responder, timeout: 1m}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


def stop(world: NotedWorld) -> None:
    """Somebody stops everything."""
    world.knobs.stop_all("what is going on?", Person("U5"), world.clock.now())


def lift(world: NotedWorld) -> None:
    """And lets everything go on."""
    world.knobs.go_on(Person("U5"), world.clock.now())


async def test_nothing_acts_until_it_is_lifted(world: NotedWorld) -> None:
    """Steps, items and steps under finally wait, and say why; then they go on by themselves."""
    stop(world)
    more = f"finally:\n  - {note('last')}\n"
    run_id = world.fire("stopped", runbook(note("first"), more=more))
    async with world.executing():
        await world.until_text(run_id, "Waits: U5 has stopped all runs (what is going on?).")
        await world.stays(world.notes.said)
        lift(world)
        await world.until_said("do first", "do last")
        await world.ended(run_id)
        again = world.fire("again", runbook(note("second"), more=more))
        await world.ended(again)


async def test_it_can_be_stopped_and_lifted_again_and_again(world: NotedWorld) -> None:
    """Each time the run is told."""
    stop(world)
    run_id = world.fire("again", runbook(f"{note('a')}\n{note('b', WAITS)}"))
    async with world.executing():
        await world.until_text(run_id, "has stopped all runs")
        lift(world)
        await world.until_run(run_id, "waiting")
        stop(world)
        world.vote(run_id, "b", "U1")
        await world.until(
            lambda: world.kinds(run_id).count("run.halted"), lambda count: count == 2, lambda: world.say(run_id)
        )
        lift(world)
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b"]


async def test_a_rollback_waits_for_it(world: NotedWorld) -> None:
    """A step that breaks while everything is stopped takes nothing back before it is lifted."""
    world.notes.fail("b", "hangs")
    run_id = world.fire("rollback", runbook(f"{note('a', UNDO)}\n{note('b', 'timeout: 500ms, retry: {attempts: 1}')}"))
    world.actions = [one for one in world.actions if one.name != "tests.note"]

    class Failing(Note):
        async def act(self, arguments, context):  # type: ignore[no-untyped-def]
            if arguments.what == "b":
                stop(world)
                world.notes.fail("b", "failed")
            return await super().act(arguments, context)

    world.actions.append(Failing(world.notes))
    async with world.executing():
        await world.until_step(run_id, "b", "failed")
        await world.stays(world.notes.said)
        assert world.notes.said() == ["do a"]
        lift(world)
        await world.until_run(run_id, "undone")
    assert world.notes.said() == ["do a", "undo undone"]


async def test_a_persons_undo_works_under_it(world: NotedWorld) -> None:
    """It stops what opsbot does by itself, not people."""
    run_id = world.fire("undo", runbook(f"{note('a', UNDO)}\n{note('b', WAITS)}"))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        stop(world)
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")
    assert world.notes.said() == ["do a", "undo undone"]


async def test_leases_are_renewed_and_not_released_under_it(tmp_path: Path) -> None:
    """Also when the incident ends meanwhile; when it is lifted, they are given back."""
    with serving(tmp_path / "leases.jsonl", "--max-num-seqs", "4") as server:
        world = NotedWorld(tmp_path)
        served = RunWorld(tmp_path, server.url)
        world.control, world.actions = served.control, [*served.actions, *world.actions[3:]]
        text = set_batch(lease="5s") + f"  - {note('asks', WAITS)}\n"
        run_id = world.fire("renewed", text)
        async with world.executing():
            await world.until_run(run_id, "waiting")
            stop(world)
            before = await world.control.find("local", f"{run_id}:resize:1")
            assert before is not None
            world.resolve("renewed")
            await world.until(world.clock.now, lambda now: now > before.expires_at + 0.5, lambda: "time stands still")
            assert await world.in_force() == 3
            lift(world)
            await world.ended(run_id)
        assert await world.in_force() == 4
        await served.close()
        await world.close()
