"""The page's own HTTP: its state, live changes, and what a person does with it.

Every route needs the page's token as a cookie or header, and a browser's writes must come from the page itself.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import web

from opsbot.workspace.dialog import values
from opsbot.workspace.settings import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID
from opsbot.workspace.socket import SocketMode
from opsbot.workspace.state import Channel, Message, SlackError, WorkspaceState

WEB = Path(__file__).parent / "web"
COOKIE = "workspace"
TOKEN_HEADER = "X-Page-Token"  # noqa: S105  (a header's name)
CONTENT_POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"

ERRORS = {
    "app_not_connected": "The bot is not connected. Is it running?",
    "app_did_not_respond": "The bot did not answer within three seconds.",
}


class Page:
    """Serves the page and carries out what people do in it."""

    def __init__(self, state: WorkspaceState, socket: SocketMode) -> None:
        self._state = state
        self._socket = socket
        self._response_urls: dict[str, tuple[str, str]] = {}

    def routes(self) -> list[web.RouteDef]:
        """The page's routes."""
        return [
            web.get("/", self.index),
            web.get("/web/{name}", self.asset),
            web.get("/ui/state", self.state),
            web.get("/ui/live", self.live),
            web.post("/ui/press", self.press),
            web.post("/ui/submit", self.submit),
            web.post("/ui/say", self.say),
            web.post("/ui/home", self.home),
            web.post("/respond/{ticket}", self.respond),
            web.get("/health", self.health),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Whether the workspace answers."""
        return web.json_response({"status": "ok", "bot_connected": self._socket.is_connected})

    async def index(self, request: web.Request) -> web.StreamResponse:
        """The page; the token in its address becomes a cookie and leaves the address bar."""
        if "token" in request.query:
            self._check_token(request.query["token"])
            redirect = web.HTTPSeeOther("/")
            redirect.set_cookie(COOKIE, request.query["token"], httponly=True, samesite="Strict")
            raise redirect
        if not self._has_cookie(request):
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
        self.check(request)
        settings = self._state.settings
        return web.json_response(
            {
                "team": settings.team_name,
                "bot_user": BOT_USER_ID,
                "bot_connected": self._socket.is_connected,
                "members": [{"id": m.user_id, "name": m.name, "title": m.title} for m in settings.members],
                "channels": [
                    {"id": c.channel_id, "name": c.name, "messages": c.messages} for c in self._state.channels.values()
                ],
                "homes": self._state.homes,
            }
        )

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Changes as they happen."""
        self.check(request)
        connection = web.WebSocketResponse(heartbeat=20.0)
        await connection.prepare(request)
        changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        stop_listening = self._state.listen(changes.put_nowait)
        sender = asyncio.create_task(_send_changes(connection, changes))
        try:
            async for _ in connection:
                pass
        finally:
            stop_listening()
            sender.cancel()
        return connection

    async def press(self, request: web.Request) -> web.Response:
        """Somebody presses a button of a message, or of their Home tab."""
        given = await self._write(request)
        action = {
            "action_id": given["action_id"],
            "block_id": given.get("block_id", ""),
            "action_ts": f"{time.time():.6f}",
        }
        text = {"type": "plain_text", "text": given.get("text", "")}
        if given.get("kind") == "overflow":
            action |= {"type": "overflow", "selected_option": {"text": text, "value": given.get("value", "")}}
        else:
            action |= {"type": "button", "text": text, "value": given.get("value", "")}
        payload = {"type": "block_actions", **self._who(given["user"]), "actions": [action], "state": {"values": {}}}
        if given.get("channel"):
            channel = self._state.channel(given["channel"])
            message = channel.find(given["ts"])
            if message is None:
                raise web.HTTPNotFound(text="the message is gone")
            payload |= {
                "container": {
                    "type": "message",
                    "message_ts": message["ts"],
                    "channel_id": channel.channel_id,
                    "is_ephemeral": False,
                },
                "channel": {"id": channel.channel_id, "name": channel.name},
                "message": message,
                "response_url": self._response_url(request, channel, given["user"]),
            }
        else:
            view = self._state.homes.get(given["user"], {})
            payload |= {"container": {"type": "view", "view_id": "V0HOME"}, "view": {**view, "id": "V0HOME"}}
        return await self._deliver("interactive", payload)

    async def submit(self, request: web.Request) -> web.Response:
        """Somebody fills in a dialog."""
        given = await self._write(request)
        view = self._state.dialogs.pop(given["user"], None)
        if view is None or view["id"] != given.get("view_id"):
            raise web.HTTPNotFound(text="the dialog is gone")
        state = {"values": values(view, given.get("values", {}))}
        payload = {"type": "view_submission", **self._who(given["user"]), "view": {**view, "state": state}}
        return await self._deliver("interactive", payload)

    async def say(self, request: web.Request) -> web.Response:
        """Somebody writes a message, or a slash command."""
        given = await self._write(request)
        channel = self._state.channel(given["channel"])
        text, user = str(given["text"]).strip(), str(given["user"])
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            return await self._command(request, channel, user, command, rest)
        message = self._state.post(channel, {"text": text}, user_id=user, thread_ts=given.get("thread_ts") or None)
        event: Message = {"type": "message", "channel": channel.channel_id, "channel_type": "channel", **message}
        self._socket.emit(event)
        if f"<@{BOT_USER_ID}>" in text:
            self._socket.emit({**event, "type": "app_mention"})
        return web.json_response({"ok": True})

    async def home(self, request: web.Request) -> web.Response:
        """Somebody opens the bot's Home tab."""
        given = await self._write(request)
        self._socket.emit({"type": "app_home_opened", "user": given["user"], "tab": "home", "channel": "D0HOME"})
        return web.json_response({"ok": True})

    async def respond(self, request: web.Request) -> web.Response:
        """A response_url: an answer to the person who pressed or typed."""
        target = self._response_urls.get(request.match_info["ticket"])
        if target is None:
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        channel, user = self._state.channel(target[0]), target[1]
        content = await request.json()
        shown = {name: content[name] for name in ("text", "blocks") if name in content}
        if content.get("response_type") == "in_channel":
            self._state.post(channel, shown, user_id=BOT_USER_ID)
        else:
            self._state.whisper(channel, user, shown)
        return web.Response(text="ok")

    async def _command(
        self, request: web.Request, channel: Channel, user: str, command: str, text: str
    ) -> web.Response:
        payload = {
            "command": command,
            "text": text,
            "user_id": user,
            "user_name": user,
            "channel_id": channel.channel_id,
            "channel_name": channel.name,
            "team_id": TEAM_ID,
            "team_domain": "local",
            "api_app_id": APP_ID,
            "response_url": self._response_url(request, channel, user),
            "trigger_id": self._state.trigger(user),
        }
        answer = await self._deliver("slash_commands", payload)
        body = json.loads(answer.text or "{}")
        acknowledged = body.get("payload") or {}
        if acknowledged.get("text") or acknowledged.get("blocks"):
            self._state.whisper(channel, user, {k: acknowledged[k] for k in ("text", "blocks") if k in acknowledged})
        return answer

    async def _deliver(self, kind: str, payload: dict[str, Any]) -> web.Response:
        try:
            acknowledged = await self._socket.send(kind, payload)
        except SlackError as error:
            return web.json_response({"ok": False, "error": ERRORS.get(error.error, error.error)})
        return web.json_response({"ok": True, "payload": acknowledged})

    def _who(self, user_id: str) -> dict[str, Any]:
        return {
            "user": {"id": user_id, "username": user_id, "name": user_id, "team_id": TEAM_ID},
            "team": {"id": TEAM_ID, "domain": "local"},
            "api_app_id": APP_ID,
            "bot_id": BOT_ID,
            "trigger_id": self._state.trigger(user_id),
        }

    def _response_url(self, request: web.Request, channel: Channel, user: str) -> str:
        ticket = uuid.uuid4().hex
        self._response_urls[ticket] = (channel.channel_id, user)
        return f"{request.scheme}://{request.host}/respond/{ticket}"

    async def _write(self, request: web.Request) -> dict[str, Any]:
        self.check(request)
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise web.HTTPForbidden(text="only the page itself may write here")
        try:
            given = await request.json()
        except json.JSONDecodeError as error:
            raise web.HTTPBadRequest(text="the body must be JSON") from error
        known = {member.user_id for member in self._state.settings.members}
        if not isinstance(given, dict) or given.get("user") not in known:
            raise web.HTTPBadRequest(text="`user` must be somebody of this workspace")
        return given

    def check(self, request: web.Request) -> None:
        """Raises: HTTPUnauthorized unless the request brings the page's token."""
        if TOKEN_HEADER in request.headers:
            self._check_token(request.headers[TOKEN_HEADER])
        elif not self._has_cookie(request):
            raise web.HTTPUnauthorized(text="the page's token is missing")

    def _has_cookie(self, request: web.Request) -> bool:
        return hmac.compare_digest(request.cookies.get(COOKIE, ""), self._state.settings.page_token)

    def _check_token(self, token: str) -> None:
        if not hmac.compare_digest(token, self._state.settings.page_token):
            raise web.HTTPUnauthorized(text="that is not this workspace's token; it may have been started anew\n")


async def _send_changes(connection: web.WebSocketResponse, changes: asyncio.Queue[dict[str, Any]]) -> None:
    while not connection.closed:
        await connection.send_json(await changes.get())
