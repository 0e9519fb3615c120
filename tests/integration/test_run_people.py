"""What people do with runs, over the real executor: each verb, pressed twice, in the wrong state, by name or handle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from opsbot.errors import ApprovalError, ConfigError, InvalidTransition, NotFoundError
from opsbot.incident.handle import handle_of
from opsbot.runbook.case import announcement_id, approval_id
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.run import RunState, StepState
from opsbot.store import schema
from tests.support.run_people import COMMANDER, OTHER, RESPONDER, RunPeople, notes, request

pytestmark = pytest.mark.integration

ASKS = "approval: {from: responder, timeout: 10m}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RunPeople]:
    """A store of its own for each test."""
    made = RunPeople(tmp_path)
    yield made
    await made.close()


async def test_a_run_by_hand_has_an_incident_that_only_a_person_ends(world: RunPeople) -> None:
    """Started twice by one request it is one run; its incident stays open when the run is over."""
    world.put(notes())
    async with world.executing() as executor:
        desk = world.desk(executor)
        first = await desk.start(request(word="hi", times="2"), RESPONDER)
        again = await desk.start(request(word="hi", times="2"), RESPONDER)
        run_id = first.run.run_id
        assert (run_id, again.run.run_id) == ("run:two-notes:q1:1:1", run_id)
        assert (
            first.message
            == f"{handle_of(run_id)} runs “Write two notes” for INC-1; `cancel {handle_of(run_id)}` takes it back."
        )
        assert again.message.startswith(f"{handle_of(run_id)} was started by this request already; it is ")
        await world.until_run(run_id, "succeeded")
    assert world.note.written() == ["first hi", "second"]
    run = world.runs.run(run_id)
    assert (run.requester, dict(run.inputs), run.cluster) == ("U0RESPONDER", {"word": "hi", "times": 2}, "local")
    view = world.view(run_id)
    assert (view.incident.title, view.incident.severity) == ("Run by hand: Write two notes on local", "low")
    assert view.incident.labels["alertname"] == "ManualRun"
    assert (view.incident.state, view.incident.acknowledged_by) == ("acknowledged", "U0RESPONDER")
    world.incidents.review(world.clock.now() + 1e6, lambda alert: [])
    assert world.view(run_id).incident.state == "acknowledged"
    world.resolve_by_hand("INC-1")
    assert world.view(run_id).incident.is_resolved


async def test_a_run_by_hand_may_belong_to_an_incident(world: RunPeople) -> None:
    """It takes that one's labels, and is refused once that one is over."""
    world.put(notes())
    world.fire("cause", notes())
    async with world.executing() as executor:
        desk = world.desk(executor)
        for_one = RunRequest("two-notes", "q7", incident_id="inc-1")
        started = await desk.start(for_one, RESPONDER)
        assert started.run.incident_id == "INC-1"
        assert dict(world.runs.run(started.run.run_id).labels or {})["cause"] == "cause"
        await world.until_run(started.run.run_id, "succeeded")
        world.resolve("cause")
        with pytest.raises(InvalidTransition, match="INC-1 is resolved, and nothing runs for it any more"):
            await desk.start(RunRequest("two-notes", "q8", incident_id="INC-1"), RESPONDER)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (RunRequest("two-note", "q"), NotFoundError, "there is no runbook 'two-note', did you mean 'two-notes'?"),
        (RunRequest("two-notes", "q", "eu-2"), NotFoundError, "there is no cluster 'eu-2', did you mean 'eu-1'?"),
        (RunRequest("two-notes", "q:1"), ConfigError, "a request id is 1 to 64 letters"),
        (RunRequest("two-notes", "q", inputs={"wrod": "x"}), ConfigError, "no input 'wrod', did you mean 'word'?"),
        (RunRequest("two-notes", "q", incident_id="INC-9"), NotFoundError, "there is no incident INC-9"),
    ],
)
async def test_what_cannot_be_started_says_what_can(
    world: RunPeople, asked: RunRequest, error: type[Exception], said: str
) -> None:
    """And nothing is queued."""
    world.put(notes())
    with pytest.raises(error, match=said.replace("?", r"\?")):
        await world.desk(world.executor()).start(asked, RESPONDER)
    assert world.runs.queued() == ()


