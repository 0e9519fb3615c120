"""The incidents channel: its id from the name in the settings, and the bot's way into it.

Looked up once, when it is first needed, so that the bot starts while Slack is away.
"""

from __future__ import annotations

import asyncio
import re

from slack_sdk.web.async_client import AsyncWebClient

from opsbot.notify.notifier import DeliveryError, Extent
from opsbot.slack.call import answered, next_cursor, rows
from opsbot.slack.errors import ERRORS

_ID = re.compile(r"^[CGD][A-Z0-9]{5,}$")
CHANNEL_NOT_FOUND, NOT_IN_CHANNEL = "channel_not_found", "not_in_channel"
PAGE_LIMIT = 200
MAX_PAGES = 100


class NoChannel(DeliveryError):
    """The bot sees no channel of that name."""


class Channel:
    """One channel, named in the settings by its name (with or without `#`) or by its id; *setting* is where."""

    def __init__(self, client: AsyncWebClient, name: str, setting: str = "slack.channel") -> None:
        self._client = client
        self._setting = setting
        self._name = name.lstrip("#")
        self._id = self._name if _ID.match(self._name) else None
        self._looking, self._joining = asyncio.Lock(), asyncio.Lock()
        self._num_joins = 0

    @property
    def name(self) -> str:
        """As people write it."""
        return self._name if _ID.match(self._name) else f"#{self._name}"

    async def id(self) -> str:
        """The channel's id.

        Raises: DeliveryError if Slack has no such channel that the bot may see, or does not answer.
        """
        if self._id is None:
            # One for all who wait for it: a storm of incidents would use up what the method is allowed.
            async with self._looking:
                if self._id is None:
                    self._id = await self._look_up()
        return self._id

    def forget(self) -> None:
        """Look its id up again when it is needed next: there is no channel with that id any more."""
        if not _ID.match(self._name):
            self._id = None

    async def join(self) -> None:
        """Become a member; a private channel needs an invitation instead.

        Raises: DeliveryError.
        """
        before = self._num_joins
        async with self._joining:
            if self._num_joins != before:
                return
            try:
                await answered(
                    self._client.conversations_join(channel=await self.id()),
                    f"join {self.name} (invite the bot if the channel is private)",
                )
            except DeliveryError as error:
                if error.extent is not Extent.CHANNEL:
                    raise
                # Slack gives several reasons why a private channel cannot be joined; one thing helps against all.
                raise self._error(DeliveryError, NOT_IN_CHANNEL, str(error)) from error
            self._num_joins += 1

    async def _look_up(self) -> str:
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await answered(
                self._client.conversations_list(
                    types="public_channel,private_channel", exclude_archived=True, limit=PAGE_LIMIT, cursor=cursor
                ),
                f"look up the channel {self.name}",
            )
            for channel in rows(page, "channels"):
                if channel.get("name") == self._name:
                    return str(channel["id"])
            cursor = next_cursor(page)
            if cursor is None:
                break
        raise self._error(
            NoChannel,
            CHANNEL_NOT_FOUND,
            f"Slack has no channel {self.name} that the bot can see; create it or change `{self._setting}`",
        )

    def _error(self, kind: type[DeliveryError], code: str, message: str) -> DeliveryError:
        answer = ERRORS[code]
        advice = answer.advice.replace("`slack.channel`", f"`{self._setting}`")
        return kind(message, extent=answer.extent, code=code, why=answer.why, advice=advice)
