"""What one user of the traffic generator makes of what a server sends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from serving_stub.traffic.ask import Ask
from serving_stub.traffic.client import TrafficClient
from serving_stub.traffic.client_profile import BROWSER
from serving_stub.traffic.network import network
from serving_stub.traffic.persona import Persona
from serving_stub.traffic.retry import IMPATIENT, NEVER, WELL_BEHAVED, Retry
from serving_stub.traffic.tally import Tally

HELLO = Ask(0.0, "hello", 0)


def event(text: str, finish_reason: str | None = None) -> str:
    """One `data:` event as a server writes it, other alphabets unescaped."""
    body = {"choices": [{"delta": {"content": text}, "finish_reason": finish_reason}]}
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


async def answered(response: Response) -> Tally:
    """What a user counts whom a server answers with *response*."""

    async def completions(_: Request) -> Response:
        return response

    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        tally = Tally()
        tally.send(HELLO)
        await TrafficClient(http, "tiny", time.monotonic).ask(HELLO, 4, tally, time.monotonic())
    return tally


@pytest.mark.parametrize("text", ["one", "\x85", "\u2028", "\u2029", "\x0b", "a\nb"])
async def test_an_answer_may_hold_any_character(text: str) -> None:
    """Only the line ends of the event stream's own rule end a line."""
    tally = await answered(whole(text))
    assert (tally.all.done, tally.all.failed, tally.all.tokens, tally.all.errors) == (1, 0, 1, {})


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response("{}", 503), "status_503"),
        (Response("{}", 200, media_type="application/json"), "not_a_stream"),
        (Response('data: {"error": {}}\n\n', media_type="text/event-stream"), "error_event"),
        (Response(event("half"), media_type="text/event-stream"), "cut_short"),
    ],
)
async def test_a_failure_is_counted_by_its_reason(response: Response, reason: str) -> None:
    """An answer that is none is not counted as done."""
    tally = await answered(response)
    assert (tally.all.done, tally.all.errors) == (0, {reason: 1})


class Server:
    """A server whose answers are given in advance; it keeps what it was sent."""

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []

    async def answer(self, request: Request) -> Response:
        """Answer with the next, the last one for ever."""
        self.bodies.append(await request.body())
        self.headers.append(request.headers.raw)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    @property
    def keys(self) -> list[str]:
        """The keys that were sent, in order."""
        return [dict(headers)[b"authorization"].decode() for headers in self.headers]


def whole(text: str = "one") -> Response:
    """A complete stream."""
    events = (event(text), event("", "length"), "data: [DONE]\n\n")
    return StreamingResponse(iter(events), media_type="text/event-stream")


def refusal(status: int, code: str, retry_after: str = "7") -> Response:
    """An error in OpenAI's shape."""
    return Response(json.dumps({"error": {"code": code}}), status, headers={"Retry-After": retry_after})


