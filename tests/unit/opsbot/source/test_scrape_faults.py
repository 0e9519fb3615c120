"""What a target may send that is no good exposition, and what becomes of it."""

from __future__ import annotations

import logging
import math

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from opsbot.source import exposition
from opsbot.source.scrape import Scraper, Target
from tests.support.watching import StepClock


class Bench:
    """A target that sends what a test gives it."""

    def __init__(self, store: SampleStore | None = None, url: str = "http://a:80/metrics") -> None:
        self.body, self.media_type = b"", "text/plain; version=0.0.4"

        async def metrics(request: Request) -> Response:
            return Response(self.body, headers={"content-type": self.media_type})

        self.clock, self.store = StepClock(), store or SampleStore()
        http = httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[Route("/metrics", metrics)])))
        self.scraper = Scraper(Target(url, "east"), self.store, self.clock, http)

    async def scrape(self, body: bytes | str, media_type: str | None = None) -> str:
        """One second later; answers what is wrong."""
        self.clock.advance(1.0)
        self.body = body.encode() if isinstance(body, str) else body
        self.media_type = media_type or self.media_type
        await self.scraper.scrape()
        return self.scraper.health.last_error

    def values(self, text: str) -> list[float]:
        """What *text* yields now."""
        found = query(text, self.store, self.clock.now())
        return [found] if isinstance(found, float) else [element.value for element in found]


@pytest.mark.parametrize(
    ("body", "media_type", "message"),
    [
        (b'm 1\nn{a="b', "text/plain", "the exposition ends in the middle of a line"),
        (b"m 1\nn 12", "text/plain", "the exposition ends in the middle of a line"),
        (b'm 1\nn{a="b\n', "text/plain", "not a sample: 'n{a=\"b'"),
        (b"m 1\n\x00\x01\xff\n", "application/octet-stream", "the exposition is not UTF-8 text (byte 6)"),
        (b"m 1\n\x00\x01\x02\n", "text/plain", "not a"),
        (b"<!DOCTYPE html>\n<html>\n", "text/html", "(it says that it is text/html)"),
        (b'{"status": "ok"}\n', "application/json", "(it says that it is application/json)"),
        (b"m 1_000\n", "text/plain", "not a number: 'm 1_000'"),
        (b"m 1\n" * 12_500_000, "text/plain", "the answer is larger than 8388608 bytes"),
        (b"m 1\n" * 30_000, "text/plain", "the exposition has 30000 samples; 20000 are read"),
    ],
)  # fmt: skip
async def test_rubbish_is_a_failed_scrape(body: bytes, media_type: str, message: str) -> None:
    """Nothing of it is taken, what was there is stale, and the reason is shown; the next good one is taken."""
    bench = Bench()
    assert await bench.scrape("m 7\n") == ""
    assert message in await bench.scrape(body, media_type)
    assert (bench.values("m"), bench.values("n"), bench.values("up")) == ([], [], [0.0])
    assert await bench.scrape("m 8\n", "text/plain") == ""
    assert bench.values("m") == [8.0]


async def test_a_wrong_content_type_is_no_reason() -> None:
    """If the text is an exposition it is read, as Prometheus does."""
    bench = Bench()
    assert await bench.scrape("m 1\n", "text/html") == ""
    assert bench.values("m") == [1.0]


async def test_values_that_are_no_numbers_are_kept() -> None:
    """NaN and infinities are samples, and NaN is not a stale mark: a comparison just does not hold."""
    bench = Bench()
    assert await bench.scrape("m NaN\nn +Inf\no -Inf\n") == ""
    assert math.isnan(bench.values("m")[0])
    assert (bench.values("n"), bench.values("o")) == ([math.inf], [-math.inf])
    assert bench.values("m > 0") == []


async def test_of_duplicate_series_the_first_counts(caplog: pytest.LogCaptureFixture) -> None:
    """However its labels are ordered, as in Prometheus; they are counted, and told once."""
    bench = Bench()
    text = 'm{a="1",b="2"} 1\nm{b="2",a="1"} 2\nm{a="1",b="2"} 3\nn 4\n'
    for _ in range(3):
        assert await bench.scrape(text) == ""
    assert (bench.values("m"), bench.values("n")) == ([1.0], [4.0])
    assert bench.values("count_over_time(m[10s])") == [3.0]
    assert bench.scraper.health.num_duplicates == 6
    assert caplog.text.count("exposes a series more than once") == 1


async def test_exploding_labels_are_cut_by_target_and_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """The name that explodes is cut, whatever the alphabet; other names and other targets have their room."""
    store = SampleStore(max_series=1000, max_series_per_sheet=100)
    bench, other = Bench(store), Bench(store, "http://b:80/metrics")
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            ids = range(number * 500, number * 500 + 500)
            await bench.scrape("".join(f'a{{id="{one}"}} 1\n' for one in ids) + 'z{x="1"} 2\nz{x="2"} 3\n')
            other.clock = other.scraper.clock = bench.clock
            other.body = b"m 5\n"
            await other.scraper.scrape()
    assert store.num_series == 100 + 2
    assert bench.values("z") == [2.0, 3.0]
    assert bench.values('up{instance="a:80"}') == [1.0]
    assert other.values("m") == [5.0]
    assert bench.scraper.health.num_refused == 500 - 97 + 4 * 500
    assert caplog.text.count("exposes more series than are kept of a target") == 1


async def test_the_limit_of_one_exposition_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a whole failure: reading on would hold up everybody's round."""
    monkeypatch.setattr(exposition, "MAX_SAMPLES", 2)
    bench = Bench()
    assert await bench.scrape("# HELP a\nm 1\nn 2\n") == ""
    assert await bench.scrape("m 1\nn 2\no 3\n") == "the exposition has 3 samples; 2 are read"
