"""Who has a knob: locks of runs, holds of people, drills that give way, and limits on how many clusters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from opsbot.people import Person
from opsbot.store import schema
from tests.support.noted import NotedWorld, note, runbook

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


UNDO = "undo: {uses: tests.unnote, with: {what: undone}}"
WAITS = "approval: {from: responder, timeout: 1m}"


def turn(knobs: str, more: str = "", *, step_id: str = "turn", cluster: str = "local") -> str:
    """A step that turns *knobs*, several with + between."""
    tail = f", {more}" if more else ""
    return f"{{id: {step_id}, name: Turn, uses: tests.turn, with: {{what: {knobs}, cluster: {cluster}}}{tail}}}"


def book(runbook_id: str, *steps: str, more: str = "") -> str:
    """A runbook of its own."""
    return runbook("\n".join(steps), runbook_id=runbook_id, more=more)


async def test_the_second_waits_until_the_first_gives_the_knob_back(world: NotedWorld) -> None:
    """It says who has it, and goes on by itself when the other run is over."""
    first = world.fire("one", book("first", turn("batch"), note("then", WAITS)))
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire("two", book("second", turn("batch")))
        await world.until_text(second, "Waits: local/batch is held by runbook first")
        assert world.locks() == {"local/batch": first}
        world.vote(first, "then", "U1")
        await world.ended(first)
        await world.ended(second)
    assert world.notes.said() == ["do batch", "do then", "do batch"]
    assert world.locks() == {}


async def test_a_wait_that_takes_too_long_gives_way(world: NotedWorld) -> None:
    """No further step is made, and what the run has set before is kept."""
    world.lock_wait_s = 0.3
    first = world.fire("one", book("first", turn("batch"), note("then", WAITS)))
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire("two", book("second", note("earlier", UNDO), turn("batch"), note("after")))
        run = await world.ended(second)
    assert (run.state, world.notes.said()) == ("succeeded", ["do batch", "do earlier"])
    assert world.states(second) == {"earlier": "succeeded", "turn": "skipped", "after": "pending"}
    assert any(text.startswith("Not done, waited") for text in world.texts(second))


async def test_an_unanswered_approval_blocks_nobody(world: NotedWorld) -> None:
    """The lock is taken after the decision."""
    first = world.fire("one", book("first", turn("batch", WAITS)))
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire("two", book("second", turn("batch")))
        await world.ended(second)
    assert world.notes.said() == ["do batch"]


async def test_a_persons_hold_wins(world: NotedWorld) -> None:
    """While it is in force no run turns the knob; lifting it lets the run go on."""
    hold = world.knobs.hold("*/batch", "I am looking at it", Person("U5"), world.clock.now(), world.clock.now() + 60)
    run_id = world.fire("hold", book("held", turn("batch")))
    async with world.executing():
        await world.until_text(run_id, "I am looking at it")
        assert (world.notes.said(), world.locks()) == ([], {})
        world.knobs.let_go(hold.number, Person("U5"), world.clock.now())
        await world.ended(run_id)
    assert world.notes.said() == ["do batch"]


async def test_what_was_read_before_a_wait_is_read_again(world: NotedWorld) -> None:
    """A value that changed while a granted step waited for its knob is asked about anew, and the knob is free then."""
    first = world.fire("one", book("first", turn("batch"), note("then", WAITS)))
    async with world.executing() as executor:
        await world.until_run(first, "waiting")
        second = world.fire("two", book("second", turn("batch", WAITS)))
        await world.until_run(second, "waiting")
        world.vote(second, "turn", "U1")
        await world.until_text(second, "Waits: local/batch")
        world.notes.value = "other"
        await executor.cancel(first, Person("U1"), "enough")
        await world.until_text(second, "the value has changed since it was shown")
        await world.until_run(second, "waiting")
        assert world.locks() == {}
    assert world.notes.said().count("do batch") == 1


async def test_a_drill_gives_way_to_an_incident(world: NotedWorld) -> None:
    """It is told to undo, and the incident's run does not wait for that."""
    drill = world.fire_as("drill", book("drill", turn("batch", UNDO), note("then", WAITS)), is_drill=True)
    async with world.executing():
        await world.until_run(drill, "waiting")
        run_id = world.fire("real", book("real", turn("batch")))
        await world.ended(run_id)
        await world.until_run(drill, "undone")
    assert "do batch" in world.notes.said()
    assert "undo undone" in world.notes.said()
    assert any("gives way to real" in text for text in world.texts(drill))


