"""Puts the workspace together: Slack's Web API, Socket Mode and the page, on one port of loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from opsbot.workspace.api import WebApi
from opsbot.workspace.api_control import Control
from opsbot.workspace.delivery import Delivery
from opsbot.workspace.faults import Faults
from opsbot.workspace.files import Files
from opsbot.workspace.files_http import FileRoutes
from opsbot.workspace.interactivity import Interactivity
from opsbot.workspace.rate_limits import RateLimits
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.socket import SocketMode
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.ui_guard import TOKEN_HEADER
from opsbot.workspace.views_api import view_methods

MAX_CALL_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Workspace:
    """A running workspace."""

    url: str
    state: WorkspaceState
    socket: SocketMode
    faults: Faults
    files: Files
    limits: RateLimits
    delivery: Delivery

    @property
    def is_connected(self) -> bool:
        """Whether the bot can be reached, over Socket Mode or HTTP."""
        return self.delivery.is_connected

    @property
    def page_url(self) -> str:
        """What to open in a browser."""
        return f"{self.url}/?token={self.state.settings.page_token}"

    @property
    def api_url(self) -> str:
        """Slack's `base_url`."""
        return f"{self.url}/api/"


@asynccontextmanager
async def running(settings: WorkspaceSettings) -> AsyncIterator[Workspace]:
    """A workspace that listens until the block ends; port 0 takes a free one."""
    state, faults = WorkspaceState(settings), Faults()
    files, limits = Files(state), RateLimits(is_on=settings.has_rate_limits)
    # The same for the same app token, so that a bot comes back after a restart of ours without asking anew.
    ticket = hmac.new(settings.app_token.encode(), b"socket mode", hashlib.sha256).hexdigest()
    interactive = Interactivity(state, files, ticket)
    methods = view_methods(interactive.views)
    api = WebApi(state, faults, lambda request: f"ws://{request.host}/link?ticket={ticket}", files, limits, methods)
    app = web.Application(middlewares=[_slack_errors], client_max_size=settings.keeping.max_file_bytes + MAX_CALL_BYTES)
    app.router.add_route("*", "/api/{method}", api.handle)
    app.router.add_get("/archives/{channel}/{message}", _permalink)
    app.add_routes(interactive.routes())
    app.add_routes(FileRoutes(files, settings, interactive.guard.check).routes())
    app.add_routes(Control(faults, limits, settings.page_token, TOKEN_HEADER).routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        state.base_url = f"http://{settings.host}:{runner.addresses[0][1]}"
        yield Workspace(state.base_url, state, interactive.socket, faults, files, limits, interactive.delivery)
    finally:
        await interactive.close()
        await runner.cleanup()
        state.close()


async def serve(settings: WorkspaceSettings, ready: Callable[[str], None]) -> None:
    """Run until cancelled; *ready* is told the page's address."""
    async with running(settings) as workspace:
        ready(workspace.page_url)
        await asyncio.Event().wait()


@web.middleware
async def _slack_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except SlackError as error:
        return web.json_response({"ok": False, "error": error.error}, status=404)


async def _permalink(request: web.Request) -> web.StreamResponse:
    """A message's own address leads to its place on the page."""
    channel, message = request.match_info["channel"], request.match_info["message"].removeprefix("p")
    if not channel.isalnum() or not message.isdigit():
        raise web.HTTPNotFound
    raise web.HTTPFound(f"/#{channel}/{message[:-6]}.{message[-6:]}")