async def test_a_paused_run_acts_only_once_it_is_resumed(world: RunPeople) -> None:
    """What was granted meanwhile is done then, once; its deadline moves."""
    run_id = world.fire("pause", notes(first=ASKS))
    handle = handle_of(run_id)
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        deadline = world.runs.run(run_id).deadline
        assert deadline is not None
        said = await desk.pause(handle, RESPONDER, "wait for the others")
        assert said == f"{handle} begins nothing more; what it holds stays. `resume {handle}` lets it go on."
        assert "paused already by <@U0RESPONDER>" in await desk.pause(run_id, OTHER, "me too")
        assert world.run_view(run_id).pause_reason == "wait for the others"
        await desk.decide(approval_id(run_id, "first"), is_granted=True, person=OTHER)
        await asyncio.sleep(0.5)
        assert world.note.written() == []
        assert await desk.resume(handle, RESPONDER) == f"{handle} goes on; `pause {handle}` stops it again."
        assert "is not paused" in await desk.resume(handle, RESPONDER)
        await world.until_run(run_id, "succeeded")
        with pytest.raises(InvalidTransition, match="is succeeded and makes no step"):
            await desk.pause(handle, RESPONDER, "too late")
        with pytest.raises(InvalidTransition, match="is over"):
            await desk.resume(handle, RESPONDER)
    assert world.note.written() == ["first hello", "second"]
    moved = world.runs.run(run_id).deadline
    assert moved is not None
    assert 0.4 < moved - deadline < 10


async def test_the_time_for_a_question_stands_still_while_the_run_is_paused(world: RunPeople) -> None:
    """Past its time the approval is still open, and can be given after the run is resumed."""
    run_id = world.fire("stands-still", notes(first="approval: {from: responder, timeout: 700ms}"))
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        await desk.pause(run_id, RESPONDER, "wait")
        await asyncio.sleep(1.0)
        assert world.runs.approval(approval_id(run_id, "first")).state == "open"
        await desk.resume(run_id, RESPONDER)
        await desk.decide(approval_id(run_id, "first")[:8], is_granted=True, person=OTHER)
        await world.until_run(run_id, "succeeded")


async def test_a_step_that_has_not_acted_can_be_left_out(world: RunPeople) -> None:
    """The question for it is withdrawn; the others are made; what has acted cannot be left out."""
    run_id = world.fire("skip", notes(first=ASKS))
    handle = handle_of(run_id)
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        with pytest.raises(NotFoundError, match="no step 'frist', did you mean 'first'"):
            await desk.skip(handle, "frist", RESPONDER, "no")
        said = await desk.skip(handle, "first", RESPONDER, "it was done by hand")
        assert said.startswith(f"The step first of {handle} is left out.")
        await world.until_run(run_id, "succeeded")
        assert (await desk.skip(handle, "first", OTHER, "again")).startswith(
            f"The step first of {handle} is left out already."
        )
        with pytest.raises(InvalidTransition, match=r"the step second of .* is succeeded and cannot be left out"):
            await desk.skip(handle, "second", RESPONDER, "no")
    assert world.note.written() == ["second"]
    assert world.run_view(run_id).steps[0].detail == "left out by U0RESPONDER: it was done by hand"


async def test_a_run_that_is_over_is_repeated_from_a_step(world: RunPeople) -> None:
    """Once, however often it is pressed, with the same revision and inputs; one under way is not."""
    run_id = world.fire("again", notes(second=ASKS))
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        with pytest.raises(InvalidTransition, match="is waiting; it can be repeated when it is over"):
            await desk.again(run_id, RESPONDER)
        await desk.decide(approval_id(run_id, "second"), is_granted=False, person=RESPONDER)
        await world.until_run(run_id, "cancelled")
        with pytest.raises(NotFoundError, match="there is no step 'third'; there are first, second"):
            await desk.again(run_id, RESPONDER, "third")
        once = await desk.again(handle_of(run_id), RESPONDER, "second")
        twice = await desk.again(handle_of(run_id), OTHER, None)
        next_id = run_id.removesuffix(":1") + ":2"
        assert (once.run.run_id, twice.run.run_id) == (next_id, next_id)
        assert (
            once.message
            == f"{handle_of(next_id)} repeats it from the step second on; `cancel {handle_of(next_id)}` takes it back."
        )
        assert twice.message.startswith(f"It was repeated already by {handle_of(next_id)}")
        await world.until_run(next_id, "waiting")
        await desk.decide(approval_id(next_id, "second"), is_granted=True, person=OTHER)
        await world.until_run(next_id, "succeeded")
    assert world.note.written() == ["first hello", "second"]
    repeated = world.runs.run(next_id)
    assert (repeated.follows, repeated.from_step, repeated.requester) == (run_id, "second", "U0RESPONDER")
    world.resolve("again")
    with pytest.raises(InvalidTransition, match="start the runbook by hand instead"):
        await world.desk(world.executor()).again(next_id, RESPONDER)


