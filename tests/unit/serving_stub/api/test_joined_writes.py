"""What is written in one turn of the event loop leaves in one piece, and nothing waits longer than that."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import Receive, Scope, Send

from serving_stub.api.joined_writes import JoinedWrites
from serving_stub.api.serve import bind

START = {"type": "http.response.start", "status": 200, "headers": []}
ASK = b"GET / HTTP/1.1\r\nhost: door\r\n\r\n"


class Slow:
    """Answers with its head and a piece at once, and the rest when it is told."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await self.goes_on.wait()
        await send({"type": "http.response.body", "body": b"second", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected(app: Slow) -> AsyncIterator[socket.socket]:
    """A server of *app*, and a connection to it."""
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        listener.setblocking(False)
        server = uvicorn.Server(uvicorn.Config(app, http=JoinedWrites, lifespan="off", log_config=None))
        running = asyncio.create_task(server.serve([listener]))
        with socket.socket() as client:
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, listener.getsockname())
            yield client
        server.should_exit = True
        await running


async def test_an_answer_leaves_in_as_few_pieces_as_turns() -> None:
    """The head comes with the first piece, which does not wait for what follows; the rest comes with the end."""
    app = Slow()
    loop = asyncio.get_running_loop()
    async with connected(app) as client:
        await loop.sock_sendall(client, ASK)
        first = await loop.sock_recv(client, 65_536)
        assert first.startswith(b"HTTP/1.1 200")
        assert first.endswith(b"5\r\nfirst\r\n")
        app.goes_on.set()
        assert await loop.sock_recv(client, 65_536) == b"6\r\nsecond\r\n0\r\n\r\n"


async def test_a_connection_that_is_closed_says_its_last_words() -> None:
    """What is held is sent before the end."""
    app = Slow()
    app.goes_on.set()
    loop = asyncio.get_running_loop()
    async with connected(app) as client:
        await loop.sock_sendall(client, ASK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        content = b""
        while piece := await loop.sock_recv(client, 65_536):
            content += piece
    assert content.endswith(b"6\r\nsecond\r\n0\r\n\r\n")


async def test_a_client_that_left_breaks_nothing() -> None:
    """The next one is answered."""
    app = Slow()
    loop = asyncio.get_running_loop()
    async with connected(app) as client:
        with socket.create_connection(client.getpeername()) as other:
            other.setblocking(False)
            await loop.sock_sendall(other, ASK)
            await loop.sock_recv(other, 65_536)
        app.goes_on.set()
        await loop.sock_sendall(client, ASK)
        content = b""
        while not content.endswith(b"0\r\n\r\n"):
            content += await loop.sock_recv(client, 65_536)
        assert content.startswith(b"HTTP/1.1 200")
