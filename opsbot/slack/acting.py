"""The slash command's verbs that change a cluster by hand; core reads what was typed, and does it as a run."""

from __future__ import annotations

from opsbot.errors import InvalidTransition
from opsbot.slack.dialogs.subject import Subject, start_subject
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.spoken_here import as_typed_here
from opsbot.slack.typed import Typed
from opsbot.spoken.commands import ActCommands

VERBS = ("batch", "shed", "failwhale", "fallback", "loadtest")


async def handle(verb: str, typed: Typed, seat: Seat) -> Answer:
    """The answer in mrkdwn.

    Raises: what the command raises, as sentences for the person.
    """
    answer = await acts_of(seat).carry_out(verb, typed.text, typed.person, typed.request_id)
    seat.wake()
    return as_typed_here(answer.message)


async def shown_first(verb: str, typed: Typed, seat: Seat) -> Subject | None:
    """The dialog that shows what the run would do, before it is started; None where no run would be.

    Raises: what reading the words raises.
    """
    if verb not in VERBS:
        return None
    intention = await acts_of(seat).intend(verb, typed.text, typed.request_id)
    return None if intention.request is None else start_subject(intention.request, typed.channel, typed.thread_ts)


def acts_of(seat: Seat) -> ActCommands:
    """Who carries it out."""
    if seat.acts is None:
        raise InvalidTransition("clusters are not changed from here; use the bot's own channel")
    return seat.acts
