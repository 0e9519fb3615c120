"""What nobody knows, a person says: of an act, an item, an undo; it is never repeated blindly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.errors import InvalidTransition
from opsbot.incident.handle import handle_of
from tests.support.run_people import RESPONDER, RunPeople, notes

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RunPeople]:
    """A store of its own for each test."""
    made = RunPeople(tmp_path)
    yield made
    await made.close()


@pytest.mark.parametrize(("fault", "has_happened", "num_acts"), [("lost", True, 2), ("not made", False, 3)])
async def test_a_person_says_what_came_of_an_act(
    world: RunPeople, fault: str, has_happened: bool, num_acts: int
) -> None:
    """The run goes on behind it, or makes it exactly once more under another key; either way it is there once."""
    world.note.faults = [fault]  # type: ignore[list-item]
    run_id = world.fire("unknown", notes())
    handle = handle_of(run_id)
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_step(run_id, "first", "unknown")
        assert any(f"`opsbot settle {handle} first happened`" in text for text in world.texts(run_id))
        await desk.settle(handle, "first", has_happened, RESPONDER)
        await desk.settle(handle, "first", has_happened, RESPONDER)
        await world.until_run(run_id, "succeeded")
        with pytest.raises(InvalidTransition, match=r"what came of first of .* is known: it is succeeded"):
            await desk.settle(handle, "first", not has_happened, RESPONDER)
    assert world.note.written() == ["first hello", "second"]
    assert len(set(world.note.keys)) == len(world.note.keys) == num_acts


@pytest.mark.parametrize(("fault", "has_happened", "num_undos"), [("lost", True, 1), ("not made", False, 2)])
async def test_a_person_says_what_came_of_an_undo(
    world: RunPeople, fault: str, has_happened: bool, num_undos: int
) -> None:
    """It is not repeated blindly: it happened, or the next Undo makes it; either way it is there once."""
    undo = "undo: {uses: note.write, with: {text: taken back}}"
    run_id = world.fire("undo", notes(first=undo))
    handle = handle_of(run_id)
    # The first act, the second that breaks, and the undo whose answer is lost.
    world.note.faults = ["", "refused", fault]  # type: ignore[list-item]
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "needs_person")
        await desk.settle(handle, "first", has_happened, RESPONDER)
        with pytest.raises(InvalidTransition, match="what came of first"):
            await desk.settle(handle, "first", has_happened, RESPONDER)
        if not has_happened:
            await desk.undo(handle, RESPONDER)
            await world.until_run(run_id, "undone")
    assert world.note.written().count("taken back") == 1
    assert sum(key.endswith(":undo") for key in world.note.keys) == num_undos


async def test_an_act_that_is_lost_twice_is_asked_about_twice(world: RunPeople) -> None:
    """Each time anew, and each answer is for that act only."""
    world.note.faults = ["not made", "lost"]
    run_id = world.fire("twice", notes())
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_step(run_id, "first", "unknown")
        await desk.settle(run_id, "first", False, RESPONDER)
        await world.until(lambda: len(world.note.keys), lambda num: num == 2, lambda: world.say(run_id))
        await world.until_step(run_id, "first", "unknown")
        await desk.settle(run_id, "first", True, RESPONDER)
        await world.until_run(run_id, "succeeded")
    assert world.note.written() == ["first hello", "second"]


async def test_an_item_whose_outcome_is_unknown_is_settled_by_its_own_name(world: RunPeople) -> None:
    """The items before stay done, the item is made again, the rest follows."""
    world.note.faults = []
    run_id = world.fire("items", notes(first='foreach: "[1, 2, 3]"'))
    world.note.faults = ["not made"]
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_step(run_id, "first[0]", "unknown")
        await desk.settle(run_id, "first[0]", False, RESPONDER)
        await world.until_run(run_id, "succeeded")
    assert world.note.written() == ["first hello"] * 3 + ["second"]


async def test_cancelling_with_an_unknown_outcome_asks_for_it_first(world: RunPeople) -> None:
    """Nothing more is made, and once it is said that it did not happen the run is over."""
    world.note.faults = ["not made"]
    run_id = world.fire("cancel-unknown", notes())
    handle = handle_of(run_id)
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_step(run_id, "first", "unknown")
        said = await desk.cancel(handle, RESPONDER, "not now")
        assert f"First say whether first happened: `settle {handle} first happened` or `… not`." in said
        await desk.settle(handle, "first", False, RESPONDER)
        await world.until_run(run_id, "undone", "cancelled")
        assert "already" in await desk.cancel(handle, RESPONDER, "again")
    assert world.note.written() == []
    assert len(world.note.keys) == 1
