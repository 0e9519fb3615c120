"""Looks ahead over a real store, executor and serving stub: what they say is what then happens; they change nothing.

The knob is read live, so a look tells the value of now; what would be in the way stands in it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.alert.policy import AlertPolicy
from opsbot.errors import ApprovalError, ConfigError, InvalidTransition, MissingRole
from opsbot.incident.handle import handle_of
from opsbot.people import Person
from opsbot.preview_rows import Sight
from opsbot.preview_whole import NOT_FOR_ALL
from opsbot.run_desk import RunDesk
from opsbot.runbook.case import approval_id
from opsbot.runbook.commands import RunRequest
from opsbot.runbook.knob_turn import KnobTurn
from opsbot.runbook.loader import loads_runbook
from opsbot.runbook.model import Runbook
from opsbot.runbook.preview import Ask, changes
from opsbot.store.repositories import Repositories
from tests.support.no_runs import NoRuns
from tests.support.run_people import COMMANDER, OTHER, RESPONDER, STRANGER
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import CONTROL_TOKEN, ServingServer, serving

pytestmark = pytest.mark.integration

ASKS = "approval: {from: responder, timeout: 10m}"
KNOB = "local/batch_limit"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server whose batch limit is 8."""
    with serving(tmp_path_factory.mktemp("serving") / "leases.jsonl", "--max-num-seqs", "8") as started:
        yield started


