"""The gateway's backend before a real server that misbehaves in every way that servers do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from serving_stub.api.inflight import InFlight
from serving_stub.api.upstream import Upstream
from serving_stub.api.upstream_settings import UpstreamSettings
from serving_stub.frontdoor.served import Served
from tests.support.ports import free_port
from tests.support.raw_upstream import STREAM, Peer, RawUpstream, raw_upstream
from tests.support.waiting import until
from tests.support.watching import served

pytestmark = pytest.mark.integration

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":" hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
COUNT = (
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8,'
    b'"prompt_tokens_details":{"cached_tokens":2}}}\n\n'
)
DONE = b"data: [DONE]\n\n"


@dataclass(slots=True)
class Gateway:
    """The backend behind a real socket, and what it said about each answer."""

    http: httpx.AsyncClient
    in_flight: InFlight
    records: list[Served]

    async def stream(self, **more: Any) -> httpx.Response:
        """A streamed chat, read to its end."""
        return await self.http.post("/v1/chat/completions", json={**HELLO, "stream": True, **more})


@asynccontextmanager
async def gateway(url: str, **settings: Any) -> AsyncIterator[Gateway]:
    """A gateway before *url*."""
    in_flight = InFlight()
    upstream = Upstream(UpstreamSettings(url=url, **settings), in_flight)
    records: list[Served] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        records.append(Served())
        scope["state"] = {"served": records[-1]}
        await upstream(scope, receive, send)

    async with served(app) as own_url, httpx.AsyncClient(base_url=own_url, trust_env=False, timeout=20.0) as http:
        yield Gateway(http, in_flight, records)
    await upstream.close()


@pytest.fixture
async def upstream() -> AsyncIterator[RawUpstream]:
    """A server that does what the test says."""
    async with raw_upstream() as started:
        yield started


async def normal(peer: Peer) -> None:
    """A stream of three tokens, with a count if it was asked for."""
    await peer.send(STREAM)
    wants_usage = json.loads(peer.body).get("stream_options", {}).get("include_usage")
    for piece in (ROLE, TOKEN, TOKEN, TOKEN, LAST, *([COUNT] if wants_usage else []), DONE):
        await peer.chunk(piece)
    await peer.finish()


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error of an answer in OpenAI's shape."""
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def last_event(answer: httpx.Response) -> str:
    """The code of the error event that ends a stream before `[DONE]`."""
    events = answer.content.removesuffix(DONE)
    assert len(events) < len(answer.content)
    return str(json.loads(events.rsplit(b"data: ", 1)[1])["error"]["code"])


async def test_a_stream_passes_and_is_counted(upstream: RawUpstream) -> None:
    """The client sees what it asked for; the record has tokens, cache hits, finish reason and a first token."""
    upstream.handler = normal
    async with gateway(upstream.url) as gate:
        answer = await gate.stream()
        (record,) = gate.records
    assert answer.content == ROLE + TOKEN * 3 + LAST + DONE
    assert answer.headers["content-type"] == "text/event-stream"
    assert record.first_token_at is not None
    assert (record.status, record.error_code, record.finish_reason) == (200, None, "stop")
    assert (record.prompt_tokens, record.cached_tokens, record.completion_tokens) == (5, 2, 3)
    assert json.loads(upstream.requests[0].body) == {**HELLO, "stream": True, "stream_options": {"include_usage": True}}


async def test_a_client_that_asks_for_usage_gets_it(upstream: RawUpstream) -> None:
    """Other stream options stay as they were."""
    upstream.handler = normal
    async with gateway(upstream.url) as gate:
        asked = await gate.stream(stream_options={"include_usage": True})
        other = await gate.stream(stream_options={"chunk_size": 3})
    assert COUNT in asked.content
    assert COUNT not in other.content
    assert json.loads(upstream.requests[1].body)["stream_options"] == {"chunk_size": 3, "include_usage": True}


