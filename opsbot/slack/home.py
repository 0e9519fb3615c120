"""The Home tab: the approvals that wait for this person, and the incidents that are open.

Rebuilt whenever it is opened, and after a press on it. It shows the same buttons as the channel, so both behave alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.models.blocks import Block, DividerBlock, HeaderBlock, PlainTextObject, SectionBlock
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient

from opsbot.clock import Clock
from opsbot.incident.commands import IncidentCommands
from opsbot.incident.view import ApprovalView, IncidentView
from opsbot.people import Person
from opsbot.slack.blocks import facts, title
from opsbot.slack.buttons import approval_buttons, block_id, incident_buttons
from opsbot.slack.limits import MAX_HOME_BLOCKS
from opsbot.slack.steps import approval_text, run_line
from opsbot.slack.text import escape, mrkdwn, shorten
from opsbot.slack.work import Work

RESERVED_BLOCKS = 6
MAX_TITLE = 300


def home_view(incidents: Sequence[IncidentView], person: Person, now: float, notice: str = "") -> View:
    """The tab for *person*; *notice* is what came of their last press."""
    blocks: list[Block] = []
    if notice:
        blocks.append(SectionBlock(block_id="notice", text=mrkdwn(f"*{escape(notice)}*")))
    waiting = approvals_for(incidents, person, now)
    room = MAX_HOME_BLOCKS - RESERVED_BLOCKS
    if waiting:
        blocks.append(_header("Waiting for you"))
        for incident_id, approval in waiting[: room // 4]:
            consequences = block_id("consequences", approval.approval_id)
            text = mrkdwn(f"{escape(incident_id)} · {approval_text(approval)}")
            blocks += [SectionBlock(block_id=consequences, text=text), approval_buttons(approval)]
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


def approvals_for(incidents: Sequence[IncidentView], person: Person, now: float) -> Sequence[tuple[str, ApprovalView]]:
    """The open approvals that *person* may still give, each with its incident's id."""
    return [
        (view.incident.incident_id, approval)
        for view in incidents
        for run in view.runs
        for approval in run.approvals
        if approval.expires_at > now
        and any(role == approval.role and person.has(role) for role in ("responder", *person.roles))
    ]


class Home:
    """Shows the tab."""

    def __init__(
        self, commands: IncidentCommands, person_for: Callable[[str], Person], work: Work, clock: Clock
    ) -> None:
        self._commands = commands
        self._clock = clock
        self._person_for = person_for
        self._work = work

    def register(self, app: AsyncApp) -> None:
        """Listen to people opening the tab."""
        app.event("app_home_opened")(self._opened)

    async def show(self, client: AsyncWebClient, user_id: str, notice: str = "") -> None:
        """Publish the tab for one person."""
        incidents = await self._commands.open_incidents()
        view = home_view(incidents, self._person_for(user_id), self._clock.now(), notice)
        await client.views_publish(user_id=user_id, view=view)

    async def _opened(self, event: Mapping[str, Any], client: AsyncWebClient) -> None:
        if event.get("tab", "home") == "home":
            self._work.start("show the Home tab", self.show(client, str(event["user"])))


def _header(text: str) -> HeaderBlock:
    return HeaderBlock(text=PlainTextObject(text=text, emoji=True))


def _incident(view: IncidentView) -> Sequence[Block]:
    lines = [f"*{escape(shorten(title(view.incident), MAX_TITLE))}*", facts(view.incident)]
    lines += [run_line(run) for run in view.runs[:5]]
    incident_id = block_id("facts", view.incident.incident_id)
    shown: list[Block] = [SectionBlock(block_id=incident_id, text=mrkdwn("\n".join(lines)))]
    buttons = incident_buttons(view.incident, view.runs)
    return shown if buttons is None else [*shown, buttons]
