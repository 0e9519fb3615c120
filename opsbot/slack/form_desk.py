"""Dialogs of verbs that were filled in: the command that the answers make is carried out, and answered in a dialog.

What went wrong is answered with the command as it would be typed, so that nothing has to be filled in again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from opsbot.errors import ConfigError, OpsbotError
from opsbot.people import Person
from opsbot.slack import acting
from opsbot.slack.dialogs.from_form import shown_first
from opsbot.slack.forms import FORM, Form
from opsbot.slack.given import given
from opsbot.slack.menu import CHOICE, MENU
from opsbot.slack.press import Answer, Handler, Press, ToRead
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.text import escape, shorten
from opsbot.slack.told import told_view
from opsbot.slack.typed import Told, Typed
from opsbot.slack.verbs import TABLE, Verb
from opsbot.spoken.plain import MOST_CHARS, plain

logger = logging.getLogger(__name__)

ANOTHER_VERSION = "this dialog is of another version of the bot; open it anew"


async def _submitted(seat: Seat, press: Press, who: Person) -> Answer:
    where = _where(press)
    verb = _verb(str(where.get("verb", "")))
    if not isinstance(verb.form, Form):
        raise ConfigError(ANOTHER_VERSION)
    values = {name: value for name, value in given(press.view).items() if value}
    text = verb.form.writes(_Values(values))
    try:
        # As if it were typed: as plain, and no longer.
        typed = _typed(press, who, where, plain(text))
        subject = shown_first(verb.words.name, values, typed, seat) or await acting.shown_first(
            verb.words.name, typed, seat
        )
        if subject is not None:
            return subject
        answer = await verb.handler(seat, typed)
    except OpsbotError as error:
        again = f"`/ops {verb.words.name} {escape(shorten(text, MOST_CHARS).replace('`', ''))}`"
        return _told("Not done", f"{as_typed_here(str(error))}\n\nNothing was done. To try again, type\n{again}")
    return _shown(verb, answer)


async def _chosen(seat: Seat, press: Press, who: Person) -> Answer:
    """What was chosen in the menu: its dialog, or its answer."""
    verb = _verb(given(press.view).get(CHOICE, ""))
    typed = _typed(press, who, _where(press), "")
    if verb.form is not None:
        return _shown(verb, await verb.form.view(seat, typed))
    return _shown(verb, await verb.handler(seat, typed))


def _shown(verb: Verb, answer: Answer | Told) -> Answer:
    """What is to be read, as a dialog; a chart takes longer than a dialog may, and stands in the channel alone."""
    if isinstance(answer, Told):
        answer = answer.text
    return _told(verb.words.name.capitalize(), answer) if isinstance(answer, str) else answer


def _typed(press: Press, who: Person, where: Mapping[str, Any], text: str) -> Typed:
    # The dialog's own id, so that a second delivery is the same command.
    return Typed(
        text, who, request_id=press.source, channel=_text(where.get("channel")), trigger_id=press.trigger_id,
        thread_ts=_text(where.get("thread_ts")),
    )  # fmt: skip


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class _Values(dict[str, str]):
    """What was filled in; a field that was left empty is empty."""

    def __missing__(self, key: str) -> str:
        return ""


def _where(press: Press) -> Mapping[str, Any]:
    try:
        found = json.loads(press.view.get("private_metadata", "") or press.value)
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(ANOTHER_VERSION)
    return found


def _verb(name: str) -> Verb:
    verb = TABLE.get(name)
    if verb is None:
        raise ConfigError(ANOTHER_VERSION)
    return verb


def _told(head: str, text: str) -> ToRead:
    return ToRead(told_view(head, text), text)


SUBMISSIONS: Mapping[str, Handler] = {FORM: _submitted, MENU: _chosen}
"""By a dialog's callback id."""
