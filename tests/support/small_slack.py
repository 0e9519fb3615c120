"""A few methods of Slack's Web API and Socket Mode on a free port, with failures on demand.

Just enough of a peer to cut an answer after the call was applied, to send one envelope twice, and to count what stands
in the channel in the end. The bundled workspace is the fuller peer; this one breaks in ways a workspace should not.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

CHANNEL = "C0INCIDENTS"
BOT_TOKEN = "xoxb-test"
APP_TOKEN = "xapp-test"
BOT_USER = "U0BOT"

CUT_AFTER = "cut after applying"
CUT_BEFORE = "cut before applying"


class SmallSlack:
    """The state of the peer, and the switches that tests use.

    `faults[method]` is used up call by call: a status code, CUT_BEFORE, CUT_AFTER, or an error name of Slack's.
    `sent` is everything that the bot said, by method. `files` are complete ones by id. `digesting` counts the next
    messages that are refused because Slack has not digested the file that they name. `private` are channels.
    `groups` are user groups: handle to members; `emails` are people: address to user id.
    `tickets_to_refuse` counts the next Socket Mode addresses that are handed out and then refused for ever.
    """

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[dict[str, Any]] = []
        self.ephemerals: list[Mapping[str, Any]] = []
        self.homes: list[Mapping[str, Any]] = []
        self.dialogs: list[Mapping[str, Any]] = []
        self.views: dict[str, dict[str, Any]] = {}
        self.names: dict[str, str] = {}
        self.responses: list[Mapping[str, Any]] = []
        self.calls: list[str] = []
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.digesting = 0
        self.private: set[str] = set()
        self.groups: dict[str, list[str]] = {}
        self.emails: dict[str, str] = {}
        self.faults: dict[str, list[int | str]] = {}
        self.is_bot_member = True
        self.tickets_to_refuse = 0
        self._refused: set[str] = set()
        self._bytes: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._sockets: list[web.WebSocketResponse] = []

    def posted(self) -> list[str]:
        """The outbox keys of the messages that stand, in the order of posting."""
        return [message["metadata"]["event_payload"]["key"] for message in self.messages if "metadata" in message]

    def delete(self, ts: str) -> None:
        """As an administrator would."""
        self.messages = [message for message in self.messages if message["ts"] != ts]

    @property
    def is_connected(self) -> bool:
        """Whether a bot listens."""
        return any(not socket.closed for socket in self._sockets)

    async def cut_sockets(self) -> None:
        """Close every Socket Mode connection from this side."""
        for socket in self._sockets:
            await socket.close()
        self._sockets.clear()

    async def send(self, kind: str, payload: Mapping[str, Any], *, times: int = 1) -> dict[str, Any]:
        """Deliver one envelope to the newest connection, *times* over, and wait until each is acknowledged.

        Answers what the last acknowledgement carries.
        """
        reply: dict[str, Any] = {}
        for _ in range(times):
            envelope_id = f"e{next(self._numbers)}"
            envelope = {"envelope_id": envelope_id, "type": kind, "payload": payload, "accepts_response_payload": True}
            acknowledged = self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
            await self._sockets[-1].send_str(json.dumps(envelope))
            reply = await asyncio.wait_for(acknowledged, 3)
        return reply

    async def press(self, user_id: str, action_id: str, value: str, *, message_ts: str | None, times: int = 1) -> None:
        """Somebody presses a button of a message, or of the Home tab; the envelope arrives *times* over."""
        container: dict[str, str] = {"type": "view", "view_id": "V1"}
        if message_ts is not None:
            container = {"type": "message", "message_ts": message_ts, "channel_id": CHANNEL}
        action = {
            "type": "button",
            "action_id": action_id,
            "block_id": "b",
            "value": value,
            "action_ts": f"{next(self._numbers)}.5",
        }
        payload = {
            "type": "block_actions",
            "user": {"id": user_id},
            "team": {"id": "T1"},
            "container": container,
            "trigger_id": f"t-{next(self._numbers)}",
            "actions": [action],
        }
        await self.send("interactive", payload, times=times)

    async def submit(
        self, user_id: str, view_id: str, values: Mapping[str, Any] | None = None, *, times: int = 1
    ) -> dict[str, Any]:
        """Somebody submits an open dialog, in the content that it has now; answers what the acknowledgement says."""
        view = {**self.views[view_id], "state": {"values": values or {}}}
        payload = {
            "type": "view_submission", "user": {"id": user_id}, "team": {"id": "T1"}, "view": view,
            "trigger_id": f"t-{next(self._numbers)}",
        }  # fmt: skip
        reply: dict[str, Any] = {}
        for _ in range(times):
            reply = await self.send("interactive", payload)
            if reply.get("response_action") == "update":
                self._put_view(view_id, reply["view"])
            elif "response_action" not in reply:
                self.views.pop(view_id, None)
        return reply

    async def close_view(self, user_id: str, view_id: str) -> None:
        """Somebody closes a dialog."""
        view = self.views.pop(view_id)
        payload = {"type": "view_closed", "user": {"id": user_id}, "team": {"id": "T1"}, "view": view}
        await self.send("interactive", payload)

    def _put_view(self, view_id: str, view: Mapping[str, Any]) -> dict[str, Any]:
        shown = {**view, "id": view_id, "hash": f"h{next(self._numbers)}", "root_view_id": view_id}
        self.views[view_id] = shown
        return {"ok": True, "view": shown}

    async def type(self, user_id: str, text: str, *, trigger_id: str = "") -> None:
        """Somebody types `/ops <text>`; with *trigger_id* a dialog may be opened."""
        payload = {
            "command": "/ops",
            "text": text,
            "user_id": user_id,
            "team_id": "T1",
            "channel_id": CHANNEL,
            "response_url": f"{self.url}/respond",
            **({"trigger_id": trigger_id} if trigger_id else {}),
        }
        await self.send("slash_commands", payload)

    async def emit(self, event: Mapping[str, Any]) -> None:
        """An event of the Events API."""
        wrapped = {"type": "event_callback", "team_id": "T1", "event_id": f"Ev{next(self._numbers)}", "event": event}
        await self.send("events_api", wrapped)

    async def api(self, request: web.Request) -> web.StreamResponse:
        """Any method of the Web API."""
        method = request.match_info["method"]
        arguments: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json" and request.can_read_body:
            arguments |= await request.json()
        self.calls.append(method)
        self.sent.append((method, arguments))
        fault = self.faults[method].pop(0) if self.faults.get(method) else None
        if fault == 429:
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers={"Retry-After": "1"})
        if isinstance(fault, int):
            return web.Response(text="<html>an error page</html>", content_type="text/html", status=fault)
        if fault not in (None, CUT_AFTER, CUT_BEFORE):
            return web.json_response({"ok": False, "error": fault})
        answer: dict[str, Any] = {}
        if fault != CUT_BEFORE:
            answer = self._call(method, arguments, request.headers.get("Authorization", ""))
        if fault is not None:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(answer)

    def _call(self, method: str, arguments: dict[str, Any], authorization: str) -> dict[str, Any]:
        token = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if authorization != f"Bearer {token}":
            return {"ok": False, "error": "invalid_auth"}
        match method:
            case "auth.test":
                return {"ok": True, "user_id": BOT_USER, "bot_id": "B1", "team_id": "T1", "team": "t", "user": "opsbot"}
            case "apps.connections.open":
                return {"ok": True, "url": f"{self.url.replace('http', 'ws')}/link?ticket={self._ticket()}"}
            case "conversations.list":
                return {"ok": True, "channels": [{"id": "C0OPS", "name": "ops"}, {"id": CHANNEL, "name": "incidents"}]}
            case "conversations.join":
                self.is_bot_member = True
                return {"ok": True}
            case "conversations.history":
                return {"ok": True, "messages": [m for m in reversed(self.messages) if "thread_ts" not in m]}
            case "conversations.replies":
                thread = arguments["ts"]
                if arguments.get("latest") == thread:
                    return {"ok": True, "messages": [m for m in self.messages if m["ts"] == thread]}
                return {"ok": True, "messages": [m for m in self.messages if thread in (m["ts"], m.get("thread_ts"))]}
            case "chat.postMessage":
                return self._post(arguments)
            case "chat.update":
                return self._update(arguments)
            case "chat.postEphemeral":
                self.ephemerals.append(arguments)
                return {"ok": True, "message_ts": "1.0"}
            case "conversations.info":
                channel = arguments["channel"]
                return {"ok": True, "channel": {"id": channel, "is_private": channel in self.private}}
            case "chat.getPermalink":
                link = f"https://team.example/archives/{arguments['channel']}/p{arguments['message_ts']}"
                return {"ok": True, "permalink": link}
            case "usergroups.list":
                groups = [
                    {"id": f"S0{name.upper()}", "handle": name, "users": who} for name, who in self.groups.items()
                ]
                return {"ok": True, "usergroups": groups}
            case "users.lookupByEmail":
                found = self.emails.get(arguments["email"])
                return {"ok": True, "user": {"id": found}} if found else {"ok": False, "error": "users_not_found"}
            case "users.info":
                name = self.names.get(str(arguments["user"]), f"Name of {arguments['user']}")
                return {"ok": True, "user": {"id": arguments["user"], "real_name": name}}
            case "files.getUploadURLExternal":
                file_id = f"F{next(self._numbers)}"
                return {"ok": True, "file_id": file_id, "upload_url": f"{self.url}/upload/{file_id}"}
            case "files.completeUploadExternal":
                found = json.loads(arguments["files"])
                if any(one["id"] not in self._bytes for one in found):
                    return {"ok": False, "error": "file_not_found"}
                self.files |= {one["id"]: self._bytes.pop(one["id"]) for one in found}
                return {"ok": True, "files": found}
            case "files.delete":
                is_there = self.files.pop(arguments["file"], None) is not None
                return {"ok": True} if is_there else {"ok": False, "error": "file_not_found"}
            case "views.open":
                self.dialogs.append(arguments)
                return self._put_view(f"V{next(self._numbers)}", _decoded(arguments["view"]))
            case "views.update":
                known = self.views.get(str(arguments["view_id"]))
                if known is None:
                    return {"ok": False, "error": "not_found"}
                if arguments.get("hash", known["hash"]) != known["hash"]:
                    return {"ok": False, "error": "hash_conflict"}
                return self._put_view(known["id"], _decoded(arguments["view"]))
            case "views.publish":
                self.homes.append(arguments)
                return {"ok": True, "view": {}}
        return {"ok": False, "error": "unknown_method"}

    def _ticket(self) -> str:
        ticket = str(next(self._numbers))
        if self.tickets_to_refuse:
            self.tickets_to_refuse -= 1
            self._refused.add(ticket)
        return ticket

    def _refusal(self, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """What Slack says of a message whose image is no file of ours, or not digested yet."""
        named = [block["slack_file"]["id"] for block in arguments.get("blocks") or () if block["type"] == "image"]
        if all(one in self.files for one in named) and not (named and self.digesting):
            return None
        self.digesting = max(0, self.digesting - 1)
        messages = ["[ERROR] invalid slack file [json-pointer:/blocks/2/slack_file]"]
        return {"ok": False, "error": "invalid_blocks", "response_metadata": {"messages": messages}}

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if not self.is_bot_member:
            return {"ok": False, "error": "not_in_channel"}
        thread = arguments.get("thread_ts")
        if thread is not None and all(message["ts"] != thread for message in self.messages):
            return {"ok": False, "error": "thread_not_found"}
        if (refusal := self._refusal(arguments)) is not None:
            return refusal
        ts = f"{1_790_000_000 + next(self._numbers)}.000100"
        self.messages.append({**arguments, "ts": ts, "user": BOT_USER})
        return {"ok": True, "channel": CHANNEL, "ts": ts}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if (refusal := self._refusal(arguments)) is not None:
            return refusal
        for message in self.messages:
            if message["ts"] == arguments["ts"]:
                message.update(arguments)
                return {"ok": True, "channel": CHANNEL, "ts": message["ts"]}
        return {"ok": False, "error": "message_not_found"}

    async def link(self, request: web.Request) -> web.StreamResponse:
        """The Socket Mode connection."""
        if request.query["ticket"] in self._refused:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        self._sockets.append(socket)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                answer = json.loads(message.data)
                if answer.get("payload"):
                    self.sent.append(("acknowledgement", answer["payload"]))
                self._waiting.pop(answer["envelope_id"]).set_result(answer.get("payload") or {})
        return socket

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """The address to which a file's bytes go; `faults["upload"]` has its status codes."""
        self.calls.append("upload")
        if self.faults.get("upload"):
            return web.Response(status=int(self.faults["upload"].pop(0)))
        self._bytes[request.match_info["file"]] = await request.read()
        return web.Response(text="OK")

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """The response_url of a slash command."""
        self.responses.append(await request.json())
        self.sent.append(("response_url", self.responses[-1]))
        return web.Response(text="ok")


def _decoded(view: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(view) if isinstance(view, str) else view
    return found


@asynccontextmanager
async def small_slack(port: int = 0) -> AsyncIterator[SmallSlack]:
    """A peer that listens on loopback until the block ends; on a free port unless *port* says which."""
    slack = SmallSlack()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", slack.api)
    app.router.add_get("/link", slack.link)
    app.router.add_post("/respond", slack.respond)
    app.router.add_post("/upload/{file}", slack.upload)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    slack.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield slack
    finally:
        await slack.cut_sockets()
        await runner.cleanup()