class World(RunWorld):
    """A world with the desk, which looks at the same server."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self.stores = Repositories.over(self.database, AlertPolicy())
        self.library: list[Runbook] = []
        people = (RESPONDER, OTHER, COMMANDER)
        self.sight = Sight(self.registry, self.metrics, lambda: {one.user_id: one.roles for one in people})

    def put(self, runbook: str) -> None:
        """Bring a runbook into force."""
        loaded, problems = loads_runbook(runbook, "runbook.yaml", self.registry)
        assert loaded is not None, problems
        self.library = [loaded]

    def desk(self, executor: object = None) -> RunDesk:
        """Where people come."""
        runs = executor or NoRuns()
        return RunDesk(
            self.stores, runs, lambda: self.library, lambda: None, self.clock, ("local",), self.sight  # type: ignore[arg-type]
        )  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, server: ServingServer) -> AsyncIterator[World]:
    """A store of its own for each test; afterwards nothing is set on the server."""
    made = World(tmp_path, server.url)
    yield made
    with server.client() as http:
        live = http.get("/control/v1/leases", params={"state": "live"}).json()["leases"]
    for lease in live:
        await made.control.release("local", lease["lease_id"])
    await made.close()


async def test_an_approval_is_what_then_happens(world: World) -> None:
    """From the value of now to the value after; looking changes nothing; granted, it is so."""
    run_id = world.fire("one", set_batch(more=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        desk, ask = world.desk(executor), Ask("approve", approval_id(run_id, "resize"))
        found = await desk.preview(ask, RESPONDER)
        (step,) = found.steps
        assert step.turns == (KnobTurn(KNOB, "8", "3"),)
        assert (step.name, step.action) == ("Resize the batch", "serving.set_batch")
        assert "set the batch limit of local from 8 to 3" in step.does
        assert step.arguments == ("limit=3", "mode=preempt", "cluster=local")
        assert "ends by itself 1m after the last renewal; Undo takes it back to 8 at once" in step.undo
        assert (found.who, found.in_the_way, found.run_id) == ("responders", (), run_id)
        assert found.by_itself.startswith("By itself it ends when the incident does, and within 1m")
        assert await world.in_force() == 8
        assert (await desk.preview(ask, RESPONDER)).digest == found.digest
        await desk.decide(ask.reference, is_granted=True, person=RESPONDER)
        await world.until_run(run_id, "holding")
        assert await world.in_force() == 3
        with pytest.raises(ApprovalError, match=r"you have granted this already; the run r-.* is holding"):
            await desk.preview(ask, RESPONDER)
        with pytest.raises(ApprovalError, match="<@U0RESPONDER> has granted this already"):
            await desk.preview(ask, OTHER)


async def test_a_value_that_changes_meanwhile_is_another_plan(world: World) -> None:
    """Somebody else turns the knob while the first looks at the plan."""
    run_id = world.fire("changed", set_batch(more=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        desk, ask = world.desk(executor), Ask("approve", approval_id(run_id, "resize"))
        before = await desk.preview(ask, RESPONDER)
        body = {
            "knob": "batch_limit", "value": 5, "ttl_s": 60, "owner": "somebody", "reason": "by hand",
            "idempotency_key": "changed", "on_end": "release",
        }  # fmt: skip
        await world.control.grant("local", body)
        after = await desk.preview(ask, RESPONDER)
    assert changes(before, after)[0] == "local/batch_limit is 5 now; it was 8."
    assert before.digest != after.digest


async def test_undo_says_what_comes_back_and_that_is_what_comes_back(world: World) -> None:
    """To the base value where nobody else holds it."""
    run_id = world.fire("undo", set_batch())
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        desk = world.desk(executor)
        found = await desk.preview(Ask("undo", handle_of(run_id)), RESPONDER)
        (step,) = found.steps
        assert step.turns == (KnobTurn(KNOB, "3", "8"),)
        assert step.does == "give local/batch_limit back, at once"
        assert found.undo == f"`retry {handle_of(run_id)}` makes the run anew, with the same inputs."
        await desk.undo(run_id, RESPONDER)
        await world.until_run(run_id, "undone")
        assert await world.in_force() == 8
        with pytest.raises(InvalidTransition, match=r"is over \(undone\): nothing is left to take back"):
            await desk.preview(Ask("undo", run_id), RESPONDER)


async def test_resolving_says_what_its_runs_give_back_and_what_forbids_it(world: World) -> None:
    """The alert still fires."""
    run_id = world.fire("resolve", set_batch())
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        found = await world.desk(executor).preview(Ask("resolve", "INC-1"), RESPONDER)
        assert found.steps[0].turns == (KnobTurn(KNOB, "3", "8"),)
        assert found.in_the_way[0].startswith("1 alert fires still (KVCachePressure)")


async def test_starting_by_hand_tells_the_steps_and_who_must_consent(world: World) -> None:
    """The dry run of the runbook, with the inputs that were given; nothing is queued."""
    world.put(set_batch(more=ASKS))
    asked = RunRequest("smaller-batch", "q1", "local", {"batch_limit": "4"})
    found = await world.desk().preview(Ask("start", "smaller-batch", asked), RESPONDER)
    (step,) = found.steps
    assert step.turns == (KnobTurn(KNOB, "8", "4"),)
    assert found.about == "“Relieve the cache” on local for an incident of its own, with batch_limit=4"
    assert found.who == "responders for “Resize the batch”"
    assert found.in_the_way == ()
    assert await world.desk().runs() == ()
    wrong = RunRequest("smaller-batch", "q1", "local", {"batch_limit": "0"})
    with pytest.raises(ConfigError, match="batch_limit"):
        await world.desk().preview(Ask("start", "smaller-batch", wrong), RESPONDER)


async def test_whatever_is_in_the_way_is_said(world: World) -> None:
    """The global stop, a person's hold, another run's lock, and a pause."""
    holder = world.fire("holder", set_batch())
    async with world.executing() as executor:
        await world.until_run(holder, "holding")
        world.put(set_batch(more=ASKS))
        desk = world.desk(executor)
        started = await desk.start(RunRequest("smaller-batch", "q1", "local"), OTHER)
        run_id = started.run.run_id
        await world.until_run(run_id, "waiting")
        ask = Ask("approve", approval_id(run_id, "resize"))
        await desk.hold("local/*", 600, OTHER, "I turn it by hand")
        await desk.pause(run_id, OTHER, "look first")
        await desk.stop_all(COMMANDER, "region down")
        found = await desk.preview(ask, RESPONDER)
        assert [one.split(":")[0].split(";")[0] for one in found.in_the_way] == [
            "<@U0OTHER> has paused the run",
            "<@U0COMMANDER> has stopped all runs (region down)",
            "local/batch_limit is held by <@U0OTHER>",
            "local/batch_limit is held by runbook smaller-batch (INC-1)",
        ]
        lifted = await desk.preview(Ask("go_on"), COMMANDER)
        assert {step.name.split(" (")[0] for step in lifted.steps} == {"Relieve the cache"}
        with pytest.raises(InvalidTransition, match="<@U0COMMANDER> has stopped all runs already: region down"):
            await desk.preview(Ask("stop_all"), COMMANDER)


async def test_a_server_that_does_not_answer_is_said_to_be_unread(world: World) -> None:
    """The plan is there all the same, in time, and its digest is another one."""
    run_id = world.fire("unread", set_batch(more=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        desk, ask = world.desk(executor), Ask("approve", approval_id(run_id, "resize"))
        read = await desk.preview(ask, RESPONDER)
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            silent = ControlClient({"local": ServingTarget(url, CONTROL_TOKEN)})
            world.actions[0]._control = silent  # type: ignore[attr-defined]
            async with asyncio.timeout(5):
                found = await desk.preview(ask, RESPONDER)
            await silent.close()
    assert found.steps[0].unread.startswith("the value now could not be read: no answer came within 2 s")
    assert found.steps[0].turns == ()
    assert found.digest != read.digest


@pytest.mark.parametrize(
    ("verb", "reference", "person", "roles"),
    [
        ("approve", "", STRANGER, ("responder",)),
        ("glass", "", RESPONDER, ("commander",)),
        ("undo", "run", STRANGER, ("responder",)),
        ("cancel", "run", STRANGER, ("responder",)),
        ("resolve", "INC-1", STRANGER, ("responder",)),
        ("stop_all", "", RESPONDER, ("commander",)),
        ("go_on", "", RESPONDER, ("commander",)),
    ],
)
async def test_nobody_sees_a_plan_that_they_may_not_carry_out(
    world: World, verb: str, reference: str, person: object, roles: tuple[str, ...]
) -> None:
    """The error carries who may; the desk knows them."""
    run_id = world.fire("rights", set_batch(more=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        desk = world.desk(executor)
        name = {"": approval_id(run_id, "resize"), "run": run_id}.get(reference, reference)
        with pytest.raises(MissingRole) as raised:
            await desk.preview(Ask(verb, name), person)  # type: ignore[arg-type]
    assert raised.value.roles == roles
    able = desk.who_may(roles)
    assert able == (("U0COMMANDER",) if roles == ("commander",) else ("U0COMMANDER", "U0OTHER", "U0RESPONDER"))


async def test_a_run_names_the_approval_that_it_asks_for(world: World) -> None:
    """Its handle is what stands in the message."""
    run_id = world.fire("handle", set_batch(more=ASKS))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        found = await world.desk(executor).preview(Ask("approve", handle_of(run_id)), RESPONDER)
    assert found.reference == approval_id(run_id, "resize")


async def test_what_concerns_all_runs_names_none_of_trust_and_safety(world: World) -> None:
    """Others hear that there is one; whoever has that role, which, and what becomes of it."""
    run_id = world.fire("matter", set_batch(more="approval: {from: trust_and_safety, timeout: 10m}"))
    both = Person("U0BOTH", frozenset({"commander", "trust_and_safety"}))
    async with world.executing() as executor:
        await world.until_run(run_id, "waiting")
        desk = world.desk(executor)
        for ask in (Ask("stop_all"), Ask("go_on")):
            hidden, shown = await desk.preview(ask, COMMANDER), await desk.preview(ask, both)
            assert hidden.steps == (NOT_FOR_ALL,)
            assert [step.name for step in shown.steps] == [f"Relieve the cache ({handle_of(run_id)}, INC-1)"]
            await desk.stop_all(COMMANDER, "region down")
        await desk.go_on(COMMANDER)
        await desk.decide(approval_id(run_id, "resize"), is_granted=True, person=both)
        await world.until_run(run_id, "holding")
        assert (await desk.preview(Ask("resolve", "INC-1"), RESPONDER)).steps == (NOT_FOR_ALL,)
        assert (await desk.preview(Ask("resolve", "INC-1"), both)).steps[0].turns == (KnobTurn(KNOB, "3", "8"),)