async def test_while_all_runs_are_stopped_nothing_is_changed(world: RunPeople) -> None:
    """It is said once on the incident, stands in the channel, and lifting it lets the run act at once."""
    run_id = world.fire("halt", notes(first=ASKS))
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        assert "`go-on` lifts it" in await desk.stop_all(COMMANDER, "the region is down")
        assert "<@U0COMMANDER> has stopped all runs already: the region is down" in await desk.stop_all(
            COMMANDER, "again"
        )
        await desk.decide(approval_id(run_id, "first"), is_granted=True, person=RESPONDER)
        await asyncio.sleep(0.5)
        assert world.note.written() == []
        halt = world.view(run_id).halt
        assert halt is not None
        assert halt.reason == "the region is down"
        assert await desk.go_on(COMMANDER) == "Runs go on; `stop-all` stops them again."
        assert await desk.go_on(COMMANDER) == "Runs are not stopped."
        await world.until_run(run_id, "succeeded")
    assert world.view(run_id).halt is None
    assert world.kinds(run_id).count("run.unhalted") == 1
    notice = world.stores.notices.notice("halt:1")
    assert notice is not None
    assert notice.text == "U0COMMANDER: Stopped all runs: the region is down"


async def test_several_must_consent_and_a_commander_may_alone(world: RunPeople) -> None:
    """Votes are counted and answered; breaking the glass is loud and is to be reviewed."""
    two = "approval: {from: [responder], count: 2, timeout: 10m}"
    run_id = world.fire("glass", notes(first=two, second=two))
    first, second = approval_id(run_id, "first"), approval_id(run_id, "second")
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_run(run_id, "waiting")
        for _ in range(2):
            said = await desk.decide(first, is_granted=True, person=RESPONDER)
            assert said == "You have granted it; 1 more must, of 2."
        assert (await desk.decide(first, is_granted=True, person=OTHER)).startswith("You have granted it: note.write.")
        await world.until(
            lambda: world.run_view(run_id).approvals,
            lambda found: bool(found) and found[0].approval_id == second,
            lambda: world.say(run_id),
        )
        with pytest.raises(ApprovalError, match="the role commander is needed; U0RESPONDER has responder"):
            await desk.break_glass(second, RESPONDER, "nobody else is awake")
        with pytest.raises(ConfigError, match="say why the rules of this approval are broken"):
            await desk.break_glass(second, COMMANDER, "  ")
        said = await desk.break_glass(second, COMMANDER, "nobody else is awake")
        assert said == await desk.break_glass(second, COMMANDER, "pressed again")
        await world.until_run(run_id, "succeeded")
    entries = {entry.kind: entry for entry in world.view(run_id).timeline}
    glass, review = entries["approval.glass_broken"], entries["review.opened"]
    assert (glass.is_broadcast, glass.actor) == (True, "U0COMMANDER")
    assert glass.text == "Broke the glass, approving alone: note.write. Why: nobody else is awake"
    assert "U0COMMANDER approved alone what 2 of responder should have" in review.text
    assert world.kinds(run_id).count("approval.glass_broken") == 1


