"""The commands of the control API: start the engine anew, and take a drained or fenced server back.

A restart is taken, journalled and answered at once; it goes on by itself, and its outcome can be asked for.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving_stub.api.body import read
from serving_stub.api.control import MAX_BODY_BYTES, ControlDesk, filters, must_read
from serving_stub.api.control_schema import CommandList, CommandView, ReadmitBody, RestartBody
from serving_stub.api.errors import json_response
from serving_stub.api.inflight import InFlight
from serving_stub.frontdoor.command import Command, CommandKind, CommandRequest, CommandState
from serving_stub.frontdoor.gate import DRAIN, FENCE, Gate

if TYPE_CHECKING:  # a gateway has no engine, and loading one takes seconds
    from serving_stub.engine.loop import EngineLoop

_LOG = logging.getLogger(__name__)
RESTART_LIMIT_S = 30.0


class Restart(Protocol):
    """What starts an engine anew."""

    def close(self) -> None:
        """Take no new work from this moment on; `run` follows, and ends that."""
        ...

    async def run(self, request: CommandRequest) -> tuple[CommandState, str]:
        """Do it; how it went, and that in words."""
        ...


class EngineRestart:
    """Starts our own engine anew, after what runs has finished where that was asked for."""

    def __init__(self, loop: EngineLoop, in_flight: InFlight, gate: Gate) -> None:
        self._loop = loop
        self._in_flight = in_flight
        self._gate = gate

    def close(self) -> None:
        """Send new work elsewhere until it is over."""
        self._gate.set_restarting(is_restarting=True)

    async def run(self, request: CommandRequest) -> tuple[CommandState, str]:
        """Wait where that was asked for, start anew, and let work in again."""
        try:
            was_empty = await self._in_flight.wait_empty(request.drain_timeout_s if request.when == "drained" else 0.0)
            is_done = await asyncio.to_thread(self._loop.restart, RESTART_LIMIT_S)
        finally:
            self._gate.set_restarting(is_restarting=False)
        if not is_done:
            return CommandState.FAILED, f"the engine did not come to the end of its step within {RESTART_LIMIT_S:.0f} s"
        return CommandState.DONE, f"started anew, {'with nobody in it' if was_empty else 'who was in it was told so'}"


class NoRestart:
    """A gateway has no engine of its own to start anew."""

    def close(self) -> None:
        """Nothing to close."""

    async def run(self, request: CommandRequest) -> tuple[CommandState, str]:
        """It fails and says why."""
        return CommandState.FAILED, "this is a gateway: its upstream is started anew by whoever runs it"


class Commands:
    """POST /control/v1/restart and /readmit, and what became of them."""

    def __init__(self, control_desk: ControlDesk, restart: Restart) -> None:
        self._control = control_desk
        self._desk = control_desk.desk
        self._restart = restart
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[BaseRoute]:
        """What to mount at /control/v1."""
        return [
            Route("/restart", self.restart, methods=["POST"]),
            Route("/readmit", self.readmit, methods=["POST"]),
            Route("/commands", self.list_commands, methods=["GET"]),
            Route("/commands/{command_id}", self.get_command, methods=["GET"]),
        ]

    async def restart(self, request: Request) -> Response:
        """POST /control/v1/restart: 202 while it runs, 200 for one that is over."""
        body = await read(request, RestartBody, MAX_BODY_BYTES, status=422, code="invalid_request")
        wanted = CommandRequest(
            CommandKind.RESTART, body.owner, body.reason, body.idempotency_key, body.when, body.drain_timeout_s
        )
        async with self._control.doing(request, "restart", owner=body.owner) as name:
            command, is_new = await self._desk.begin(wanted, by=name)
        if is_new:
            self._restart.close()
            task = asyncio.create_task(self._run(command), name="restart")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        status = 202 if command.state is CommandState.RUNNING else 200
        return json_response(CommandView.of(command), status)

    async def readmit(self, request: Request) -> Response:
        """POST /control/v1/readmit: end every lease of drain and fence, if the server is well."""
        body = await read(request, ReadmitBody, MAX_BODY_BYTES, status=422, code="invalid_request")
        wanted = CommandRequest(CommandKind.READMIT, body.owner, body.reason, body.idempotency_key)
        async with self._control.doing(request, "drain", owner=body.owner) as name:
            command = await self._desk.readmit(wanted, (DRAIN.name, FENCE.name), by=name)
        return json_response(CommandView.of(command))

    async def list_commands(self, request: Request) -> Response:
        """GET /control/v1/commands, filtered by owner and idempotency_key."""
        must_read(request)
        wanted = filters(request, ("owner", "idempotency_key"))
        commands = [
            CommandView.of(one)
            for one in self._desk.book.commands.values()
            if wanted.get("owner", one.request.owner) == one.request.owner
            and wanted.get("idempotency_key", one.request.idempotency_key) == one.request.idempotency_key
        ]
        return json_response(CommandList(commands=commands))

    async def get_command(self, request: Request) -> Response:
        """GET /control/v1/commands/{command_id}."""
        must_read(request)
        return json_response(CommandView.of(self._desk.book.command(request.path_params["command_id"])))

    async def _run(self, command: Command) -> None:
        try:
            state, detail = await self._restart.run(command.request)
        except Exception:
            _LOG.exception("restart %s failed", command.command_id)
            state, detail = CommandState.FAILED, "the restart failed; the server's log says more"
        await self._desk.complete(command.command_id, state, detail)
