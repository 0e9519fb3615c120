"""One bounded HTTP answer."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from opsbot.errors import SourceError
from opsbot.source.fetch import Answer, fetch, refusal

LIMIT = 100_000


async def fetched(body: bytes, **headers: str) -> Answer:
    """What is made of an answer."""

    async def answer(request: Request) -> Response:
        assert request.headers["accept-encoding"] == "gzip"
        return Response(body, headers=headers)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[Route("/", answer)]))) as http:
        return await fetch(http, "http://a/", timeout_s=5.0, max_bytes=LIMIT)


async def test_a_packed_answer_is_unpacked() -> None:
    """As it was asked for; its media type is without parameters."""
    found = await fetched(gzip.compress(b"m 1\n"), **{"content-encoding": "gzip", "content-type": "Text/Plain; v=1"})
    assert found == Answer(200, "text/plain", b"m 1\n")


async def test_a_small_archive_of_a_large_text_is_cut_off() -> None:
    """After the limit, however much would follow."""
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < LIMIT
    with pytest.raises(SourceError, match="the answer is larger than 100000 bytes"):
        await fetched(bomb, **{"content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"no archive", "gzip", "cannot be unpacked"),
        (gzip.compress(b"m 1\n" * 1000)[:-20], "gzip", "ends before it is whole"),
        (gzip.compress(gzip.compress(b"m 1\n")), "gzip, gzip", "packed as 'gzip, gzip', which was not asked for"),
        (b"x", "br", "packed as 'br', which was not asked for"),
    ],
    # An archive holds the time that it was made at, and so would the test's name.
    ids=["no archive", "cut off", "packed twice", "another packing"],
)
async def test_what_cannot_be_unpacked_is_no_answer(body: bytes, encoding: str, message: str) -> None:
    """A part of it neither."""
    with pytest.raises(SourceError, match=message):
        await fetched(body, **{"content-encoding": encoding})


async def test_redirects_are_not_followed() -> None:
    """It is said what to do instead."""
    num_asked = 0

    async def away(request: Request) -> Response:
        nonlocal num_asked
        num_asked += 1
        return RedirectResponse("http://elsewhere/")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[Route("/", away)]))) as http:
        answer = await fetch(http, "http://a/", timeout_s=5.0, max_bytes=LIMIT)
    assert num_asked == 1
    assert refusal(answer, "GET /") == (
        "307 in answer to GET /: redirects are not followed; name the address that it leads to"
    )


async def test_an_answer_that_never_ends_is_given_up() -> None:
    """By the time for all of it, though something comes all the time."""

    async def drip(request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield b"m"
                await asyncio.sleep(0.01)

        return StreamingResponse(body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(Starlette(routes=[Route("/", drip)]))) as http:
        with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
            await fetch(http, "http://a/", timeout_s=0.2, max_bytes=LIMIT)
