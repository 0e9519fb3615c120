"""What serving.set_batch tells people, and how it sorts what a server may answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from opsbot.action.control import ControlClient, ServingTarget
from opsbot.action.serving import ServingSetBatch, SetBatchArguments
from opsbot.errors import ActionError
from opsbot.runbook.action import ActionContext, LeaseEnded

ARGUMENTS = SetBatchArguments(limit=8, mode="preempt", cluster="east")
CONTEXT = ActionContext("run:kv:f:1:1", "run:kv:f:1:1:resize:1", "INC-1: Resize", 60.0)
LEASE = {
    "lease_id": "l-1",
    "value": 8,
    "state": "live",
    "expires_at": 60.0,
    "end_reason": None,
    "in_force_before": 32,
    "in_force": 8,
}


def action(answer: Callable[[httpx.Request], httpx.Response]) -> ServingSetBatch:
    """The action against a server that answers so."""
    target = ServingTarget("http://serving.test/", "secret")
    return ServingSetBatch(ControlClient({"east": target}, httpx.MockTransport(answer)))


def error(status: int) -> httpx.Response:
    """An answer in the shape of docs/serving.md."""
    return httpx.Response(status, json={"error": {"message": "because", "type": "t", "param": None, "code": "c"}})


@pytest.mark.parametrize(
    ("now", "will_do"),
    [
        (32, "set the batch limit of east from 32 to 8"),
        (4, "keep the batch limit of east at 4, which is already below 8, and at 8 or less"),
    ],
)
def test_the_request_says_what_changes_from_what(now: int, will_do: str) -> None:
    """Current and new value, for how long, and how it ends."""
    described = action(lambda request: error(500)).describe(ARGUMENTS, {"in_force": now, "base": 32}, 60.0)
    assert described.will_do == f"{will_do} for 1m at a time, renewed while the incident is open"
    assert described.undo == f"ends by itself 1m after the last renewal; Undo takes it back to {now} at once"


async def test_a_grant_tells_before_and_after() -> None:
    """The outcome carries the lease, and the numbers that later steps may use."""
    outcome = await action(lambda request: httpx.Response(201, json=LEASE)).act(ARGUMENTS, CONTEXT)
    assert outcome.text == "Batch limit of east set from 32 to 8"
    assert outcome.outputs == {"limit": 8, "limit_before": 32, "lease_id": "l-1"}
    assert outcome.lease_id == "l-1"


async def test_the_token_travels_and_is_not_shown() -> None:
    """The control token is in the header and in no text of ours."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return error(401)

    with pytest.raises(ActionError) as raised:
        await action(answer).act(ARGUMENTS, CONTEXT)
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(ServingTarget("http://serving.test", "secret"))


@pytest.mark.parametrize(
    ("status", "is_retryable", "is_unknown"),
    [
        (401, False, False),
        (403, False, False),
        (409, False, False),
        (422, False, False),
        (429, True, True),
        (500, True, True),
        (503, True, True),
    ],
)
async def test_refusals_are_final_and_breakdowns_are_not(status: int, is_retryable: bool, is_unknown: bool) -> None:
    """A refusal says that nothing happened; a breakdown leaves it open."""
    with pytest.raises(ActionError, match=f"answered {status}: because") as raised:
        await action(lambda request: error(status)).act(ARGUMENTS, CONTEXT)
    assert (raised.value.retryable, raised.value.outcome_unknown) == (is_retryable, is_unknown)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(201, text="<html>"),
        httpx.Response(201, json=[]),
        httpx.Response(201, json={"lease_id": "l-1"}),
    ],
    ids=["no JSON", "no object", "fields missing"],
)
async def test_an_answer_that_cannot_be_read_leaves_the_outcome_open(answer: httpx.Response) -> None:
    """Success without a readable lease must be looked up."""
    with pytest.raises(ActionError) as raised:
        await action(lambda request: answer).act(ARGUMENTS, CONTEXT)
    assert raised.value.outcome_unknown


@pytest.mark.parametrize(("reason", "was_released"), [("released", True), ("expired", False)])
async def test_a_renewal_that_comes_too_late_says_why(reason: str, was_released: bool) -> None:
    """It matters whether somebody ended the lease or it ran out."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return error(409)
        return httpx.Response(200, json={**LEASE, "state": "ended", "end_reason": reason})

    with pytest.raises(LeaseEnded) as raised:
        await action(answer).renew(ARGUMENTS, "l-1", 60.0)
    assert raised.value.was_released is was_released


async def test_a_forgotten_lease_counts_as_run_out() -> None:
    """A server that lost its journal does not know the lease."""
    with pytest.raises(LeaseEnded) as raised:
        await action(lambda request: error(404)).renew(ARGUMENTS, "l-1", 60.0)
    assert not raised.value.was_released


@pytest.mark.parametrize(
    ("in_force", "text"),
    [
        (32, "batch limit of east is 32 again"),
        (16, "batch limit of east is 16 now: other leases hold it below 32"),
    ],
)
async def test_a_release_tells_the_value_now_in_force(in_force: int, text: str) -> None:
    """Other leases may go on; a lease that the server has forgotten is released too."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            return error(404)
        knob = {"knob": "batch_limit", "kind": "number", "base": 32, "in_force": in_force, "minimum": 1, "maximum": 32}
        return httpx.Response(200, json={"knobs": [knob]})

    assert await action(answer).release(ARGUMENTS, "l-1") == text


async def test_an_unknown_cluster_names_the_known_ones() -> None:
    """The message says what is configured."""
    arguments = ARGUMENTS.model_copy(update={"cluster": "west"})
    with pytest.raises(ActionError, match="no cluster 'west' is configured under `serving`; known are: east"):
        await action(lambda request: error(500)).prior(arguments)


async def test_a_mitigation_stacks_on_what_others_have_set() -> None:
    """A drill's lease that happens to be live must not refuse it."""
    seen: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(201, json=LEASE)

    await action(answer).act(ARGUMENTS, CONTEXT)
    assert seen[0]["stack"] is True
    assert seen[0]["owner"] == "run:kv:f:1:1"


async def test_knobs_that_are_no_numbers_are_passed_over() -> None:
    """The server has switches and layers beside the number that is asked for."""
    number = {
        "knob": "batch_limit",
        "kind": "number",
        "leases": ["l-1"],
        "base": 32,
        "in_force": 8,
        "minimum": 1,
        "maximum": 32,
    }
    knobs = [{"knob": "drain", "kind": "switch", "in_force": False}, {"knob": "shed", "layers": []}, number]
    prior = await action(lambda request: httpx.Response(200, json={"knobs": knobs})).prior(ARGUMENTS)
    assert prior == {"in_force": 8, "base": 32, "num_leases": 1}
