"""Slack's Web API: one table of methods, each answered by a function of what was given.

What a method does stands in `api_chat`, `api_conversations`, `api_history`, `api_people`, `api_reactions` and
`api_files`; here is what all calls have in common: tokens, scopes, rate limits, faults, and the form of errors.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping

from aiohttp import web

from opsbot.workspace import api_arguments
from opsbot.workspace.api_arguments import Answer, Arguments, text
from opsbot.workspace.api_chat import Chat
from opsbot.workspace.api_conversations import Conversations
from opsbot.workspace.api_files import FileMethods
from opsbot.workspace.api_history import History
from opsbot.workspace.api_people import People
from opsbot.workspace.api_reactions import Reactions
from opsbot.workspace.api_scopes import MissingScope, check_scope
from opsbot.workspace.faults import Fault, Faults
from opsbot.workspace.files import Files
from opsbot.workspace.rate_limits import RateLimits
from opsbot.workspace.state import SlackError, WorkspaceState

Method = Callable[[Arguments], Answer]

OPEN_CONNECTION = "apps.connections.open"


class WebApi:
    """Answers `/api/<method>`.

    Args:
        socket_url: where Socket Mode is, for who made that request.
        more_methods: methods that are answered elsewhere.
    """

    def __init__(
        self,
        state: WorkspaceState,
        faults: Faults,
        socket_url: Callable[[web.Request], str],
        files: Files,
        limits: RateLimits,
        more_methods: Mapping[str, Method] | None = None,
    ) -> None:
        self._state = state
        self._faults = faults
        self._socket_url = socket_url
        self._files = files
        self._limits = limits
        self.methods: Mapping[str, Method] = {
            "api.test": _test,
            **Chat(state, files.is_image).methods,
            **Conversations(state).methods,
            **FileMethods(state, files).methods,
            **History(state).methods,
            **People(state).methods,
            **Reactions(state).methods,
            **(more_methods or {}),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call of the Web API."""
        method = request.match_info["method"]
        fault = self._faults.take(method) or Fault()
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.status == web.HTTPTooManyRequests.status_code:
            return self._too_many(method, fault.retry_after_s)
        if fault.status:
            return web.Response(status=fault.status, text="an error was asked for")
        answer = {"ok": False, "error": fault.error} if fault.error else await self._answer(method, request)
        if fault.drop_answer and request.transport is not None:
            request.transport.close()
        if isinstance(answer, int):
            return self._too_many(method, answer)
        return web.json_response(answer, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        scopes = self._state.settings.scopes
        return {} if scopes is None else {"X-OAuth-Scopes": ",".join(sorted(scopes))}

    async def _answer(self, method: str, request: web.Request) -> Answer | int:
        """The answer, or after how many seconds to try again."""
        try:
            given = await api_arguments.read(request)
            token = text(given, "token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
            settings, is_app = self._state.settings, method == OPEN_CONNECTION
            if method not in self.methods and not is_app:
                raise SlackError("unknown_method", method)
            if method != "api.test":
                tokens = (settings.bot_token, settings.app_token)
                _check_token(token, *(reversed(tokens) if is_app else tokens))
            check_scope(method, settings)
            retry_after_s = self._limits.take(method, self._channel_of(given))
            if retry_after_s is not None:
                return retry_after_s
            if is_app:
                return {"ok": True, "url": self._socket_url(request)}
            return {"ok": True, **self.methods[method](given)}
        except SlackError as error:
            return _refused(error)

    def _channel_of(self, given: Arguments) -> str:
        """The id of the channel that a call is about, since limits hold for a channel whatever it is called."""
        if not self._limits.is_on or not given.get("channel"):
            return ""
        try:
            return self._state.channel(text(given, "channel")).channel_id
        except SlackError:
            return ""

    def _too_many(self, method: str, retry_after_s: int) -> web.Response:
        self._state.tell({"type": "rate", "method": method})
        headers = {"Retry-After": str(retry_after_s)}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


def _test(given: Arguments) -> Answer:
    if given.get("error"):
        raise SlackError(text(given, "error"))
    return {"args": {name: value for name, value in given.items() if name != "token"}}


def _check_token(token: str, wanted: str, other: str) -> None:
    if not token:
        raise SlackError("not_authed")
    if hmac.compare_digest(token.encode(), other.encode()):
        raise SlackError("not_allowed_token_type")
    if not hmac.compare_digest(token.encode(), wanted.encode()):
        raise SlackError("invalid_auth")


def _refused(error: SlackError) -> Answer:
    answer: Answer = {"ok": False, "error": error.error}
    if error.explanations:
        answer["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in error.explanations]}
        answer["errors"] = list(error.explanations)
    if isinstance(error, MissingScope):
        answer |= {"needed": error.needed, "provided": error.provided}
    return answer
