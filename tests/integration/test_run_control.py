"""What else steers a run: pauses, skips, attempts, finally, modes, outputs, retries and unknown outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.people import Person
from opsbot.runbook.run import INTERPRETER_VERSION
from tests.support.noted import NotedWorld, note, runbook
from tests.support.settling import set_run, set_step, settle

pytestmark = pytest.mark.integration

UNDO = "undo: {uses: tests.unnote, with: {what: undone}}"
WAITS = "approval: {from: responder, timeout: 1m}"
LAST = "finally:\n  - {id: last, name: Last, uses: tests.note, with: {what: last}}\n"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


async def test_a_paused_run_makes_no_step_until_it_is_resumed(world: NotedWorld) -> None:
    """What is asked meanwhile may be answered."""
    run_id = world.fire("paused", runbook(f"{note('a', WAITS)}\n{note('b')}"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        set_run(world.database, run_id, paused_by="U1", pause_reason="let me look")
        world.vote(run_id, "a", "U1")
        await world.stays(world.notes.said)
        set_run(world.database, run_id, paused_by=None, deadline=world.clock.now() + 60)
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b"]


async def test_a_step_may_be_left_out(world: NotedWorld) -> None:
    """Whoever leaves it out and why stands with it; the run is running again."""
    run_id = world.fire("skip", runbook(f"{note('a', WAITS)}\n{note('b', WAITS)}"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        set_step(world.database, run_id, "a", skipped_by="U3", skip_reason="done by hand")
        await world.until_step(run_id, "b", "waiting_approval")
        world.vote(run_id, "b", "U1")
        await world.ended(run_id)
    assert (world.notes.said(), world.row(run_id, "a").detail) == (["do b"], "left out by U3: done by hand")


async def test_another_attempt_begins_where_it_is_told(world: NotedWorld) -> None:
    """Earlier steps are as the earlier attempt left them, and later ones see what they yielded."""
    text = runbook(
        f"{note('a')}\n{note('b')}\n"
        "{id: c, name: C, uses: tests.note, with: {what: \"${{ steps.a.outputs.line + 'c' }}\"}}"
    )
    world.notes.fail("b", "failed")
    first = world.fire("one", text)
    async with world.executing():
        await world.ended(first)
        second = world.fire_as("two", text, follows=first, from_step="b")
        await world.ended(second)
    assert world.notes.said() == ["do a", "do b", "do ac"]
    assert world.states(second)["a"] == "skipped"


@pytest.mark.parametrize(
    ("how", "state", "said"),
    [
        ("success", "succeeded", ["do a", "do last"]),
        ("failure", "failed", ["do last"]),
        ("undo", "undone", ["do a", "undo undone", "do last"]),
        ("cancel", "cancelled", ["do last"]),
    ],
)
async def test_steps_under_finally_are_made_however_it_ends(
    world: NotedWorld, how: str, state: str, said: list[str]
) -> None:
    """After everything else, and once."""
    steps = {
        "success": note("a"),
        "failure": note("a"),
        "undo": f"{note('a', UNDO)}\n{note('b', WAITS)}",
        "cancel": note("a", WAITS),
    }[how]
    if how == "failure":
        world.notes.fail("a", "failed")
    run_id = world.fire(how, runbook(steps, more=LAST))
    async with world.executing() as executor:
        if how in ("undo", "cancel"):
            await world.until_run(run_id, "waiting")
            await executor.cancel(run_id, Person("U1"), "enough")
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == (state, said)


@pytest.mark.parametrize("fault", ["failed", "answer_lost"])
async def test_a_broken_last_step_does_not_change_the_end(world: NotedWorld, fault: str) -> None:
    """Nor one of which nobody knows whether it happened."""
    world.actions = [one for one in world.actions if one.name != "tests.note"] + [
        type("Note", (type(one),), {"name": "tests.note"})(world.notes)
        for one in world.actions
        if one.name == "tests.blind"
    ]
    world.notes.fail("last", fault)  # type: ignore[arg-type]
    run_id = world.fire(fault, runbook(note("a"), more=LAST))
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.states(run_id)["last"]) == ("succeeded", "failed")


async def test_an_observing_run_asks_nobody_and_does_nothing(world: NotedWorld) -> None:
    """It says what it would do."""
    run_id = world.fire("observe", runbook(f"{note('a', WAITS)}\n{note('b')}", mode="observe"))
    async with world.executing():
        await world.ended(run_id)
    assert (world.notes.said(), world.kinds(run_id).count("approval.requested")) == ([], 0)


async def test_a_step_publishes_outputs_of_its_own(world: NotedWorld) -> None:
    """CEL over what the action yielded."""
    after = '{id: after, name: After, uses: tests.note, with: {what: "${{ steps.a.outputs.twice }}"}}'
    published = "{id: a, name: A, uses: tests.note, with: {what: a}, outputs: {twice: result.line + result.line}}"
    run_id = world.fire("outputs", runbook(f"{published}\n{after}"))
    async with world.executing():
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do aa"]


@pytest.mark.parametrize(
    ("on", "fault", "num_left"),
    [("unreachable, unknown", "unreachable", 0), ("unreachable, unknown", "failed", 1), ("failed", "failed", 0)],
)
async def test_what_is_tried_again(world: NotedWorld, on: str, fault: str, num_left: int) -> None:
    """Only after the failures that the step names."""
    world.notes.fail("a", fault, fault)  # type: ignore[arg-type]
    run_id = world.fire(f"{on} {fault}", runbook(note("a", f"retry: {{attempts: 3, delay: 20ms, on: [{on}]}}")))
    async with world.executing():
        run = await world.ended(run_id)
    assert len(world.notes.faults["a"]) == num_left
    assert run.state == ("failed" if num_left else "succeeded")


async def test_pauses_between_tries_grow(world: NotedWorld) -> None:
    """Each is twice the last."""
    world.notes.fail("a", "unreachable", "unreachable", "unreachable")
    run_id = world.fire("backoff", runbook(note("a", "retry: {attempts: 4, delay: 100ms, backoff: 2}")))
    async with world.executing():
        run = await world.ended(run_id)
    assert run.state == "succeeded"
    assert (run.ended_at or 0.0) - (run.started_at or 0.0) >= 0.7


@pytest.mark.parametrize("happened", [True, False])
async def test_an_unknown_outcome_is_not_repeated(world: NotedWorld, happened: bool) -> None:
    """The run waits until a person has said whether it happened; not even a restart repeats it."""
    world.notes.fail("a", "answer_lost")
    run_id = world.fire(f"unknown {happened}", runbook(f"{note('a', uses='tests.blind')}\n{note('b')}"))
    async with world.executing():
        await world.until_step(run_id, "a", "unknown")
        assert world.runs.run(run_id).state == "waiting"
    async with world.executing():
        await world.stays(world.notes.said)
        settle(world.runs, run_id, "a", world.clock.now(), happened=happened)
        await world.ended(run_id)
    assert world.notes.said() == (["do a", "do b"] if happened else ["do a", "do a", "do b"])


async def test_undo_does_not_wait_for_what_is_unknown(world: NotedWorld) -> None:
    """What is known is taken back; about the rest a person is asked, and it is not undone blindly."""
    world.notes.fail("b", "answer_lost")
    run_id = world.fire("undo", runbook(f"{note('a', UNDO)}\n{note('b', UNDO, uses='tests.blind')}"))
    async with world.executing() as executor:
        await world.until_step(run_id, "b", "unknown")
        await executor.request_undo(run_id, Person("U1"))
        await world.until_run(run_id, "needs_person")
        assert world.notes.said() == ["do a", "do b", "undo undone"]
        settle(world.runs, run_id, "b", world.clock.now(), happened=True)
        await executor.request_undo(run_id, Person("U1"))
        await world.until_run(run_id, "undone")
    assert world.notes.said() == ["do a", "do b", "undo undone", "undo undone"]


async def test_a_call_that_hangs_is_given_up(world: NotedWorld) -> None:
    """After the step's time; whether it happened is looked up."""
    world.notes.fail("a", "hangs")
    run_id = world.fire("hangs", runbook(note("a", "timeout: 200ms, retry: {attempts: 2, delay: 10ms}")))
    async with world.executing():
        await world.until_step(run_id, "a", "unknown")
    assert world.notes.said() == []


