"""The Home tab: the approvals that wait for this person, and the incidents that are open.

Rebuilt whenever it is opened, and after a press on it. It shows the same buttons as the channel, so both behave alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from slack_sdk.models.blocks import Block, ContextBlock, DividerBlock, HeaderBlock, PlainTextObject, SectionBlock
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.incident.view import HaltView, IncidentView
from opsbot.people import Person
from opsbot.slack.asked import Question, questions
from opsbot.slack.blocks import facts, halt_text, title
from opsbot.slack.buttons import block_id, go_on_button, incident_buttons
from opsbot.slack.limits import MAX_HOME_BLOCKS
from opsbot.slack.restricted import seen_by
from opsbot.slack.seat import Seat
from opsbot.slack.steps import run_line
from opsbot.slack.text import escape, mrkdwn, shorten

RESERVED_BLOCKS = 6
MAX_TITLE = 300


def home_view(
    incidents: Sequence[IncidentView], person: Person, now: float, notice: str = "", halt: HaltView | None = None
) -> View:
    """The tab for *person*; *notice* is what came of their last press, *halt* the global stop in force."""
    blocks: list[Block] = []
    if notice:
        blocks.append(SectionBlock(block_id="notice", text=mrkdwn(f"*{escape(notice)}*")))
    if halt is not None:
        blocks.append(SectionBlock(block_id="halt", text=mrkdwn(halt_text(halt))))
        if person.has("commander"):
            blocks.append(go_on_button())
    waiting = waiting_for(incidents, person, now)
    room = MAX_HOME_BLOCKS - RESERVED_BLOCKS
    if waiting:
        blocks.append(_header("Waiting for you"))
        for incident_id, question in waiting[: room // 6]:
            blocks.append(ContextBlock(elements=[mrkdwn(escape(incident_id))]))
            blocks += question.blocks
        blocks.append(DividerBlock())
    blocks.append(_header("Open incidents"))
    if not incidents:
        blocks.append(SectionBlock(block_id="none", text=mrkdwn("Nothing is open.")))
    for view in incidents:
        shown = _incident(view)
        if len(blocks) + len(shown) > MAX_HOME_BLOCKS - 1:
            blocks.append(SectionBlock(block_id="more", text=mrkdwn("… and more; `/ops incidents` lists them.")))
            break
        blocks += shown
    return View(type="home", blocks=blocks)


def waiting_for(incidents: Sequence[IncidentView], person: Person, now: float) -> Sequence[tuple[str, Question]]:
    """What *person* may decide now, each with its incident's id."""
    return [
        (view.incident.incident_id, question)
        for view in incidents
        for question in questions(view, now)
        if question.is_for(person)
    ]


class Home:
    """Shows the tab."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    async def show(self, client: AsyncWebClient, user_id: str, notice: str = "") -> None:
        """Publish the tab for one person."""
        person = await self._seat.person(user_id)
        seat = seen_by(self._seat, person)
        incidents = await seat.incidents.open_incidents()
        found = await seat.runs.halt()
        halt = None if found is None else HaltView(found.reason, found.created_by, found.created_at)
        view = home_view(incidents, person, seat.clock.now(), notice, halt)
        await client.views_publish(user_id=user_id, view=view)


def _header(text: str) -> HeaderBlock:
    return HeaderBlock(text=PlainTextObject(text=text, emoji=True))


def _incident(view: IncidentView) -> Sequence[Block]:
    lines = [f"*{escape(shorten(title(view.incident), MAX_TITLE))}*", facts(view.incident)]
    lines += [run_line(run) for run in view.runs[:5]]
    incident_id = block_id("facts", view.incident.incident_id)
    shown: list[Block] = [SectionBlock(block_id=incident_id, text=mrkdwn("\n".join(lines)))]
    buttons = incident_buttons(view.incident, view.runs)
    return shown if buttons is None else [*shown, buttons]
