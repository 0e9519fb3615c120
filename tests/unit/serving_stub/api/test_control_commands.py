"""Drain, fence, restart and readmit, as a client meets them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving_stub.api.services import Services
from tests.support.serving_leases import ManualClock
from tests.support.serving_server import CONTROL
from tests.support.waiting import until

LEASES = "/control/v1/leases"
BY = {"owner": "run:1", "reason": "maintenance"}
PROMPT: dict[str, Any] = {"prompt": "hello", "max_tokens": 4, "temperature": 0, "ignore_eos": True}
LONG = PROMPT | {"max_tokens": 150}
STEP_S = 0.01
"""So long that LONG still runs when the next request comes."""


@pytest.fixture
def slow(services: Services) -> Iterator[None]:
    """An engine of which one sees that it is at work."""
    services.loop.set_step_delay(STEP_S)
    yield
    services.loop.set_step_delay(0.0)


@pytest.fixture
def control(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that holds the token."""
    client.headers.update(CONTROL)
    return client


async def out_of_service(control: httpx.AsyncClient, knob: str, ttl_s: float = 60) -> str:
    """Drain or fence the server; the lease's path."""
    body = {**BY, "knob": knob, "ttl_s": ttl_s, "idempotency_key": knob}
    granted = await control.post(LEASES, json=body)
    assert granted.status_code == 201
    return f"{LEASES}/{granted.json()['lease_id']}"


