"""A Bolt app that listens over Socket Mode for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

APP_TOKEN = "xapp-local"


@asynccontextmanager
async def listening(app: AsyncApp) -> AsyncIterator[None]:
    """Connected inside the block, closed after it."""
    handler = AsyncSocketModeHandler(app, APP_TOKEN)
    connect: Callable[[], Awaitable[None]] = handler.connect_async
    close: Callable[[], Awaitable[None]] = handler.close_async
    await connect()
    try:
        yield
    finally:
        await close()
