"""Every `serving.*` and `fault.*` action against a real server: grant, lost answers, renewal, release.

One server for all tests: each leaves it as it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.control_answers import LeaseAnswer
from opsbot.errors import ActionError
from opsbot.runbook.action import Action, ActionContext, LeaseEnded
from tests.support.cut_transport import CutTransport
from tests.support.door import door_file
from tests.support.lease_actions import LEASES, action_named, context
from tests.support.serving_server import CONTROL_TOKEN, ServingServer, serving
from tests.support.waiting import until_sync

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """A server with the tiny model, whose ramps take tenths of a second."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder / "leases.jsonl", "--door", door_file(folder)) as running:
        yield running


@pytest.fixture
def network() -> CutTransport:
    """The way to it."""
    return CutTransport()


@pytest.fixture
async def control(server: ServingServer, network: CutTransport) -> AsyncIterator[ControlClient]:
    """A client of it as the cluster `east`."""
    client = ControlClient({"east": ServingTarget(server.url, CONTROL_TOKEN)}, network)
    yield client
    for lease in await client.leases_in_force("east"):
        await client.release("east", lease.lease_id, is_now=True)
    await client.close()
    # A fault may have killed the engine, and a lease that holds or ramps would wait for the next one.
    until_sync(lambda: httpx.get(f"{server.url}/health", trust_env=False).status_code == 200)


def arguments_of(action: Action[Any], **more: Any) -> Any:
    """What the action takes here."""
    return action.arguments.model_validate({**LEASES[action.name], "cluster": "east", **more})


async def lease_of(control: ControlClient, lease_id: str) -> LeaseAnswer:
    """One lease as the server has it."""
    return next(one for one in await control.leases("east") if one.lease_id == lease_id)


@pytest.mark.parametrize("name", LEASES)
async def test_a_lease_is_set_renewed_and_taken_back(control: ControlClient, name: str) -> None:
    """The value asked for is in force from the grant on, and gone after the release."""
    action = action_named(control, name)
    arguments = arguments_of(action, **({"on_end": "release"} if "on_end" in action.arguments.model_fields else {}))
    assert (await control.look("east", action.knob)).is_at_base  # type: ignore[attr-defined]
    prior = await action.prior(arguments)
    described = action.describe(arguments, prior, 60.0)
    assert "east" in described.will_do
    assert "for 1m at a time, renewed while the incident is open" in described.will_do
    assert described.undo.startswith("ends by itself 1m after the last renewal; Undo takes it back")

    outcome = await action.act(arguments, context())
    assert outcome.lease_id is not None
    assert action.outputs.model_validate(outcome.outputs).model_dump() == outcome.outputs
    lease = await lease_of(control, outcome.lease_id)
    assert (lease.state, lease.owner, lease.on_end) == ("live", "run:test:1:1:1", "release")
    assert not (await control.look("east", action.knob)).is_at_base  # type: ignore[attr-defined]
    await action.renew(arguments, outcome.lease_id, 600.0)
    assert (await lease_of(control, outcome.lease_id)).expires_at - lease.expires_at > 500

    assert "still" not in await action.release(arguments, outcome.lease_id)
    assert (await control.look("east", action.knob)).is_at_base  # type: ignore[attr-defined]
    assert await action.release(arguments, outcome.lease_id)
    with pytest.raises(LeaseEnded) as raised:
        await action.renew(arguments, outcome.lease_id, 60.0)
    assert raised.value.was_released


@pytest.mark.parametrize("name", LEASES)
async def test_a_lost_answer_is_found_by_its_key(control: ControlClient, network: CutTransport, name: str) -> None:
    """The server acted, the answer did not come; the key tells, and the same act again changes nothing more."""
    action = action_named(control, name)
    arguments, once = arguments_of(action), context()
    assert await action.find(arguments, once.idempotency_key) is None
    network.fail("POST", "answer_lost")
    with pytest.raises(ActionError) as raised:
        await action.act(arguments, once)
    assert raised.value.outcome_unknown
    found = await action.find(arguments, once.idempotency_key)
    assert found is not None
    assert await action.act(arguments, once) == found
    assert len((await control.look("east", action.knob)).leases) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["serving.set_batch", "serving.shed", "serving.failwhale", "serving.throttle"])
