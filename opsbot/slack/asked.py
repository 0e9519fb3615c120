"""What a run asks of people, each as a text with its buttons: an approval, an announcement, an unknown outcome.

Pure. Each text says what pressing does and how it is taken back; a dialog shows what a press
would change before it is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import ActionsBlock, Block, ButtonElement, SectionBlock

from opsbot.incident.handle import PREFIX, digits_of
from opsbot.incident.view import AnnouncementView, ApprovalView, IncidentView, RunView, StepView
from opsbot.people import Person
from opsbot.runbook.run import StepState
from opsbot.slack.buttons import block_id, confirm
from opsbot.slack.steps import MAX_DETAIL, MAX_ESCAPED, MAX_NAME, MAX_SENTENCE, approval_text
from opsbot.slack.text import clock_time, cut, literal, mrkdwn, person, plain, shorten

APPROVE = "approval.grant"
REFUSE = "approval.refuse"
GLASS = "approval.glass"
OBJECT = "announcement.object"
GO_NOW = "announcement.now"
OFFER = "announcement.capacity"
HAPPENED = "step.happened"
NOT_HAPPENED = "step.not_happened"

Asked = Sequence[Block]


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked.

    Args:
        role: who may decide, roles with commas between.
        excluded: who may not.
        blocks: the text, and the buttons.
    """

    role: str
    excluded: str | None
    text: str
    blocks: Asked

    def is_for(self, who: Person) -> bool:
        """Whether *who* may decide it."""
        return who.user_id != self.excluded and any(
            role in who.roles or (role == "responder" and who.has("responder")) for role in self.role.split(",")
        )


def questions(view: IncidentView, now: float) -> Iterator[Question]:
    """Everything that an incident's runs ask at the moment, what cannot wait first."""
    for run in view.runs:
        for step in run.steps:
            if step.state == StepState.UNKNOWN:
                yield _unknown(run, step)
    for run in view.runs:
        for said in run.announcements:
            yield _announcement(said)
    for run in view.runs:
        for approval in run.approvals:
            # While a run is paused the time for its questions stands still.
            if approval.expires_at > now or run.paused_by:
                yield _approval(approval)


def run_reference(run_id: str) -> str:
    """The run in a button's value: its handle with all its digits."""
    return PREFIX + digits_of(run_id)


def _approval(approval: ApprovalView) -> Question:
    buttons = [
        ButtonElement(
            text="Approve",
            action_id=APPROVE,
            value=approval.approval_id,
            style="primary",
        ),
        ButtonElement(text="Refuse", action_id=REFUSE, value=approval.approval_id),
    ]
    if approval.count > 1 or approval.excluded or not {"responder", "commander"} & set(approval.role.split(",")):
        buttons.append(ButtonElement(text="Approve alone …", action_id=GLASS, value=approval.approval_id))
    text = approval_text(approval)
    blocks = (
        SectionBlock(block_id=block_id("consequences", approval.approval_id), text=mrkdwn(text)),
        ActionsBlock(block_id=block_id("approval", approval.approval_id), elements=buttons),
    )
    return Question(approval.role, approval.excluded, approval.will_do, blocks)


def announcement_text(said: AnnouncementView) -> str:
    """What is about to happen, when, and who has offered capacity."""
    when = (
        "*The countdown begins* once this could be read."
        if said.ends_at is None
        else f"*Done at {clock_time(said.ends_at)}* unless somebody objects."
    )
    call = "\nWhoever has capacity to spare: say so below, and there is more time." if said.calls_for_capacity else ""
    offers = f"\nCapacity offered by {', '.join(person(one) for one in said.offers[:10])}" if said.offers else ""
    return f"*Announced:* {cut(literal(shorten(said.message, MAX_SENTENCE)), MAX_ESCAPED)}\n{when}{call}{offers}"


def _announcement(said: AnnouncementView) -> Question:
    buttons = [
        ButtonElement(
            text="Object",
            action_id=OBJECT,
            value=said.announcement_id,
            style="danger",
        ),
        ButtonElement(
            text="Go now",
            action_id=GO_NOW,
            value=said.announcement_id,
        ),
    ]
    if said.calls_for_capacity:
        buttons.append(ButtonElement(text="I have capacity", action_id=OFFER, value=said.announcement_id))
    blocks = (
        SectionBlock(block_id=block_id("announced", said.announcement_id), text=mrkdwn(announcement_text(said))),
        ActionsBlock(block_id=block_id("announcement", said.announcement_id), elements=buttons),
    )
    return Question("responder", None, said.message, blocks)


def _unknown(run: RunView, step: StepView) -> Question:
    value = f"{run_reference(run.run_id)} {step.step_id}"
    name = plain(step.name, MAX_NAME)
    text = (
        f"⚠ *Nobody knows whether this happened:* {literal(name)}\n"
        f"{literal(shorten(step.detail, MAX_DETAIL))}\n"
        "Look at the server first. *It happened:* the run goes on behind it. "
        "*It did not:* it is made once more. Undo takes back what the run has set."
    )
    buttons = [
        ButtonElement(
            text="It happened",
            action_id=HAPPENED,
            value=value,
            confirm=confirm("It happened?", f"“{name}” is not made again; the run goes on.", "It happened", "Not sure"),
        ),
        ButtonElement(
            text="It did not",
            action_id=NOT_HAPPENED,
            value=value,
            confirm=confirm("It did not happen?", f"“{name}” is made once more, now.", "It did not", "Not sure"),
        ),
    ]
    key = f"{run_reference(run.run_id)}:{step.step_id}"
    blocks = (
        SectionBlock(block_id=block_id("unknown", key), text=mrkdwn(text)),
        ActionsBlock(block_id=block_id("settle", key), elements=buttons),
    )
    return Question("responder", None, f"did “{step.name}” happen?", blocks)
