"""The message shortcut "Add to the incident's timeline", and the global one that opens the menu of `/ops`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.menu import menu
from opsbot.slack.opening import opened
from opsbot.slack.pinning import Pinning
from opsbot.slack.press_desk import UNEXPECTED
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.text import escape, shorten
from opsbot.slack.told import told_view
from opsbot.slack.typed import Typed

logger = logging.getLogger(__name__)

ADD = "timeline.add"
OPEN = "ops.open"


def register(app: AsyncApp, seat: Seat, pinning: Pinning) -> None:
    """Listen to the shortcut."""

    async def chosen(ack: AsyncAck, body: Mapping[str, Any], respond: AsyncRespond, client: AsyncWebClient) -> None:
        await ack()
        seat.work.start(ADD, _carry_out(pinning, body, respond, client))
        seat.wake()

    async def asked(ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        await ack()
        seat.work.start(OPEN, _open(seat, body, client))

    app.message_shortcut(ADD)(chosen)
    app.global_shortcut(OPEN)(asked)


async def _open(seat: Seat, body: Mapping[str, Any], client: AsyncWebClient) -> None:
    """The menu that `/ops` alone opens."""
    trigger_id = str(body.get("trigger_id") or "")
    try:
        who = await seat.person(str(body["user"]["id"]))
        view = await menu(seen_by(seat, who), Typed("", who, request_id=trigger_id, trigger_id=trigger_id))
    except OpsbotError as error:
        logger.warning("the menu was not opened: %s", error)
        view = told_view("Not now", as_typed_here(str(error)))
    except Exception:
        # The person must hear that nothing came of it, whatever went wrong.
        logger.exception("the menu was not opened")
        view = told_view("Not now", UNEXPECTED)
    if isinstance(view, View):
        # Where it does not open there is no channel to say so in.
        await opened(client, trigger_id, view)


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