async def test_a_ramp_says_that_it_ramps(control: ControlClient, name: str) -> None:
    """A release of a lease that ramps is no snap back; it ends by itself soon after."""
    action = action_named(control, name)
    arguments = arguments_of(action, on_end="ramp")
    assert "in steps while the engine has room" in action.describe(arguments, await action.prior(arguments), 60.0).undo
    outcome = await action.act(arguments, context())
    assert outcome.lease_id is not None
    said = await action.release(arguments, outcome.lease_id)
    assert "ramping down: 80% of it is still in force" in said
    async with asyncio.timeout(20):  # the other side is a server
        while (await lease_of(control, outcome.lease_id)).state != "ended":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_fenced_server_is_out_until_its_lease_is_given_back(
    control: ControlClient, server: ServingServer
) -> None:
    """Health fails under a fence; readmit of the run's own lease puts it back."""
    fence, readmit = action_named(control, "serving.fence"), action_named(control, "serving.readmit")
    outcome = await fence.act(arguments_of(fence), context())
    with server.client() as http:
        assert http.get("/health").status_code == 503
        others = await fence.act(arguments_of(fence), context(run_id="person:ada"))
        arguments = readmit.arguments.model_validate({"cluster": "east", "lease_id": outcome.outputs["lease_id"]})
        asked = readmit.describe(arguments, await readmit.prior(arguments), None).will_do
        assert "it is out by person:ada, run:test:1:1:1" in asked
        first = await readmit.act(arguments, context())
        assert first.outputs == {"released": 1, "holding": 0, "in_service": False}
        assert first.text.endswith("1 of others still keep it out")
        assert http.get("/health").status_code == 503
        assert others.lease_id is not None
        everybody = readmit.arguments.model_validate({"cluster": "east", "whose": "everybody"})
        assert (await readmit.act(everybody, context())).outputs["in_service"] is True
        assert http.get("/health").status_code == 200


@pytest.mark.parametrize(("whose", "released"), [("run", 1), ("opsbot", 2), ("everybody", 3)])
async def test_readmit_gives_back_what_it_is_told_to(control: ControlClient, whose: str, released: int) -> None:
    """This run's own, any run's, or everybody's."""
    drain, readmit = action_named(control, "serving.drain"), action_named(control, "serving.readmit")
    for owner in ("run:test:1:1:1", "run:other:1:1:1", "person:ada"):
        await drain.act(arguments_of(drain), context(run_id=owner))
    arguments = readmit.arguments.model_validate({"cluster": "east", "whose": whose})
    outcome = await readmit.act(arguments, context())
    assert outcome.outputs == {"released": released, "holding": 0, "in_service": released == 3}


async def test_a_restart_is_waited_for_and_found_again(control: ControlClient, network: CutTransport) -> None:
    """The step ends when the engine runs anew; after a lost answer the same restart is found, and none is begun."""
    restart = action_named(control, "serving.restart")
    arguments, once = restart.arguments.model_validate({"cluster": "east", "when": "now"}), context()
    assert await restart.find(arguments, once.idempotency_key) is None
    network.fail("POST", "answer_lost")
    with pytest.raises(ActionError):
        await restart.act(arguments, once)
    found = await restart.find(arguments, once.idempotency_key)
    assert found is not None
    assert found.text.startswith("Engine of east started anew")
    assert (await restart.act(arguments, once)).outputs == found.outputs


