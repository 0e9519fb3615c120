"""Serves one ASGI app on one address until cancelled; the one way in which every role listens."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from opsbot.errors import ConfigError

GRACE_S = 2
KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection (httpx: 5 s), or both would close it at the moment that one uses it."""
BACKLOG = 256


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the address.

    Raises: ConfigError if it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; is another opsbot running? "
            "The addresses stand in opsbot.yaml under `core`, `watch` and `events`"
        ) from error
    return listener


async def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answer requests for *app* until cancelled; requests under way get two seconds to end."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()
