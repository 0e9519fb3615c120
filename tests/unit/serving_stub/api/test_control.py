"""What the control API accepts, answers and refuses; its examples are run by the contract test."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from serving_stub.api.services import Services
from tests.support.serving_leases import ManualClock
from tests.support.serving_server import CONTROL
from tests.support.waiting import until

LEASES = "/control/v1/leases"
BODY: dict[str, Any] = {
    "knob": "batch_limit",
    "value": 8,
    "ttl_s": 60,
    "owner": "run:1",
    "reason": "KV cache pressure",
    "idempotency_key": "key-1",
}


@pytest.fixture
def control(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that holds the token."""
    client.headers.update(CONTROL)
    return client


async def test_a_granted_lease_reaches_the_engine(control: httpx.AsyncClient, services: Services) -> None:
    """After a grant the engine's batch limit is the leased value, after a release the base."""
    lease_id = (await control.post(LEASES, json=BODY)).json()["lease_id"]
    await until(lambda: services.loop.stats().batch_limit == 8)
    await control.delete(f"{LEASES}/{lease_id}")
    await until(lambda: services.loop.stats().batch_limit == 32)


async def test_the_same_request_again_answers_200(control: httpx.AsyncClient) -> None:
    """A repeated grant is the same lease, and says by its status that it is not new."""
    first = await control.post(LEASES, json=BODY)
    again = await control.post(LEASES, json=BODY | {"mode": "finish", "ttl_s": 60.0})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_an_expired_lease_answers_that_it_expired(control: httpx.AsyncClient, clock: ManualClock) -> None:
    """Ending a lease that has expired answers it unchanged."""
    lease_id = (await control.post(LEASES, json=BODY)).json()["lease_id"]
    clock.time += 60.0
    answer = (await control.delete(f"{LEASES}/{lease_id}")).json()
    assert (answer["state"], answer["end_reason"], answer["ended_at"]) == ("ended", "expired", clock.time)
    assert (await control.post(LEASES, json=BODY)).json() == answer


async def test_leases_are_found_by_each_filter(control: httpx.AsyncClient) -> None:
    """Filters narrow the list, alone and together."""
    for number, owner in enumerate(["a", "a", "b"]):
        answer = await control.post(
            LEASES, json=BODY | {"owner": owner, "stack": True, "idempotency_key": f"key-{number}"}
        )
        if number == 0:
            await control.delete(f"{LEASES}/{answer.json()['lease_id']}")

    async def keys(query: str) -> list[str]:
        return [one["idempotency_key"] for one in (await control.get(f"{LEASES}{query}")).json()["leases"]]

    assert await keys("") == ["key-0", "key-1", "key-2"]
    assert await keys("?state=live") == ["key-1", "key-2"]
    assert await keys("?state=ended") == ["key-0"]
    assert await keys("?owner=a") == ["key-0", "key-1"]
    assert await keys("?owner=a&state=live") == ["key-1"]
    assert await keys("?idempotency_key=key-2") == ["key-2"]
    assert await keys("?idempotency_key=nobody") == []


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"knob": "brightness"}, "unknown_knob", "knob"),
        ({"value": 0}, "value_out_of_range", "value"),
        ({"value": 33}, "value_out_of_range", "value"),
        ({"value": 8.5}, "invalid_request", "value"),
        ({"value": "8"}, "invalid_request", "value"),
        ({"value": True}, "invalid_request", "value"),
        ({"mode": "drop"}, "invalid_request", "mode"),
        ({"ttl_s": 0.5}, "invalid_request", "ttl_s"),
        ({"ttl_s": 3601}, "invalid_request", "ttl_s"),
        ({"owner": ""}, "invalid_request", "owner"),
        ({"idempotency_key": "k" * 201}, "invalid_request", "idempotency_key"),
        ({"tll_s": 60}, "invalid_request", "tll_s"),
    ],
)
async def test_a_wrong_request_is_refused(
    control: httpx.AsyncClient, change: dict[str, Any], code: str, param: str
) -> None:
    """A refusal is a 422 that names the field, and grants nothing."""
    answer = await control.post(LEASES, json=BODY | change)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, param)
    assert (await control.get(LEASES)).json() == {"leases": []}


@pytest.mark.parametrize("name", sorted(BODY))
async def test_a_missing_field_is_refused(control: httpx.AsyncClient, name: str) -> None:
    """Every field but the mode must be there."""
    answer = await control.post(LEASES, json={key: value for key, value in BODY.items() if key != name})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, name)


@pytest.mark.parametrize("query", ["?state=asleep", "?colour=red"])
async def test_a_wrong_filter_is_refused(control: httpx.AsyncClient, query: str) -> None:
    """A filter that cannot be obeyed is not taken for none."""
    assert (await control.get(f"{LEASES}{query}")).status_code == 422


@pytest.mark.parametrize(("method", "path"), [("GET", "l-none"), ("DELETE", "l-none"), ("POST", "l-none/renew")])
async def test_an_unknown_lease_is_not_found(control: httpx.AsyncClient, method: str, path: str) -> None:
    """Whatever is asked of it, an unknown lease answers 404."""
    answer = await control.request(method, f"{LEASES}/{path}", json={"ttl_s": 60})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "lease_not_found")


async def test_no_path_under_control_is_open(client: httpx.AsyncClient) -> None:
    """Without the token even a path that does not exist says nothing else."""
    for path in ("/control/v1/knobs", "/control/v1/nope", "/control/v1/"):
        assert (await client.get(path)).status_code == 401
