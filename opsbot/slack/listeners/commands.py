"""The slash command `/ops`."""

from __future__ import annotations

import asyncio
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
from opsbot.slack.dialogs.desk import DialogDesk
from opsbot.slack.dialogs.speech import plainly
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.opening import opened
from opsbot.slack.press import ToRead
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.text import shorten
from opsbot.slack.typed import Told, Typed

logger = logging.getLogger(__name__)

PICTURE_PAUSE_S = 1.5
UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details."


def register(app: AsyncApp, seat: Seat, dialogs: DialogDesk) -> None:
    """Listen to the slash command."""

    async def typed(ack: AsyncAck, body: Mapping[str, Any], respond: AsyncRespond, client: AsyncWebClient) -> None:
        await ack()
        trigger_id = str(body.get("trigger_id") or "")
        said = Typed(
            str(body.get("text") or ""),
            seat.person_for(str(body.get("user_id") or "")),
            request_id=trigger_id or uuid4().hex,
            channel=str(body.get("channel_id") or "") or None,
            trigger_id=trigger_id,
            thread_ts=str(body.get("thread_ts") or "") or None,
        )
        seat.work.start(COMMAND, _respond(seat, said, str(body.get("user_id") or ""), respond, client, dialogs))

    app.command(COMMAND)(typed)


async def _respond(
    seat: Seat, said: Typed, user_id: str, respond: AsyncRespond, client: AsyncWebClient, dialogs: DialogDesk
) -> None:
    told = Told("", ())
    try:
        who = await seat.person(user_id)
        said = replace(said, person=who)
        answer = await answer_to(seen_by(seat, who), said)
        if isinstance(answer, Told):
            told = answer
        elif isinstance(answer, str):
            told = Told(answer, ())
        elif isinstance(answer, ToRead):
            told = Told(answer.text, ())
        else:
            if isinstance(answer, Subject):
                problem = await dialogs.open(client, said.trigger_id, answer, who)
            else:
                problem = await opened(client, said.trigger_id, answer)
            if problem is None:
                return
            told = Told(problem, ())
    except OpsbotError as error:
        said_why, named = await dialogs.sentence(client, error)
        told = Told(as_typed_here(plainly(said_why, named)), ())
    except Exception:
        # The person must hear that nothing came of it, whatever went wrong.
        logger.exception("a slash command failed")
        told = Told(UNEXPECTED, ())
    if await _say(respond, said, told) != 200 and told.below:
        # Slack may not be done with a picture yet, and the words must not wait for it.
        await asyncio.sleep(PICTURE_PAUSE_S)
        if await _say(respond, said, told) != 200:
            await _say(respond, said, Told(told.text, ()))


async def _say(respond: AsyncRespond, said: Typed, told: Told) -> int:
    """What Slack answers; 0 if it does not."""
    # A short answer needs no blocks: `text` alone is shown as it is.
    is_long = len(told.text) > MAX_PART or bool(told.below)
    try:
        sent = await respond(
            text=shorten(told.text, EPHEMERAL_TEXT),
            blocks=[*answer_blocks(told.text), *told.below] if is_long else None,
            response_type="ephemeral",
            thread_ts=said.thread_ts,
        )
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        # A command without an address for its answer is a ValueError.
        logger.warning("the answer to a slash command is lost: %s", type(error).__name__)
        return 0
    if sent.status_code != 200:
        logger.warning("the answer to a slash command is lost: Slack answered %d", sent.status_code)
    return sent.status_code
