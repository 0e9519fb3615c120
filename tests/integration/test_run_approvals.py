"""Approvals of a run: several people, several roles, nobody in time, and values that change before the act."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.errors import ApprovalError
from opsbot.runbook.case import approval_id
from tests.support.noted import NotedWorld, note, runbook
from tests.support.settling import set_run, set_step

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


def asking(more: str = "", *, step: str = "") -> str:
    """A step that asks."""
    return runbook(note("asked", f"approval: {{from: responder{more}}}{step}"))


async def test_two_people_must_consent(world: NotedWorld) -> None:
    """One is not enough, nor is one person twice."""
    run_id = world.fire("two", asking(", count: 2"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.vote(run_id, "asked", "U1")
        world.vote(run_id, "asked", "U1")
        await world.stays(lambda: world.states(run_id))
        world.vote(run_id, "asked", "U2")
        await world.ended(run_id)
    assert world.notes.said() == ["do asked"]
    assert world.runs.approval(approval_id(run_id, "asked")).granted_by == ("U1", "U2")


async def test_whoever_asked_may_not_approve(world: NotedWorld) -> None:
    """Unless a commander breaks the glass, with a reason that is kept."""
    run_id = world.fire_as("requester", asking(", exclude_requester: true"), requester="U9")
    async with world.executing():
        await world.until_run(run_id, "waiting")
        with pytest.raises(ApprovalError, match="somebody else must approve"):
            world.vote(run_id, "asked", "U9")
        world.vote(run_id, "asked", "U9", glass_reason="nobody else is awake")
        await world.ended(run_id)
    assert world.runs.approval(approval_id(run_id, "asked")).glass_reason == "nobody else is awake"


async def test_broken_glass_stands_for_all_votes(world: NotedWorld) -> None:
    """A commander who decides alone does so also where two are asked."""
    run_id = world.fire("glass", asking(", count: 3"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.vote(run_id, "asked", "U1", glass_reason="it burns")
        await world.ended(run_id)
    assert world.notes.said() == ["do asked"]


async def test_several_roles_are_named(world: NotedWorld) -> None:
    """Any of them may decide; the question says which."""
    run_id = world.fire("roles", asking().replace("from: responder", "from: [commander, trust_and_safety], count: 2"))
    async with world.executing():
        run = await world.until_run(run_id, "waiting")
    assert run.detail == "waiting for 2 of commanders or trust & safety to approve"
    assert world.runs.approval(approval_id(run_id, "asked")).roles == ("commander", "trust_and_safety")


@pytest.mark.parametrize(
    ("policy", "state", "said"), [("abort", "cancelled", []), ("proceed", "succeeded", ["do asked"])]
)
async def test_nobody_decides_in_time(world: NotedWorld, policy: str, state: str, said: list[str]) -> None:
    """`abort` changes nothing, `proceed` goes on."""
    run_id = world.fire(policy, asking(f", timeout: 300ms, on_timeout: {policy}"))
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == (state, said)


async def test_the_time_runs_on_while_the_bot_is_down(world: NotedWorld) -> None:
    """What expired meanwhile is not asked anew."""
    run_id = world.fire("down", asking(", timeout: 1s"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
    ends = world.runs.approval(approval_id(run_id, "asked")).expires_at
    await world.until(world.clock.now, lambda now: now > ends, lambda: "time stands still")
    with pytest.raises(ApprovalError, match="expired"):
        world.vote(run_id, "asked", "U1")
    async with world.executing():
        await world.until_run(run_id, "cancelled")
    assert world.kinds(run_id).count("approval.requested") == 1


async def test_a_value_that_changed_meanwhile_is_asked_about_anew(world: NotedWorld) -> None:
    """The decision was about another value; the second is about the one of now."""
    run_id = world.fire("changed", asking())
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.notes.value = "other"
        world.vote(run_id, "asked", "U1")
        await world.until_text(run_id, "the value has changed since it was shown")
        await world.until_run(run_id, "waiting")
        assert world.notes.said() == []
        world.vote(run_id, "asked", "U1", number=1)
        await world.ended(run_id)
    assert world.notes.said() == ["do asked"]


async def test_a_value_that_never_rests_is_given_up(world: NotedWorld) -> None:
    """It is asked about three times."""
    run_id = world.fire("restless", asking())
    async with world.executing():
        for number in range(3):
            await world.until_text_times(run_id, "approval.requested", number + 1)
            world.notes.value = f"other {number}"
            world.vote(run_id, "asked", "U1", number=number)
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("failed", [])
    assert world.kinds(run_id).count("approval.requested") == 3


async def test_a_decision_holds_for_what_was_shown_only(world: NotedWorld) -> None:
    """With other arguments than those that were approved nothing is done."""
    run_id = world.fire("digest", asking())
    async with world.executing():
        await world.until_run(run_id, "waiting")
    set_step(world.database, run_id, "asked", arguments_digest="0" * 64)
    world.vote(run_id, "asked", "U1")
    async with world.executing():
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("failed", [])
    assert "not for what would be done now" in run.detail


async def test_an_approval_ends_with_the_run_and_calls_a_person(world: NotedWorld) -> None:
    """When the run's time is over, nothing more is done, what was set is kept, and somebody is paged."""
    world.incidents.is_paging = True
    text = runbook(f"{note('first')}\n{note('asked', 'approval: {from: responder}')}", more="timeout: 1500ms")
    run_id = world.fire("late", text)
    async with world.executing():
        await world.until_run(run_id, "waiting")
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("failed", ["do first"])
    assert f"page_entry:{run_id}:asked:late" in world.outbox()
    with pytest.raises(ApprovalError, match="expired"):
        world.vote(run_id, "asked", "U1")


async def test_a_paused_run_is_not_late(world: NotedWorld) -> None:
    """Its time is given back when it goes on."""
    run_id = world.fire("paused", runbook(note("asked", "approval: {from: responder}"), more="timeout: 500ms"))
    set_run(world.database, run_id, paused_by="U1", pause_reason="wait")
    async with world.executing():
        await world.until_step(run_id, "asked", "pending")
        await world.stays(lambda: world.states(run_id), 0.8)
        set_run(world.database, run_id, paused_by=None, deadline=world.clock.now() + 60)
        await world.until_run(run_id, "waiting")
