"""The gateway's view of an upstream that comes, goes, hangs and talks nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from serving_stub.api.errors import ApiError, answer_api_error
from serving_stub.api.upstream_metrics import UpstreamMetrics, UpstreamObserve
from tests.support.ports import free_port
from tests.support.raw_upstream import Peer, RawUpstream, raw_upstream
from tests.support.serving_leases import ManualClock

pytestmark = pytest.mark.integration

OURS = b"# TYPE frontdoor_up gauge\nfrontdoor_up 1.0\n"
THEIRS = b'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0"} 3.0\n'


class Upstream:
    """One raw upstream that answers /metrics and /health as the test says."""

    def __init__(self, raw: RawUpstream) -> None:
        self.raw = raw
        self.metrics = THEIRS
        self.status = "200 OK"
        self.is_hanging = False
        self.num_scrapes = 0
        raw.handler = self._answer

    async def _answer(self, peer: Peer) -> None:
        if self.is_hanging:
            await peer.until_gone()
            return
        is_scrape = peer.head.startswith(b"GET /metrics")
        self.num_scrapes += is_scrape
        await peer.whole(self.status, "text/plain", self.metrics if is_scrape else b"")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """An upstream that is well."""
    async with raw_upstream() as raw:
        yield Upstream(raw)


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test sets."""
    return ManualClock()


@asynccontextmanager
async def gateway(url: str, clock: ManualClock, *, is_open: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway's two routes before *url*."""
    watched = UpstreamMetrics(url, lambda: OURS, key=SecretStr("k"), timeout_s=0.2, monotonic=clock.now)
    routes = UpstreamObserve(watched, lambda: is_open).routes()
    transport = httpx.ASGITransport(Starlette(routes=routes, exception_handlers={ApiError: answer_api_error}))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield http
    await watched.close()


async def lines(http: httpx.AsyncClient) -> list[str]:
    """The samples of /metrics."""
    answer = await http.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return [line for line in answer.text.splitlines() if not line.startswith("#")]


async def test_the_upstreams_metrics_stand_before_ours(upstream: Upstream, clock: ManualClock) -> None:
    """As they came; the upstream is asked with its own key."""
    async with gateway(upstream.raw.url, clock) as http:
        assert await lines(http) == [
            'vllm:num_requests_running{engine="0"} 3.0',
            "frontdoor_up 1.0",
            "serving_upstream_up 1",
            "serving_upstream_scrapes_failed_total 0",
            "serving_upstream_metrics_age_seconds 0.000",
        ]
    assert b"authorization: bearer k" in upstream.raw.requests[0].head.lower()


@pytest.mark.parametrize("trouble", ["hangs", "fails", "talks nonsense"])
async def test_the_last_good_metrics_are_kept_for_a_while(upstream: Upstream, clock: ManualClock, trouble: str) -> None:
    """With their age; then they are left out, and ours stay."""
    async with gateway(upstream.raw.url, clock) as http:
        await lines(http)
        upstream.is_hanging = trouble == "hangs"
        upstream.status = "500 Oops" if trouble == "fails" else "200 OK"
        upstream.metrics = b"<html>\n" if trouble == "talks nonsense" else THEIRS
        clock.time += 10
        stale = await lines(http)
        assert stale[0] == 'vllm:num_requests_running{engine="0"} 3.0'
        assert stale[2:] == [
            "serving_upstream_up 0",
            "serving_upstream_scrapes_failed_total 1",
            "serving_upstream_metrics_age_seconds 10.000",
        ]
        clock.time += 25
        assert (await lines(http))[:2] == ["frontdoor_up 1.0", "serving_upstream_up 0"]
        upstream.is_hanging, upstream.status, upstream.metrics = False, "200 OK", THEIRS
        clock.time += 1
        assert "serving_upstream_up 1" in await lines(http)


async def test_an_upstream_that_was_never_there(clock: ManualClock) -> None:
    """Our own metrics are shown all the same."""
    async with gateway(f"http://127.0.0.1:{free_port()}", clock) as http:
        assert await lines(http) == [
            "frontdoor_up 1.0",
            "serving_upstream_up 0",
            "serving_upstream_scrapes_failed_total 1",
        ]
        assert (await http.get("/health")).status_code == 503


async def test_many_scrapers_cost_the_upstream_one_scrape(upstream: Upstream, clock: ManualClock) -> None:
    """Whoever asks while one is under way, or just after it, shares its answer."""
    async with gateway(upstream.raw.url, clock) as http:
        await asyncio.gather(*(lines(http) for _ in range(20)))
    assert upstream.num_scrapes == 1


async def test_the_gateway_is_as_healthy_as_its_upstream(upstream: Upstream, clock: ManualClock) -> None:
    """`503` when the upstream's /health fails or hangs, `200` when it is well again."""
    async with gateway(upstream.raw.url, clock) as http:
        assert (await http.get("/health")).status_code == 200
        for status, is_hanging, expected in (("503 Dead", False, 503), ("200 OK", True, 503), ("200 OK", False, 200)):
            upstream.status, upstream.is_hanging = status, is_hanging
            clock.time += 1
            assert (await http.get("/health")).status_code == expected


async def test_a_gateway_that_stops_is_not_healthy(upstream: Upstream, clock: ManualClock) -> None:
    """However well its upstream is."""
    async with gateway(upstream.raw.url, clock, is_open=False) as http:
        assert (await http.get("/health")).json()["error"]["code"] == "server_stopping"
