"""A run from alert to end, on DBOS, a real store and a real model server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from opsbot.errors import InvalidTransition
from opsbot.people import Person
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import ServingServer, serving

pytestmark = pytest.mark.integration

BASE = 4
VERIFY = "verify: {{expr: up == 1, for: {held}, timeout: {limit}, means: the server is up}}"
APPROVAL = "approval: {from: responder, timeout: 10m}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server for the module; each test has a cause, and so idempotency keys, of its own."""
    with serving(tmp_path_factory.mktemp("serving") / "leases.jsonl", "--max-num-seqs", str(BASE)) as started:
        yield started


@pytest.fixture
async def world(tmp_path: Path, server: ServingServer) -> AsyncIterator[RunWorld]:
    """A store of its own for each test."""
    world = RunWorld(tmp_path, server.url)
    yield world
    await world.close()


def verify(held: str = "200ms", limit: str = "1s") -> str:
    """The verification of the one step."""
    return VERIFY.format(held=held, limit=limit)


async def test_a_granted_run_sets_verifies_holds_and_releases(world: RunWorld) -> None:
    """Asked, granted, set, verified, mitigated, held; and released when the incident ends."""
    run_id = world.fire("story", set_batch(mode="suggest", more=f"{APPROVAL}\n    {verify()}"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        asked = world.run_view(run_id).approvals[0]
        assert asked.will_do == (
            "set the batch limit of local from 4 to 3 for 1m at a time, renewed while the incident is open"
        )
        assert asked.undo == "ends by itself 1m after the last renewal; Undo takes it back to 4 at once"
        assert await world.in_force() == BASE
        world.decide(run_id, "resize", is_granted=True)
        await world.until_run(run_id, "holding")
        assert await world.in_force() == 3
        assert world.run_view(run_id).can_undo
        await world.until(lambda: world.view(run_id).incident.state, lambda state: state == "mitigated", lambda: "")
        world.resolve("story")
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE
    assert not world.run_view(run_id).can_undo
    texts = world.texts(run_id)
    assert "Batch limit of local set from 4 to 3" in texts
    assert "Verified: the server is up (held for 200ms)" in texts
    assert "Released: batch limit of local is 4 again" in texts
    assert len(set(texts)) == len(texts)


async def test_undo_takes_the_setting_back_at_once(world: RunWorld) -> None:
    """A person's Undo releases the lease while the incident stays open, and there is nothing to undo twice."""
    run_id = world.fire("undo", set_batch())
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        await executor.request_undo(run_id, Person("U7"))
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")
        with pytest.raises(InvalidTransition, match="holds nothing"):
            await executor.request_undo(run_id, Person("U7"))
    assert await world.in_force() == BASE
    assert "Undone: batch limit of local is 4 again" in world.texts(run_id)
    assert world.kinds(run_id).count("run.undo_requested") == 1


async def test_undo_interrupts_a_verification(world: RunWorld) -> None:
    """Undo does not wait until a long verification is over."""
    world.metrics.verdict = "fails"
    run_id = world.fire("undo-verify", set_batch(more=verify("1s", "1h")))
    async with world.executing() as executor:
        await world.until_step(run_id, "resize", "verifying")
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")
    assert await world.in_force() == BASE


async def test_a_refusal_changes_nothing(world: RunWorld) -> None:
    """A refused run ends cancelled without having touched the server."""
    run_id = world.fire("refused", set_batch(mode="suggest"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.decide(run_id, "resize", is_granted=False)
        run = await world.until_run(run_id, "cancelled")
    assert run.detail == "refused by U1"
    assert await world.control.find("local", f"{run_id}:resize:1") is None


async def test_an_approval_that_nobody_gives_expires(world: RunWorld) -> None:
    """After the approval's time nothing was changed, and the timeline says so."""
    run_id = world.fire("expired", set_batch(mode="suggest", more="approval: {from: responder, timeout: 300ms}"))
    async with world.executing():
        await world.until_run(run_id, "cancelled")
    assert "Nobody approved in time: nothing was changed." in world.texts(run_id)
    assert await world.control.find("local", f"{run_id}:resize:1") is None


async def test_an_incident_that_ends_by_itself_cancels_the_question(world: RunWorld) -> None:
    """When the incident resolves before anybody decided, the approval is closed and the run cancelled."""
    run_id = world.fire("by-itself", set_batch(mode="suggest"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
        world.resolve("by-itself")
        await world.until_run(run_id, "cancelled")
    assert world.run_view(run_id).approvals == ()
    assert await world.in_force() == BASE


async def test_a_step_that_did_not_help_is_undone_if_it_says_so(world: RunWorld) -> None:
    """on_verify_failed: undo releases the step's lease and ends the run."""
    world.metrics.verdict = "fails"
    run_id = world.fire("not-helped", set_batch(more=f"{verify()}\n    on_verify_failed: undo"))
    async with world.executing():
        await world.until_run(run_id, "undone")
    assert await world.in_force() == BASE
    assert "Did not help: not seen within 1s: the server is up" in world.texts(run_id)


async def test_a_step_that_did_not_help_is_kept_by_default(world: RunWorld) -> None:
    """Insufficient relief is not taken back: the run holds it, and the incident is not called mitigated."""
    world.metrics.verdict = "fails"
    run_id = world.fire("kept", set_batch(more=verify()))
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        assert await world.in_force() == 3
        assert world.view(run_id).incident.state == "open"
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")


@pytest.mark.parametrize("verdict", ["unknown", None])
async def test_missing_data_never_undoes_a_setting(world: RunWorld, verdict: str | None) -> None:
    """Without data the setting is held, whatever on_verify_failed says, and a person is asked to look."""
    world.metrics.verdict = "unknown" if verdict else None
    run_id = world.fire(f"no-data-{verdict}", set_batch(more=f"{verify()}\n    on_verify_failed: undo"))
    async with world.executing() as executor:
        run = await world.until_run(run_id, "holding")
        assert "a person must look" in run.detail
        assert await world.in_force() == 3
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")


async def test_a_lease_outlives_its_first_time_to_live_while_held(world: RunWorld) -> None:
    """Leases are renewed for as long as the incident is open."""
    run_id = world.fire("renewed", set_batch(lease="5s"))
    async with world.executing():
        await world.until_run(run_id, "holding")
        before = await world.control.find("local", f"{run_id}:resize:1")
        assert before is not None
        await world.until(world.clock.now, lambda now: now > before.expires_at + 0.5, lambda: "time stands still")
        after = await world.control.find("local", f"{run_id}:resize:1")
        assert after is not None
        assert (after.state, await world.in_force()) == ("live", 3)
        world.resolve("renewed")
        await world.until_run(run_id, "succeeded")


async def test_past_the_longest_hold_a_person_must_decide(world: RunWorld) -> None:
    """A run does not renew for ever: past max_hold_s it needs a person, who can still undo it."""
    world.max_hold_s = 0.5
    run_id = world.fire("too-long", set_batch())
    async with world.executing() as executor:
        await world.until_run(run_id, "needs_person")
        assert any("held for too long" in text for text in world.texts(run_id))
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "undone")
    assert await world.in_force() == BASE
