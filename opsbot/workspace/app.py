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
from opsbot.workspace.faults import Faults
from opsbot.workspace.interactivity import Interactivity
from opsbot.workspace.settings import WorkspaceSettings
from opsbot.workspace.socket import SocketMode
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.views_api import view_methods


@dataclass(frozen=True, slots=True)
class Workspace:
    """A running workspace."""

    url: str
    state: WorkspaceState
    socket: SocketMode
    faults: Faults

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
    # The same for the same app token, so that a bot comes back after a restart of ours without asking anew.
    ticket = hmac.new(settings.app_token.encode(), b"socket mode", hashlib.sha256).hexdigest()
    interactive = Interactivity(state, ticket)
    api = WebApi(
        state, faults, lambda request: f"ws://{request.host}/link?ticket={ticket}", view_methods(interactive.views)
    )
    app = web.Application(middlewares=[_slack_errors], client_max_size=4 << 20)
    app.router.add_route("*", "/api/{method}", api.handle)
    app.add_routes(interactive.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        port = runner.addresses[0][1]
        yield Workspace(f"http://{settings.host}:{port}", state, interactive.socket, faults)
    finally:
        await interactive.close()
        await runner.cleanup()


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
