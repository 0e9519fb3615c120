"""Several servers as one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opsbot.errors import SourceError
from opsbot.promql.syntax import QueryError
from opsbot.source.first_healthy import AVOIDED_S, FirstHealthy
from opsbot.source.prometheus import PrometheusSource
from tests.support.ports import free_port
from tests.support.watching import StepClock, served


class Server:
    """Answers each query with its number."""

    def __init__(self, number: int) -> None:
        self.number, self.status, self.num_asked = number, 200, 0

        async def query(request: Request) -> Response:
            self.num_asked += 1
            if self.status != 200:
                return JSONResponse({"status": "error", "errorType": "x", "error": "no"}, self.status)
            element = {"metric": {}, "value": [1, str(self.number)]}
            return JSONResponse({"status": "success", "data": {"resultType": "vector", "result": [element]}})

        self.app = Starlette(routes=[Route("/api/v1/query", query)])


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server, FirstHealthy, StepClock]]:
    """Two real ones, and both as one."""
    first, second, clock = Server(1), Server(2), StepClock()
    async with served(first.app) as one, served(second.app) as two:
        yield first, second, FirstHealthy([PrometheusSource(one), PrometheusSource(two)], clock), clock


async def test_the_first_that_answers_is_asked(servers: tuple[Server, Server, FirstHealthy, StepClock]) -> None:
    """One that failed is left alone for a while, then asked first again."""
    first, second, both, clock = servers
    assert await both.value("m") == 1.0
    first.status = 401
    assert [await both.value("m") for _ in range(3)] == [2.0, 2.0, 2.0]
    assert first.num_asked == 2
    first.status = 200
    clock.advance(AVOIDED_S)
    assert await both.value("m") == 1.0
    assert second.num_asked == 3


async def test_a_refusal_is_not_asked_again(servers: tuple[Server, Server, FirstHealthy, StepClock]) -> None:
    """The query is wrong, whoever is asked, and the server is well."""
    first, second, both, _ = servers
    first.status = 400
    with pytest.raises(QueryError, match="refused `m`"):
        await both.value("m")
    first.status = 200
    assert (await both.value("m"), second.num_asked) == (1.0, 0)


async def test_a_check_stays_with_one_server(servers: tuple[Server, Server, FirstHealthy, StepClock]) -> None:
    """All of its questions go to the same."""
    first, second, both, _ = servers
    first.status = 503
    assert await both.check("m > 1") == "holds"
    assert (first.num_asked, second.num_asked) == (1, 1)


async def test_if_none_answers_the_last_says_why() -> None:
    """After each was asked."""
    nobody = [PrometheusSource(f"http://127.0.0.1:{free_port()}") for _ in range(2)]
    with pytest.raises(SourceError, match="does not answer") as caught:
        await FirstHealthy(nobody, StepClock()).check("m > 1")
    assert caught.value.retryable
