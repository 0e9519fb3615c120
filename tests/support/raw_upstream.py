"""An upstream that does exactly what a test says, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One request as it came, and its connection.

    Args:
        head: request line and headers.
        body: as long as its content-length says.
    """

    def __init__(self, head: bytes, body: bytes, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        self.head = head
        self.body = body
        self._writer = writer
        self._reader = reader

    async def send(self, content: bytes) -> None:
        """These bytes, as they are."""
        self._writer.write(content)
        await self._writer.drain()

    async def chunk(self, content: bytes) -> None:
        """One chunk of a chunked answer."""
        await self.send(b"%x\r\n%b\r\n" % (len(content), content))

    async def whole(self, status: str, content_type: str, content: bytes, *headers: str) -> None:
        """An answer in one piece."""
        lines = [
            f"HTTP/1.1 {status}",
            f"content-type: {content_type}",
            f"content-length: {len(content)}",
            *headers,
        ]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + content)

    async def finish(self) -> None:
        """The end of a chunked answer."""
        await self.send(b"0\r\n\r\n")

    async def until_gone(self) -> None:
        """Wait until the other side has hung up."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(1024):
                pass

    def reset(self) -> None:
        """Cut the connection as a crash does."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._writer.transport.abort()


class RawUpstream:
    """A server on a free port whose `handler` the test sets; `requests` are those that came."""

    def __init__(self) -> None:
        self.url = ""
        self.handler: Handler = _refuse
        self.requests: list[Peer] = []
        self.num_open = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                peer = Peer(head, await reader.readexactly(length), writer, reader)
                self.requests.append(peer)
                await self.handler(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.num_open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _refuse(peer: Peer) -> None:
    await peer.whole("500 Not Told", "text/plain", b"the test set no handler")


@asynccontextmanager
async def raw_upstream() -> AsyncIterator[RawUpstream]:
    """One upstream, until the block is left."""
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream._serve, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
