"""The gateway's backend in front of a second instance of our own server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from serving_stub.api.inflight import InFlight
from serving_stub.api.upstream import Upstream
from serving_stub.api.upstream_metrics import UpstreamMetrics
from serving_stub.api.upstream_settings import UpstreamSettings
from serving_stub.frontdoor.served import Served
from tests.support.serving_server import ServingServer
from tests.support.waiting import until
from tests.support.watching import served

pytestmark = pytest.mark.integration

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingServer]:
    """The second instance."""
    started = ServingServer(tmp_path_factory.mktemp("journal") / "leases.jsonl")
    yield started
    started.close()


@pytest.fixture
async def gateway(server: ServingServer) -> AsyncIterator[tuple[httpx.AsyncClient, list[Served]]]:
    """A gateway before it, and what its backend said of each answer."""
    upstream = Upstream(UpstreamSettings(url=server.url), InFlight())
    records: list[Served] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        records.append(Served())
        scope["state"] = {"served": records[-1]}
        await upstream(scope, receive, send)

    async with served(app) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=30.0) as http:
        yield http, records
    await upstream.close()


async def test_answers_are_those_of_the_server(
    gateway: tuple[httpx.AsyncClient, list[Served]], server: ServingServer
) -> None:
    """Streamed or whole, the text is the same with the gateway and without; its counts are the engine's."""
    http, records = gateway
    with server.client(token=False) as direct:
        expected = direct.post(CHAT, json=HELLO).json()["choices"]
    assert (await http.post(CHAT, json=HELLO)).json()["choices"] == expected
    streamed = await http.post(CHAT, json={**HELLO, "stream": True})
    events = [json.loads(line[6:]) for line in streamed.text.split("\n\n") if line.startswith("data: {")]
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert text == expected[0]["message"]["content"]
    assert not any("usage" in event for event in events)
    for record in records:
        assert (record.status, record.finish_reason, record.completion_tokens) == (200, "length", 8)
        assert record.prompt_tokens is not None
    assert records[0].first_token_at is None
    assert records[1].first_token_at is not None


async def test_the_servers_own_refusals_pass(gateway: tuple[httpx.AsyncClient, list[Served]]) -> None:
    """Status, body and code."""
    http, records = gateway
    answer = await http.post(CHAT, json={**HELLO, "n": 2})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "n")
    assert (records[0].status, records[0].error_code) == (400, "unsupported_parameter")
    assert (await http.get("/v1/models")).json()["data"][0]["id"] == "tiny"


async def test_a_client_that_hangs_up_frees_the_servers_blocks(
    gateway: tuple[httpx.AsyncClient, list[Served]], server: ServingServer
) -> None:
    """Within a moment nothing runs there."""
    http, records = gateway
    body = {**HELLO, "max_tokens": 1900, "stream": True}
    async with http.stream("POST", CHAT, json=body) as answer:
        async for _ in answer.aiter_raw():
            break
        assert server.metric("vllm:num_requests_running") == 1
    await until(lambda: server.metric("vllm:num_requests_running") == 0, 2.0)
    assert records[0].error_code == "client_gone"


async def test_the_servers_metrics_are_re_exported(server: ServingServer) -> None:
    """What both processes have is kept apart."""
    watched = UpstreamMetrics(server.url, lambda: b"# TYPE process_open_fds gauge\nprocess_open_fds 5\n")
    text, is_healthy = await asyncio.gather(watched.exposition(), watched.is_healthy())
    await watched.close()
    assert is_healthy
    assert b"\nvllm:kv_cache_usage_perc{" in text
    assert b"\nprocess_open_fds 5\n" in text
    assert b"\nupstream_process_open_fds " in text
    assert b"\nserving_upstream_up 1\n" in text
