"""Socket Mode: envelopes to the bot, each to one connection, each acknowledged within three seconds."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from opsbot.workspace.settings import APP_ID, TEAM_ID
from opsbot.workspace.state import SlackError

ACK_WITHIN_S = 3.0
"""Slack's own limit: docs.slack.dev/interactivity/handling-user-interaction."""
RETRIES = (0.5, 2.0)
"""Events that are not acknowledged are sent again; Slack's own pauses are longer (now, 1 min, 5 min)."""

Payload = dict[str, Any]


class SocketMode:
    """The bot's connections.

    Args:
        ticket: what a connection must bring; `apps.connections.open` hands it out.
        on_change: told whether there is a connection, whenever that may have changed.
    """

    def __init__(self, ticket: str, on_change: Callable[[bool], None]) -> None:
        self._ticket = ticket
        self._on_change = on_change
        self._connections: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Future[Payload]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether a bot listens."""
        return any(not connection.closed for connection in self._connections)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        if not hmac.compare_digest(request.query.get("ticket", ""), self._ticket):
            raise web.HTTPUnauthorized(text="the ticket is not one of apps.connections.open")
        connection = web.WebSocketResponse(heartbeat=30.0)
        await connection.prepare(request)
        await connection.send_json(
            {"type": "hello", "num_connections": len(self._connections) + 1, "connection_info": {"app_id": APP_ID}}
        )
        self._connections.append(connection)
        self._on_change(self.is_connected)
        try:
            async for frame in connection:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledged(json.loads(frame.data))
        finally:
            self._connections.remove(connection)
            self._on_change(self.is_connected)
        return connection

    async def send(self, kind: str, payload: Payload) -> Payload:
        """Deliver an envelope to the newest connection; answers what came back with the acknowledgement.

        Raises: SlackError `app_not_connected` or `app_did_not_respond`.
        """
        open_connections = [connection for connection in self._connections if not connection.closed]
        if not open_connections:
            raise SlackError("app_not_connected")
        envelope_id = str(uuid.uuid4())
        acknowledged: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = acknowledged
        envelope = {"envelope_id": envelope_id, "type": kind, "payload": payload, "accepts_response_payload": True}
        try:
            await open_connections[-1].send_json(envelope)
            return await asyncio.wait_for(acknowledged, ACK_WITHIN_S)
        except (TimeoutError, ConnectionError) as error:
            raise SlackError("app_did_not_respond") from error
        finally:
            self._waiting.pop(envelope_id, None)

    def emit(self, event: Payload) -> None:
        """Deliver an event of the Events API, again if it is not acknowledged."""
        wrapped = {
            "type": "event_callback",
            "team_id": TEAM_ID,
            "api_app_id": APP_ID,
            "event_id": f"Ev{uuid.uuid4().hex[:10]}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": TEAM_ID, "is_bot": True}],
            "event": event,
        }
        task = asyncio.create_task(self._emit(wrapped))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _emit(self, wrapped: Payload) -> None:
        for pause_s in (*RETRIES, None):
            try:
                await self.send("events_api", wrapped)
                return
            except SlackError:
                if pause_s is not None:
                    await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Close every connection."""
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._connections):
            await connection.close()

    def _acknowledged(self, frame: Payload) -> None:
        waiting = self._waiting.get(frame.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.get("payload") or {})
