"""Carries presses out: one command for each, and the person who pressed is told what came of it.

Slack may deliver one press several times; it is carried out once. Rights, expiry and double decisions are the
command's to check, so a button on an old message can do no harm.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.slack import form_desk, incident_presses, run_presses
from opsbot.slack.call import error_code
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.opening import opened
from opsbot.slack.press import Answer, Handler, Press
from opsbot.slack.report import load_test_presses
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, shorten

logger = logging.getLogger(__name__)

UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details. Press again to retry."
HANDLERS: Mapping[str, Handler] = {
    **incident_presses.PRESSES,
    **incident_presses.SUBMISSIONS,
    **run_presses.PRESSES,
    **run_presses.SUBMISSIONS,
    **form_desk.SUBMISSIONS,
    **load_test_presses.PRESSES,
}
"""By action id, or by a dialog's callback id."""
_NUMBER = re.compile(r"\.\d+$")


class PressDesk:
    """Takes presses and filled-in dialogs."""

    def __init__(self, seat: Seat, show_home: Callable[[AsyncWebClient, str, str], Awaitable[None]]) -> None:
        self._seat = seat
        self._show_home = show_home

    def take(self, press: Press, client: AsyncWebClient) -> bool:
        """Begin to carry *press* out, unless that was begun already; False if nothing is known by that id."""
        # Two buttons of one block may not share an action id, so the second Undo is `run.undo.1`.
        handler = HANDLERS.get(_NUMBER.sub("", press.action_id))
        if handler is None:
            return False
        # A dialog may be filled in several times, until it is right; each time has a trigger of its own.
        if self._seat.seen.first(f"press {press.source} {press.action_ts or press.trigger_id} {press.user_id}"):
            self._seat.work.start(f"{press.action_id} {press.source}", self._carry_out(handler, press, client))
        return True

    async def _carry_out(self, handler: Handler, press: Press, client: AsyncWebClient) -> None:
        press = _placed(press)
        try:
            outcome: Answer = await handler(self._seat, press, self._seat.person_for(press.user_id))
            if isinstance(outcome, str):
                sentence = outcome
            else:
                problem = await opened(client, press.trigger_id, outcome)
                if problem is None:
                    return
                sentence = problem
        except OpsbotError as error:
            sentence = str(error)
        except Exception:
            # The person must hear that nothing came of the press, whatever went wrong.
            logger.exception("%s failed", press.action_id)
            sentence = UNEXPECTED
        self._seat.wake()
        await self._answer(press, client, sentence)

    async def _answer(self, press: Press, client: AsyncWebClient, sentence: str) -> None:
        text = shorten(escape(sentence), EPHEMERAL_TEXT)
        try:
            if press.channel is None:
                await self._show_home(client, press.user_id, sentence)
            else:
                await client.chat_postEphemeral(
                    channel=press.channel, user=press.user_id, text=text, thread_ts=press.thread_ts
                )
        except SlackApiError as error:
            logger.warning("the answer to %s is lost: %s", press.action_id, error_code(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the answer to %s is lost: %s", press.action_id, type(error).__name__)


def _placed(press: Press) -> Press:
    """A dialog carries in its metadata where its answer goes."""
    if not press.view:
        return press
    try:
        found = json.loads(press.value)
    except ValueError:
        return press
    if not isinstance(found, dict):
        return press
    return replace(press, channel=found.get("channel"), thread_ts=found.get("thread_ts"))
