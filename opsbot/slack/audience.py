"""Who is told of what: trust and safety matters go to their own private channel, and never to the incidents channel.

Where that channel is not named, not found or not private, the incidents channel reads that there is such a matter and
nothing else, and the health page says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.errors import NotFoundError
from opsbot.incident.restricted import is_restricted
from opsbot.incident.timeline import TimelineEntry
from opsbot.incident.view import IncidentView
from opsbot.notify.notifier import DeliveryError, MessageGone, Notifier, Place
from opsbot.notify.outbox import OutboxItem
from opsbot.slack.call import answered
from opsbot.slack.channel import Channel, NoChannel
from opsbot.slack.restricted import is_about

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 300.0
WITHHELD = Place("withheld", "0")
"""Where an entry stands that was not said to anybody."""


class SafetyChannel:
    """The channel of trust and safety: only used while it is private.

    Args:
        channel: None where none is named.
    """

    def __init__(self, client: AsyncWebClient, channel: Channel | None, clock: Clock) -> None:
        self._client = client
        self._channel = channel
        self._clock = clock
        self._looked_at: float | None = None
        self._id: str | None = None
        self._problem: str | None = None
        if channel is None:
            self._problem = (
                "slack.trust_and_safety_channel is not named: trust and safety matters are told to nobody in Slack "
                "but on the Home tab of people with that role; name a private channel"
            )

    @property
    def problem(self) -> str | None:
        """Why it is not used, and what to do; None while it is, or was not needed yet."""
        return self._problem

    async def id(self) -> str | None:
        """Its id while it may be used.

        Raises: DeliveryError if Slack cannot say.
        """
        if self._channel is None:
            return None
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_EVERY_S:
            self._id, self._problem = await self._look(self._channel)
            self._looked_at = now
            if self._problem is not None:
                logger.error("%s", self._problem)
        return self._id

    async def _look(self, channel: Channel) -> tuple[str | None, str | None]:
        try:
            channel_id = await channel.id()
            found = (
                await answered(self._client.conversations_info(channel=channel_id), f"look at {channel.name}")
            ).get("channel") or {}
        except NoChannel:
            return None, (
                f"slack.trust_and_safety_channel: the bot sees no channel {channel.name}; create it as a private "
                "channel and invite the bot, until then trust and safety matters are told to nobody there"
            )
        except DeliveryError as error:
            if "channel_not_found" not in str(error):
                raise
            return None, f"slack.trust_and_safety_channel: the bot is not in {channel.name}; invite it"
        if not found.get("is_private"):
            return None, (
                f"slack.trust_and_safety_channel: {channel.name} is not private, so nothing of trust and safety is "
                "said there; make it private, or name another one"
            )
        return channel_id, None


class AudienceNotifier:
    """Implements Notifier over one for each channel.

    Args:
        everybody: for the incidents channel; shows the neutral line in place of a matter's message.
        safety: for the other channel.
        view, entry: read the store; called in a thread.
    """

    def __init__(
        self,
        everybody: Notifier,
        safety: Notifier,
        channel: SafetyChannel,
        view: Callable[[str], IncidentView],
        entry: Callable[[str], TimelineEntry | None],
    ) -> None:
        self._everybody = everybody
        self._safety = safety
        self._channel = channel
        self._view = view
        self._entry = entry

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        """Post it where it may be read."""
        if not await self._is_matter(item):
            return await self._everybody.post(item, thread)
        channel = await self._channel.id()
        if channel is not None:
            return await self._safety.post(item, _within(thread, channel))
        if item.kind == "incident_message":
            return await self._everybody.post(item, None)
        return WITHHELD

    async def update(self, item: OutboxItem, place: Place) -> Place:
        """Edit it; what became a matter only now leaves the neutral line behind and is posted in the other channel."""
        if not await self._is_matter(item):
            return await self._everybody.update(item, place)
        channel = await self._channel.id()
        if channel is None:
            is_message = item.kind == "incident_message"
            return await self._everybody.update(item, place) if is_message else WITHHELD
        if place.channel == channel:
            return await self._safety.update(item, place)
        if item.kind == "incident_message":
            with contextlib.suppress(MessageGone):
                await self._everybody.update(item, place)
        raise MessageGone(f"{item.key} belongs to another channel", retryable=False)

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        """Where it stands already."""
        if not await self._is_matter(item):
            return await self._everybody.find(item, thread)
        channel = await self._channel.id()
        if channel is not None:
            return await self._safety.find(item, _within(thread, channel))
        return await self._everybody.find(item, None) if item.kind == "incident_message" else None

    async def _is_matter(self, item: OutboxItem) -> bool:
        try:
            return await asyncio.to_thread(self._is_matter_now, item)
        except NotFoundError:
            # Whoever shows it says so.
            return False

    def _is_matter_now(self, item: OutboxItem) -> bool:
        if not item.incident_id:
            return False
        view = self._view(item.incident_id)
        if is_restricted(view):
            return True
        if item.kind == "incident_message":
            return False
        entry = self._entry(item.ref)
        return entry is not None and is_about(entry, [run for run in view.runs if run.is_restricted])


def _within(thread: Place | None, channel: str) -> Place | None:
    """The thread, if it is in that channel; a message of its own otherwise."""
    return thread if thread is not None and thread.channel == channel else None
