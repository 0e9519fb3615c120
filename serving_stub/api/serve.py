"""One server from its socket to its stop: bind first, serve, and on a signal let streams finish before anything ends.

The port is bound before anything is loaded, so that a taken port is told at once; it answers only when all is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence

import uvicorn

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


async def serve(
    front: Front,
    listener: socket.socket,
    desk: LeaseDesk,
    in_flight: InFlight,
    grace_s: float,
    on_ready: Callable[[], None],
    *,
    beside: Sequence[Coroutine[object, object, None]] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, or until something breaks, which is raised.

    Args:
        grace_s: how long streams may go on then.
        beside: further work that runs as long as the server does.
    """
    server = _Server(
        uvicorn.Config(
            front,
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
    parts = front.parts
    serving = asyncio.create_task(server.serve([listener]), name="http")
    events = None if parts.events is None else asyncio.create_task(parts.events.run(), name="events")
    log = None if parts.log is None else asyncio.create_task(parts.log.run(), name="request log")
    tasks = [
        serving,
        asyncio.create_task(desk.run(), name="leases"),
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(front.vetting.run(), name="fallback prompts"),
        asyncio.create_task(_reload(parts.tenants), name="tenants"),
        *(asyncio.create_task(work) for work in beside),
        *([] if events is None else [events]),
    ]
    try:
        # The first to return is the stop signal, unless something broke; then the server stops as well, loudly.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        in_flight.close()
        # Whoever waits at the door is let in, to be told at once that the server stops.
        parts.admission.set_limit(_EVERYBODY)
        if not await in_flight.wait_empty(grace_s):
            in_flight.stop()
            await in_flight.wait_empty(_ABORT_S)
        server.should_exit = True
        await serving
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if parts.events is not None:
            await parts.events.close()
        if parts.log is not None and log is not None:
            await parts.log.close(log, _ABORT_S)


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
