"""Scraping one target, spoken to in this process."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from opsbot.source import scrape
from opsbot.source.scrape import Scraper, Target
from tests.support.watching import Exposed, StepClock


class Bench:
    """A target, its scraper, and the store between them and queries."""

    def __init__(self, app: Starlette | None = None, renames: Mapping[str, str] | None = None) -> None:
        self.exposed = Exposed({"m": 1.0, 'n{x="1"}': 2.0})
        self.clock = StepClock()
        self.store = SampleStore()
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app or self.exposed.app))
        target = Target("http://a:80/metrics", "east", renames=renames or {})
        self.scraper = Scraper(target, self.store, self.clock, http)

    async def scrape(self) -> None:
        """One second later, scrape."""
        self.clock.advance(1.0)
        await self.scraper.scrape()

    def values(self, text: str) -> list[float]:
        """What *text* yields now."""
        found = query(text, self.store, self.clock.now())
        return [found] if isinstance(found, float) else [element.value for element in found]


async def test_samples_get_the_targets_labels() -> None:
    """`cluster`, `instance` and `job` tell whose they are."""
    bench = Bench()
    await bench.scrape()
    found = query("m", bench.store, bench.clock.now())
    assert isinstance(found, list)
    assert [dict(e.labels) for e in found] == [
        {"__name__": "m", "cluster": "east", "instance": "a:80", "job": "serving"}
    ]
    assert bench.values('up{instance="a:80"}') == [1.0]


async def test_a_failed_scrape_makes_everything_stale() -> None:
    """Old numbers never pass for new ones; `up` is 0, and the reason is kept."""
    bench = Bench()
    await bench.scrape()
    bench.exposed.status = 503
    await bench.scrape()
    assert bench.values("m") == []
    assert bench.values("up") == [0.0]
    assert bench.scraper.health.last_error == "503 in answer to GET /metrics"
    assert bench.scraper.health.failing_since == bench.clock.now()


async def test_the_first_failure_is_remembered() -> None:
    """`failing_since` stays through an outage and goes with it."""
    bench = Bench()
    since: list[float | None] = []
    for status in (503, 503, 503, 200):
        bench.exposed.status = status
        await bench.scrape()
        since.append(bench.scraper.health.failing_since)
    first = bench.clock.now() - 3
    assert since == [first, first, first, None]
    assert bench.values("m") == [1.0]
    assert (bench.scraper.health.num_scrapes, bench.scraper.health.num_failures) == (4, 3)


async def test_a_series_that_is_gone_is_stale() -> None:
    """While the target itself is well."""
    bench = Bench()
    await bench.scrape()
    del bench.exposed.lines['n{x="1"}']
    await bench.scrape()
    assert bench.values("n") == []
    assert bench.values("m") == [1.0]


async def test_a_target_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time-out; the limit is shortened here."""
    monkeypatch.setattr(scrape, "TIMEOUT_S", 0.05)
    bench = Bench()
    bench.exposed.pause_s = 5.0
    await bench.scrape()
    assert bench.scraper.health.last_error == "no answer within 0.05 s"


async def test_an_endless_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is bounded while reading, not afterwards."""
    monkeypatch.setattr(scrape, "MAX_BODY_BYTES", 1000)
    num_sent = 0

    async def endless(request: object) -> StreamingResponse:
        async def body() -> object:
            nonlocal num_sent
            while num_sent < 10_000:
                num_sent += 1
                yield b"m 1\n" * 100

        return StreamingResponse(body())  # type: ignore[arg-type]

    bench = Bench(Starlette(routes=[Route("/metrics", endless)]))
    await bench.scrape()
    assert bench.scraper.health.last_error == "the answer is larger than 1000 bytes"


async def test_a_page_that_is_no_exposition_is_a_failure() -> None:
    """One bad line and nothing is taken: half an exposition is a wrong one."""
    bench = Bench()
    bench.exposed.lines = {"m": 1.0, "9bad": 1.0}
    await bench.scrape()
    assert bench.values("m") == []
    assert "not a metric name" in bench.scraper.health.last_error


async def test_a_rewritten_colon_is_restored() -> None:
    """For a target behind something that rewrites names."""
    bench = Bench(renames={"vllm_": "vllm:"})
    bench.exposed.lines = {"vllm_num_requests_waiting": 3.0}
    await bench.scrape()
    assert bench.values("vllm:num_requests_waiting") == [3.0]


async def test_every_scrape_is_timed() -> None:
    """Also one that fails."""
    bench = Bench()
    took: list[float] = []
    bench.scraper.observe = took.append
    await bench.scrape()
    bench.exposed.status = 500
    await bench.scrape()
    assert took == [0.0, 0.0]
    assert bench.scraper.health.num_failures == 1
