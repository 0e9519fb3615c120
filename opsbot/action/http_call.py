"""One HTTP call, bounded in time and bytes, with failures sorted by whether anything can have happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from opsbot.action.address import Target
from opsbot.errors import ActionError

MAX_ANSWER_BYTES = 256 * 1024
MAX_JSON_BYTES = 16 * 1024
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent; headers stay out of `repr`."""

    method: str
    target: Target
    headers: Mapping[str, str] = field(repr=False)
    json: JsonValue = None
    body: str | None = None
    timeout_s: float = 10.0
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: at most `MAX_ANSWER_BYTES` of it."""

    status: int
    body: bytes = field(repr=False)

    def json(self) -> JsonValue:
        """The answer, if it is small JSON; else None."""
        if len(self.body) > MAX_JSON_BYTES:
            return None
        try:
            found: JsonValue = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found


async def send(call: Call, what: str, *, is_change: bool) -> Answer:
    """Make the call.

    Raises: ActionError; `retryable` where it was not sent, `outcome_unknown` where a change may have happened.
    """
    import httpx

    not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
    try:
        async with asyncio.timeout(call.timeout_s):
            return await _send(call)
    except not_sent as error:
        raise ActionError(f"{what}: it cannot be reached ({type(error).__name__})", retryable=True) from None
    except (httpx.HTTPError, TimeoutError) as error:
        # Nothing of the library's own words, which can repeat a header.
        raise ActionError(
            f"{what}: no answer came ({type(error).__name__})", retryable=True, outcome_unknown=is_change
        ) from None


async def _send(call: Call) -> Answer:
    import ssl

    import httpx

    context = ssl.create_default_context(cafile=None if call.ca_file is None else str(call.ca_file))
    client = httpx.AsyncClient(
        timeout=httpx.Timeout(call.timeout_s, connect=min(CONNECT_TIMEOUT_S, call.timeout_s)),
        trust_env=False,
        follow_redirects=False,
        verify=context,
    )
    async with client:
        request = client.build_request(
            call.method,
            call.target.url,
            headers={"accept-encoding": "identity", **call.headers, "host": call.target.host},
            json=call.json,
            content=None if call.body is None else call.body.encode(),
            extensions={"sni_hostname": call.target.name},
        )
        answer = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece[: MAX_ANSWER_BYTES - len(body)]
                if len(body) >= MAX_ANSWER_BYTES:
                    break
            return Answer(answer.status_code, bytes(body))
        finally:
            await answer.aclose()
