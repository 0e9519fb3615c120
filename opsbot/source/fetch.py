"""One HTTP answer, bounded in time and in size whatever the other side does.

The whole exchange has a limit, so that an answer of a byte at a time is none; the size is counted after unpacking and
while reading, so that a small archive of a large text is none either. Redirects are not followed: what is asked stands
in the settings, and a token goes nowhere else.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from opsbot.errors import SourceError

_GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(SourceError):
    """There is more than is read; ask for less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the media type in lower case (empty if none is stated), and the body, unpacked."""

    status: int
    media_type: str
    body: bytes


async def fetch(
    http: httpx.AsyncClient,
    url: str,
    *,
    timeout_s: float,
    max_bytes: int,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> Answer:
    """GET *url*, or POST *form* to it.

    Args:
        timeout_s: for all of it, from connecting to the last byte.
        max_bytes: of the body, unpacked.

    Raises: SourceError if there is no whole answer, or it is too large.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(http, url, timeout_s, max_bytes, headers or {}, form)
    except TimeoutError as error:
        raise SourceError(f"no answer within {timeout_s:g} s", retryable=True) from error
    except httpx.TimeoutException as error:
        raise SourceError(f"no answer within {timeout_s:g} s", retryable=True) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(str(error) or type(error).__name__, retryable=True) from error


def refusal(answer: Answer, what: str) -> str:
    """What to say of an answer that is not 200; empty if it is."""
    if answer.status == httpx.codes.OK:
        return ""
    text = f"{answer.status} in answer to {what}"
    if 300 <= answer.status < 400:
        return f"{text}: redirects are not followed; name the address that it leads to"
    return text


async def _exchange(
    http: httpx.AsyncClient,
    url: str,
    timeout_s: float,
    max_bytes: int,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None,
) -> Answer:
    method = "GET" if form is None else "POST"
    async with http.stream(
        method,
        url,
        headers={"Accept-Encoding": "gzip", **headers},
        data=form,
        timeout=timeout_s,
        follow_redirects=False,
    ) as answer:
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status_code in range(300, 400):
            return Answer(answer.status_code, media_type, b"")
        return Answer(answer.status_code, media_type, await _body(answer, max_bytes))


async def _body(answer: httpx.Response, max_bytes: int) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise SourceError(f"the answer is packed as {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in answer.aiter_raw():
        try:
            body += chunk if unpacker is None else unpacker.decompress(chunk, max_bytes + 1 - len(body))
        except zlib.error as error:
            raise SourceError(f"the answer cannot be unpacked: {error}") from error
        if len(body) > max_bytes:
            raise TooLargeError(f"the answer is larger than {max_bytes} bytes")
    if unpacker is not None and not unpacker.eof:
        raise SourceError("the answer ends before it is whole", retryable=True)
    return bytes(body)
