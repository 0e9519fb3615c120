"""Targets that misbehave on the wire: each costs its own scrape and at most two seconds, and nobody else's."""

from __future__ import annotations

import asyncio
import gzip
import time

import httpx
import pytest

from opsbot.clock import SystemClock
from opsbot.promql.evaluate import query
from opsbot.promql.samples import SampleStore
from opsbot.source.scrape import Scraper, Target
from tests.support.raw_target import Piece, raw_target

pytestmark = pytest.mark.integration

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n"
BOMB = gzip.compress(b"0" * 60_000_000)


@pytest.mark.parametrize(
    ("pieces", "message", "most_s"),
    [
        ((OK + b"content-length: 100\r\n\r\nm 1\n",), "peer closed connection", 1.0),
        ((OK + b"connection: close\r\n\r\nm 1\nn 12",), "the exposition ends in the middle of a line", 1.0),
        ((b"\x16\x03\x01 rubbish\r\n\r\n",), "illegal status line", 1.0),
        ((b"",), "Server disconnected without sending a response.", 1.0),
        ((9.0, OK + b"content-length: 4\r\n\r\nm 1\n"), "no answer within 2 s", 3.0),
        ((OK + b"content-length: 400\r\n\r\n", *(b"m", 0.2) * 40), "no answer within 2 s", 3.0),
        ((*(b"H", 0.2) * 40,), "no answer within 2 s", 3.0),
        (
            (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/metrics\r\ncontent-length: 0\r\n\r\n",),
            "302 in answer to GET /metrics: redirects are not followed; name the address that it leads to",
            1.0,
        ),
        (
            (OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB,),
            "the answer is larger than 8388608 bytes",
            1.0,
        ),
        ((OK + b"x: " + b"y" * 2_000_000 + b"\r\n\r\n",), "", 2.0),
    ],
    ids=["cut", "cut-unsized", "no-http", "nothing", "nine-seconds", "drip", "drip-header", "moved", "bomb", "header"],
)
async def test_a_bad_answer_is_a_failed_scrape(pieces: tuple[Piece, ...], message: str, most_s: float) -> None:
    """With its reason, and in its time."""
    store, clock = SampleStore(), SystemClock()
    async with raw_target(*pieces) as port, httpx.AsyncClient(trust_env=False) as http:
        scraper = Scraper(Target(f"http://127.0.0.1:{port}/metrics", "east"), store, clock, http)
        began = time.monotonic()
        await asyncio.wait_for(scraper.scrape(), 10.0)
        assert time.monotonic() - began < most_s
    assert scraper.health.failing_since is not None
    assert message in scraper.health.last_error
    found = query("up", store, clock.now())
    assert isinstance(found, list)
    assert [element.value for element in found] == [0.0]
