"""A moderation endpoint over a real socket: what it scores, and what its failures cost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from serving_stub.frontdoor.circuit_breaker import CircuitBreaker
from serving_stub.frontdoor.moderation import ModerationEndpoint, Outcome
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

ANSWER = {
    "id": "modr-1",
    "model": "omni-moderation-latest",
    "results": [
        {
            "flagged": True,
            "categories": {"violence": True},
            "category_scores": {"violence": 0.91, "harassment/threatening": 0.4, "harassment": 0.8, "hate": 0.02},
        }
    ],
}


class Endpoint:
    """A server whose answer a test sets."""

    def __init__(self) -> None:
        self.how = "good"
        self.bodies: list[object] = []
        self.release = threading.Event()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        routes = [Route("/v1/moderations", self._answer, methods=["POST"])]
        config = uvicorn.Config(Starlette(routes=routes), port=port, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the endpoint did not start"
            self.release.wait(0.01)

    def close(self) -> None:
        self.release.set()
        self._server.should_exit = True
        self._thread.join()

    async def _answer(self, request: Request) -> Response:
        self.bodies.append(await request.json())
        match self.how:
            case "hang":
                await asyncio.to_thread(self.release.wait)
                return PlainTextResponse("late")
            case "500":
                return JSONResponse(ANSWER, status_code=500)
            case "html":
                return PlainTextResponse("<html>hello</html>")
            case "empty":
                return JSONResponse({"results": []})
            case "wild":
                return JSONResponse({"results": [{"category_scores": {"violence": 17}}]})
            case "huge":
                return StreamingResponse(self._forever(), media_type="application/json")
            case "gzip":
                return Response(b"no gzip", headers={"content-encoding": "gzip"})
        return JSONResponse(ANSWER)

    async def _forever(self) -> AsyncIterator[bytes]:
        while not self.release.is_set():
            yield b" " * 4096


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


@asynccontextmanager
async def moderation(
    url: str, *, most_in_flight: int = 8, timeout_s: float = 5.0, breaker: CircuitBreaker | None = None
) -> AsyncIterator[ModerationEndpoint]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        yield ModerationEndpoint(http, timeout_s=timeout_s, most_in_flight=most_in_flight, breaker=breaker)


async def test_scores_come_under_our_names(endpoint: Endpoint) -> None:
    """OpenAI's categories become the twelve names, the highest of those that map to one; the rest is left out."""
    async with moderation(endpoint.url) as moderated:
        assert await moderated.score("some text") == {"violent_crimes": 0.91, "hate": 0.02}
    assert endpoint.bodies == [{"input": "some text"}]
    assert moderated.outcomes == {Outcome.SCORED: 1}


async def test_half_a_character_is_sent_as_a_question_mark(endpoint: Endpoint) -> None:
    """What JSON may carry and UTF-8 may not is no reason to fail."""
    async with moderation(endpoint.url) as moderated:
        assert await moderated.score("a\ud800b") is not None
    assert endpoint.bodies == [{"input": "a?b"}]


@pytest.mark.parametrize(
    ("how", "outcome"),
    [
        ("500", Outcome.REFUSED),
        ("html", Outcome.RUBBISH),
        ("empty", Outcome.RUBBISH),
        ("wild", Outcome.RUBBISH),
        ("huge", Outcome.RUBBISH),
        ("gzip", Outcome.RUBBISH),
        ("hang", Outcome.TIMEOUT),
    ],
)
async def test_broken_answers_cost_the_scores_only(endpoint: Endpoint, how: str, outcome: Outcome) -> None:
    """Whatever the endpoint does, the answer is "no scores" within the timeout, and counted."""
    endpoint.how = how
    async with moderation(endpoint.url, timeout_s=0.3 if how == "hang" else 5.0) as moderated:
        assert await moderated.score("text") is None
    assert moderated.outcomes == {outcome: 1}


async def test_nobody_listens() -> None:
    """An endpoint that is not there is unreachable, not an error of ours."""
    async with moderation(f"http://127.0.0.1:{free_port()}") as moderated:
        assert await moderated.score("text") is None
    assert moderated.outcomes == {Outcome.UNREACHABLE: 1}


async def test_past_the_bound_texts_are_dropped(endpoint: Endpoint) -> None:
    """While two calls hang, a third does not wait: it is dropped and counted."""
    endpoint.how = "hang"
    async with moderation(endpoint.url, most_in_flight=2, timeout_s=0.5) as moderated:
        hanging = [asyncio.create_task(moderated.score("text")) for _ in range(2)]
        await asyncio.sleep(0)
        assert await moderated.score("one too many") is None
        assert moderated.outcomes == {Outcome.DROPPED: 1}
        assert await asyncio.gather(*hanging) == [None, None]
        endpoint.how = "good"
        assert await moderated.score("room again") is not None


async def test_circuit_opens_and_a_probe_closes_it(endpoint: Endpoint) -> None:
    """After two failures nobody calls; when the time is over, one call tries and its success closes the circuit."""
    endpoint.how = "500"
    now = 0.0
    async with httpx.AsyncClient(base_url=endpoint.url, trust_env=False) as http:
        breaker = CircuitBreaker(failures_to_open=2, open_s=30.0)
        moderated = ModerationEndpoint(http, breaker=breaker, monotonic=lambda: now)
        for _ in range(5):
            assert await moderated.score("text") is None
        assert moderated.outcomes == {Outcome.REFUSED: 2, Outcome.CIRCUIT_OPEN: 3}
        assert len(endpoint.bodies) == 2
        endpoint.how = "good"
        now = 30.0
        assert await moderated.score("text") is not None
        assert await moderated.score("text") is not None
        assert not breaker.is_open


async def test_cancelled_call_gives_its_place_back(endpoint: Endpoint) -> None:
    """When the server shuts down in the middle of a call, no place is lost and no failure counted."""
    endpoint.how = "hang"
    async with moderation(endpoint.url, most_in_flight=1) as moderated:
        task = asyncio.create_task(moderated.score("text"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        endpoint.how = "good"
        assert await moderated.score("text") is not None
    assert moderated.outcomes == {Outcome.SCORED: 1}
