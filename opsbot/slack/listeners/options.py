"""Menus that are filled while somebody types into them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from opsbot.errors import OpsbotError
from opsbot.slack.picks import PREFIX, matching
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat

logger = logging.getLogger(__name__)

WITHIN_S = 2.5
"""Slack waits three seconds for the options."""


def register(app: AsyncApp, seat: Seat) -> None:
    """Listen to what is typed into every menu of ours."""

    async def typed(ack: AsyncAck, body: Mapping[str, Any]) -> None:
        who = seat.person_for(str((body.get("user") or {}).get("id") or ""))
        action_id, value = str(body.get("action_id", "")), str(body.get("value", ""))
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await matching(seen_by(seat, who), action_id, value)
        except (OpsbotError, TimeoutError) as error:
            logger.warning("the menu %s has no options: %s", action_id, error or type(error).__name__)
            found = []
        except Exception:
            # Without an acknowledgement the menu would turn for three seconds and then say that it failed.
            logger.exception("the menu %s has no options", action_id)
            found = []
        await ack(options=[one.to_dict() for one in found])

    app.options(re.compile(re.escape(PREFIX)))(typed)
