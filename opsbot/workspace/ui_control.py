"""Switches for tests and drills: `POST /control/socket`, with the page's token."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from opsbot.workspace.event_queue import EventQueue
from opsbot.workspace.socket import SocketMode
from opsbot.workspace.socket_fault import REASONS, BadSwitch
from opsbot.workspace.ui_guard import Guard

MAX_RETRIES = 10
MAX_PAUSE_S = 600.0


class SocketControl:
    """Sets the switches and does at once what is asked for at once."""

    def __init__(self, guard: Guard, socket: SocketMode, events: EventQueue) -> None:
        self._guard = guard
        self._socket = socket
        self._events = events

    def routes(self) -> list[web.RouteDef]:
        """The route."""
        return [web.post("/control/socket", self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """Set what is named; answers where every switch stands."""
        given = await self._guard.written(request)
        try:
            disconnect, close, retries = _checked(given)
            self._socket.faults.set(given)
        except BadSwitch as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        if retries is not None:
            self._events.retries_s = retries
        if disconnect:
            await self._socket.disconnect(disconnect)
        if close:
            await self._socket.close()
        stands = {**self._socket.faults.as_json(), "retries_s": list(self._events.retries_s)}
        return web.json_response({"ok": True, "num_connections": self._socket.num_connections, **stands})


def _checked(given: dict[str, Any]) -> tuple[str, bool, tuple[float, ...] | None]:
    """Takes out of *given* what is not a switch of the faults. Raises: BadSwitch."""
    disconnect, close = given.pop("disconnect", ""), given.pop("close", False)
    retries = given.pop("retries_s", None)
    if disconnect and disconnect not in REASONS:
        raise BadSwitch(f"disconnect must be one of {', '.join(REASONS)}, not {disconnect!r}")
    if not isinstance(close, bool):
        raise BadSwitch(f"close must be true or false, not {close!r}")
    if retries is None:
        return disconnect, close, None
    if not isinstance(retries, list) or len(retries) > MAX_RETRIES or not all(map(_is_pause, retries)):
        raise BadSwitch(f"retries_s must be up to {MAX_RETRIES} pauses of 0 to {MAX_PAUSE_S:.0f} seconds")
    return disconnect, close, tuple(map(float, retries))


def _is_pause(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_PAUSE_S
