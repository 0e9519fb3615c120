"""The page's own HTTP: its files, its state and live changes. What people do in it stands in `ui_write`.

Every route needs the page's token as a cookie or header.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from opsbot.workspace.state import WorkspaceState
from opsbot.workspace.ui_guard import COOKIE, Guard
from opsbot.workspace.ui_state import shown
from opsbot.workspace.views import Views

WEB = Path(__file__).parent / "web"
CONTENT_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
MAX_CHANGES = 5_000
"""Changes that wait for one page; a page that is further behind is cut off and reads everything anew."""


class Page:
    """Serves the page.

    Args:
        is_connected: whether the app can be reached.
    """

    def __init__(self, state: WorkspaceState, views: Views, guard: Guard, is_connected: Callable[[], bool]) -> None:
        self._state = state
        self._views = views
        self._guard = guard
        self._is_connected = is_connected

    def routes(self) -> list[web.RouteDef]:
        """The page's routes."""
        return [
            web.get("/", self.index),
            web.get("/web/{name}", self.asset),
            web.get("/ui/state", self.state),
            web.get("/ui/live", self.live),
            web.get("/health", self.health),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Whether the workspace answers."""
        return web.json_response({"status": "ok", "bot_connected": self._is_connected()})

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page; the token in its address becomes a cookie and leaves the address bar."""
        if "token" in request.query:
            self._guard.check_token(request.query["token"])
            redirect = web.HTTPSeeOther("/")
            redirect.set_cookie(COOKIE, request.query["token"], httponly=True, samesite="Strict")
            raise redirect
        if not self._guard.has_cookie(request):
            raise web.HTTPUnauthorized(text="Open the address that opsbot printed: it ends in ?token=…\n")
        return web.FileResponse(WEB / "index.html", headers={"Content-Security-Policy": CONTENT_POLICY})

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """Scripts and styles; they hold nothing secret."""
        path = WEB / request.match_info["name"]
        if path.parent != WEB or path.suffix not in (".js", ".css", ".svg") or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    async def state(self, request: web.Request) -> web.Response:
        """Everything there is to show."""
        self._guard.check(request)
        return web.json_response(shown(self._state, self._views, is_connected=self._is_connected()))

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Changes as they happen."""
        self._guard.check(request)
        connection = web.WebSocketResponse(heartbeat=20.0)
        await connection.prepare(request)
        changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_CHANGES)
        sender = asyncio.create_task(_send_changes(connection, changes))

        def hear(change: dict[str, Any]) -> None:
            try:
                changes.put_nowait(change)
            except asyncio.QueueFull:
                sender.cancel()

        stop_listening = self._state.listen(hear)
        try:
            async for _ in connection:
                pass
        finally:
            stop_listening()
            sender.cancel()
        return connection


async def _send_changes(connection: web.WebSocketResponse, changes: asyncio.Queue[dict[str, Any]]) -> None:
    try:
        while not connection.closed:
            await connection.send_json(await changes.get())
    except ConnectionError:
        # The page is gone; it reads everything when it comes back.
        return
    finally:
        await connection.close()
