"""A Starlette app on a real port for the length of a block."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from opsbot.listen import serve


@asynccontextmanager
async def serving_app(app: Starlette, listener: socket.socket) -> AsyncIterator[str]:
    """Serve *app*; its base URL."""
    host, port = listener.getsockname()[:2]
    serving = asyncio.create_task(serve(app, listener))
    try:
        yield f"http://{host}:{port}"
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