async def test_an_action_that_does_nothing_is_caught_by_its_verification(world: NotedWorld) -> None:
    """It says that it has acted; the metrics say otherwise."""
    world.notes.fail("a", "not_done")
    world.metrics.fails_if = lambda: "do a" not in world.notes.said()
    verify = "verify: {expr: up == 1, timeout: 200ms}, on_verify_failed: undo"
    run_id = world.fire("nothing", runbook(f"{note('a', f'{UNDO}, {verify}')}\n{note('b')}"))
    async with world.executing():
        await world.until_run(run_id, "undone")
    assert world.states(run_id) == {"a": "undone", "b": "pending"}


async def test_a_lost_workflow_database_loses_no_run(world: NotedWorld) -> None:
    """All that runs did stands in the store."""
    run_id = world.fire("lost", runbook(f"{note('a')}\n{note('b', WAITS)}\n{note('c')}"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
    for file in world.folder.glob("dbos.sqlite*"):
        file.unlink()
    world.vote(run_id, "b", "U1")
    async with world.executing():
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b", "do c"]


@pytest.mark.parametrize("state", ["queued", "waiting"])
async def test_a_run_of_an_older_interpreter_goes_on(world: NotedWorld, state: str) -> None:
    """Under a workflow of its own; what was done is not done again, and what was asked is not asked again."""
    run_id = world.fire(state, runbook(f"{note('a')}\n{note('b', WAITS)}"))
    if state == "waiting":
        async with world.executing():
            await world.until_run(run_id, "waiting")
    set_run(world.database, run_id, interpreter_version=1)
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.vote(run_id, "b", "U1")
        await world.ended(run_id)
    assert world.runs.run(run_id).interpreter_version == INTERPRETER_VERSION
    assert world.notes.said() == ["do a", "do b"]
    assert world.kinds(run_id).count("approval.requested") == 1
