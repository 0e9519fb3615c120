"""The slash command `/ops`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.slack.answer_blocks import MAX_PART, answer_blocks
from opsbot.slack.commands import COMMAND, answer_to
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.opening import opened
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.text import shorten
from opsbot.slack.typed import Typed

logger = logging.getLogger(__name__)

UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details."


def register(app: AsyncApp, seat: Seat) -> None:
    """Listen to the slash command."""

    async def typed(ack: AsyncAck, body: Mapping[str, Any], respond: AsyncRespond, client: AsyncWebClient) -> None:
        await ack()
        trigger_id = str(body.get("trigger_id") or "")
        said = Typed(
            str(body.get("text") or ""),
            seat.person_for(str(body["user_id"])),
            request_id=trigger_id or uuid4().hex,
            channel=str(body.get("channel_id") or "") or None,
            trigger_id=trigger_id,
            thread_ts=str(body.get("thread_ts") or "") or None,
        )
        seat.work.start(COMMAND, _respond(seat, said, str(body["user_id"]), respond, client))

    app.command(COMMAND)(typed)


async def _respond(seat: Seat, said: Typed, user_id: str, respond: AsyncRespond, client: AsyncWebClient) -> None:
    try:
        who = await seat.person(user_id)
        answer = await answer_to(seen_by(seat, who), replace(said, person=who))
        if not isinstance(answer, str):
            problem = await opened(client, said.trigger_id, answer)
            if problem is None:
                return
            answer = problem
    except OpsbotError as error:
        answer = as_typed_here(str(error))
    except Exception:
        # The person must hear that nothing came of it, whatever went wrong.
        logger.exception("a slash command failed")
        answer = UNEXPECTED
    try:
        sent = await respond(
            text=shorten(answer, EPHEMERAL_TEXT),
            # A short answer needs no blocks: `text` alone is shown as it is.
            blocks=answer_blocks(answer) if len(answer) > MAX_PART else None,
            response_type="ephemeral",
            thread_ts=said.thread_ts,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        logger.warning("the answer to a slash command is lost: %s", type(error).__name__)
        return
    if sent.status_code != 200:
        logger.warning("the answer to a slash command is lost: Slack answered %d", sent.status_code)
