"""Socket Mode: envelopes to the app, each to one connection, each acknowledged in time.

The protocol stands in Slack's reference: docs.slack.dev/apis/events-api/using-socket-mode.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from opsbot.workspace.delivery import NO_ANSWER, NOT_CONNECTED, Kind, Retry, Undelivered
from opsbot.workspace.settings import APP_ID
from opsbot.workspace.socket_fault import SocketFaults

MAX_CONNECTIONS = 10
"""Slack's own limit."""
HOST = "local-workspace"
CONNECTION_TIME_S = 3600

Payload = dict[str, Any]


class SocketMode:
    """The app's connections.

    Args:
        ticket: what a connection must bring; `apps.connections.open` hands it out.
        on_change: told whether there is a connection, whenever that may have changed.
        ack_within_s: how long the app has to acknowledge; Slack's limit is 3.
    """

    def __init__(self, ticket: str, on_change: Callable[[bool], None], ack_within_s: float = 3.0) -> None:
        self._ticket = ticket
        self._on_change = on_change
        self._ack_within_s = ack_within_s
        self._connections: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Future[Payload]] = {}
        self._turn = 0
        self.faults = SocketFaults()

    @property
    def is_connected(self) -> bool:
        """Whether a bot listens."""
        return bool(self._open())

    @property
    def num_connections(self) -> int:
        """How many connections are open."""
        return len(self._open())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        if not hmac.compare_digest(request.query.get("ticket", "").encode(), self._ticket.encode()):
            raise web.HTTPUnauthorized(text="the ticket is not one of apps.connections.open")
        if self.num_connections >= MAX_CONNECTIONS:
            raise web.HTTPTooManyRequests(text=f"there are {MAX_CONNECTIONS} connections already")
        connection = web.WebSocketResponse(heartbeat=30.0, max_msg_size=1 << 20)
        await connection.prepare(request)
        await connection.send_json(
            {
                "type": "hello",
                "num_connections": self.num_connections + 1,
                "debug_info": {
                    "host": HOST,
                    "build_number": 1,
                    "approximate_connection_time": CONNECTION_TIME_S,
                },
                "connection_info": {"app_id": APP_ID},
            }
        )
        self._connections.append(connection)
        self._on_change(self.is_connected)
        try:
            async for frame in connection:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledged(frame.data)
        finally:
            self._connections.remove(connection)
            self._on_change(self.is_connected)
        return connection

    async def send(self, kind: Kind, payload: Mapping[str, Any], retry: Retry | None = None) -> Payload:
        """Deliver an envelope to one connection; answers what came back with the acknowledgement.

        Raises: Undelivered.
        """
        envelope_id = str(uuid.uuid4())
        envelope: Payload = {
            "envelope_id": envelope_id,
            "payload": payload,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {
                "retry_attempt": retry.attempt if retry else 0,
                "retry_reason": retry.reason if retry else "",
            }
        acknowledged: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = acknowledged
        try:
            async with asyncio.timeout(self._ack_within_s):
                await self._send(envelope)
                return await acknowledged
        except (TimeoutError, ConnectionError) as error:
            raise Undelivered(NO_ANSWER) from error
        finally:
            self._waiting.pop(envelope_id, None)

    async def disconnect(self, reason: str) -> None:
        """Tell every connection that it will be closed, as Slack does; the app is to open another."""
        for connection in self._open():
            await connection.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": HOST}})

    async def close(self) -> None:
        """Close every connection."""
        for connection in list(self._connections):
            await connection.close()

    async def _send(self, envelope: Payload) -> None:
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s)
        for _ in range(2 if self.faults.take("duplicates") else 1):
            await self._next().send_json(envelope)

    def _next(self) -> web.WebSocketResponse:
        """The newest connection, since one that is refreshed is closed soon; or each in its turn."""
        connections = self._open()
        if not connections:
            raise Undelivered(NOT_CONNECTED)
        if self.faults.spread == "newest":
            return connections[-1]
        self._turn += 1
        return connections[self._turn % len(connections)]

    def _open(self) -> list[web.WebSocketResponse]:
        return [connection for connection in self._connections if not connection.closed]

    def _acknowledged(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.get(frame.get("envelope_id", "")) if isinstance(frame, dict) else None
        if waiting is None or waiting.done() or self.faults.take("drop_acks"):
            return
        payload = frame.get("payload")
        waiting.set_result(payload if isinstance(payload, dict) else {})
