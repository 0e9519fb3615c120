"""Posts and edits what the outbox names: an incident's message in the channel, a timeline entry in its thread.

Every post carries the item's key in its metadata, so that after a crash or a lost answer it is found again instead of
being posted twice. The text is made at the moment of the call from what the store holds then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.clock import Clock
from opsbot.errors import NotFoundError
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.notify.notifier import DeliveryError, Place
from opsbot.notify.outbox import OutboxItem
from opsbot.slack.blocks import incident_message, timeline_entry
from opsbot.slack.call import NotInChannel, answered, next_cursor, rows
from opsbot.slack.channel import CHANNEL_NOT_FOUND, Channel
from opsbot.slack.many_entries import many_entries
from opsbot.slack.remarks import with_remarks
from opsbot.slack.saying import Content, said

EVENT_TYPE = "opsbot"
KEY = "key"
LOOK_BACK_S = 600.0
"""How much earlier than the fact itself we look for its message: the clocks of Slack and of this machine may differ."""
PAGE_LIMIT = 200
MAX_PAGES = 50


class SlackNotifier:
    """Implements opsbot.notify.notifier.Notifier.

    Args:
        client: without retry handlers, since a repeated post is a second message.
        view, entry: read the store; called in a thread; raise NotFoundError (an entry may also be None).
    """

    def __init__(
        self,
        client: AsyncWebClient,
        channel: Channel,
        view: Callable[[str], IncidentView],
        entry: Callable[[str], TimelineEntry | None],
        clock: Clock,
    ) -> None:
        self._client = client
        self._channel = channel
        self._view = view
        self._entry = entry
        self._clock = clock
        self._own_ids: frozenset[str] | None = None

    def where(self, item: OutboxItem) -> str:
        """The channel of the settings."""
        return self._channel.name

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        """Post to the channel, or as a reply in *thread*; joins a public channel that the bot is not in."""
        content = await self._content(item)
        channel = await self._channel.id() if thread is None else thread.channel

        def send(content: Content) -> Awaitable[AsyncSlackResponse]:
            return self._client.chat_postMessage(
                channel=channel,
                text=content.text,
                blocks=content.blocks,
                thread_ts=None if thread is None else thread.ts,
                reply_broadcast=True if thread is not None and content.is_broadcast else None,
                metadata=_metadata(item),
                unfurl_links=False,
                unfurl_media=False,
            )

        try:
            posted = await said(send, content, f"post {item.key}", is_post=True)
        except NotInChannel:
            await self._channel.join()
            posted = await said(send, content, f"post {item.key}", is_post=True)
        except DeliveryError as error:
            if error.code == CHANNEL_NOT_FOUND:
                self._channel.forget()
            raise
        return Place(str(posted["channel"]), str(posted["ts"]))

    async def update(self, item: OutboxItem, place: Place) -> Place:
        """Edit the message in place."""

        def send(content: Content) -> Awaitable[AsyncSlackResponse]:
            return self._client.chat_update(
                channel=place.channel, ts=place.ts, text=content.text, blocks=content.blocks, metadata=_metadata(item)
            )

        await said(send, await self._content(item), f"edit {item.key}")
        return place

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        """Look through the channel, or the thread, since shortly before the fact happened."""
        content = await self._content(item)
        channel = await self._channel.id() if thread is None else thread.channel
        own_ids = await self._own()
        oldest = f"{max(0.0, content.happened_at - LOOK_BACK_S):.6f}"
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await answered(self._page(channel, thread, oldest, cursor), f"look for {item.key}")
            for message in rows(page, "messages"):
                is_ours = {message.get("user"), message.get("bot_id")} & own_ids
                if is_ours and _key_of(message) == item.key:
                    return Place(channel, str(message["ts"]))
            cursor = next_cursor(page)
            if cursor is None:
                return None
        raise DeliveryError(
            f"there are too many messages in {self._channel.name} to look for {item.key}", retryable=False
        )

    def _page(
        self, channel: str, thread: Place | None, oldest: str, cursor: str | None
    ) -> Awaitable[AsyncSlackResponse]:
        if thread is None:
            return self._client.conversations_history(
                channel=channel, oldest=oldest, limit=PAGE_LIMIT, cursor=cursor, include_all_metadata=True
            )
        return self._client.conversations_replies(
            channel=channel, ts=thread.ts, limit=PAGE_LIMIT, cursor=cursor, include_all_metadata=True
        )

    async def _own(self) -> frozenset[str]:
        """Our own user and bot id, so that nobody else's message is taken for ours."""
        if self._own_ids is None:
            me = await answered(self._client.auth_test(), "ask who the bot is")
            self._own_ids = frozenset(str(me[name]) for name in ("user_id", "bot_id") if me.get(name))
        return self._own_ids

    async def _content(self, item: OutboxItem) -> Content:
        try:
            if item.kind == "incident_message":
                view = await asyncio.to_thread(self._view, item.ref)
                message = incident_message(view, self._clock.now())
                return with_remarks(Content(message.text, message.blocks, False, view.incident.opened_at), item)
            entries = [await asyncio.to_thread(self._entry, ref) for ref in (item.ref, *item.carried)]
            found = [entry for entry in entries if entry is not None]
            if not found:
                raise NotFoundError(f"there is no timeline entry {item.ref}")
        except NotFoundError as error:
            raise DeliveryError(f"{item.key} names something that is not stored: {error}", retryable=False) from error
        if item.carried:
            reply = many_entries(found, item.late, is_over=item.is_over)
            return Content(reply.text, None, reply.is_broadcast, found[0].at)
        reply = timeline_entry(found[0])
        return with_remarks(Content(reply.text, None, reply.is_broadcast, found[0].at), item)


def _metadata(item: OutboxItem) -> dict[str, object]:
    return {"event_type": EVENT_TYPE, "event_payload": {KEY: item.key}}


def _key_of(message: Mapping[str, object]) -> object:
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    return payload.get(KEY) if isinstance(payload, Mapping) else None
