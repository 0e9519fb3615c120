"""People add messages to timelines: by a message shortcut, or by a pin on a message. One class for both doors.

A message in an incident's thread belongs to it; about any other its reader is asked. Messages of private channels,
those of trust and safety among them, never go anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement, SectionBlock
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.incident.note import QuotedMessage
from opsbot.people import Person
from opsbot.rights import require
from opsbot.slack.call import error_code
from opsbot.slack.incident_dialogs import IncidentSubject, pick_dialog
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.press import Press
from opsbot.slack.quotes import author_of, dump, place_of, quoted
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, literal, mrkdwn, shorten

logger = logging.getLogger(__name__)

ADD = "add to a timeline"
PIN = "pushpin"
PICK = "note.pick"
CLOSED = "Messages of private channels stay there: they are never added to a timeline."
NOTHING_OPEN = "Nothing is open, so there is no timeline to add it to; `/ops note INC-1 …` adds to an older one."
OWN = "That is the bot's own message; its timeline has it already."
Here = Callable[[], Awaitable[str]]
"""The id of the incidents channel."""
_Said = tuple[str | QuotedMessage, str | None]
"""What a pin is answered with, empty for nothing, and the thread to answer in."""


class Pinning:
    """Takes shortcuts and pins.

    Args:
        here: messages of this channel may be added though it is private.
    """

    def __init__(self, seat: Seat, here: Here | None = None) -> None:
        self._seat = seat
        self._here = here

    async def shortcut(self, body: Mapping[str, Any], client: AsyncWebClient) -> str | View:
        """What the message shortcut is answered with: a sentence, or the dialog that asks which incident.

        Raises: what the command raises, as sentences for the person.
        """
        channel, message = str(body["channel"]["id"]), body["message"]
        who = await self._seat.person(str(body["user"]["id"]))
        seat = seen_by(self._seat, who)
        if await self._is_closed(channel, client):
            return CLOSED
        ts, thread_ts = str(message["ts"]), str(message.get("thread_ts") or message["ts"])
        if await self._seat.incidents.incident_at(channel, ts) is not None:
            return OWN
        # Before any incident is named: everybody in the workspace sees the shortcut.
        require(who, "responder", ADD)
        incident_id = await self._seat.incidents.incident_at(channel, thread_ts)
        quote = await self._quoted(client, channel, message, is_in_thread=incident_id is not None)
        if incident_id is None:
            return await pick(seat, quote, channel, message.get("thread_ts"), who)
        return await seat.incidents.quote(incident_id, quote, who)

    async def pinned(self, event: Mapping[str, Any], client: AsyncWebClient) -> None:
        """Somebody put a pin on a message."""
        channel, ts = _item(event)
        if channel and await self._seat.incidents.incident_at(channel, ts) is None:
            await self._answer(event, client, self._pinned(str(event["user"]), channel, ts, client))

    async def unpinned(self, event: Mapping[str, Any], client: AsyncWebClient) -> None:
        """Somebody took a pin off; while another one is on it nothing changes."""
        channel, ts = _item(event)
        if not channel:
            return
        message = await _message_at(client, channel, ts)
        reactions = () if message is None else message.get("reactions") or ()
        if any(one.get("name") == PIN and one.get("users") for one in reactions):
            return
        who = await self._seat.person(str(event["user"]))

        async def taken_off() -> _Said:
            thread = None if message is None else message.get("thread_ts")
            return await self._seat.incidents.unquote(place_of(channel, ts), who), thread

        await self._answer(event, client, taken_off())

    async def _pinned(self, user: str, channel: str, ts: str, client: AsyncWebClient) -> _Said:
        message = await _message_at(client, channel, ts)
        if message is None:
            return "", None
        thread_ts = str(message.get("thread_ts") or ts)
        incident_id = await self._seat.incidents.incident_at(channel, thread_ts)
        is_here = self._here is not None and channel == await self._here()
        if incident_id is None and not is_here:
            # Elsewhere a pin is no word to us.
            return "", None
        thread = message.get("thread_ts")
        if await self._is_closed(channel, client):
            return CLOSED, thread
        try:
            return await self._taken(user, channel, message, incident_id, client), thread
        except OpsbotError as error:
            return str(error), thread

    async def _taken(
        self, user: str, channel: str, message: Mapping[str, Any], incident_id: str | None, client: AsyncWebClient
    ) -> str | QuotedMessage:
        who = await self._seat.person(user)
        require(who, "responder", ADD)
        quote = await self._quoted(client, channel, message, is_in_thread=incident_id is not None)
        if incident_id is None:
            return quote
        return await seen_by(self._seat, who).incidents.quote(incident_id, quote, who)

    async def _answer(self, event: Mapping[str, Any], client: AsyncWebClient, doing: Awaitable[_Said]) -> None:
        channel, _ = _item(event)
        thread_ts = None
        try:
            said, thread_ts = await doing
        except OpsbotError as error:
            said = str(error)
        self._seat.wake()
        if not said:
            return
        blocks = None
        if isinstance(said, QuotedMessage):
            self._seat.quotes.keep(said)
            quote, said = said, "To which incident's timeline does the message with your pin belong?"
            blocks = _question(said, quote)
        try:
            await client.chat_postEphemeral(
                channel=channel,
                user=str(event["user"]),
                text=shorten(escape(said), EPHEMERAL_TEXT),
                blocks=blocks,
                thread_ts=thread_ts,
            )
        except SlackApiError as error:
            logger.warning("the answer to a pin is lost: %s", error_code(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the answer to a pin is lost: %s", type(error).__name__)

    async def _is_closed(self, channel: str, client: AsyncWebClient) -> bool:
        if self._here is not None and channel == await self._here():
            return False
        try:
            found = (await client.conversations_info(channel=channel)).get("channel") or {}
        except (SlackApiError, aiohttp.ClientError, TimeoutError):
            # What we may not look at is nothing that we repeat.
            return True
        return any(found.get(name) for name in ("is_private", "is_im", "is_mpim")) or not found

    async def _quoted(
        self, client: AsyncWebClient, channel: str, message: Mapping[str, Any], *, is_in_thread: bool
    ) -> QuotedMessage:
        ts = str(message["ts"])
        author = author_of(message)
        link = ""
        try:
            link = str((await client.chat_getPermalink(channel=channel, message_ts=ts)).get("permalink") or "")
            if message.get("user"):
                user = (await client.users_info(user=author)).get("user") or {}
                author = str(user.get("real_name") or user.get("name") or author)
        except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
            logger.info("a quoted message goes without its author's name or link: %s", type(error).__name__)
        return quoted(channel, message, author, link, is_in_thread=is_in_thread)


async def pick(seat: Seat, quote: QuotedMessage, channel: str | None, thread_ts: str | None, who: Person) -> str | View:
    """The dialog that asks to which incident's timeline *quote* is added; a sentence if none is open.

    Raises: ApprovalError.
    """
    require(who, "responder", ADD)
    incidents = await seat.incidents.open_incidents()
    if not incidents:
        return NOTHING_OPEN
    subject = IncidentSubject("pick", quote.place, dump(quote), channel, thread_ts)
    return pick_dialog(subject, incidents, f"{literal(quote.author)}: “{literal(quote.text)}”")


async def pick_pressed(seat: Seat, press: Press, who: Person) -> str | View:
    """The button of the question that a pin was answered with."""
    quote = seat.quotes.kept(press.value)
    if quote is None:
        return "That was too long ago; take the pin off and put it on again."
    return await pick(seat, quote, press.channel, press.thread_ts, who)


def _question(text: str, quote: QuotedMessage) -> list[Any]:
    said = f"{text}\n{literal(quote.author)}: “{literal(quote.text)}”"
    return [
        SectionBlock(block_id="pin", text=mrkdwn(said)),
        ActionsBlock(
            block_id="pick", elements=[ButtonElement(text="Choose the incident …", action_id=PICK, value=quote.place)]
        ),
    ]


def _item(event: Mapping[str, Any]) -> tuple[str, str]:
    """Channel and timestamp of the message; empty for whatever else can have a reaction."""
    item = event.get("item") or {}
    if item.get("type") != "message" or not event.get("user"):
        return "", ""
    return str(item.get("channel") or ""), str(item.get("ts") or "")


async def _message_at(client: AsyncWebClient, channel: str, ts: str) -> Mapping[str, Any] | None:
    """The message there, also one within a thread; None if it cannot be had."""
    try:
        found = await client.conversations_replies(channel=channel, ts=ts, limit=1, inclusive=True, latest=ts)
    except (SlackApiError, aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the message with the pin cannot be read: %s", type(error).__name__)
        return None
    for message in found.get("messages") or ():
        if str(message.get("ts")) == ts:
            whole: Mapping[str, Any] = message
            return whole
    return None
