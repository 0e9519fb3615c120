"""response_url: the app answers where somebody pressed or typed, a few times, for a while.

The rules stand in Slack's reference: docs.slack.dev/interactivity/handling-user-interaction#message_responses.
"""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from opsbot.workspace.api_chat import content as checked
from opsbot.workspace.blocks import IsImage
from opsbot.workspace.settings import BOT_USER_ID
from opsbot.workspace.state import SlackError, WorkspaceState
from opsbot.workspace.surface import Payload
from opsbot.workspace.whisper import Whispers

MAX_USES = 5
LIFE_S = 30 * 60.0
MAX_KEPT = 2_000
SHOWN = ("text", "blocks", "attachments", "markdown_text")


@dataclass(frozen=True, slots=True)
class Source:
    """What was pressed or typed: where, by whom, and on which message if on one."""

    channel_id: str
    user_id: str
    message_ts: str = ""
    is_ephemeral: bool = False


@dataclass(slots=True)
class _Ticket:
    source: Source
    expires_at: float
    uses: int = 0


class ResponseUrls:
    """Hands out the addresses and carries out what is posted to them.

    Args:
        is_image: whether an id or address is that of an image that was uploaded.
        now: a monotonic clock in seconds.
    """

    def __init__(self, state: WorkspaceState, whispers: Whispers, is_image: IsImage, now: Callable[[], float]) -> None:
        self._state = state
        self._whispers = whispers
        self._is_image = is_image
        self._now = now
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()

    def issue(self, base_url: str, source: Source) -> str:
        """An address for the answers to one press or command."""
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = _Ticket(source, self._now() + LIFE_S)
        if len(self._tickets) > MAX_KEPT:
            self._tickets.popitem(last=False)
        return f"{base_url}/respond/{ticket}"

    async def handle(self, request: web.Request) -> web.Response:
        """One answer of the app."""
        try:
            content = _parsed(await request.read())
            self.use(request.match_info["ticket"], content)
        except SlackError as error:
            is_gone = error.error in ("expired_url", "used_url")
            status = HTTPStatus.NOT_FOUND if is_gone else HTTPStatus.BAD_REQUEST
            refused: Payload = {"ok": False, "error": error.error}
            if error.explanations:
                refused["response_metadata"] = {"messages": [f"[ERROR] {text}" for text in error.explanations]}
            return web.json_response(refused, status=status)
        return web.Response(text="ok")

    def use(self, ticket: str, content: Payload) -> None:
        """Carry out one answer. Raises: SlackError, which does not count as a use unless the address is spent."""
        found = self._tickets.get(ticket)
        if found is None or self._now() > found.expires_at:
            raise SlackError("expired_url")
        if found.uses >= MAX_USES:
            raise SlackError("used_url")
        self.answer(found.source, content)
        found.uses += 1

    def answer(self, source: Source, content: Payload) -> None:
        """Show what the app answers. Raises: SlackError."""
        if content.get("delete_original"):
            self._delete(source)
            return
        shown = checked(_of_a_message(content), self._is_image)
        if content.get("replace_original") and self._replace(source, shown):
            return
        channel = self._state.channel(source.channel_id)
        thread_ts = content.get("thread_ts") or None
        if content.get("response_type") == "in_channel":
            self._state.post(channel, shown, user_id=BOT_USER_ID, thread_ts=thread_ts)
        else:
            self._state.whisper(channel, source.user_id, shown, thread_ts)

    def _replace(self, source: Source, shown: Payload) -> bool:
        """False where there is nothing to replace: a command, or a message that is gone."""
        if source.is_ephemeral:
            whisper = self._whispers.find(source.user_id, source.message_ts)
            if whisper is not None:
                self._whispers.replace(whisper, shown)
            return whisper is not None
        channel = self._state.channel(source.channel_id)
        if not source.message_ts or channel.find(source.message_ts) is None:
            return False
        self._state.update(channel, source.message_ts, {"text": "", "blocks": [], **shown})
        return True

    def _delete(self, source: Source) -> None:
        if source.is_ephemeral:
            whisper = self._whispers.find(source.user_id, source.message_ts)
            if whisper is not None:
                self._whispers.delete(whisper)
        elif source.message_ts:
            self._state.delete(self._state.channel(source.channel_id), source.message_ts)


def _parsed(body: bytes) -> Payload:
    try:
        content: Any = json.loads(body)
    except ValueError as error:
        raise SlackError("invalid_payload") from error
    if not isinstance(content, dict):
        raise SlackError("invalid_payload")
    return content


def _of_a_message(content: Payload) -> Payload:
    return {name: content[name] for name in SHOWN if content.get(name)}
