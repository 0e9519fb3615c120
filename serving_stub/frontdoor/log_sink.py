"""Where request events go: an HTTP door that takes batches, or a file of JSON lines.

A sink says what became of a batch in one of four ways, and keeps nothing itself: what to do next is the log's business.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

import httpx

from serving_stub.errors import SettingError
from serving_stub.frontdoor.event import Event, encode, encode_counts

_ONLY_OWNER = 0o600
_MOST_RETRY_AFTER_S = 300.0


class Outcome(Enum):
    """What became of a batch."""

    TAKEN = auto()
    TRY_LATER = auto()
    """The sink is away, or not ready: the same batch may work later."""
    TOO_LARGE = auto()
    """A smaller batch may work."""
    REFUSED = auto()
    """This batch will never work; parts of it may."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the sink said.

    Args:
        num_rejected: events of a batch that was taken which the sink did not want and never will.
        retry_after_s: when to try again, where the sink said so.
        reason: for our own log; holds nothing of any event.
    """

    outcome: Outcome
    num_rejected: int = 0
    retry_after_s: float | None = None
    reason: str = ""


class Sink(Protocol):
    """One place that events go to."""

    def encode(self, event: Event) -> bytes | None:
        """The event as one JSON object; None for an event that this sink has no place for."""
        ...

    async def send(self, lines: Sequence[bytes]) -> Delivery:
        """Deliver a batch of encoded events; never raises for what a sink may do."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...


class HttpSink:
    """Posts `{"events": [...]}` with a bearer token, and reads `{"accepted": n, "rejected": [...]}`.

    Args:
        url: of the door, such as `http://127.0.0.1:9103/events`.
        counts_only: whether the sink's table has the twelve fields of `encode_counts` and takes no others.
        timeout_s: for the whole exchange.

    Raises: SettingError when *url* is none of HTTP's.
    """

    def __init__(self, url: str, token: str | None, *, counts_only: bool = False, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingError(
                f"the request log's sink is '{url}', expected a URL that begins with http:// or https://"
            )
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)
        self._url = url
        self._timeout_s = timeout_s
        self._encode: Callable[[Event], bytes | None] = encode_counts if counts_only else encode

    def encode(self, event: Event) -> bytes | None:
        return self._encode(event)

    async def send(self, lines: Sequence[bytes]) -> Delivery:
        content = b'{"events":[' + b",".join(lines) + b"]}"
        try:
            # httpx limits each read alone; a sink that drips would hold the log for ever.
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.post(self._url, content=content)
        except (httpx.HTTPError, TimeoutError) as error:
            return Delivery(Outcome.TRY_LATER, reason=type(error).__name__)
        return _delivery(answer, len(lines))

    async def close(self) -> None:
        await self._client.aclose()


class FileSink:
    """Appends JSON lines to a file, which may be moved away at any time: it is opened anew for each batch."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def encode(self, event: Event) -> bytes | None:
        return encode(event)

    async def send(self, lines: Sequence[bytes]) -> Delivery:
        try:
            await asyncio.to_thread(_append, self._path, b"".join(line + b"\n" for line in lines))
        except OSError as error:
            return Delivery(Outcome.TRY_LATER, reason=error.strerror or type(error).__name__)
        return Delivery(Outcome.TAKEN)

    async def close(self) -> None:
        """Nothing stays open."""


def _delivery(answer: httpx.Response, num_events: int) -> Delivery:
    status = answer.status_code
    reason = f"status {status}"
    if answer.is_success:
        return Delivery(Outcome.TAKEN, num_rejected=min(num_events, _num_rejected(answer)))
    if status == 413:
        return Delivery(Outcome.TOO_LARGE, reason=reason)
    if status in (400, 422):
        return Delivery(Outcome.REFUSED, reason=reason)
    # A wrong token or path is somebody's to put right, and then these events are still wanted.
    return Delivery(Outcome.TRY_LATER, retry_after_s=_retry_after(answer), reason=reason)


def _num_rejected(answer: httpx.Response) -> int:
    try:
        body = answer.json()
    except ValueError:
        return 0
    rejected = body.get("rejected") if isinstance(body, dict) else None
    if isinstance(rejected, list):
        return len(rejected)
    return rejected if isinstance(rejected, int) and not isinstance(rejected, bool) and rejected > 0 else 0


def _retry_after(answer: httpx.Response) -> float | None:
    stated = answer.headers.get("retry-after", "")
    return min(float(stated), _MOST_RETRY_AFTER_S) if stated.isascii() and stated.isdigit() else None


def _append(path: Path, content: bytes) -> None:
    """All of *content* or nothing: half a line would spoil the next one too."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _ONLY_OWNER)
    try:
        size = os.fstat(fd).st_size
        written = 0
        try:
            while written < len(content):
                written += os.write(fd, content[written:])
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
