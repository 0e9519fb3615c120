"""What the control API accepts, answers and refuses; its examples are run by the contract test."""

from __future__ import annotations

import resource
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


async def test_a_second_writer_gets_412_and_the_knob(control: httpx.AsyncClient) -> None:
    """What it should have seen stands beside the error; with its revision the same request is granted."""
    await control.post(LEASES, json=BODY)
    other = BODY | {"owner": "run:2", "value": 4, "idempotency_key": "key-2"}
    refused = await control.post(LEASES, json=other)
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "revision_mismatch")
    knob = refused.json()["knob"]
    assert knob == (await control.get("/control/v1/knobs/batch_limit")).json()
    assert refused.headers["etag"] == f'"{knob["revision"]}"'
    granted = await control.post(LEASES, json=other, headers={"If-Match": refused.headers["etag"]})
    assert (granted.status_code, granted.json()["in_force"]) == (201, 4)
    assert (await control.post(LEASES, json=other, headers={"If-Match": '"0"'})).status_code == 200


@pytest.mark.parametrize("header", ['"7"', "", 'W/"1"', '"0", "7"', "batch"])
async def test_a_stale_revision_stops_renewal_and_release(control: httpx.AsyncClient, header: str) -> None:
    """Weak and odd ones match nothing."""
    lease = f"{LEASES}/{(await control.post(LEASES, json=BODY)).json()['lease_id']}"
    headers = {"If-Match": header}
    assert (await control.delete(lease, headers=headers)).status_code == 412
    assert (await control.post(f"{lease}/renew", json={"ttl_s": 60}, headers=headers)).status_code == 412
    assert (await control.get(lease)).json()["state"] == "live"


@pytest.mark.parametrize("header", ['"1"', "1", '"0", "1"', "*"])
async def test_the_revision_of_now_lets_through(control: httpx.AsyncClient, header: str) -> None:
    """With quotes, without, one of several, any."""
    lease = f"{LEASES}/{(await control.post(LEASES, json=BODY)).json()['lease_id']}"
    assert (await control.delete(lease, headers={"If-Match": header})).status_code == 200


async def test_a_release_ramps_unless_it_is_to_be_now(control: httpx.AsyncClient, services: Services) -> None:
    """The first step is taken at once where there is room; `now` ends it in the middle."""
    lease = f"{LEASES}/{(await control.post(LEASES, json=BODY | {'on_end': 'ramp'})).json()['lease_id']}"
    ramping = (await control.delete(lease)).json()
    assert (ramping["state"], ramping["strength"], ramping["in_force"]) == ("ramping", 0.8, 13)
    assert ramping["end_reason"] == "released"
    assert (await control.delete(lease)).json() == ramping
    assert (await control.get(f"{LEASES}?state=ramping")).json()["leases"] == [ramping]
    ended = (await control.delete(f"{lease}?now=true")).json()
    assert (ended["state"], ended["in_force"]) == ("ended", 32)


@pytest.mark.parametrize("query", ["?now=yes", "?now=", "?at_once=true"])
async def test_a_wrong_way_to_release_is_refused(control: httpx.AsyncClient, query: str) -> None:
    """Nothing is released by mistake."""
    lease = f"{LEASES}/{(await control.post(LEASES, json=BODY)).json()['lease_id']}"
    assert (await control.delete(lease + query)).status_code == 422
    assert (await control.get(lease)).json()["state"] == "live"


async def test_a_full_disk_refuses_a_grant_and_forgets_it(control: httpx.AsyncClient) -> None:
    """Nothing changed, and with room again the same request is granted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        answer = await control.post(LEASES, json=BODY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "journal_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert (await control.get("/control/v1/knobs/batch_limit")).json()["in_force"] == 32
    assert (await control.post(LEASES, json=BODY)).status_code == 201


async def test_the_audit_is_asked_by_knob_time_and_number(control: httpx.AsyncClient, clock: ManualClock) -> None:
    """Each narrows the answer; what cannot be obeyed is refused."""
    await control.post(LEASES, json=BODY)
    clock.time += 10
    await control.post(LEASES, json={**BODY, "knob": "drain", "value": None, "idempotency_key": "key-2"})

    async def knobs(query: str) -> list[str]:
        return [note["knob"] for note in (await control.get(f"/control/v1/audit{query}")).json()["notes"]]

    assert await knobs("") == ["batch_limit", "drain"]
    assert await knobs("?knob=drain") == ["drain"]
    assert await knobs(f"?since={clock.time}") == ["drain"]
    assert await knobs("?limit=1") == ["drain"]
    for wrong in ("?since=x", "?since=inf", "?limit=nan", "?colour=red"):
        assert (await control.get(f"/control/v1/audit{wrong}")).status_code == 422
