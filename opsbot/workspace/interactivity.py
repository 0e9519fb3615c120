"""Puts together everything between the people at the page and the app."""

from __future__ import annotations

import hashlib
import hmac
import time

from aiohttp import web

from opsbot.workspace.delivery import Delivery
from opsbot.workspace.event_queue import EventQueue
from opsbot.workspace.event_source import EventSource
from opsbot.workspace.files import Files
from opsbot.workspace.http_mode import HttpMode
from opsbot.workspace.interaction import Interactions
from opsbot.workspace.response_url import ResponseUrls
from opsbot.workspace.socket import SocketMode
from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.trigger import Triggers
from opsbot.workspace.ui import Page
from opsbot.workspace.ui_control import SocketControl
from opsbot.workspace.ui_guard import Guard
from opsbot.workspace.ui_write import PageWrites
from opsbot.workspace.views import Views
from opsbot.workspace.whisper import Whispers


class Interactivity:
    """The page's routes, the app's, and what joins them. To be made in the running event loop.

    Args:
        ticket: what a connection of Socket Mode must bring.
    """

    def __init__(self, state: WorkspaceState, files: Files, ticket: str) -> None:
        registered = state.settings.app
        guard = self.guard = Guard(state.settings)
        # Slack's verification token: apps knew requests by it before there were signatures.
        token = hmac.new(state.settings.bot_token.encode(), b"verification", hashlib.sha256).hexdigest()[:24]
        triggers = Triggers(registered.trigger_life_s, time.monotonic)
        whispers = Whispers(state)
        self.views = Views(state, triggers, files.is_image)
        self.socket = SocketMode(ticket, self._tell_connected, registered.ack_within_s)
        self._state = state
        self.delivery: Delivery = self.socket
        if registered.request_url:
            self.delivery = HttpMode(
                registered.request_url, registered.signing_secret, token, self._tell_connected, registered.ack_within_s
            )
        self._queue = EventQueue(self.delivery, registered, token)
        self._urls = ResponseUrls(state, whispers, files.is_image, time.monotonic)
        self._interactions = Interactions(state, self.views, triggers, whispers, self._urls, self.delivery, token)
        events = EventSource(state, self._queue.emit)
        self._parts = (
            Page(state, self.views, guard, lambda: self.delivery.is_connected),
            PageWrites(state, guard, self._interactions, events),
            SocketControl(guard, self.socket, self._queue),
        )

    def routes(self) -> list[web.RouteDef]:
        """The page's routes, the app's connection, and the response URLs."""
        made = [web.get("/link", self.socket.handle), web.post("/respond/{ticket}", self._urls.handle)]
        return [*made, *(route for part in self._parts for route in part.routes())]

    async def close(self) -> None:
        """Send nothing any more and let go of the app."""
        await self._queue.close()
        await self._interactions.close()
        await self.delivery.close()
        await self.socket.close()

    def _tell_connected(self, is_connected: bool) -> None:
        self._state.tell({"type": "bot", "connected": is_connected})
