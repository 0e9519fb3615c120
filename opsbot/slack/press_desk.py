"""Carries presses out: one command for each, and the person who pressed is told what came of it.

Slack may deliver one press several times; it is carried out once. Rights, expiry and double decisions are the
command's to check, so a button on an old message can do no harm.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.people import Person
from opsbot.slack import form_desk, incident_presses, run_presses
from opsbot.slack.call import error_code
from opsbot.slack.dialogs.desk import DialogDesk
from opsbot.slack.dialogs.plan import CALLBACK
from opsbot.slack.dialogs.speech import plainly
from opsbot.slack.dialogs.subject import Subject
from opsbot.slack.home import refreshed
from opsbot.slack.home_notice import ShowHome, show_home
from opsbot.slack.home_view import REFRESH
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.names import Names
from opsbot.slack.opening import opened
from opsbot.slack.press import Answer, Handler, Press, ToRead
from opsbot.slack.quotes import readable
from opsbot.slack.report import load_test_presses
from opsbot.slack.restricted import seen_by
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
    REFRESH: refreshed,
    **load_test_presses.PRESSES,
}
"""By action id, or by a dialog's callback id."""
_NUMBER = re.compile(r"\.\d+$")


class PressDesk:
    """Takes presses and filled-in dialogs."""

    def __init__(
        self,
        seat: Seat,
        home: ShowHome,
        names: Names,
        dialogs: DialogDesk,
    ) -> None:
        self._seat = seat
        self._names = names
        self._dialogs = dialogs
        self._home = home

    def reply(self, press: Press) -> Mapping[str, Any]:
        """What the acknowledgement of a dialog carries; empty lets Slack close it."""
        if press.action_id != CALLBACK:
            return {}
        return self._dialogs.reply(press, is_repeated=self._seat.seen.knows(_key(press)))

    def closed(self, view_id: str) -> None:
        """Somebody has closed a dialog."""
        self._dialogs.closed(view_id)

    def take(self, press: Press, client: AsyncWebClient) -> bool:
        """Begin to carry *press* out, unless that was begun already; False if nothing is known by that id."""
        # Two buttons of one block may not share an action id, so the second Undo is `run.undo.1`.
        handler = HANDLERS.get(_NUMBER.sub("", press.action_id))
        if handler is None and press.action_id != CALLBACK:
            return False
        # A press that is delivered again does not come so far; a dialog does, since it wants its answer again.
        if not press.view or self._seat.seen.first(_key(press)):
            work = self._submitted(press, client) if handler is None else self._carry_out(handler, press, client)
            self._seat.work.start(f"{press.action_id} {press.source}", work)
        return True

    async def _carry_out(self, handler: Handler, press: Press, client: AsyncWebClient) -> None:
        press = _placed(press)
        try:
            person = await self._seat.person(press.user_id)
            outcome: Answer = await handler(seen_by(self._seat, person), press, person)
            if isinstance(outcome, ToRead):
                self._seat.wake()
                if await opened(client, press.trigger_id, outcome.view) is not None:
                    await self._answer(press, client, outcome.text, is_mrkdwn=True)
                return
            if isinstance(outcome, str):
                sentence = plainly(outcome, await self._names.of(client, outcome))
            else:
                problem = await self._ask(outcome, press, client, person)
                if problem is None:
                    return
                sentence = problem
        except OpsbotError as error:
            sentence = plainly(*await self._dialogs.sentence(client, error))
        except Exception:
            # The person must hear that nothing came of the press, whatever went wrong.
            logger.exception("%s failed", press.action_id)
            sentence = UNEXPECTED
        self._seat.wake()
        await self._answer(press, client, sentence)

    async def _ask(self, dialog: View | Subject, press: Press, client: AsyncWebClient, person: Person) -> str | None:
        """Open a dialog; answers a sentence where that did not work."""
        if isinstance(dialog, Subject):
            return await self._dialogs.open(client, press.trigger_id, dialog, person)
        return await opened(client, press.trigger_id, dialog)

    async def _submitted(self, press: Press, client: AsyncWebClient) -> None:
        """Carry out what a dialog asks for; it tells by itself what came of it while it is open."""
        lost = await self._dialogs.submitted(client, press, await self._seat.person(press.user_id))
        if lost is not None:
            sentence = plainly(lost.sentence, await self._names.of(client, lost.sentence))
            await self._answer(_placed(press), client, sentence)

    async def _answer(self, press: Press, client: AsyncWebClient, sentence: str, *, is_mrkdwn: bool = False) -> None:
        text = shorten(sentence if is_mrkdwn else escape(sentence), EPHEMERAL_TEXT)
        try:
            if press.channel is None:
                await show_home(self._home, client, press.user_id, readable(sentence) if is_mrkdwn else sentence)
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
    except (ValueError, RecursionError):
        return press
    if not isinstance(found, dict):
        return press
    return replace(press, channel=_text(found.get("channel")), thread_ts=_text(found.get("thread_ts")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _key(press: Press) -> str:
    return f"dialog {press.source} {press.action_ts or press.trigger_id} {press.user_id}"
