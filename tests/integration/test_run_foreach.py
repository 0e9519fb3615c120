"""A step with `foreach`: its order, its stages, items that break, one approval for all, and a crash in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.noted import NotedWorld, note, runbook
from tests.support.settling import set_step

pytestmark = pytest.mark.integration

VERIFY = "verify: {expr: up == 1, timeout: 300ms, means: it helped}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


def each(items: str = "['a', 'b', 'c', 'd']", more: str = "") -> str:
    """A step that writes each item, and takes it back where it is undone."""
    undo = "undo: {uses: tests.unnote, with: {what: '${{ item }}'}}"
    comma = ", " if more else ""
    return (
        f'{{id: each, name: Each, foreach: "{items}", uses: tests.note, '
        f"with: {{what: '${{{{ item }}}}'}}, {undo}{comma}{more}}}"
    )


async def test_items_are_done_in_order_and_publish_what_they_yield(world: NotedWorld) -> None:
    """A later step sees the outputs of every call."""
    after = (
        "{id: after, name: After, uses: tests.note, with: {what: \"${{ steps.each.outputs.items[1].line + 'x' }}\"}}"
    )
    run_id = world.fire("order", runbook(f"{each()}\n{after}"))
    async with world.executing():
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b", "do c", "do d", "do bx"]
    assert world.row(run_id, "each").detail == "4 done"


async def test_each_stage_is_verified_before_the_next(world: NotedWorld) -> None:
    """`stages: [1, 50%, 100%]` of four items are one, two and four of them."""
    run_id = world.fire("stages", runbook(each(more=f"stages: [1, 50%, 100%], {VERIFY}")))
    async with world.executing():
        await world.ended(run_id)
    told = [text for text in world.texts(run_id) if text[:2] in ("do", "Ve", "Ea")]
    assert told == [
        "do a",
        "Verified: it helped (held for 0s)",
        "Each: 1 of 4 done",
        "do b",
        "Verified: it helped (held for 0s)",
        "Each: 2 of 4 done",
        "do c",
        "do d",
        "Verified: it helped (held for 0s)",
    ]


@pytest.mark.parametrize(
    ("policy", "state", "said"),
    [
        ("continue", "succeeded", ["do a", "do b", "do after"]),
        ("stop", "succeeded", ["do a", "do b"]),
        ("undo", "undone", ["do a", "do b", "undo b", "undo a"]),
    ],
)
async def test_a_stage_that_did_not_help_is_the_last(
    world: NotedWorld, policy: str, state: str, said: list[str]
) -> None:
    """What is done so far is kept, or taken back from the youngest on; the other items are not made."""
    step = each(more=f"stages: [1, 50%, 100%], {VERIFY}, on_verify_failed: {policy}")
    run_id = world.fire(policy, runbook(f"{step}\n{note('after')}"))
    world.metrics.fails_if = lambda: "do b" in world.notes.said()
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == (state, said)
    assert world.states(run_id)["each"] == "not_verified"


async def test_an_empty_list_does_nothing(world: NotedWorld) -> None:
    """The step is left out, and the run goes on."""
    run_id = world.fire("empty", runbook(f"{each('[]')}\n{note('after')}"))
    async with world.executing():
        await world.ended(run_id)
    assert (world.notes.said(), world.states(run_id)["each"]) == (["do after"], "skipped")


async def test_an_item_that_breaks_takes_the_others_back(world: NotedWorld) -> None:
    """Without continue_on_error the run fails there, and what was done is undone in reverse."""
    world.notes.fail("c", "failed")
    run_id = world.fire("breaks", runbook(each()))
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, run.detail) == ("undone", "Each (c): says no")
    assert world.notes.said() == ["do a", "do b", "undo b", "undo a"]


async def test_an_item_may_break_without_ending_the_step(world: NotedWorld) -> None:
    """With continue_on_error the others are made, and the step says how many were not."""
    world.notes.fail("b", "failed")
    run_id = world.fire("may-break", runbook(each(more=f"continue_on_error: true, {VERIFY}")))
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("succeeded", ["do a", "do c", "do d"])
    assert world.row(run_id, "each").detail == "3 done, 1 failed"


async def test_a_step_of_which_every_item_broke_has_failed(world: NotedWorld) -> None:
    """There is nothing to verify, and a later step can see it."""
    world.notes.fail("a", "failed")
    after = note("after", "if: steps.each.state == 'failed'")
    step = each("['a']", "continue_on_error: true")
    run_id = world.fire("all-break", runbook(f"{step}\n{after}"))
    async with world.executing():
        await world.ended(run_id)
    assert world.notes.said() == ["do after"]


async def test_all_items_are_approved_at_once(world: NotedWorld) -> None:
    """One question names them all."""
    run_id = world.fire("approval", runbook(each(more="approval: {from: responder}")))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        (asked,) = world.run_view(run_id).approvals
        assert "for each of a, b, c, d" in asked.will_do
        world.vote(run_id, "each", "U1")
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b", "do c", "do d"]


async def test_a_restart_in_the_middle_goes_on_with_the_next_item(world: NotedWorld) -> None:
    """What was done is not done again, and stages keep their places."""
    world.metrics.verdict = "fails"
    step = each(more="stages: [2, 100%], verify: {expr: up == 1, timeout: 1m, means: it helped}")
    run_id = world.fire("restart", runbook(step))
    async with world.executing():
        await world.until_step(run_id, "each", "verifying")
    world.metrics.verdict = "holds"
    async with world.executing():
        await world.ended(run_id)
    assert world.notes.said() == ["do a", "do b", "do c", "do d"]


async def test_an_item_that_broke_right_before_a_crash_still_ends_the_step(world: NotedWorld) -> None:
    """The item's failure is stored before its step's: what was between them is not forgotten."""
    world.notes.fail("b", "hangs")
    run_id = world.fire("broke", runbook(each()))
    async with world.executing():
        await world.until_said("do a")
        await world.until_step(run_id, "each[1]", "acting")
    set_step(world.database, run_id, "each[1]", state="failed", detail="says no", lease_released=True)
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("undone", ["do a", "undo a"])