async def test_a_broken_glass_pages_somebody(tmp_path: Path) -> None:
    """Where there is a pager, in the transaction that grants; Slack's outbox does not have it."""
    world = RunPeople(tmp_path, is_paging=True)
    run_id = world.fire("page", notes(first=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        approval = approval_id(run_id, "first")
        await world.desk(executor).break_glass(approval, COMMANDER, "all asleep")
        await world.until_run(run_id, "succeeded")
    item = world.stores.outbox.item(f"page_entry:{approval}:glass")
    assert item is not None
    assert (item.kind, item.incident_id) == ("page_entry", "INC-1")
    assert "page_entry" not in {one.kind for one in world.stores.outbox.due(9e9, 1000)}
    await world.close()


async def test_an_announcement_is_cut_short_or_objected_to(world: RunPeople) -> None:
    """Each decision holds once; what was objected to is not made."""
    said = 'announce: {message: "the note is written", for: 10m, call_for_capacity: true}'
    run_id = world.fire("announced", notes(first=said, second=said))
    first, second = announcement_id(run_id, "first"), announcement_id(run_id, "second")
    async with world.executing() as executor:
        desk = world.desk(executor)
        await world.until_step(run_id, "first", "announcing")
        assert (await desk.offer_capacity(first, OTHER)).startswith("Your offer is on the timeline")
        with pytest.raises(ApprovalError, match="the role commander is needed"):
            await desk.go_now(first, RESPONDER)
        for _ in range(2):
            assert (await desk.go_now(first[:9], COMMANDER)).startswith("It is done now")
        with pytest.raises(ApprovalError, match="decided already by <@U0COMMANDER>"):
            await desk.object(first, RESPONDER, "too late")
        await world.until_step(run_id, "second", "announcing")
        assert (await desk.object(second, RESPONDER, "not tonight")).startswith("It is not done.")
        await world.until_run(run_id, "succeeded")
    assert world.note.written() == ["first hello"]
    assert "Objected: not tonight. It is not done: the note is written" in world.texts(run_id)


async def test_a_hold_is_set_once_told_and_lifted(world: RunPeople) -> None:
    """Asked for again it is the same hold; nonsense says how to write one."""
    desk = world.desk(world.executor())
    said = await desk.hold("eu-1/batch_limit", 3600, RESPONDER, "the rack moves")
    assert said.startswith("No run turns eu-1/batch_limit until ")
    assert said.endswith("`unhold 1` lifts it.")
    await desk.hold("eu-1/batch_limit", 7200, RESPONDER, "the rack moves")
    (held,) = await desk.holds()
    assert held.ends_at > world.clock.now() + 7000
    with pytest.raises(ConfigError, match="names no knob; write CLUSTER/KNOB"):
        await desk.hold("eu-1", 60, RESPONDER, "x")
    with pytest.raises(NotFoundError, match="there is no cluster 'eu-3', did you mean 'eu-1'"):
        await desk.hold("eu-3/shed", 60, RESPONDER, "x")
    with pytest.raises(ConfigError, match="a hold lasts at most 1d"):
        await desk.hold("*/shed", 90_000, RESPONDER, "x")
    assert (
        await desk.let_go(1, OTHER)
        == "Runs may turn eu-1/batch_limit again; `hold eu-1/batch_limit` holds it once more."
    )
    with pytest.raises(NotFoundError, match="there is no hold 1 in force"):
        await desk.let_go(1, OTHER)


async def test_a_name_that_may_mean_several_runs_is_not_guessed(world: RunPeople) -> None:
    """It lists what it may mean; whole ids and longer handles do."""
    world.put(notes())
    desk = world.desk(world.executor())
    one, other = [(await desk.start(request(name), RESPONDER)).run.run_id for name in ("q1", "q2")]
    with world.database.write() as connection:
        for run_id, handle in ((one, "abcdef000001"), (other, "abcdef000002")):
            connection.execute(update(schema.run).where(schema.run.c.run_id == run_id).values(handle=handle))
    control = world.stores.control
    with pytest.raises(NotFoundError, match="r-abcdef may mean several runs; say which"):
        control.find("r-abcdef")
    assert control.find("r-abcdef000002").run_id == other
    assert control.find("ABCDEF000001").run_id == one
    assert control.find(one).run_id == one
    for text in ("r-123456", "nonsense!", ""):
        with pytest.raises(NotFoundError, match="`opsbot runs --all` lists them"):
            control.find(text)


def test_every_state_of_runs_and_steps_is_known_here() -> None:
    """What people may do depends on them: a new state must be thought about in control, asked and run_menu."""
    assert len(RunState) == 11
    assert len(StepState) == 13
