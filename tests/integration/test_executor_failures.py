"""What a run does when the server, the network, a person or the runbook itself gets in its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from opsbot.people import Person
from opsbot.runbook.action import Action, ActionContext, Outcome
from tests.support.runs import RunWorld, set_batch
from tests.support.serving_server import CONTROL, ServingServer, serving

pytestmark = pytest.mark.integration

BASE = 4
STEPS = """
version: 1
id: several
name: Several steps
owner: tests
mode: {mode}
triggers: [{{type: alert, match: {{alertname: KVCachePressure}}}}]
inputs: {{batch_limit: {{type: integer, default: 3}}}}
on_failure: {on_failure}
steps:
  - {{id: usage, name: Read, uses: prometheus.query, with: {{query: max(up)}}, retry: {{attempts: 1}}}}
  - id: resize
    name: Resize the batch
    uses: serving.set_batch
    with: {{limit: "${{{{ inputs.batch_limit }}}}"}}
    lease: 60s
    {more}
  - id: smaller
    name: Resize it further
    uses: serving.set_batch
    with: {{limit: {limit}}}
    lease: 60s
    {last}
"""


def steps(*, mode: str = "auto", on_failure: str = "rollback", limit: int = 2, more: str = "", last: str = "") -> str:
    """A question and two changes; the second is refused by the server when *limit* is more than it has."""
    return STEPS.format(mode=mode, on_failure=on_failure, limit=limit, more=more, last=last)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """One server for the module; each test has a cause, and so idempotency keys, of its own."""
    with serving(tmp_path_factory.mktemp("serving") / "leases.jsonl", "--max-num-seqs", str(BASE)) as started:
        yield started


@pytest.fixture
async def world(tmp_path: Path, server: ServingServer) -> AsyncIterator[RunWorld]:
    """A store of its own for each test; every lease is released after it."""
    world = RunWorld(tmp_path, server.url)
    yield world
    await world.close()
    async with httpx.AsyncClient(base_url=f"{server.url}/control/v1", headers=CONTROL, trust_env=False) as client:
        for lease in (await client.get("/leases", params={"state": "live"})).json()["leases"]:
            await client.delete(f"/leases/{lease['lease_id']}")


async def num_granted(world: RunWorld, server: ServingServer, run_id: str) -> int:
    """How many leases the run was ever given."""
    async with httpx.AsyncClient(headers=CONTROL, trust_env=False) as client:
        answer = await client.get(f"{server.url}/control/v1/leases", params={"owner": run_id})
    return len(answer.json()["leases"])


@pytest.mark.parametrize("fault", ["not_sent", "answer_lost"])
async def test_a_lost_call_is_looked_up_and_made_once(world: RunWorld, server: ServingServer, fault: str) -> None:
    """Whether request or answer was lost, the run goes on with exactly one lease."""
    world.network.fail("POST", fault)  # type: ignore[arg-type]
    run_id = world.fire(fault, set_batch())
    async with world.executing():
        await world.until_run(run_id, "holding")
    assert await num_granted(world, server, run_id) == 1
    posts = world.network.requests.count("POST /control/v1/leases")
    assert posts == (2 if fault == "not_sent" else 1)


async def test_an_answer_that_stays_lost_is_still_taken_back(world: RunWorld, server: ServingServer) -> None:
    """When nothing can be found out, the step fails, and the rollback finds the lease by its key and releases it."""
    world.network.fail("POST", "answer_lost")
    # The first GET reads the value before; the next two look for the lease.
    world.network.fail("GET", "passed", "not_sent", "not_sent")
    run_id = world.fire("stays-lost", set_batch())
    async with world.executing():
        await world.until_run(run_id, "undone")
    assert await num_granted(world, server, run_id) == 1
    assert await world.in_force() == BASE


async def test_a_broken_step_takes_the_earlier_ones_back(world: RunWorld) -> None:
    """on_failure: rollback releases what was set, in reverse order."""
    run_id = world.fire("rollback", steps(limit=99))
    async with world.executing():
        await world.until_run(run_id, "undone")
    assert await world.in_force() == BASE
    states = {step.step_id: step.state for step in world.run_view(run_id).steps}
    assert states == {"usage": "succeeded", "resize": "undone", "smaller": "failed"}
    assert any("expected an integer from 1 to 4" in text for text in world.texts(run_id))


async def test_a_broken_step_can_leave_the_earlier_ones(world: RunWorld) -> None:
    """on_failure: stop keeps what was set until the incident ends."""
    run_id = world.fire("stop", steps(on_failure="stop", limit=99))
    async with world.executing():
        await world.until_run(run_id, "holding")
        assert await world.in_force() == 3
        assert world.view(run_id).incident.state == "open"
        world.resolve("stop")
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE


async def test_a_step_may_break_without_ending_the_run(world: RunWorld) -> None:
    """continue_on_error goes on with the next step, which can see that the earlier one failed."""
    world.metrics.verdict = None
    more = "if: steps.usage.state == 'failed'"
    text = steps(more=more).replace("uses: prometheus.query,", "uses: prometheus.query, continue_on_error: true,")
    run_id = world.fire("continue", text)
    async with world.executing():
        await world.until_run(run_id, "holding")
    assert await world.in_force() == 2


async def test_outputs_decide_whether_a_step_acts(world: RunWorld) -> None:
    """A condition on an earlier step's output skips the step when it is false."""
    world.metrics.number = 0.25
    run_id = world.fire("outputs", steps(more="if: steps.usage.outputs.value > 0.5"))
    async with world.executing():
        await world.until_run(run_id, "holding")
    states = {step.step_id: step.state for step in world.run_view(run_id).steps}
    assert states == {"usage": "succeeded", "resize": "skipped", "smaller": "succeeded"}


