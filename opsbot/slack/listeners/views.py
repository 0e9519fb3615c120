"""Dialogs that were filled in, or closed."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.slack.press import Unreadable, submission_of
from opsbot.slack.press_desk import PressDesk

logger = logging.getLogger(__name__)


def register(app: AsyncApp, desk: PressDesk) -> None:
    """Listen to every submission; its acknowledgement says what the dialog shows next."""

    async def submitted(ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        try:
            press = submission_of(body)
        except Unreadable as error:
            logger.warning("a dialog is not in Slack's form and is dropped: %s", error)
            await ack()
            return
        reply = desk.reply(press)
        await ack(**reply)
        if "errors" in reply:
            return
        if not desk.take(press, client):
            logger.warning("a dialog with the unknown callback id %r was filled in", press.action_id)

    async def closed(ack: AsyncAck, body: Mapping[str, Any]) -> None:
        await ack()
        desk.closed(str((body.get("view") or {}).get("id", "")))

    app.view_submission(re.compile(".*"))(submitted)
    app.view_closed(re.compile(".*"))(closed)
