"""What somebody typed behind `/ops`, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from slack_sdk.models.blocks import Block

from opsbot.people import Person
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat


@dataclass(frozen=True, slots=True)
class Typed:
    """One slash command.

    Args:
        text: behind `/ops`; behind the verb for the verb's own handler.
        request_id: tells this command from any other, so that a repeat acts once.
        channel: where it was typed.
        thread_ts: of the thread where it was typed, if any.
        trigger_id: opens a dialog, within three seconds.
    """

    text: str
    person: Person
    request_id: str = ""
    channel: str | None = None
    trigger_id: str = ""
    thread_ts: str | None = None

    def rest(self, text: str) -> Typed:
        """The same with the verb taken off."""
        return replace(self, text=text)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer in mrkdwn with what stands below it, such as a picture."""

    text: str
    below: Sequence[Block]


VerbHandler = Callable[[Seat, Typed], Awaitable[Answer | Told]]
"""Answers in mrkdwn, perhaps with a picture, or with a dialog; raises the command's sentences for the person."""