async def test_a_condition_without_a_value_blocks_the_action(world: RunWorld) -> None:
    """No data is neither true nor false: the step fails, says why, and nothing is changed."""
    world.metrics.number = None
    run_id = world.fire("no-value", steps(more="if: steps.usage.outputs.value > 0.5"))
    async with world.executing():
        run = await world.until_run(run_id, "failed")
    assert "has no value" in run.detail
    assert await world.in_force() == BASE


async def test_a_lease_that_somebody_released_is_left_alone(world: RunWorld, server: ServingServer) -> None:
    """opsbot does not fight people: it notes the release and does not set the value again."""
    run_id = world.fire("released", set_batch(lease="5s"))
    async with world.executing():
        await world.until_run(run_id, "holding")
        lease = await world.control.find("local", f"{run_id}:resize:1")
        assert lease is not None
        await world.control.release("local", lease.lease_id)
        await world.until(
            lambda: world.kinds(run_id), lambda kinds: "lease.released" in kinds, lambda: world.say(run_id)
        )
        assert await world.in_force() == BASE
        world.resolve("released")
        await world.until_run(run_id, "succeeded")
    assert await num_granted(world, server, run_id) == 1


async def test_a_release_that_fails_asks_for_a_person_and_is_tried_again(world: RunWorld) -> None:
    """When the server cannot be reached, the run says so; a later Undo succeeds."""
    run_id = world.fire("unreachable", set_batch())
    async with world.executing() as executor:
        await world.until_run(run_id, "holding")
        world.network.fail("DELETE", "not_sent", "not_sent", "not_sent")
        await executor.request_undo(run_id, Person("U7"))
        await world.until_run(run_id, "needs_person")
        assert any("A person must look" in text for text in world.texts(run_id))
        await executor.request_undo(run_id, Person("U8"))
        await world.until_run(run_id, "undone")
    assert await world.in_force() == BASE


async def test_an_observing_runbook_changes_nothing(world: RunWorld) -> None:
    """mode: observe says what it would do, reads, and leaves the server alone."""
    run_id = world.fire("observe", steps(mode="observe"))
    async with world.executing():
        await world.until_run(run_id, "succeeded")
    assert await world.in_force() == BASE
    assert not any(request.startswith("POST") for request in world.network.requests)
    assert any(text.startswith("Would set the batch limit of local from 4 to 3") for text in world.texts(run_id))


async def test_a_stopped_executor_goes_on_where_it_was(world: RunWorld) -> None:
    """An ordinary stop and start in the middle of a question loses nothing."""
    run_id = world.fire("restart", set_batch(mode="suggest"))
    async with world.executing():
        await world.until_run(run_id, "waiting")
    async with world.executing():
        world.decide(run_id, "resize", is_granted=True)
        await world.until_run(run_id, "holding")
    assert world.kinds(run_id).count("approval.requested") == 1


class NoArguments(BaseModel):
    """No arguments."""

    model_config = ConfigDict(extra="forbid")


class Note(Action[NoArguments]):
    """A change without a lease: it writes a line to a file."""

    name: ClassVar[str] = "file.note"
    summary: ClassVar[str] = "Write a line."
    arguments = NoArguments

    def __init__(self, path: Path, line: str = "done") -> None:
        self._path = path
        self._line = line

    async def act(self, arguments: NoArguments, context: ActionContext) -> Outcome:
        with self._path.open("a") as file:
            file.write(f"{self._line}\n")
        return Outcome(f"Wrote {self._line}")


class Unnote(Note):
    """Its undo."""

    name: ClassVar[str] = "file.unnote"


async def test_a_step_with_an_undo_of_its_own_is_taken_back_by_it(world: RunWorld, tmp_path: Path) -> None:
    """A rollback performs the undo that the step names."""
    notes = tmp_path / "notes"
    world.actions += [Note(notes, "done"), Unnote(notes, "undone")]
    text = steps(limit=99)
    note = "  - {id: note, name: Note, uses: file.note, undo: {uses: file.unnote}}\n  - id: resize"
    run_id = world.fire("own-undo", text.replace("  - id: resize", note))
    async with world.executing():
        await world.until_run(run_id, "undone")
    assert notes.read_text() == "done\nundone\n"
    assert world.texts(run_id)[-3:-1] == ["Undone: batch limit of local is 4 again", "Undone: Wrote undone"]
