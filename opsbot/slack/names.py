"""What people are called in Slack, asked for once in a while; whoever is not found keeps the id.

A sentence with a name wakes nobody, as a mention would.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.slack.call import error_code
from opsbot.slack.dialogs.speech import people_in

logger = logging.getLogger(__name__)

MOST_ASKED = 20
"""People of one text that are asked for."""
MOST_KEPT = 2000
KEPT_S = 3600.0
ASKED_AGAIN_S = 60.0
"""So long a name that Slack did not tell is not asked for again."""
WAIT_S = 1.0


class Names:
    """Knows names for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()

    async def of(self, client: AsyncWebClient, *texts: str) -> Mapping[str, str]:
        """Names of the people in *texts*, by id."""
        ids = people_in(" ".join(texts))[:MOST_ASKED]
        found = await asyncio.gather(*(self._name(client, one) for one in ids))
        return dict(zip(ids, found, strict=True))

    async def _name(self, client: AsyncWebClient, user_id: str) -> str:
        now = self._clock.monotonic()
        known = self._known.get(user_id)
        if known is not None and known[1] > now:
            return known[0]
        name, kept_s = user_id, ASKED_AGAIN_S
        try:
            async with asyncio.timeout(WAIT_S):
                user = (await client.users_info(user=user_id)).get("user") or {}
            profile = user.get("profile") or {}
            told = profile.get("display_name") or user.get("real_name") or user.get("name")
            if told:
                name, kept_s = str(told), KEPT_S
        except SlackApiError as error:
            logger.info("the name of %s is not told: %s", user_id, error_code(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.info("the name of %s is not told: %s", user_id, type(error).__name__)
        self._known[user_id] = (name, now + kept_s)
        self._known.move_to_end(user_id)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return name
