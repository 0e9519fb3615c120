"""What `/ops` alone opens: what one does most, fitted to what is open now, each with what it does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

from slack_sdk.models.blocks import Block, InputBlock, Option, PlainTextObject, RadioButtonsElement, SectionBlock
from slack_sdk.models.views import View

from opsbot.incident.view import IncidentView, RunView
from opsbot.runbook.store import Halt
from opsbot.slack.blocks import facts, title
from opsbot.slack.home_view import waiting_for
from opsbot.slack.limits import MAX_OPTION_TEXT
from opsbot.slack.press import Answer
from opsbot.slack.seat import Seat
from opsbot.slack.text import escape, literal, mrkdwn, person, plain, shorten
from opsbot.slack.typed import Typed
from opsbot.spoken.verbs import BY_NAME

MENU = "ops.menu"
CHOICE = "choice"
MOST_CHOICES = 10
"""Options of radio buttons. Page "Radio button group element"."""
MOST_SHOWN = 4


async def menu(seat: Seat, typed: Typed) -> Answer:
    """The dialog."""
    incidents, halt, runs = await asyncio.gather(seat.incidents.open_incidents(), seat.runs.halt(), seat.runs.runs())
    waiting = [ask.text for _, ask in waiting_for(incidents, typed.person, seat.clock.now())]
    where = {"channel": typed.channel, "thread_ts": typed.thread_ts}
    choices = list(dict.fromkeys(_choices(incidents, halt, runs, has_to_decide=bool(waiting))))[:MOST_CHOICES]
    blocks: list[Block] = [
        SectionBlock(block_id="now", text=mrkdwn("\n".join(_now(incidents, halt, waiting)))),
        InputBlock(
            block_id=CHOICE,
            label=PlainTextObject(text="What do you want to do?"),
            element=RadioButtonsElement(action_id=CHOICE, options=[_option(verb) for verb in choices]),
        ),
    ]
    return View(
        type="modal",
        callback_id=MENU,
        private_metadata=json.dumps(where),
        title=PlainTextObject(text="opsbot"),
        submit=PlainTextObject(text="Go on"),
        close=PlainTextObject(text="Nothing"),
        blocks=blocks,
    )


def _now(incidents: Sequence[IncidentView], halt: Halt | None, waiting: Sequence[str]) -> Iterator[str]:
    if halt is not None:
        yield f"■ *All runs are stopped* by {person(halt.created_by)}: {literal(shorten(halt.reason, 200))}"
    if not incidents:
        yield "Nothing is open."
    for view in incidents[:MOST_SHOWN]:
        yield f"{literal(shorten(title(view.incident), 200))} · {facts(view.incident)}"
    if len(incidents) > MOST_SHOWN:
        yield f"… and {len(incidents) - MOST_SHOWN} more"
    for text in waiting[:MOST_SHOWN]:
        yield f"*Waits for you:* {escape(shorten(text, 200))}"


def _choices(
    incidents: Sequence[IncidentView], halt: Halt | None, runs: Sequence[RunView], *, has_to_decide: bool
) -> Iterator[str]:
    """Verbs, what is needed most first."""
    if has_to_decide:
        yield from ("approve", "refuse")
    if any(view.incident.acknowledged_by is None for view in incidents):
        yield "ack"
    if any(run.announcements for run in runs):
        yield "object"
    if halt is not None:
        yield "go-on"
    if any(run.can_undo for run in runs):
        yield "undo"
    yield "status"
    if incidents:
        yield from ("why", "resolve")
    yield from ("batch", "shed", "run", "failwhale", "hold", "silence", "capacity", "oncall", "help")


def _option(verb: str) -> Option:
    words = BY_NAME[verb]
    return Option(
        text=PlainTextObject(text=plain(words.name.capitalize(), MAX_OPTION_TEXT)),
        description=PlainTextObject(text=plain(words.says.partition(";")[0], MAX_OPTION_TEXT)),
        value=verb,
    )
