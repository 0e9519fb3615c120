"""Dialogs that were filled in."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.press import submission_of
from opsbot.slack.press_desk import PressDesk

logger = logging.getLogger(__name__)


def register(app: AsyncApp, desk: PressDesk) -> None:
    """Listen to every submission."""

    async def submitted(ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        await ack()
        press = submission_of(body)
        if not desk.take(press, client):
            logger.warning("a dialog with the unknown callback id %r was filled in", press.action_id)

    app.view(re.compile(".*"))(submitted)