async def test_a_drill_does_not_take_a_knob_from_an_incident(world: NotedWorld) -> None:
    """Nor from another drill."""
    world.lock_wait_s = 0.2
    run_id = world.fire("real", book("real", turn("batch"), note("then", WAITS)))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        drill = world.fire_as("drill", book("drill", turn("batch")), is_drill=True)
        await world.ended(drill)
    assert world.states(drill) == {"turn": "skipped"}
    assert world.runs.run(run_id).state == "waiting"


async def test_a_lock_dies_with_its_run(world: NotedWorld) -> None:
    """However it ended: a lock that a dead run has left is nobody's."""
    run_id = world.fire("one", book("first", turn("batch")))
    async with world.executing():
        await world.ended(run_id)
    with world.database.write() as connection:
        values = {"knob": "local/batch", "run_id": run_id, "step_id": "turn", "at": 0.0}
        connection.execute(insert(schema.knob_lock).values(**values))
    second = world.fire("two", book("second", turn("batch")))
    async with world.executing():
        await world.ended(second)
    assert world.notes.said() == ["do batch", "do batch"]


@pytest.mark.parametrize("limit", ["targets: 1", "percent: 50"])
async def test_a_runbook_holds_something_on_so_many_clusters_at_most(world: NotedWorld, limit: str) -> None:
    """The next cluster waits until another is given back."""
    world.clusters = ("c1", "c2")
    text = runbook(
        "{id: turn, name: Turn, uses: tests.turn, with: {what: batch, cluster: '${{ inputs.cluster }}'}}\n"
        "{id: then, name: Then, uses: tests.note, with: {what: then, cluster: '${{ inputs.cluster }}'}, "
        f"{WAITS}}}",
        more="inputs: {cluster: {type: string, default: c1}}\nconcurrency: {group: '${{ inputs.cluster }}'}\n"
        f"limits: {{{limit}}}",
    )
    first = world.fire("one", text)
    async with world.executing():
        await world.until_run(first, "waiting")
        second = world.fire_as("two", text, inputs={"cluster": "c2"})
        await world.until_text(second, "c2 would be one more than the 1")
        world.vote(first, "then", "U1")
        await world.until_run(second, "waiting")
    assert world.locks() == {"c2/batch": second}


async def test_two_runs_with_two_knobs_in_opposite_order_do_not_hang(world: NotedWorld) -> None:
    """Each waits for the other's, and gives way after its time; a step takes all its knobs or none."""
    world.lock_wait_s = 0.6
    one = world.fire("one", book("first", turn("a", step_id="a"), note("ready", WAITS), turn("b", step_id="b")))
    two = world.fire("two", book("second", turn("b", step_id="b"), note("ready", WAITS), turn("a", step_id="a")))
    async with world.executing():
        for run_id in (one, two):
            await world.until_run(run_id, "waiting")
        for run_id in (one, two):
            world.vote(run_id, "ready", "U1")
        for run_id in (one, two):
            await world.ended(run_id)
        three = world.fire("three", book("third", turn("a+b")))
        four = world.fire("four", book("fourth", turn("b+a")))
        for run_id in (three, four):
            await world.ended(run_id)
            assert world.states(run_id) == {"turn": "succeeded"}
    assert world.locks() == {}
