"""Presses of buttons and menus."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.press import Unreadable, press_of
from opsbot.slack.press_desk import PressDesk

logger = logging.getLogger(__name__)


def register(app: AsyncApp, desk: PressDesk) -> None:
    """Listen to every action; one that is not ours is acknowledged, so that an old button does not turn and fail."""

    async def pressed(ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        await ack()
        try:
            press = press_of(body)
        except Unreadable as error:
            # Raised here it would take the acknowledgement back.
            logger.warning("a press is not in Slack's form and is dropped: %s", error)
            return
        if not desk.take(press, client):
            logger.warning("a button with the unknown action id %r was pressed", press.action_id)

    app.action(re.compile(".*"))(pressed)
