"""Posts and edits what the outbox names: an incident's message in the channel, a timeline entry in its thread.

Every post carries the item's key in its metadata, so that after a crash or a lost answer it is found again instead of
being posted twice. The text is made at the moment of the call from what the store holds then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from slack_sdk.models.blocks import SectionBlock
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from opsbot.clock import Clock
from opsbot.errors import NotFoundError
from opsbot.incident.timeline import PAGE_KINDS, TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.notify.notifier import DeliveryError, Place
from opsbot.notify.outbox import REPORT_KINDS, OutboxItem
from opsbot.slack.blocks import incident_message, timeline_entry
from opsbot.slack.call import BadBlocks, NotInChannel, answered, next_cursor, rows
from opsbot.slack.channel import CHANNEL_NOT_FOUND, Channel
from opsbot.slack.many_entries import many_entries
from opsbot.slack.page_card import page_card
from opsbot.slack.pictures import Pictures
from opsbot.slack.remarks import with_remarks
from opsbot.slack.report.reports import Reports
from opsbot.slack.saying import Content, said, without_picture
from opsbot.slack.text import mrkdwn

EVENT_TYPE = "opsbot"
KEY = "key"
LOOK_BACK_S = 600.0
"""How much earlier than the fact itself we look for its message: the clocks of Slack and of this machine may differ."""
MATTER = "A trust and safety matter is being looked at."
"""All that the incidents channel reads of one."""
PAGE_LIMIT = 200
MAX_PAGES = 50
DIGEST_TRIES, DIGEST_S = 2, 5.0


class SlackNotifier:
    """Implements opsbot.notify.notifier.Notifier.

    Args:
        client: without retry handlers, since a repeated post is a second message.
        view, entry: read the store; called in a thread; raise NotFoundError (an entry may also be None).
        pictures: what incidents' messages show beside their text; None for text alone.
        hides: whether readers of the channel may know no more of an incident than that it is there.
        reports, report_channel: what stands in another channel, and that one; None where nothing does.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        channel: Channel,
        view: Callable[[str], IncidentView],
        entry: Callable[[str], TimelineEntry | None],
        clock: Clock,
        pictures: Pictures | None = None,
        *,
        hides: Callable[[IncidentView], bool] | None = None,
        reports: Reports | None = None,
        report_channel: Channel | None = None,
    ) -> None:
        self._client = client
        self._channel = channel
        self._view = view
        self._entry = entry
        self._clock = clock
        self._pictures = pictures
        self._hides = hides
        self._reports = reports
        self._report_channel = report_channel
        self._own_ids: frozenset[str] | None = None

    def where(self, item: OutboxItem) -> str:
        """The channel of the settings that the item belongs in."""
        return self._channel_of(item).name

    def _channel_of(self, item: OutboxItem) -> Channel:
        is_report = item.kind in REPORT_KINDS and self._report_channel is not None
        return self._report_channel if is_report and self._report_channel is not None else self._channel

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        """Post to the channel, or as a reply in *thread*; joins a public channel that the bot is not in."""
        return await self._with_picture(item, lambda content: self._post(item, thread, content))

    async def _post(self, item: OutboxItem, thread: Place | None, content: Content) -> Place:
        place = self._channel_of(item)
        channel = await place.id() if thread is None else thread.channel

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
            await place.join()
            posted = await said(send, content, f"post {item.key}", is_post=True)
        except DeliveryError as error:
            if error.code == CHANNEL_NOT_FOUND:
                place.forget()
            raise
        return Place(str(posted["channel"]), str(posted["ts"]))

    async def update(self, item: OutboxItem, place: Place) -> Place:
        """Edit the message in place."""
        await self._recall(item, place)
        return await self._with_picture(item, lambda content: self._edit(item, place, content))

    async def _with_picture(self, item: OutboxItem, send: Callable[[Content], Awaitable[Place]]) -> Place:
        """Send it; where Slack takes no message with that chart, without."""
        content = await self._content(item)
        pictures = self._pictures if item.kind == "incident_message" else None
        if pictures is None:
            return await self._with_report_picture(item, content, send)
        try:
            place = await send(content)
        except BadBlocks:
            # Where it is not for the picture, its text will be said alone.
            content = await self._content(item) if pictures.refused(item.ref) else replace(content, file_id=None)
            place = await send(content)
        pictures.delivered(item.ref, content.file_id)
        return place

    async def _with_report_picture(
        self, item: OutboxItem, content: Content, send: Callable[[Content], Awaitable[Place]]
    ) -> Place:
        """Send it; a picture that Slack has not digested yet gets some time, and then it goes without."""
        try:
            return await send(content)
        except BadBlocks as error:
            if content.file_id is None:
                raise
            if item.attempts < DIGEST_TRIES:
                raise DeliveryError(str(error), retry_after_s=DIGEST_S, code=error.code) from error
            return await send(without_picture(content))

    async def _recall(self, item: OutboxItem, place: Place) -> None:
        """Learn once which chart an earlier process has put into the message, so that it is kept, or deleted."""
        if item.kind != "incident_message" or self._pictures is None or self._pictures.knows(item.ref):
            return
        stands: Sequence[Mapping[str, object]] = ()
        with contextlib.suppress(DeliveryError):
            page = await answered(
                self._client.conversations_history(
                    channel=place.channel, oldest=place.ts, latest=place.ts, inclusive=True, limit=1
                ),
                f"look at {item.key}",
            )
            stands = [message for message in rows(page, "messages") if message.get("ts") == place.ts]
        blocks = stands[0].get("blocks") if stands else None
        self._pictures.recall(item.ref, blocks if isinstance(blocks, list) else ())

    async def _edit(self, item: OutboxItem, place: Place, content: Content) -> Place:
        def send(content: Content) -> Awaitable[AsyncSlackResponse]:
            return self._client.chat_update(
                channel=place.channel, ts=place.ts, text=content.text, blocks=content.blocks, metadata=_metadata(item)
            )

        await said(send, content, f"edit {item.key}")
        return place

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        """Look through the channel, or the thread, since shortly before the fact happened."""
        content = await self._content(item)
        place = self._channel_of(item)
        channel = await place.id() if thread is None else thread.channel
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
        raise DeliveryError(f"there are too many messages in {place.name} to look for {item.key}", retryable=False)

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
            if item.kind in REPORT_KINDS and self._reports is not None:
                return await asyncio.to_thread(self._reports.content, item, self._clock.now())
            if item.kind == "incident_message":
                view = await asyncio.to_thread(self._view, item.ref)
                if self._hides is not None and self._hides(view):
                    blocks = (SectionBlock(block_id="matter", text=mrkdwn(MATTER)),)
                    return with_remarks(Content(MATTER, blocks, False, view.incident.opened_at), item)
                now = self._clock.now()
                message = incident_message(view, now) if self._pictures is None else self._pictures.message(view, now)
                content = Content(message.text, message.blocks, False, view.incident.opened_at, message.file_id)
                return with_remarks(content, item)
            entries = [await asyncio.to_thread(self._entry, ref) for ref in (item.ref, *item.carried)]
            found = [entry for entry in entries if entry is not None]
            if not found:
                raise NotFoundError(f"there is no timeline entry {item.ref}")
            entry = found[0]
            if entry.kind in PAGE_KINDS and not item.carried:
                view = await asyncio.to_thread(self._view, entry.incident_id)
                card = page_card(entry, view)
                return with_remarks(Content(card.text, card.blocks, entry.is_broadcast, entry.at), item)
        except NotFoundError as error:
            raise DeliveryError(f"{item.key} names something that is not stored: {error}", retryable=False) from error
        if item.carried:
            reply = many_entries(found, item.late, is_over=item.is_over)
            return Content(reply.text, None, reply.is_broadcast, entry.at)
        # What is over wakes nobody any more.
        reply = timeline_entry(replace(entry, kind="over") if item.is_over and item.late is not None else entry)
        return with_remarks(Content(reply.text, None, reply.is_broadcast, entry.at), item)


def _metadata(item: OutboxItem) -> dict[str, object]:
    return {"event_type": EVENT_TYPE, "event_payload": {KEY: item.key}}


def _key_of(message: Mapping[str, object]) -> object:
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    return payload.get(KEY) if isinstance(payload, Mapping) else None
