"""A target that sends bytes as it likes, below HTTP's rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

Piece = bytes | float
"""Bytes to send, or seconds to wait."""


@asynccontextmanager
async def raw_target(*pieces: Piece) -> AsyncIterator[int]:
    """A server that answers every request with *pieces* and closes; yields its port."""
    server = await asyncio.start_server(lambda reader, writer: _answer(reader, writer, pieces), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: Sequence[Piece]) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                await writer.drain()
            else:
                await asyncio.sleep(piece)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
