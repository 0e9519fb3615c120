"""Reads a webhook's body as it comes, and never holds more of it than the limit; then JSON, to a limited depth."""

from __future__ import annotations

import asyncio

from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.requests import Request

from opsbot.web.inbound.errors import MalformedError, SlowBodyError, TooLargeError, WrongTypeError

MAX_BODY_BYTES = 4 << 20
"""A group of 4,000 alerts of Alertmanager; Datadog's and Grafana's bodies have a few kilobytes."""
READ_LIMIT_S = 15.0


def check_type(headers: Headers) -> None:
    """Refuse what says that it is no plain JSON; a body that says nothing is taken at its word.

    Raises: WrongTypeError.
    """
    if (encoding := headers.get("content-encoding", "identity").strip().lower()) != "identity":
        raise WrongTypeError(f"Content-Encoding {encoding[:40]!r} is not taken; send the body as it is")
    given, _, parameters = headers.get("content-type", "application/json").partition(";")
    kind = given.strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise WrongTypeError(f"Content-Type {kind[:80]!r} is not taken; send `Content-Type: application/json`")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if parameters.strip().lower().startswith("charset=") and charset not in ("utf-8", "utf8", "us-ascii"):
        raise WrongTypeError(f"charset {charset[:40]!r} is not taken; JSON is UTF-8")


async def read_body(request: Request, limit_bytes: int = MAX_BODY_BYTES, limit_s: float = READ_LIMIT_S) -> bytes:
    """The whole body, at most *limit_bytes* within *limit_s* seconds; what is too long by its own account is not read.

    Raises: TooLargeError, SlowBodyError; starlette's ClientDisconnect if nobody is there any more.
    """
    error = TooLargeError(f"the body is larger than {limit_bytes} bytes; send fewer alerts at once")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise error
    body = bytearray()
    try:
        async with asyncio.timeout(limit_s):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit_bytes:
                    raise error
                body += chunk
    except TimeoutError as late:
        raise SlowBodyError(f"the body did not come within {limit_s:.0f} s") from late
    return bytes(body)


def parse_json(body: bytes) -> object:
    """The body as values. The parser ends at 200 levels, at bytes that are not UTF-8, at half a surrogate, at NaN.

    Raises: MalformedError with the place.
    """
    try:
        value: object = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {error}") from error
    return value