async def finished(control: httpx.AsyncClient, command: dict[str, Any]) -> dict[str, Any]:
    """The command once it is over."""
    path = f"/control/v1/commands/{command['command_id']}"
    async with asyncio.timeout(20):  # the other side is a server
        while (answer := (await control.get(path)).json())["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return dict(answer)


@pytest.mark.usefixtures("slow")
async def test_a_drained_server_finishes_what_runs(control: httpx.AsyncClient, services: Services) -> None:
    """New work is sent elsewhere, health stays green, and a release lets work in again."""
    running = asyncio.create_task(control.post("/v1/completions", json=LONG))
    await until(lambda: services.loop.stats().num_running == 1)
    lease = await out_of_service(control, "drain")
    refused = await control.post("/v1/completions", json=PROMPT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
    assert refused.headers["retry-after"] == "5"
    assert (await control.get("/health")).status_code == 200
    assert (await running).json()["usage"]["completion_tokens"] == 150
    await control.delete(lease)
    assert (await control.post("/v1/completions", json=PROMPT)).status_code == 200


async def test_a_fenced_server_says_so_to_its_router(control: httpx.AsyncClient) -> None:
    """Health is red with the reason, metrics stay."""
    await out_of_service(control, "fence")
    health = await control.get("/health")
    assert (health.status_code, health.json()["error"]["code"]) == (503, "fenced")
    assert (await control.post("/v1/completions", json=PROMPT)).json()["error"]["code"] == "fenced"
    assert (await control.get("/metrics")).status_code == 200


async def test_a_fence_of_a_sick_server_holds_until_it_is_well(
    control: httpx.AsyncClient, services: Services, clock: ManualClock
) -> None:
    """Its time is up, the engine is dead: it stays. The engine is back: it ends. Nobody had to do anything."""
    lease = await out_of_service(control, "fence")
    services.loop.set_crash_every(3600)
    await until(lambda: not services.loop.stats().is_alive)
    clock.time += 61
    held = (await control.post(f"{lease}/renew", json={"ttl_s": 1})).json()
    assert held["state"] == "live"
    clock.time += 2
    refused = await control.post("/control/v1/readmit", json={**BY, "idempotency_key": "too early"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_healthy")
    assert "the engine has died" in refused.json()["error"]["message"]
    assert (await control.get(lease)).json()["state"] == "holding"
    services.loop.set_crash_every(0)
    await until(lambda: services.loop.stats().is_alive)
    answer = await control.post("/control/v1/readmit", json={**BY, "idempotency_key": "well again"})
    assert (answer.status_code, answer.json()["detail"]) == (200, "nothing held it")
    ended = (await control.get(lease)).json()
    assert (ended["state"], ended["end_reason"]) == ("ended", "expired")


async def test_readmit_takes_the_server_back(control: httpx.AsyncClient) -> None:
    """Drain and fence end, other leases stay; the same key again does nothing more."""
    batch = {**BY, "knob": "batch_limit", "value": 8, "ttl_s": 60, "idempotency_key": "batch"}
    await control.post(LEASES, json=batch)
    for knob in ("drain", "fence"):
        await out_of_service(control, knob)
    body = {**BY, "idempotency_key": "readmit"}
    first = await control.post("/control/v1/readmit", json=body)
    assert first.json()["state"] == "done"
    left = (await control.get(f"{LEASES}?state=live")).json()["leases"]
    assert [one["knob"] for one in left] == ["batch_limit"]
    assert (await control.get("/health")).status_code == 200
    assert (await control.post("/control/v1/readmit", json=body)).json() == first.json()


@pytest.mark.usefixtures("slow")
async def test_a_restart_waits_for_what_runs(control: httpx.AsyncClient, services: Services) -> None:
    """What runs is answered in full, what comes meanwhile is sent elsewhere, and no death is counted."""
    restarts = services.loop.stats().num_restarts
    running = asyncio.create_task(control.post("/v1/completions", json=LONG))
    await until(lambda: services.loop.stats().num_running == 1)
    answer = await control.post("/control/v1/restart", json={**BY, "idempotency_key": "restart"})
    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    refused = await control.post("/v1/completions", json=PROMPT)
    assert refused.json()["error"]["code"] == "draining"
    assert (await running).json()["usage"]["completion_tokens"] == 150
    done = await finished(control, answer.json())
    assert (done["state"], done["detail"]) == ("done", "started anew, with nobody in it")
    assert services.loop.stats().num_restarts == restarts
    assert (await control.post("/v1/completions", json=PROMPT)).status_code == 200


@pytest.mark.usefixtures("slow")
async def test_a_restart_now_tells_who_is_in_it(control: httpx.AsyncClient, services: Services) -> None:
    """They get a typed answer that says what to do; the same key again restarts nothing."""
    running = asyncio.create_task(control.post("/v1/completions", json=LONG))
    await until(lambda: services.loop.stats().num_running == 1)
    body = {**BY, "when": "now", "idempotency_key": "restart"}
    command = (await control.post("/control/v1/restart", json=body)).json()
    lost = await running
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "engine_restarted")
    assert lost.headers["retry-after"] == "1"
    done = await finished(control, command)
    assert done["detail"] == "started anew, who was in it was told so"
    again = await control.post("/control/v1/restart", json=body)
    assert (again.status_code, again.json()) == (200, done)
    assert (await control.post("/v1/completions", json=PROMPT)).status_code == 200


@pytest.mark.usefixtures("slow")
async def test_a_restart_does_not_wait_for_ever(control: httpx.AsyncClient, services: Services) -> None:
    """Past its limit it goes on, and says that somebody was in it."""
    running = asyncio.create_task(control.post("/v1/completions", json=LONG))
    await until(lambda: services.loop.stats().num_running == 1)
    body = {**BY, "drain_timeout_s": 0.01, "idempotency_key": "restart"}
    done = await finished(control, (await control.post("/control/v1/restart", json=body)).json())
    assert done["detail"] == "started anew, who was in it was told so"
    assert (await running).status_code == 503


@pytest.mark.usefixtures("slow")
async def test_one_restart_at_a_time(control: httpx.AsyncClient, services: Services) -> None:
    """The second is refused while the first waits."""
    running = asyncio.create_task(control.post("/v1/completions", json=LONG))
    await until(lambda: services.loop.stats().num_running == 1)
    first = await control.post("/control/v1/restart", json={**BY, "idempotency_key": "one"})
    second = await control.post("/control/v1/restart", json={**BY, "idempotency_key": "two"})
    assert (second.status_code, second.json()["error"]["code"]) == (409, "command_running")
    await running
    await finished(control, first.json())


@pytest.mark.parametrize(
    "body", [{}, BY, {**BY, "idempotency_key": "k", "when": "later"}, {**BY, "idempotency_key": ""}, []]
)
async def test_a_wrong_command_is_refused(control: httpx.AsyncClient, body: Any) -> None:
    """And nothing is begun."""
    assert (await control.post("/control/v1/restart", json=body)).status_code == 422
    assert (await control.get("/control/v1/audit")).json() == {"notes": []}


async def test_an_unknown_command_is_not_found(control: httpx.AsyncClient) -> None:
    """As an unknown lease is not."""
    answer = await control.get("/control/v1/commands/c-none")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "command_not_found")


async def test_a_command_is_found_by_its_key(control: httpx.AsyncClient) -> None:
    """Whoever lost the answer asks for the key; what was never taken is not there, and no other filter is known."""
    done = (await control.post("/control/v1/readmit", json={**BY, "idempotency_key": "asked-for"})).json()
    found = await control.get("/control/v1/commands", params={"idempotency_key": "asked-for"})
    assert found.json() == {"commands": [done]}
    assert (await control.get("/control/v1/commands", params={"idempotency_key": "never"})).json() == {"commands": []}
    assert (await control.get("/control/v1/commands", params={"kind": "restart"})).status_code == 422
