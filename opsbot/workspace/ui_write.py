"""What people do in the page, by HTTP; a refusal is answered as a sentence for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from opsbot.workspace.event_source import EventSource
from opsbot.workspace.interaction import GONE, Actor, Answer, Interactions, seen_by
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.state_reactions import react, unreact
from opsbot.workspace.ui_guard import Guard, need

MAX_SAID = 40_000
Do = Callable[[Actor, Mapping[str, Any]], Awaitable[Answer]]

NOT_THERE = frozenset({"message_not_found", "not_found", "channel_not_found", "thread_not_found"})


class PageWrites:
    """The page's POST routes."""

    def __init__(self, state: WorkspaceState, guard: Guard, interactions: Interactions, events: EventSource) -> None:
        self._state = state
        self._guard = guard
        self._interactions = interactions
        self._events = events

    def routes(self) -> list[web.RouteDef]:
        """One route for each thing that people do."""
        done: Mapping[str, Do] = {
            "press": self._interactions.press,
            "submit": self._interactions.submit,
            "close": self._interactions.close_view,
            "options": self._interactions.options,
            "shortcut": self._interactions.shortcut,
            "say": self._say,
            "home": self._home,
            "react": self._react,
            "read": self._read,
        }
        return [web.post(f"/ui/{name}", self._route(do)) for name, do in done.items()]

    def _route(self, do: Do) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            user, given = await self._guard.written_by(request)
            try:
                answer = await do(Actor(user, f"{request.scheme}://{request.host}"), given)
            except SlackError as error:
                answer = {"ok": False, "error": GONE if error.error in NOT_THERE else error.error}
            return web.json_response(answer)

        return handle

    async def _say(self, actor: Actor, given: Mapping[str, Any]) -> Answer:
        channel = seen_by(self._state, actor.user_id, need(given, "channel"))
        text, thread_ts = need(given, "text").strip(), given.get("thread_ts") or None
        if text.startswith("/"):
            if thread_ts:
                return {"ok": False, "error": f"{text.split(' ', 1)[0]} is not supported in threads. Sorry!"}
            return await self._interactions.command(actor, channel.channel_id, text)
        if not text or len(text) > MAX_SAID:
            return {"ok": False, "error": f"A message has 1 to {MAX_SAID} characters; this has {len(text)}."}
        self._state.post(channel, {"text": text}, user_id=actor.user_id, thread_ts=thread_ts)
        return {"ok": True}

    async def _home(self, actor: Actor, given: Mapping[str, Any]) -> Answer:
        self._events.opened_home(actor.user_id, str(given.get("tab") or "home"))
        return {"ok": True}

    async def _react(self, actor: Actor, given: Mapping[str, Any]) -> Answer:
        channel = seen_by(self._state, actor.user_id, need(given, "channel"))
        change = unreact if given.get("remove") else react
        change(self._state, channel, need(given, "ts"), need(given, "name"), actor.user_id)
        return {"ok": True}

    async def _read(self, actor: Actor, given: Mapping[str, Any]) -> Answer:
        self._state.mark_read(
            actor.user_id, seen_by(self._state, actor.user_id, need(given, "channel")), need(given, "ts")
        )
        return {"ok": True}