async def test_the_official_client_streams_through(upstream: RawUpstream) -> None:
    """Text and end come out as if there were nothing in between."""
    upstream.handler = normal
    async with (
        gateway(upstream.url) as gate,
        AsyncOpenAI(base_url=f"{gate.http.base_url}/v1", api_key="k", max_retries=0) as client,
    ):
        chunks = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        text = [chunk.choices[0].delta.content async for chunk in chunks]
    assert text == ["", " hi", " hi", " hi", None]


async def test_an_answer_in_one_piece_passes(upstream: RawUpstream) -> None:
    """Byte for byte, and its usage is read."""
    content = (
        b'{"choices":[{"message":{"content":"hi"},"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":5,"completion_tokens":1}}'
    )

    async def whole(peer: Peer) -> None:
        await peer.whole("200 OK", "application/json", content, "x-request-id: r-1", "set-cookie: a=b", "server: vllm")

    upstream.handler = whole
    async with gateway(upstream.url) as gate:
        answer = await gate.http.post("/v1/chat/completions", json=HELLO)
        (record,) = gate.records
    assert answer.content == content
    assert answer.headers["x-request-id"] == "r-1"
    assert not {"set-cookie", "transfer-encoding"} & set(answer.headers)
    assert (record.prompt_tokens, record.completion_tokens, record.finish_reason) == (5, 1, "length")


async def test_anything_under_v1_passes_and_nothing_else(upstream: RawUpstream) -> None:
    """Paths that lead out of /v1 again are not passed on, however they are written."""

    async def whole(peer: Peer) -> None:
        await peer.whole("200 OK", "application/json", b'{"object":"list","data":[]}')

    upstream.handler = whole
    async with gateway(f"{upstream.url}/v1") as gate:
        assert (await gate.http.get("/v1/models?after=a%20b")).json() == {"object": "list", "data": []}
        for path in ("/metrics", "/v1/%2e%2e/metrics", "/v1/..%5cmetrics"):
            assert error_of(await gate.http.get(path))["code"] == "path_not_found"
    assert [peer.head.split(b"\r\n")[0] for peer in upstream.requests] == [b"GET /v1/models?after=a%20b HTTP/1.1"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"key": SecretStr("own")}, b"Bearer own"),
        ({"passes_key": True}, b"Bearer sk-client"),
        ({"passes_key": True, "key": SecretStr("own")}, b"Bearer own"),
    ],
    ids=["neither", "the upstream's own", "the client's", "its own before the client's"],
)
async def test_which_key_the_upstream_sees(
    upstream: RawUpstream, settings: dict[str, Any], expected: bytes | None
) -> None:
    """The client's only where that was set; cookies, addresses and other keys never."""
    upstream.handler = normal
    secrets = {
        "x-api-key": "sk-2",
        "cookie": "s=1",
        "x-forwarded-for": "203.0.113.9",
        "cf-connecting-ip": "203.0.113.9",
    }
    async with gateway(upstream.url, **settings) as gate:
        headers = {"authorization": "Bearer sk-client", **secrets}
        await gate.http.post("/v1/chat/completions", json={**HELLO, "stream": True}, headers=headers)
    lines = upstream.requests[0].head.split(b"\r\n")[1:-2]
    got = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
    assert got.get(b"authorization") == expected
    assert not {name.encode() for name in secrets} & set(got)


async def test_an_upstream_that_refuses_connections() -> None:
    """`503` with a time to come back."""
    async with gateway(f"http://127.0.0.1:{free_port()}") as gate:
        answer = await gate.stream()
        (record,) = gate.records
    assert (answer.status_code, error_of(answer)["code"]) == (503, "upstream_unreachable")
    assert answer.headers["retry-after"] == "5"
    assert (record.status, record.error_code) == (503, "upstream_unreachable")


@pytest.mark.parametrize("head", [b"", STREAM], ids=["before the headers", "after the headers"])
async def test_an_upstream_that_hangs_before_its_first_byte(upstream: RawUpstream, head: bytes) -> None:
    """`504`, even if the headers came: nothing was begun yet. The upstream's connection is closed."""

    async def hang(peer: Peer) -> None:
        if head:
            await peer.send(head)
        await peer.until_gone()

    upstream.handler = hang
    async with gateway(upstream.url, first_byte_s=0.1) as gate:
        answer = await gate.stream()
        await until(lambda: upstream.num_open == 0)
    assert (answer.status_code, error_of(answer)["code"]) == (504, "upstream_timeout")


