"""Slack's Web API: one function a method, one table of them.

The SDK encodes the same call in several ways, so query, form and JSON are merged, and JSON texts inside are parsed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from opsbot.workspace.blocks import MAX_MESSAGE_TEXT, MAX_VIEW_BLOCKS, check_blocks
from opsbot.workspace.dialog import check_dialog
from opsbot.workspace.faults import Faults
from opsbot.workspace.settings import APP_ID, BOT_ID, BOT_NAME, BOT_USER_ID, TEAM_ID
from opsbot.workspace.state import Channel, Message, SlackError, WorkspaceState

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

JSON_ARGUMENTS = ("blocks", "attachments", "metadata", "view", "files", "unfurl_links")
CONTENT = ("text", "blocks", "attachments", "metadata")
DEFAULT_LIMIT = 100


class WebApi:
    """Answers `/api/<method>`."""

    def __init__(self, state: WorkspaceState, faults: Faults, socket_url: Callable[[web.Request], str]) -> None:
        self._state = state
        self._faults = faults
        self._socket_url = socket_url
        self._methods: Mapping[str, Callable[[Arguments], Answer]] = {
            "api.test": lambda given: {},
            "auth.test": self._auth_test,
            "bots.info": lambda given: {"bot": {"id": BOT_ID, "name": BOT_NAME, "app_id": APP_ID}},
            "chat.delete": self._delete,
            "chat.getPermalink": self._permalink,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.create": lambda given: {"channel": _channel(state.add_channel(_need(given, "name")))},
            "conversations.history": self._history,
            "conversations.info": lambda given: {"channel": _channel(state.channel(_need(given, "channel")))},
            "conversations.join": lambda given: {"channel": _channel(state.channel(_need(given, "channel")))},
            "conversations.list": lambda given: {"channels": [_channel(c) for c in state.channels.values()]},
            "conversations.members": lambda given: {"members": [m.user_id for m in state.settings.members]},
            "conversations.replies": self._replies,
            "reactions.add": lambda given: {},
            "team.info": lambda given: {"team": {"id": TEAM_ID, "name": state.settings.team_name, "domain": "local"}},
            "usergroups.list": lambda given: {"usergroups": []},
            "users.info": self._user,
            "users.list": lambda given: {"members": [self._member(m.user_id) for m in state.settings.members]},
            "views.open": self._open,
            "views.publish": self._publish,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call of the Web API."""
        method = request.match_info["method"]
        fault = self._faults.take(method)
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.status == web.HTTPTooManyRequests.status_code:
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(fault.retry_after_s)}
            )
        if fault is not None and fault.status:
            return web.Response(status=fault.status, text="an error was asked for")
        if fault is not None and fault.error:
            return web.json_response({"ok": False, "error": fault.error})
        answer = await self._answer(method, request)
        if fault is not None and fault.drop_answer and request.transport is not None:
            request.transport.close()
        return web.json_response(answer)

    async def _answer(self, method: str, request: web.Request) -> Answer:
        try:
            given = await _arguments(request)
            token = given.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
            if method == "apps.connections.open":
                _check_token(token, self._state.settings.app_token, self._state.settings.bot_token)
                return {"ok": True, "url": self._socket_url(request)}
            if method not in self._methods:
                raise SlackError("unknown_method", method)
            _check_token(token, self._state.settings.bot_token, self._state.settings.app_token)
            return {"ok": True, **self._methods[method](given)}
        except SlackError as error:
            answer: Answer = {"ok": False, "error": error.error}
            if error.explanations:
                answer["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in error.explanations]}
                answer["errors"] = list(error.explanations)
            return answer

    def _auth_test(self, given: Arguments) -> Answer:
        return {
            "url": "http://local/",
            "team": self._state.settings.team_name,
            "team_id": TEAM_ID,
            "user": BOT_NAME,
            "user_id": BOT_USER_ID,
            "bot_id": BOT_ID,
            "is_enterprise_install": False,
        }

    def _post_message(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        content = _content(given)
        if _is_true(given.get("reply_broadcast")):
            content["reply_broadcast"] = True
        message = self._state.post(channel, content, user_id=BOT_USER_ID, thread_ts=given.get("thread_ts") or None)
        return {"channel": channel.channel_id, "ts": message["ts"], "message": message}

    def _post_ephemeral(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        user_id = _need(given, "user")
        return {"message_ts": self._state.whisper(channel, user_id, _content(given), given.get("thread_ts") or None)}

    def _update(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        message = self._state.update(channel, _need(given, "ts"), _content(given))
        return {"channel": channel.channel_id, "ts": message["ts"], "text": message.get("text", ""), "message": message}

    def _delete(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        self._state.delete(channel, _need(given, "ts"))
        return {"channel": channel.channel_id, "ts": given["ts"]}

    def _permalink(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        ts = _need(given, "message_ts")
        return {"channel": channel.channel_id, "permalink": f"http://local/#{channel.channel_id}/{ts}"}

    def _history(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        top = [m for m in channel.messages if m.get("thread_ts", m["ts"]) == m["ts"] or m.get("reply_broadcast")]
        return _page(list(reversed(top)), given)

    def _replies(self, given: Arguments) -> Answer:
        channel = self._state.channel(_need(given, "channel"))
        ts = _need(given, "ts")
        if channel.find(ts) is None:
            raise SlackError("thread_not_found")
        return _page([m for m in channel.messages if ts in (m["ts"], m.get("thread_ts"))], given)

    def _user(self, given: Arguments) -> Answer:
        return {"user": self._member(_need(given, "user"))}

    def _member(self, user_id: str) -> Answer:
        if user_id == BOT_USER_ID:
            return {"id": BOT_USER_ID, "name": BOT_NAME, "is_bot": True, "profile": {"display_name": BOT_NAME}}
        member = next((m for m in self._state.settings.members if m.user_id == user_id), None)
        if member is None:
            raise SlackError("user_not_found")
        profile = {"display_name": member.name, "real_name": member.name, "title": member.title}
        return {"id": member.user_id, "name": member.name, "is_bot": False, "profile": profile}

    def _publish(self, given: Arguments) -> Answer:
        view = given.get("view")
        if not isinstance(view, dict) or view.get("type") != "home":
            raise SlackError("invalid_arguments", "view must be an object of type home")
        check_blocks(view.get("blocks"), MAX_VIEW_BLOCKS)
        self._state.publish_home(_need(given, "user_id"), view)
        return {"view": {**view, "id": "V0HOME"}}

    def _open(self, given: Arguments) -> Answer:
        view = check_dialog(given.get("view"))
        return {"view": self._state.open_dialog(_need(given, "trigger_id"), view)}


def _check_token(token: str, wanted: str, other: str) -> None:
    if not token:
        raise SlackError("not_authed")
    if token == other:
        raise SlackError("not_allowed_token_type")
    if token != wanted:
        raise SlackError("invalid_auth")


async def _arguments(request: web.Request) -> dict[str, Any]:
    given: dict[str, Any] = dict(request.query)
    if request.can_read_body:
        if request.content_type == "application/json":
            try:
                given |= await request.json()
            except (json.JSONDecodeError, TypeError, ValueError) as error:
                raise SlackError("invalid_json") from error
        else:
            given |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    for name in JSON_ARGUMENTS:
        if isinstance(given.get(name), str) and given[name][:1] in ("[", "{"):
            try:
                given[name] = json.loads(given[name])
            except json.JSONDecodeError as error:
                raise SlackError("invalid_json", name) from error
    return given


def _need(given: Arguments, name: str) -> str:
    value = given.get(name)
    if not value:
        raise SlackError("invalid_arguments", f"{name} is missing")
    return str(value)


def _content(given: Arguments) -> Message:
    content: Message = {name: given[name] for name in CONTENT if given.get(name) is not None}
    if not content.get("text") and not content.get("blocks") and not content.get("attachments"):
        raise SlackError("no_text")
    if len(content.get("text", "")) > MAX_MESSAGE_TEXT:
        raise SlackError("msg_too_long")
    if content.get("blocks"):
        check_blocks(content["blocks"])
    return content


def _page(messages: list[Message], given: Arguments) -> Answer:
    oldest, latest = float(given.get("oldest") or 0), float(given.get("latest") or "inf")
    found = [m for m in messages if oldest <= float(m["ts"]) <= latest]
    start, limit = int(given.get("cursor") or 0), int(given.get("limit") or DEFAULT_LIMIT)
    page = found[start : start + limit]
    has_more = start + limit < len(found)
    shows_metadata = _is_true(given.get("include_all_metadata"))
    hidden = () if shows_metadata else ("metadata",)
    return {
        "messages": [{k: v for k, v in message.items() if k not in hidden} for message in page],
        "has_more": has_more,
        "response_metadata": {"next_cursor": str(start + limit) if has_more else ""},
    }


def _channel(channel: Channel) -> Answer:
    return {"id": channel.channel_id, "name": channel.name, "is_channel": True, "is_member": True}


def _is_true(value: object) -> bool:
    return value in (True, "1", "true", 1)
