"""The message shortcut "Add to the incident's timeline"."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.opening import opened
from opsbot.slack.pinning import Pinning
from opsbot.slack.press_desk import UNEXPECTED
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, shorten

logger = logging.getLogger(__name__)

ADD = "timeline.add"


def register(app: AsyncApp, seat: Seat, pinning: Pinning) -> None:
    """Listen to the shortcut."""

    async def chosen(ack: AsyncAck, body: Mapping[str, Any], respond: AsyncRespond, client: AsyncWebClient) -> None:
        await ack()
        seat.work.start(ADD, _carry_out(pinning, body, respond, client))
        seat.wake()

    app.message_shortcut(ADD)(chosen)


async def _carry_out(pinning: Pinning, body: Mapping[str, Any], respond: AsyncRespond, client: AsyncWebClient) -> None:
    try:
        answer = await pinning.shortcut(body, client)
        if not isinstance(answer, str):
            problem = await opened(client, str(body.get("trigger_id") or ""), answer)
            if problem is None:
                return
            answer = problem
    except OpsbotError as error:
        answer = str(error)
    except Exception:
        # The person must hear that nothing came of it, whatever went wrong.
        logger.exception("a shortcut failed")
        answer = UNEXPECTED
    try:
        sent = await respond(text=shorten(escape(answer), EPHEMERAL_TEXT), response_type="ephemeral")
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the answer to a shortcut is lost: %s", type(error).__name__)
        return
    if sent.status_code != 200:
        logger.warning("the answer to a shortcut is lost: Slack answered %d", sent.status_code)
