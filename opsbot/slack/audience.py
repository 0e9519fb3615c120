"""Who is told of what: trust and safety matters go to their own private channel, and never to the incidents channel.

Where that channel is not named, not found or not private, the incidents channel reads that there is such a matter and
nothing else, and the health page says what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.errors import NotFoundError, OpsbotError
from opsbot.incident.restricted import is_restricted
from opsbot.incident.view import IncidentView, RunView
from opsbot.notify.notifier import DeliveryError, MessageGone, Notifier, Place
from opsbot.notify.outbox import OutboxItem
from opsbot.slack.call import answered
from opsbot.slack.channel import CHANNEL_NOT_FOUND, Channel, NoChannel
from opsbot.slack.restricted import is_about

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 300.0
MOST_KNOWN = 2000
MOST_LOOKED_AT = 50
"""Incidents that one look at the outbox reads for this."""
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
    def known_id(self) -> str | None:
        """Its id as it was last found, without asking; None while it is not known, or may not be used."""
        return self._id

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
            if error.code != CHANNEL_NOT_FOUND:
                raise
            return None, f"slack.trust_and_safety_channel: the bot is not in {channel.name}; invite it"
        if not found.get("is_private"):
            return None, (
                f"slack.trust_and_safety_channel: {channel.name} is not private, so nothing of trust and safety is "
                "said there; make it private, or name another one"
            )
        return channel_id, None


@dataclass(frozen=True, slots=True)
class _Known:
    """What of an incident is a matter: all of it, or some of its runs."""

    is_whole: bool
    hidden: tuple[RunView, ...]

    def is_matter(self, item: OutboxItem) -> bool:
        """Whether anything that *item* says is."""
        if self.is_whole or item.kind == "incident_message":
            return self.is_whole
        return any(is_about(key, self.hidden) for key in (item.ref, *item.carried))


class AudienceNotifier:
    """Implements Notifier over one for each channel.

    Args:
        everybody: for the incidents channel; shows the neutral line in place of a matter's message.
        safety: for the other channel.
        view: reads the store; called in a thread.
    """

    def __init__(
        self,
        everybody: Notifier,
        safety: Notifier,
        channel: SafetyChannel,
        view: Callable[[str], IncidentView],
    ) -> None:
        self._everybody = everybody
        self._safety = safety
        self._channel = channel
        self._view = view
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def where(self, item: OutboxItem) -> str:
        """The channel in which it stands, or belongs by what was known of its incident last."""
        if item.channel is not None and item.channel != WITHHELD.channel:
            is_safety = item.channel == self._channel.known_id
        else:
            known = self._known.get(item.incident_id)
            is_safety = known is not None and known.is_matter(item) and self._channel.problem is None
        return (self._safety if is_safety else self._everybody).where(item)

    def look_ahead(self, items: Sequence[OutboxItem]) -> None:
        """Learn of what was never said where it belongs; reads the store, so it is called in a thread."""
        new = dict.fromkeys(item.incident_id for item in items if item.is_first and item.incident_id)
        for incident_id in [one for one in new if one not in self._known][:MOST_LOOKED_AT]:
            with contextlib.suppress(OpsbotError):
                self._learn(incident_id)

    async def post(self, item: OutboxItem, thread: Place | None) -> Place:
        """Post it where it may be read."""
        if not await self._is_matter(item):
            return await self._everybody.post(item, thread)
        with self._told_of(item):
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
        with self._told_of(item):
            channel = await self._channel.id()
            if channel is not None and place.channel == channel:
                return await self._safety.update(item, place)
        if channel is None:
            is_message = item.kind == "incident_message"
            return await self._everybody.update(item, place) if is_message else WITHHELD
        if item.kind == "incident_message":
            with contextlib.suppress(MessageGone):
                await self._everybody.update(item, place)
        raise MessageGone(f"{item.key} belongs to another channel", retryable=False)

    async def find(self, item: OutboxItem, thread: Place | None) -> Place | None:
        """Where it stands already."""
        if not await self._is_matter(item):
            return await self._everybody.find(item, thread)
        with self._told_of(item):
            channel = await self._channel.id()
            if channel is not None:
                return await self._safety.find(item, _within(thread, channel))
        return await self._everybody.find(item, None) if item.kind == "incident_message" else None

    @contextlib.contextmanager
    def _told_of(self, item: OutboxItem) -> Iterator[None]:
        """What fails in here concerns the channel of trust and safety, whatever was known before."""
        try:
            yield
        except DeliveryError as error:
            error.place = self._safety.where(item)
            raise

    async def _is_matter(self, item: OutboxItem) -> bool:
        if not item.incident_id:
            return False
        try:
            return (await asyncio.to_thread(self._learn, item.incident_id)).is_matter(item)
        except NotFoundError:
            # Whoever shows it says so.
            return False

    def _learn(self, incident_id: str) -> _Known:
        view = self._view(incident_id)
        known = _Known(is_restricted(view), tuple(run for run in view.runs if run.is_restricted))
        self._known[incident_id] = known
        self._known.move_to_end(incident_id)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return known


def _within(thread: Place | None, channel: str) -> Place | None:
    """The thread, if it is in that channel; a message of its own otherwise."""
    return thread if thread is not None and thread.channel == channel else None
