"""A client for streams that costs next to nothing: HTTP/1.1 by hand over kept connections, and the time of each byte.

What a bench measures with it is the server and not the client: `httpx` needs a millisecond where this needs 50 µs.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

_END = b"0\r\n\r\n"
_TOKEN = b'"content":" token"'


@dataclass(slots=True)
class Tally:
    """What came back.

    Args:
        first_s: from a request's planned time to its first token, each.
    """

    first_s: list[float] = field(default_factory=list)
    num_tokens: int = 0
    num_refused: int = 0

    def first_ms(self, percentile: float) -> float:
        """A percentile of the times to first token, in milliseconds."""
        ordered = sorted(self.first_s)
        return 1000 * ordered[min(len(ordered) - 1, int(percentile / 100 * len(ordered)))]


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    transport: asyncio.Transport

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._asked_at = 0.0
        self._has_first = True
        self._is_begun = False
        self._tail = b""
        self.done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes, planned_at: float) -> asyncio.Future[None]:
        """Send *request*, which was due at *planned_at*; the answer's end completes the future."""
        self._asked_at, self._has_first, self._is_begun, self._tail = planned_at, False, False, b""
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.done

    def data_received(self, data: bytes) -> None:
        if not self._is_begun:
            self._is_begun = True
            if not data.startswith(b"HTTP/1.1 200"):
                self._tally.num_refused += 1
                self._finish()
                return
        num_tokens = data.count(_TOKEN)
        if num_tokens:
            self._tally.num_tokens += num_tokens
            if not self._has_first:
                self._has_first = True
                self._tally.first_s.append(time.perf_counter() - self._asked_at)
        self._tail = (self._tail + data)[-len(_END) :]
        if self._tail == _END:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done is not None and not self.done.done():
            self._tally.num_refused += 1
            self._finish()

    def _finish(self) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(None)


class Client:
    """All connections to one port."""

    def __init__(self, port: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._port = port
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._free: list[_Connection] = []
        self.tally = Tally()

    def request(self, body: bytes, path: str = "/v1/chat/completions") -> bytes:
        """The bytes of a request."""
        head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{self._head}"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    async def prepare(self, number: int) -> None:
        """Open so many connections."""
        self._free += [await self._connect() for _ in range(number)]

    async def offer(self, request: bytes, per_second: float, seconds: float, seed: int) -> None:
        """Open-loop: requests by a seeded Poisson process, whether or not earlier ones were answered."""
        rng = random.Random(seed)
        began = planned_at = time.perf_counter()
        answers: list[asyncio.Task[None]] = []
        while planned_at - began < seconds:
            planned_at += rng.expovariate(per_second)
            wait_s = planned_at - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            answers.append(asyncio.create_task(self._ask(request, time.perf_counter())))
        await asyncio.gather(*answers)

    async def stream(self, request: bytes, number: int) -> float:
        """So many streams at once, to their ends; how long that took, in seconds."""
        began = time.perf_counter()
        await asyncio.gather(*(self._ask(request, began) for _ in range(number)))
        return time.perf_counter() - began

    def close(self) -> None:
        """Close what is open."""
        for connection in self._free:
            connection.transport.close()

    async def _ask(self, request: bytes, planned_at: float) -> None:
        connection = await self._open()
        await connection.ask(request, planned_at)
        if not connection.transport.is_closing():
            self._free.append(connection)

    async def _open(self) -> _Connection:
        """One that is kept, or a new one; a server closes those that were idle for long."""
        while self._free:
            kept = self._free.pop()
            if not kept.transport.is_closing():
                return kept
        return await self._connect()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self.tally), "127.0.0.1", self._port)
        return connection
