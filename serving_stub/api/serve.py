"""Servers from their socket to their stop: bind first, serve, and on a signal let streams finish before anything ends.

The port is bound before anything is loaded, so that a taken port is told at once; it answers only when all is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from serving_stub.api.front import Front
from serving_stub.api.inflight import InFlight
from serving_stub.api.joined_writes import JoinedWrites
from serving_stub.errors import SettingError
from serving_stub.frontdoor.desk import LeaseDesk
from serving_stub.frontdoor.tenant import Tenants

_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection (httpx: 5 s), or both would close it at the moment that one uses it."""
_ABORT_S = 2.0
"""Time for ended streams to be told so, and for the request log to hand over what it has."""
_EVERYBODY = 1 << 30
_RELOAD_S = 1.0


class _Server(uvicorn.Server):
    """uvicorn, told by us when to stop: it would cut streams at once."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()


def bind(host: str, port: int) -> socket.socket:
    """The socket to listen on.

    Raises: SettingError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Taken over by every connection. asyncio asks for it only where it made the socket itself; without it a first token
    # waits for the client to acknowledge the headers, which clients put off for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingError(
            f"--host {host} --port {port} cannot be listened on: {error.strerror or error}; "
            "choose another port, or 0 for a free one"
        ) from error
    return listener


def url_of(host: str, port: int) -> str:
    """What people put into a client."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


@dataclass(frozen=True, slots=True)
class ServerWork:
    """One server of those that a process has, as far as its start and stop go."""

    front: Front
    desk: LeaseDesk
    in_flight: InFlight

    def background(self) -> list[Coroutine[object, object, None]]:
        """What runs as long as the server does."""
        parts = self.front.parts
        return [
            self.desk.run(),
            self.front.vetting.run(),
            _reload(parts.tenants),
            *([] if parts.events is None else [parts.events.run()]),
        ]

    def close(self) -> None:
        """Take nothing new; whoever waits at the door is let in, to be told at once that the server stops."""
        self.in_flight.close()
        self.front.parts.admission.set_limit(_EVERYBODY)

    async def end(self, grace_s: float) -> None:
        """Let streams finish for *grace_s*, and end those that have not."""
        if not await self.in_flight.wait_empty(grace_s):
            self.in_flight.stop()
            await self.in_flight.wait_empty(_ABORT_S)


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    servers: Sequence[ServerWork],
    grace_s: float,
    on_ready: Callable[[], None],
    *,
    beside: Sequence[Coroutine[object, object, None]] = (),
) -> None:
    """Serve *app* until SIGTERM or SIGINT, or until something breaks, which is raised.

    Args:
        servers: what *app* hands requests to.
        grace_s: how long streams may go on then.
        beside: further work that runs as long as the server does.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=JoinedWrites,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(_ABORT_S),
        ),
        on_ready,
    )
    stop = asyncio.Event()
    running_loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running_loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve([listener]), name="http")
    parts = [one.front.parts for one in servers]
    logs = [(one.log, asyncio.create_task(one.log.run(), name="request log")) for one in parts if one.log is not None]
    work = [*(work for one in servers for work in one.background()), *beside]
    tasks = [
        serving,
        asyncio.create_task(stop.wait(), name="stop"),
        *(map(asyncio.create_task, work)),
    ]
    try:
        # The first to return is the stop signal, unless something broke; then the server stops as well, loudly.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in servers:
            one.close()
        await asyncio.gather(*(one.end(grace_s) for one in servers))
        server.should_exit = True
        await serving
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one.events.close() for one in parts if one.events is not None))
        await asyncio.gather(*(log.close(task, _ABORT_S) for log, task in logs))


async def _reload(tenants: Tenants) -> None:
    """Read the tenants' file again when it changes; what is wrong with it is told once."""
    told: tuple[str, ...] = ()
    while True:
        await asyncio.sleep(_RELOAD_S)
        problems = await asyncio.to_thread(tenants.reload)
        if problems != told:
            for problem in problems:
                _LOG.error("%s (the last good file stays in force)", problem)
            told = problems