async def test_an_upstream_that_hangs_in_mid_stream(upstream: RawUpstream) -> None:
    """The stream ends with an error event, then `[DONE]`; what came is counted."""

    async def hang(peer: Peer) -> None:
        await peer.send(STREAM)
        await peer.chunk(ROLE + TOKEN)
        await peer.chunk(TOKEN[:10])
        await peer.until_gone()

    upstream.handler = hang
    async with gateway(upstream.url, idle_s=0.1) as gate:
        answer = await gate.stream()
        (record,) = gate.records
        await until(lambda: upstream.num_open == 0)
    assert answer.content.startswith(ROLE + TOKEN + b'data: {"error"')
    assert last_event(answer) == "upstream_timeout"
    assert (record.status, record.error_code, record.completion_tokens) == (200, "upstream_timeout", 1)


@pytest.mark.parametrize("num_tokens", [0, 2])
async def test_an_upstream_that_resets(upstream: RawUpstream, num_tokens: int) -> None:
    """`502` before the first byte, an error event after it."""

    async def reset(peer: Peer) -> None:
        if num_tokens:
            await peer.send(STREAM)
            await peer.chunk(TOKEN * num_tokens)
            await asyncio.sleep(0.05)
        peer.reset()

    upstream.handler = reset
    async with gateway(upstream.url) as gate:
        answer = await gate.stream()
    if num_tokens:
        assert answer.content.startswith(TOKEN * num_tokens)
        assert last_event(answer) == "upstream_reset"
    else:
        assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_reset")


async def test_a_stream_that_ends_too_early(upstream: RawUpstream) -> None:
    """A proper end of the body without finish reason and `[DONE]` is an error too."""

    async def end(peer: Peer) -> None:
        await peer.send(STREAM)
        await peer.chunk(TOKEN)
        await peer.finish()

    upstream.handler = end
    async with gateway(upstream.url) as gate:
        assert last_event(await gate.stream()) == "upstream_bad_answer"


