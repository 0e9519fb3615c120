"""Buttons: acknowledge the press, call one command, tell the person who pressed what came of it.

Slack may deliver one press several times; it is carried out once. Rights, expiry and double decisions are the
command's to check, so a button on an old message can do no harm.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.errors import OpsbotError
from opsbot.incident.commands import IncidentCommands
from opsbot.people import Person
from opsbot.runbook.commands import RunCommands
from opsbot.slack.buttons import ACKNOWLEDGE, UNDO_PATTERN
from opsbot.slack.call import error_code
from opsbot.slack.limits import EPHEMERAL_TEXT
from opsbot.slack.run_actions import ACTIONS, RunPresses
from opsbot.slack.run_menu import DIALOG, Subject
from opsbot.slack.text import escape, shorten
from opsbot.slack.work import Work

logger = logging.getLogger(__name__)

REMEMBERED_PRESSES = 5000
UNEXPECTED = "That did not work because of an error inside opsbot; its log has the details. Press again to retry."


@dataclass(frozen=True, slots=True)
class Press:
    """One press of one button.

    Args:
        value: the id that the button carries, or the chosen entry of a menu.
        source: the message's timestamp, or the view's id on the Home tab.
        channel, thread_ts: where to answer; no channel on the Home tab.
        trigger_id: opens a dialog, within three seconds.
    """

    user_id: str
    action_id: str
    value: str
    source: str
    action_ts: str
    channel: str | None
    thread_ts: str | None
    trigger_id: str = ""


def press_of(body: Mapping[str, Any]) -> Press:
    """The press in a `block_actions` payload."""
    action, container = body["actions"][0], body.get("container", {})
    channel = container.get("channel_id") or body.get("channel", {}).get("id")
    return Press(
        user_id=str(body["user"]["id"]),
        action_id=str(action["action_id"]),
        value=str(action.get("value") or (action.get("selected_option") or {}).get("value", "")),
        source=str(container.get("message_ts") or container.get("view_id") or ""),
        action_ts=str(action.get("action_ts", "")),
        channel=None if channel is None else str(channel),
        thread_ts=container.get("thread_ts") or body.get("message", {}).get("thread_ts"),
        trigger_id=str(body.get("trigger_id", "")),
    )


class Buttons:
    """Registers the button listeners and carries presses out."""

    def __init__(
        self,
        commands: IncidentCommands,
        person_for: Callable[[str], Person],
        work: Work,
        after_press: Callable[[], None],
        show_home: Callable[[AsyncWebClient, str, str], Awaitable[None]],
        runs: RunCommands,
    ) -> None:
        self._commands = commands
        self._person_for = person_for
        self._work = work
        self._after_press = after_press
        self._show_home = show_home
        self._runs = RunPresses(runs)
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def register(self, app: AsyncApp) -> None:
        """Listen to our buttons, and to any other action, which is only acknowledged."""
        for action_id in (ACKNOWLEDGE, UNDO_PATTERN, *ACTIONS):
            app.action(action_id)(self._pressed)
        app.view(DIALOG)(self._submitted)
        # Without this, a button of an older version of the bot would turn for three seconds and then fail.
        app.action(re.compile(".*"))(self._unknown)

    async def _pressed(self, ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        await ack()
        press = press_of(body)
        if self._is_new(press):
            self._work.start(f"{press.action_id} {press.value}", self._carry_out(press, client))

    async def _submitted(self, ack: AsyncAck, body: Mapping[str, Any], client: AsyncWebClient) -> None:
        await ack()
        view, user_id = body["view"], str(body["user"]["id"])
        subject = Subject.load(str(view["private_metadata"]))
        # Not pressed but submitted: the dialog's own id tells one submission from another.
        press = Press(
            user_id, subject.verb, subject.reference, str(view["id"]), DIALOG, subject.channel, subject.thread_ts
        )
        if self._is_new(press):
            self._work.start(f"{press.action_id} {press.value}", self._carry_out(press, client, view))

    async def _unknown(self, ack: AsyncAck, body: Mapping[str, Any]) -> None:
        await ack()
        logger.warning("a button with the unknown action id %r was pressed", press_of(body).action_id)

    def _is_new(self, press: Press) -> bool:
        key = (press.source, press.action_ts, press.user_id)
        if key in self._seen:
            return False
        self._seen[key] = None
        while len(self._seen) > REMEMBERED_PRESSES:
            self._seen.popitem(last=False)
        return True

    async def _carry_out(self, press: Press, client: AsyncWebClient, view: Mapping[str, Any] | None = None) -> None:
        try:
            outcome = await self._command(press, view)
            if isinstance(outcome, View):
                await self._open(press, client, outcome)
                return
            sentence = outcome
        except OpsbotError as error:
            sentence = str(error)
        except Exception:
            # The person must hear that nothing came of the press, whatever went wrong.
            logger.exception("%s %s failed", press.action_id, press.value)
            sentence = UNEXPECTED
        self._after_press()
        await self._answer(press, client, sentence)

    async def _command(self, press: Press, view: Mapping[str, Any] | None) -> str | View:
        person = self._person_for(press.user_id)
        if view is not None:
            return await self._runs.submit(Subject(press.action_id, press.value), view, person)
        if press.action_id == ACKNOWLEDGE:
            return await self._commands.acknowledge(press.value, person)
        place = (press.channel, press.thread_ts)
        return await self._runs.press(press.action_id, press.value, person, place)

    async def _open(self, press: Press, client: AsyncWebClient, view: View) -> None:
        try:
            await client.views_open(trigger_id=press.trigger_id, view=view)
        except SlackApiError as error:
            logger.warning("the dialog of %s is not opened: %s", press.action_id, error_code(error))
            sentence = "Slack did not open the dialog; press again, or type the command that `/ops help` names."
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
            logger.warning("the answer to %s %s is lost: %s", press.action_id, press.value, error_code(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            logger.warning("the answer to %s %s is lost: %s", press.action_id, press.value, type(error).__name__)