async def asked(server: Server, *asks: Ask, retry: Retry = NEVER) -> tuple[Tally, list[float]]:
    """What users count who ask *server* one after the other, and how long they slept between attempts."""
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    tally = Tally()
    app = Starlette(routes=[Route("/v1/chat/completions", server.answer, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        client = TrafficClient(http, "tiny", time.monotonic, retry=retry, sleep=sleep)
        for ask in asks:
            tally.send(ask)
            await client.ask(ask, 4, tally, time.monotonic())
    return tally, slept


def person(number: int = 0, key: str | None = "sk-0") -> Persona:
    """Somebody with a browser in Japan."""
    place = network("residential", number, "JP")
    secret = None if key is None else SecretStr(key)
    return Persona("acme", f"account-{number}", secret, BROWSER, place, place.address(9), "JP")


async def test_an_impatient_client_turns_a_refusal_into_six_requests() -> None:
    """It comes back within moments whatever it is told, and its user fails once."""
    server = Server(refusal(503, "overloaded", retry_after="60"))
    tally, slept = await asked(server, HELLO, retry=IMPATIENT)
    assert (tally.all.sent, tally.all.attempts, tally.all.failed) == (1, 6, 1)
    assert (tally.all.refused, tally.all.errors) == ({"overloaded": 6}, {"status_503": 1})
    assert all(delay_s <= 0.3 for delay_s in slept)


async def test_a_well_behaved_client_comes_when_it_was_told() -> None:
    """It waits at least for what Retry-After says, and then is served."""
    server = Server(refusal(429, "rate_limited", retry_after="7"), whole())
    tally, slept = await asked(server, HELLO, retry=WELL_BEHAVED)
    assert (tally.all.attempts, tally.all.done) == (2, 1)
    assert len(slept) == 1
    assert 7.0 <= slept[0] <= 10.5


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "nan"])
async def test_a_retry_after_that_is_no_number_counts_as_none(retry_after: str) -> None:
    """The client's own pauses hold then."""
    server = Server(refusal(503, "overloaded", retry_after), whole())
    tally, slept = await asked(server, HELLO, retry=WELL_BEHAVED)
    assert tally.all.done == 1
    assert 0.5 <= slept[0] <= 1.5


async def test_a_wrong_request_is_not_sent_again() -> None:
    """What is wrong with a request is wrong the next time too."""
    tally, slept = await asked(Server(refusal(400, "invalid_request")), HELLO, retry=IMPATIENT)
    assert (tally.all.attempts, tally.all.failed, slept) == (1, 1, [])


async def test_a_pool_of_keys_sends_the_same_body_under_the_next() -> None:
    """On a 429 the very bytes go out again with another owner's key."""
    relays = (person(1, "sk-1"), person(2, "sk-2"))
    server = Server(refusal(429, "rate_limited"), refusal(429, "rate_limited"), whole())
    tally, slept = await asked(server, Ask(0.0, "hello", 3, person(0, "sk-0"), relays=relays))
    assert server.keys == ["Bearer sk-0", "Bearer sk-1", "Bearer sk-2"]
    assert len(set(server.bodies)) == 1
    assert (tally.all.done, tally.all.attempts) == (1, 3)
    assert all(delay_s <= 2.0 for delay_s in slept)


async def test_a_turn_sends_what_was_said_before() -> None:
    """Question and real answer of the turns before are part of the next."""
    turns = [Ask(0.0, text, 0, conversation="one") for text in ("first", "second")]
    server = Server(whole("blue"), whole("green"))
    await asked(server, *turns)
    assert [message["content"] for message in json.loads(server.bodies[1])["messages"]] == ["first", "blue", "second"]


async def test_a_turn_that_failed_leaves_no_trace() -> None:
    """The conversation goes on as if it had not been."""
    turns = [Ask(0.0, text, 0, conversation="one") for text in ("first", "second")]
    server = Server(refusal(503, "overloaded"), whole())
    await asked(server, *turns)
    assert [message["content"] for message in json.loads(server.bodies[1])["messages"]] == ["second"]


async def test_a_persona_has_its_clients_headers_in_order() -> None:
    """What the client sends comes as it sends it, what the proxy adds comes last."""
    server = Server(whole())
    await asked(server, Ask(0.0, "hello", 0, person()))
    names = [name.decode().casefold() for name, _ in server.headers[0]]
    assert names == [name.casefold() for name, _ in BROWSER.headers] + ["x-forwarded-for", "cf-ipcountry"]
    sent = dict(server.headers[0])
    assert sent[b"authorization"] == b"Bearer sk-0"
    assert sent[b"cf-ipcountry"] == b"JP"
    assert sent[b"x-forwarded-for"] == b"2001:db8:2000::9"
    assert sent[b"content-length"] == str(len(server.bodies[0])).encode()


async def test_nobody_sends_a_key_that_he_has_not() -> None:
    """Without a key there is no Authorization header."""
    server = Server(whole())
    await asked(server, Ask(0.0, "hello", 0, person(key=None)))
    assert b"authorization" not in dict(server.headers[0])


async def test_an_impatient_client_cuts_what_is_slow() -> None:
    """A first token that does not come in time is not waited for; the request goes out anew."""
    retry = Retry(most_attempts=2, patience_s=0.5)

    async def never() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    tally, _ = await asked(Server(StreamingResponse(never()), whole()), HELLO, retry=retry)
    assert (tally.all.attempts, tally.all.done) == (2, 1)


async def test_a_server_that_counts_every_prompt_the_same_is_taken_as_usual() -> None:
    """A stand-in without a tokenizer can be loaded too: 130 tokens are 100 words."""

    async def completions(_: Request) -> Response:
        return Response(json.dumps({"usage": {"prompt_tokens": 8, "completion_tokens": 1}}))

    app = Starlette(routes=[Route("/v1/chat/completions", completions, methods=["POST"])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as http:
        size = await TrafficClient(http, "trivial", time.monotonic).prepare()
    assert size.num_words(130) == 100