@pytest.mark.parametrize(
    "rubbish",
    [b"<p>no</p>\n\n", b'data: {"choices": [\n\n', b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'],
    ids=["no events", "half JSON", "not UTF-8"],
)
async def test_an_upstream_that_streams_rubbish(upstream: RawUpstream, rubbish: bytes) -> None:
    """`502` when it comes first, an error event later; the client sees none of it."""

    async def first(peer: Peer) -> None:
        await peer.send(STREAM)
        await peer.chunk(rubbish)
        await peer.until_gone()

    async def later(peer: Peer) -> None:
        await peer.send(STREAM)
        await peer.chunk(TOKEN)
        await asyncio.sleep(0.05)
        await peer.chunk(rubbish)
        await peer.until_gone()

    async with gateway(upstream.url) as gate:
        upstream.handler = first
        refused = await gate.stream()
        upstream.handler = later
        broken = await gate.stream()
    assert (refused.status_code, error_of(refused)["code"]) == (502, "upstream_bad_answer")
    assert last_event(broken) == "upstream_bad_answer"
    assert rubbish not in broken.content


@pytest.mark.parametrize(
    ("status", "content_type", "content"),
    [
        ("200 OK", "text/html", b"<html></html>"),
        ("200 OK", "application/json", b'{"choices": ['),
        ("302 Found", "text/html", b""),
    ],
    ids=["a page", "half JSON", "a redirect"],
)
async def test_an_answer_that_is_none(upstream: RawUpstream, status: str, content_type: str, content: bytes) -> None:
    """`502`, whether a stream was asked for or not; a redirect does not lead anybody to the upstream."""

    async def whole(peer: Peer) -> None:
        await peer.whole(status, content_type, content, "location: http://10.0.0.1/")

    upstream.handler = whole
    async with gateway(upstream.url) as gate:
        for body in (HELLO, {**HELLO, "stream": True}):
            answer = await gate.http.post("/v1/chat/completions", json=body)
            assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_bad_answer")
            assert "location" not in answer.headers


async def test_what_is_no_http(upstream: RawUpstream) -> None:
    """`502`."""

    async def rubbish(peer: Peer) -> None:
        await peer.send(b"\x00\x01\x02 hello\r\n\r\n")

    upstream.handler = rubbish
    async with gateway(upstream.url) as gate:
        answer = await gate.stream()
    assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_bad_answer")


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable", "400 Bad Request"])
async def test_an_upstreams_own_refusal_passes(upstream: RawUpstream, status: str) -> None:
    """Its JSON and its `Retry-After` are the client's; its code is in the record."""
    content = b'{"error":{"message":"later","type":"overloaded","param":null,"code":"kv_full"}}'

    async def refuse(peer: Peer) -> None:
        await peer.whole(status, "application/json", content, "retry-after: 17")

    upstream.handler = refuse
    async with gateway(upstream.url) as gate:
        answer = await gate.stream()
        (record,) = gate.records
    assert (answer.status_code, answer.content) == (int(status[:3]), content)
    assert answer.headers["retry-after"] == "17"
    assert (record.status, record.error_code) == (int(status[:3]), "kv_full")


async def test_a_proxys_page_becomes_an_error(upstream: RawUpstream) -> None:
    """Clients get OpenAI's shape with the same status and `Retry-After`."""

    async def refuse(peer: Peer) -> None:
        await peer.whole("502 Bad Gateway", "text/html", b"<html>nginx</html>", "retry-after: 3")

    upstream.handler = refuse
    async with gateway(upstream.url) as gate:
        answer = await gate.stream()
    assert (answer.status_code, error_of(answer)["code"]) == (502, "upstream_error")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("num_tokens", [0, 1])
async def test_a_client_that_hangs_up(upstream: RawUpstream, num_tokens: int) -> None:
    """The upstream's connection is closed within a moment, before and in mid-stream."""

    async def hang(peer: Peer) -> None:
        if num_tokens:
            await peer.send(STREAM)
            await peer.chunk(TOKEN)
        await peer.until_gone()

    upstream.handler = hang
    async with gateway(upstream.url) as gate:
        asking = asyncio.create_task(gate.stream())
        await until(lambda: len(upstream.requests) == 1)
        await asyncio.sleep(0.05)
        asking.cancel()
        await until(lambda: upstream.num_open == 0, 1.0)
        await until(lambda: gate.records[0].error_code == "client_gone")


async def test_a_kept_connection_that_was_closed_is_no_error(upstream: RawUpstream) -> None:
    """A request that meets one is sent again on a new one."""
    num_resets = 0

    async def close_the_second(peer: Peer) -> None:
        nonlocal num_resets
        if len(upstream.requests) == 2:
            num_resets += 1
            peer.reset()
        else:
            await normal(peer)

    upstream.handler = close_the_second
    async with gateway(upstream.url) as gate:
        for _ in range(2):
            assert (await gate.stream()).content.endswith(DONE)
    assert (num_resets, len(upstream.requests)) == (1, 3)


async def test_a_server_that_stops_ends_streams_properly(upstream: RawUpstream) -> None:
    """With an error event and `[DONE]`; new requests get `503`."""

    async def hang(peer: Peer) -> None:
        await peer.send(STREAM)
        await peer.chunk(TOKEN)
        await peer.until_gone()

    upstream.handler = hang
    async with gateway(upstream.url) as gate:
        asking = asyncio.create_task(gate.stream())
        await until(lambda: bool(gate.records) and gate.records[0].first_token_at is not None)
        gate.in_flight.stop()
        assert last_event(await asking) == "server_stopping"
        assert error_of(await gate.stream())["code"] == "server_stopping"


async def test_a_body_that_is_too_large() -> None:
    """`413`, and the upstream never hears of it."""
    async with gateway("http://127.0.0.1:9", max_body_bytes=1000) as gate:
        answer = await gate.stream(padding="x" * 2000)
    assert (answer.status_code, error_of(answer)["code"]) == (413, "body_too_large")
