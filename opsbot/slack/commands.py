"""The slash command `/ops`, answered to the person who typed it only.

Spelling is forgiven as far as nothing is guessed: a word that is nearly ours is named, never carried out.
"""

from __future__ import annotations

from opsbot.slack.helping import COMMAND, unknown
from opsbot.slack.menu import menu
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.typed import Told, Typed
from opsbot.slack.verbs import TABLE
from opsbot.spoken.plain import plain
from opsbot.spoken.verbs import find_verb

__all__ = ["COMMAND", "answer_to"]


async def answer_to(seat: Seat, typed: Typed) -> Answer | Told:
    """The answer to `/ops <text>` in mrkdwn, or a dialog.

    Raises: what the command raises, as sentences for the person.
    """
    text = plain(typed.text)
    if not text:
        # Without a trigger there is nothing to open a menu with.
        if not typed.trigger_id:
            return await TABLE["status"].handler(seat, typed.rest(""))
        return await menu(seat, typed)
    words, rest = find_verb(text)
    if words is None:
        return unknown(text)
    verb = TABLE[words.name]
    if not rest and verb.form is not None and typed.trigger_id:
        return await verb.form.view(seat, typed)
    return await verb.handler(seat, typed.rest(rest))
