"""Announcements: a countdown that begins when somebody can read it, and what people may answer meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.errors import ApprovalError
from opsbot.runbook import consent
from opsbot.runbook.case import announcement_id
from tests.support.noted import NotedWorld, note, runbook
from tests.support.settling import set_step

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[NotedWorld]:
    """A store and a file of its own for each test."""
    world = NotedWorld(tmp_path)
    yield world
    await world.close()


def announced(for_: str = "400ms", more: str = "") -> str:
    """A step that is announced, and one after it."""
    step = note("soon", f"announce: {{message: 'Soon, on ${{{{ alert.labels.cluster }}}}', for: {for_}{more}}}")
    return runbook(f"{step}\n{note('after')}")


async def deliver(world: NotedWorld, run_id: str) -> None:
    """Slack takes the announcement, once it is there."""
    await world.until_step(run_id, "soon", "announcing")
    world.deliver(f"timeline:{run_id}:soon:announced")


def ends_at(world: NotedWorld, run_id: str) -> float | None:
    """When the countdown ends."""
    return world.runs.announcement(announcement_id(run_id, "soon")).ends_at


async def test_the_countdown_begins_with_the_delivery(world: NotedWorld) -> None:
    """However long Slack takes; then it is done unless somebody objects."""
    run_id = world.fire("delivered", announced())
    async with world.executing():
        await world.until_step(run_id, "soon", "announcing")
        await world.stays(lambda: (world.states(run_id), ends_at(world, run_id)), 0.7)
        assert world.runs.run(run_id).state == "waiting"
        world.deliver(f"timeline:{run_id}:soon:announced")
        await world.ended(run_id)
    said = world.runs.announcement(announcement_id(run_id, "soon"))
    assert (said.state, said.delivered_by, said.message) == ("passed", "slack", "Soon, on local")
    assert world.notes.said() == ["do soon", "do after"]
    assert world.kinds(run_id).count("step.announced") == 1


async def test_what_slack_does_not_take_is_paged(world: NotedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pager's delivery begins the countdown too, and the timeline says so."""
    monkeypatch.setattr(consent, "PAGE_AFTER_S", 0.2)
    world.incidents.is_paging = True
    run_id = world.fire("paged", announced())
    async with world.executing():
        await world.until_step(run_id, "soon", "announcing")
        key = f"page_entry:{run_id}:soon:announced"
        await world.until(world.outbox, lambda keys: key in keys, lambda: world.say(run_id))
        assert ends_at(world, run_id) is None
        world.deliver(key)
        await world.until_text(run_id, "Slack did not take the announcement; it was paged")
        await world.ended(run_id)


def test_slack_has_half_a_minute() -> None:
    """Before somebody is paged instead."""
    assert consent.PAGE_AFTER_S == 30.0


@pytest.mark.parametrize(("policy", "said"), [("stop", []), ("skip", ["do after"])])
async def test_an_objection(world: NotedWorld, policy: str, said: list[str]) -> None:
    """`stop` makes no further step, `skip` leaves this one out."""
    run_id = world.fire(policy, announced("1m", f", on_objection: {policy}"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        world.answer(run_id, "soon", "objected")
        run = await world.ended(run_id)
    assert (run.state, world.notes.said()) == ("succeeded", said)
    assert world.row(run_id, "soon").detail == "U1 objected: a reason"


async def test_go_now_ends_the_countdown(world: NotedWorld) -> None:
    """It is made at once."""
    run_id = world.fire("now", announced("1h"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        world.answer(run_id, "soon", "now")
        await world.ended(run_id)
    assert world.notes.said() == ["do soon", "do after"]


async def test_capacity_doubles_the_countdown_once(world: NotedWorld) -> None:
    """The second offer counts, and buys no more time."""
    run_id = world.fire("capacity", announced("1m", ", call_for_capacity: true"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        first = ends_at(world, run_id)
        assert first is not None
        world.offer(run_id, "soon", "U1")
        world.offer(run_id, "soon", "U1")
        world.offer(run_id, "soon", "U2")
        assert ends_at(world, run_id) == pytest.approx(first + 60.0)
    assert world.runs.announcement(announcement_id(run_id, "soon")).offers == ("U1", "U2")


async def test_an_offer_before_the_delivery_doubles_it_too(world: NotedWorld) -> None:
    """It was made from the web page, while Slack did not answer."""
    run_id = world.fire("early", announced("1m", ", call_for_capacity: true"))
    async with world.executing():
        await world.until_step(run_id, "soon", "announcing")
        world.offer(run_id, "soon", "U1")
        world.deliver(f"timeline:{run_id}:soon:announced")
        await world.until_text(run_id, "The countdown has begun")
    said = world.runs.announcement(announcement_id(run_id, "soon"))
    assert said.delivered_at is not None
    assert said.ends_at == pytest.approx(said.delivered_at + 120.0)


async def test_an_incident_that_ends_meanwhile_makes_it_pointless(world: NotedWorld) -> None:
    """Nothing is done, and nobody can answer any more."""
    run_id = world.fire("ends", announced("1h"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        world.resolve("ends")
        await world.until_run(run_id, "cancelled")
    assert world.notes.said() == []
    with pytest.raises(ApprovalError, match="pointless"):
        world.answer(run_id, "soon", "now")


async def test_a_restart_does_not_move_the_end(world: NotedWorld) -> None:
    """The countdown runs on while nobody is there."""
    run_id = world.fire("restart", announced("1500ms"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        before = ends_at(world, run_id)
        assert before is not None
    async with world.executing():
        await world.stays(world.notes.said, 0.3)
        assert ends_at(world, run_id) == before
        await world.ended(run_id)
        (acted,) = [entry.at for entry in world.view(run_id).timeline if entry.text == "do soon"]
    assert 0 <= acted - before < 1.5


async def test_a_message_without_a_value_breaks_the_step(world: NotedWorld) -> None:
    """It is not announced, and not done; nobody has to find out why a run hangs."""
    text = announced().replace("Soon, on ${{ alert.labels.cluster }}", "${{ alert.labels.nowhere }}")
    run_id = world.fire("no-value", text)
    async with world.executing():
        run = await world.ended(run_id)
    assert run.state == "failed"
    assert "the announcement cannot be written" in run.detail


async def test_somebody_may_leave_the_step_out(world: NotedWorld) -> None:
    """A skip during the countdown withdraws the announcement; the run is no longer waiting."""
    run_id = world.fire("left-out", announced("1h"))
    async with world.executing():
        await deliver(world, run_id)
        await world.until_text(run_id, "The countdown has begun")
        set_step(world.database, run_id, "soon", skipped_by="U3", skip_reason="not today")
        await world.ended(run_id)
    assert world.notes.said() == ["do after"]