async def test_everything_goes_back_to_base(control: ControlClient) -> None:
    """Whoever set it and on whatever knob; a look before and after shows the difference."""
    look, release = action_named(control, "serving.knobs"), action_named(control, "serving.release_all")
    nothing = look.arguments.model_validate({"cluster": "east"})
    for name in ("serving.set_batch", "serving.shed", "serving.drain"):
        action = action_named(control, name)
        await action.act(arguments_of(action), context(run_id="person:ada" if name == "serving.drain" else "run:a"))
    seen = await look.act(nothing, context())
    assert {name: seen.outputs["in_force"][name] for name in ("batch_limit", "shed", "drain", "fence")} == {
        "batch_limit": 3,
        "shed": 1,
        "drain": True,
        "fence": False,
    }
    assert seen.outputs["leases"] == 3
    assert seen.text == "In force on east: batch_limit 3 instead of 32, shed (one layer), drain on"

    own = release.arguments.model_validate({"cluster": "east", "whose": "opsbot", "knobs": ["batch_limit"]})
    assert (await release.act(own, context())).outputs["released"] == 1
    arguments = release.arguments.model_validate({"cluster": "east", "now": True})
    asked = release.describe(arguments, await release.prior(arguments), None)
    assert asked.will_do == "put east back to base values: release 2 leases (drain, shed), at once"
    outcome = await release.act(arguments, context())
    assert (outcome.outputs["released"], outcome.outputs["at_base"]) == (2, True)
    assert outcome.text == "Released 2 leases of east; every knob is at its base value"
    again = await release.act(arguments, context())
    assert again.outputs["released"] == 0


async def test_a_recovery_ramps_where_that_is_the_lease_s_end(control: ControlClient) -> None:
    """It says how many still give way."""
    shed, release = action_named(control, "serving.shed"), action_named(control, "serving.release_all")
    await shed.act(arguments_of(shed), context())
    outcome = await release.act(release.arguments.model_validate({"cluster": "east"}), context())
    assert (outcome.outputs["ramping"], outcome.outputs["at_base"]) == (1, False)
    assert "1 give way in steps while the engine has room; in force now: shed (one layer)" in outcome.text


async def test_one_lease_that_cannot_be_released_does_not_keep_the_others(
    control: ControlClient, network: CutTransport
) -> None:
    """What can be taken back is, and the failure says that it may be tried again."""
    for name in ("serving.set_batch", "serving.drain"):
        action = action_named(control, name)
        await action.act(arguments_of(action), context())
    release = action_named(control, "serving.release_all")
    arguments = release.arguments.model_validate({"cluster": "east", "now": True})
    network.fail("DELETE", "not_sent")
    with pytest.raises(ActionError, match="1 of 2 leases of east could not be released") as raised:
        await release.act(arguments, context())
    assert raised.value.retryable
    assert len(await control.leases_in_force("east")) == 1
    assert (await release.act(arguments, context())).outputs["at_base"] is True


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("serving.set_batch", {"limit": 99}, "batch_limit is 99, expected an integer from 1 to 32"),
        ("serving.fallback_prompt", {"prompt_sha256": "0" * 64}, "it was changed since; review it"),
        ("fault.lost_kv_blocks", {"value": 10_000_000}, "fault.lost_kv_blocks is 10000000, expected"),
    ],
)
async def test_what_only_the_server_can_judge_is_refused_in_its_words(
    control: ControlClient, name: str, more: dict[str, Any], says: str
) -> None:
    """A refusal is final and leaves nothing behind."""
    action = action_named(control, name)
    with pytest.raises(ActionError, match=says) as raised:
        await action.act(arguments_of(action, **more), context())
    assert not raised.value.retryable
    assert not raised.value.outcome_unknown
    assert await control.leases_in_force("east") == ()


async def test_a_drill_marks_what_people_read(control: ControlClient, server: ServingServer) -> None:
    """The reason on the server's page says DRILL."""
    action = action_named(control, "fault.latency_ms")
    rehearsal = ActionContext("drill:1", "drill:1:a", "INC-1: slow", 60.0, "INC-1", is_drill=True)
    outcome = await action.act(arguments_of(action), rehearsal)
    assert outcome.text == "DRILL: east is broken on purpose, so that every generation is taken 5 ms later"
    with server.client() as http:
        lease = http.get(f"/control/v1/leases/{outcome.lease_id}").json()
    assert (lease["reason"], lease["owner"]) == ("DRILL: INC-1: slow", "drill:1")
